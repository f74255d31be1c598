"""What a kernel's configuration starts from: a file, or targets of the kernel's own make; trimmed to some modules."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import yaml

from harness import architecture, schema
from harness.compressed import text_in
from harness.errors import UserError
from harness.model import TINY, Base
from harness.paths import KCONFIGS, fragment
from harness.yamlfile import Node, nearest

HERE = "here"
"""The modules that this machine has loaded, in place of a file."""

LONGEST = 16 << 20
"""Bytes that a configuration may have."""

_OPTION = re.compile(r"^CONFIG_(\w+)=(.+)$", re.MULTILINE)
_HEAD = re.compile(r"^# Linux/(\S+) \S+", re.MULTILINE)
_TARGET = re.compile(r"[\w.-]*config")
_MODULE = re.compile(r"^([\w-]+)(?:\s+\d+\b.*)?$")
_LOADED = Path("/proc/modules")


def read_config(path: Path) -> str:
    """The text of a whole `.config`, also one that is compressed as `/proc/config.gz` is.

    Raises:
        UserError: it cannot be read, or is not one.
    """
    try:
        text = text_in(path.read_bytes(), LONGEST).decode("utf-8")
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    return checked(text, path)


def checked(text: str, place: object) -> str:
    """A text that is a whole `.config`.

    Args:
        place: where it is from, for people.

    Raises:
        UserError: it is not one.
    """
    if not _OPTION.search(text):
        raise UserError(f"{place}: expected a kernel configuration, with lines such as CONFIG_NAME=y")
    return text


def base(named: str, folder: Path = Path()) -> Base:
    """What a file has, or what targets of the kernel's make are to make.

    Args:
        named: a file's path, or targets such as `x86_64_defconfig+kvm_guest.config`.
        folder: what the path is relative to.

    Raises:
        UserError: it is neither, or the file is no configuration.
    """
    path = folder / named
    if path.exists():
        return Base(targets=(), text=read_config(path), name=named)
    targets = tuple(named.split("+"))
    if not all(_TARGET.fullmatch(one) for one in targets):
        raise UserError(
            f"{path}: no such file; expected one, or targets of the kernel's make such as defconfig or "
            "x86_64_defconfig+kvm_guest.config"
        )
    return Base(targets=targets, name=named)


def trimmed(untrimmed: Base, listed: str, folder: Path = Path()) -> Base:
    """A base of which only those modules are left that are loaded somewhere.

    Args:
        untrimmed: the base.
        listed: a file with what lsmod prints, or `here`.
        folder: what the path is relative to.

    Raises:
        UserError: there is no such file, or no module in it.
    """
    path = _LOADED if listed == HERE else folder / listed
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        what = f"this machine's kernel has no modules: {path}" if listed == HERE else str(path)
        raise UserError(f"{what}: {getattr(error, 'strerror', None) or 'not text'}") from error
    names = set()
    for number, line in enumerate(lines, 1):
        if not line.strip() or (number == 1 and line.startswith("Module")):
            continue
        if not (found := _MODULE.match(line.rstrip())):
            raise UserError(f"{path}:{number}: expected a module as lsmod lists them, got {line!r}")
        names.add(found[1].replace("-", "_"))
    if not names:
        raise UserError(f"{path}: no module is listed, so that none would be left")
    return replace(untrimmed, loaded=tuple(sorted(names)), name=f"{untrimmed.name} trimmed by {listed}")


def keeping(base: Base, names: Iterable[str]) -> Base:
    """A base in which these modules stay too, if it is trimmed at all."""
    if base.loaded is None:
        return base
    return replace(base, loaded=tuple(sorted({*base.loaded, *(name.replace("-", "_") for name in names)})))


def assert_architecture(base: Base, arch: str) -> None:
    """Refuse the configuration of another architecture, by the options that only one of them has.

    Raises:
        UserError: it is another's.
    """
    marks = {name: architecture.load(name).mark for name in architecture.names()}
    got = dict(_OPTION.findall(base.text))
    its = [name for name, mark in marks.items() if got.get(mark) == "y"]
    if its and arch not in its:
        raise UserError(
            f"{base.name} is a configuration for {its[0]} (CONFIG_{marks[its[0]]}=y), the kernel is to be for {arch}: "
            f"use --arch {its[0]}, or another configuration"
        )
    head = _HEAD.search(base.text)
    if not its and head and head[1] != architecture.load(arch).make:
        raise UserError(f"{base.name} is a configuration for {head[1]} ({head[0]!r}), the kernel is to be for {arch}")


def identity(base: Base) -> Mapping[str, str] | None:
    """The name of a base and a hash of its content; None for the usual one."""
    return {"name": base.name, "digest": hashlib.sha256(repr(base).encode()).hexdigest()[:16]} if base.own else None


def of(node: Node, folder: Path) -> tuple[tuple[str, ...], Base]:
    """The names of a scenario's fragments, and what they are put on top of.

    Args:
        node: `kconfig` in its `scenario.yaml`.
        folder: the scenario's.

    Raises:
        UserError: it is wrong; the message names file, line and key.
    """
    if isinstance(node.node, yaml.SequenceNode):
        return _fragments(node, folder), TINY
    got = node.entries(schema.KCONFIG)
    if "file" not in got:
        raise node.error("expected a list of fragments, or `file: NAME` with `fragments` and `lsmod` beside it")
    try:
        whole = base(got["file"].text(), folder)
        whole = trimmed(whole, got["lsmod"].text(), folder) if "lsmod" in got else whole
    except UserError as error:
        raise node.error(str(error)) from error
    return _fragments(got["fragments"], folder) if "fragments" in got else (), whole


def _fragments(node: Node, folder: Path) -> tuple[str, ...]:
    for name in node.texts():
        if not (file := fragment(name, folder)).is_file():
            known = [] if file.parent != KCONFIGS else [path.stem for path in KCONFIGS.glob("*.config")]
            where = file if file.parent != KCONFIGS else f"kconfigs/{name}.config"
            raise node.error(f"{where}: no such file{nearest(name, known)}")
    return node.texts()
