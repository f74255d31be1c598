"""The modules of a kernel: packed beside its image; those that a scenario loads go into the guest with what they need.

What `make modules_install` and depmod leave is one archive, `modules.tar`, with the same bytes for the same files.
depmod's files (`modules.dep` and others, see modules.dep(5)) say what a module needs and what is built in.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import KernelError
from harness.files import sha256

FILE = "modules.tar"
"""The name of the archive beside an image; there is none where no module was built."""

_MODULAR = re.compile(r"^CONFIG_\w+=m$", re.MULTILINE)
_NAME = re.compile(r"([^/]+)\.ko(?:\.\w+)?$")
_FIRMWARE = re.compile(rb"\0firmware=([^\0]+)")


def modular(config: str) -> bool:
    """Whether the text of a `.config` has a module."""
    return _MODULAR.search(config) is not None


def signature(image: str, *archives: str | None) -> str:
    """What tells a kernel from another: the SHA-256 of its image, or of that and of what is packed beside it.

    Args:
        image: its SHA-256.
        archives: those of its modules and its selftests, as far as it has any.
    """
    beside = [one for one in archives if one]
    return hashlib.sha256(" ".join((image, *beside)).encode()).hexdigest() if beside else image


def named(path: str) -> str:
    """The name of the module in a file, as lsmod has it."""
    found = _NAME.search(path)
    return (found[1] if found else path).replace("-", "_")


@dataclass(frozen=True)
class Index:
    """What depmod says; names are as lsmod has them, paths as in the archive.

    Attributes:
        needs: the files of each module, its own first.
        built_in: names of those that are part of the image.
        soft: the modules that each asks to be loaded with it, where they are there.
    """

    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    built_in: frozenset[str] = frozenset()
    soft: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, dep: str, built_in: str, soft: str) -> Index:
        """The index from the texts of `modules.dep`, `modules.builtin` and `modules.softdep`."""
        needs = {}
        for line in dep.splitlines():
            own, _, others = line.partition(":")
            needs[named(own)] = (own, *others.split())
        softs = {}
        for words in (line.split() for line in soft.splitlines() if line.startswith("softdep ")):
            softs[named(words[1])] = tuple(named(word) for word in words[2:] if word not in ("pre:", "post:"))
        return cls(needs, frozenset(map(named, built_in.split())), softs)

    def missing(self, names: Iterable[str]) -> list[str]:
        """Those of some modules that are neither there nor built in."""
        return [name for name in names if not {named(name)} & (self.needs.keys() | self.built_in)]

    def files(self, names: Iterable[str]) -> list[str]:
        """The files of some modules and of all that they need, those that are built in or missing left out."""
        found: dict[str, None] = {}
        pending, seen = [named(name) for name in names], set()
        while pending:
            if (name := pending.pop()) in seen:
                continue
            seen.add(name)
            paths = self.needs.get(name, ())
            found |= dict.fromkeys(paths)
            pending += [*map(named, paths), *self.soft.get(name, ())]
        return sorted(found)


def index(archive: Path) -> Index:
    """The index of an archive."""
    with tarfile.open(archive) as tar:
        texts = {member.name.rpartition("/")[2]: member for member in tar if "/modules." in member.name}

        def text(name: str) -> str:
            opened = tar.extractfile(texts[name]) if name in texts else None
            return opened.read().decode() if opened else ""

        return Index.of(text("modules.dep"), text("modules.builtin"), text("modules.softdep"))


def assert_there(names: Sequence[str], archive: Path) -> None:
    """Refuse a kernel that lacks a module; one without any module is taken to have all built in.

    Raises:
        KernelError: a module is neither there nor built in.
    """
    if not names or not archive.exists():
        return
    if lacking := index(archive).missing(names):
        raise KernelError(
            f"this kernel has no module {', '.join(lacking)}, and it is not built in either: is its option on "
            "(regress kconfig), and is it on the list of --lsmod?"
        )


def unpack(archive: Path, names: Iterable[str], top: Path) -> list[str]:
    """Put modules with all that they need, and what modprobe reads, into a root file system.

    Args:
        archive: the kernel's.
        names: the modules; those that are not there are left out.
        top: the root file system.

    Returns:
        What a reader should know: the firmware that a module asks for, which the guest does not have.
    """
    wanted, told = index(archive).files(names), []
    with tarfile.open(archive) as tar:
        for member in tar:
            release, _, inside = member.name.removeprefix("lib/modules/").partition("/")
            if not release or not (inside in wanted or inside.startswith("modules.")) or not member.isreg():
                continue
            opened = tar.extractfile(member)
            assert opened is not None
            target, raw = top / member.name, opened.read()
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(raw)
            if inside in wanted and (firmware := _FIRMWARE.findall(raw)):
                names_ = ", ".join(sorted(one.decode(errors="replace") for one in firmware))
                told.append(f"module {named(inside)} may ask for firmware that the guest does not have: {names_}")
    return told


def digest(archive: Path) -> str | None:
    """The SHA-256 of an archive; None if there is none."""
    return sha256(archive) if archive.exists() else None
