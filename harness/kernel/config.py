"""Kernel configuration: fragments on top of a base, and which of their options were lost.

A fragment is a file of `kconfigs/`: lines `CONFIG_X=y`, with a comment where the purpose is not obvious.
`# optional: why` after an option says that a tree may lack it, `# tinyconfig: why` that besides, a configuration of
one's own keeps its own choice.  A line `# minimise: keep` says that each of the fragment's options is needed by any
guest, whatever it runs; a line `# off: for size` that what is off is so that the kernel is small, and stays as it is
over a configuration of one's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import KernelError, UserError
from harness.model import TINY, Base

_OPTION = re.compile(r"CONFIG_(\w+)=(\"[^\"]*\"|[^\s#]+)\s*(?:#\s*((optional\b|tinyconfig:)?.*))?$")
_UNSET = re.compile(r"# CONFIG_(\w+) is not set$")
_NAMED = re.compile(r"^(?:# )?CONFIG_(\w+)(?==| is not set$)", re.MULTILINE)
_HEAD = re.compile(r"^# Linux/\S+ (\S+) Kernel Configuration", re.MULTILINE)
_KEEP = re.compile(r"^# minimise: keep\b", re.MULTILINE)
_SMALL = re.compile(r"^# off: for size\b", re.MULTILINE)


@dataclass(frozen=True)
class Option:
    """One requested option: name without `CONFIG_`, value as in `.config`, `n` for unset.

    Attributes:
        optional: whether the kernel is of use without it.
        place: file and line.
        why: the comment after it.
    """

    name: str
    value: str
    optional: bool
    place: str
    why: str = ""

    @property
    def fragment(self) -> str:
        """The name of the fragment that asks for it."""
        return self.place.partition(".config:")[0]

    @property
    def line(self) -> str:
        """As it stands in `.config`."""
        return f"# CONFIG_{self.name} is not set" if self.value == "n" else f"CONFIG_{self.name}={self.value}"

    @property
    def theirs(self) -> bool:
        """Whether a configuration of one's own keeps its own choice."""
        return self.why.startswith("tinyconfig:")


@dataclass(frozen=True)
class Fragment:
    """The options of one file.

    Attributes:
        name: the file's, without `.config`.
        keep: whether any guest needs all of them.
        small: whether those that should be off are so only for the kernel to be small.
    """

    name: str
    options: tuple[Option, ...]
    keep: bool = False
    small: bool = False


@dataclass(frozen=True)
class Lost:
    """A requested option whose value differs in the final configuration.

    Attributes:
        got: its final value, `n` for unset.
        reason: its dependencies in Kconfig, with the missing symbols.
    """

    option: Option
    got: str
    reason: str

    def __str__(self) -> str:
        wanted, name = self.option.value, self.option.name
        return f"CONFIG_{name}={wanted} became {self.got}: {self.reason}"


@dataclass(frozen=True)
class Configured:
    """A configuration that was made and not built.

    Attributes:
        text: the final `.config`.
        lost: the options that were asked for and are not in it.
        adapted: what was altered of the base, and why.
        dropped: names of options that are on in the base, which nobody asked to be off, and which are off now.
    """

    text: str
    lost: tuple[Lost, ...]
    adapted: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


def parse_fragment(text: str, place: str) -> list[Option]:
    """The options of a fragment.

    Args:
        text: the file's text.
        place: its name, for errors.

    Raises:
        UserError: a line is neither an option nor a comment.
    """
    options = []
    for number, line in enumerate(text.splitlines(), 1):
        at = f"{place}:{number}"
        if found := _OPTION.match(line.strip()):
            options.append(Option(found[1], found[2], bool(found[4]), at, (found[3] or "").strip()))
        elif found := _UNSET.match(line.strip()):
            options.append(Option(found[1], "n", optional=False, place=at))
        elif line.strip() and not line.lstrip().startswith("#"):
            raise UserError(f"{at}: expected CONFIG_NAME=y, got {line.strip()!r}")
    return options


def read_fragment(path: Path) -> Fragment:
    """The fragment in a file.

    Raises:
        UserError: it is missing or malformed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: {getattr(error, 'strerror', None) or 'expected text in UTF-8'}") from error
    options = tuple(parse_fragment(text, path.name))
    return Fragment(path.name.removesuffix(".config"), options, bool(_KEEP.search(text)), bool(_SMALL.search(text)))


def laid_over(base: Base, fragments: Iterable[Path]) -> list[Fragment]:
    """The fragments in some files, as they are laid over a base: over one's own, without what is for size or a choice.

    Raises:
        UserError: one is missing or malformed.
    """
    return [_over_own(one) if base.own else one for one in map(read_fragment, fragments)]


def _over_own(fragment: Fragment) -> Fragment:
    kept = (o for o in fragment.options if not (o.theirs or (fragment.small and o.value == "n")))
    return replace(fragment, options=tuple(kept))


def compose(fragments: Iterable[Path], base: Base = TINY) -> list[Option]:
    """The options of several fragments over a base; for an option in more than one, the last counts.

    Raises:
        UserError: a fragment is missing or malformed.
    """
    return merge(laid_over(base, fragments))


def merge(fragments: Iterable[Fragment]) -> list[Option]:
    """The options of several fragments; for an option in more than one, the last counts."""
    options: dict[str, Option] = {}
    for option in (option for fragment in fragments for option in fragment.options):
        options.pop(option.name, None)
        options[option.name] = option
    return list(options.values())


def needs(fragments: Iterable[Fragment]) -> list[Option]:
    """What any guest needs to be on, of some fragments."""
    return [option for option in merge(one for one in fragments if one.keep) if option.value != "n"]


def render(options: Sequence[Option]) -> str:
    """The options as lines for `.config`."""
    return "".join(f"{option.line}\n" for option in options)


def parse_config(text: str) -> dict[str, str]:
    """The values of a `.config` by option name, without unset ones."""
    pairs = (line.partition("=") for line in text.splitlines() if line.startswith("CONFIG_"))
    return {name.removeprefix("CONFIG_"): value for name, _, value in pairs}


def version(text: str) -> str:
    """The version of the kernel that a `.config` was made for, as its head has it; "" if it does not say."""
    found = _HEAD.search(text)
    return found[1] if found else ""


def differences(old: str, new: str) -> list[Option]:
    """The options in which a `.config` differs from another, with the new values, in the order of the new one.

    Args:
        old, new: the texts of the two.
    """
    before, after = parse_config(old), parse_config(new)
    order = dict.fromkeys(_NAMED.findall(new)) | dict.fromkeys(before)
    return [
        Option(name, after.get(name, "n"), optional=True, place="")
        for name in order
        if before.get(name, "n") != after.get(name, "n")
    ]


def on(config: Mapping[str, str]) -> int:
    """How many options of a configuration are built in."""
    return list(config.values()).count("y")


def missing(options: Iterable[Option], config: Mapping[str, str]) -> list[Option]:
    """The options that differ in the final configuration from the request."""
    return [o for o in options if config.get(o.name, "n") != o.value]


def explain(name: str, config: Mapping[str, str], kconfig_files: Iterable[str]) -> str:
    """Why an option may have been lost, from the tree's own Kconfig files.

    Args:
        name: the option, without `CONFIG_`.
        config: the final configuration.
        kconfig_files: the texts of the tree's Kconfig files.
    """
    stanza = re.compile(rf"^(?:menu)?config {re.escape(name)}\s*\n((?:[ \t]+\S.*\n|[ \t]*\n)*)", re.MULTILINE)
    bodies = [found[1] for text in kconfig_files for found in stanza.finditer(text)]
    if not bodies:
        return "this tree has no such option"
    conditions = [c.strip() for body in bodies for c in re.findall(r"^\s+depends on (.*)$", body, re.MULTILINE)]
    if not conditions:
        return "an option or a menu above it is off, or another choice excludes it"
    unset = [s for s in dict.fromkeys(re.findall(r"\b[A-Z][A-Z0-9_]+\b", " ".join(conditions))) if s not in config]
    return f"depends on {' && '.join(conditions)}" + (f"; not set: {', '.join(unset)}" if unset else "")


def lost(options: Iterable[Option], config: Mapping[str, str], kconfig_files: Iterable[str]) -> list[Lost]:
    """The requested options that were lost, with the reason from Kconfig."""
    texts = list(kconfig_files)
    return [Lost(o, config.get(o.name, "n"), explain(o.name, config, texts)) for o in missing(options, config)]


def losses(options: Sequence[Option], config: str, tree: Path) -> list[Lost]:
    """The requested options that were lost in a final `.config`, with the reasons.

    Args:
        config: the text of the `.config`.
        tree: the kernel's source, whose Kconfig files give the reasons.
    """
    got = parse_config(config)
    if not missing(options, got):
        return []
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in tree.rglob("Kconfig*") if path.is_file())
    return lost(options, got, texts)


def check(gone: Iterable[Lost]) -> None:
    """Refuse a configuration that lost an option without which the kernel is of no use.

    An option that is on against the request only costs time; one that is off would be missed.

    Raises:
        KernelError: a required option is off.
    """
    if fatal := [one for one in gone if not one.option.optional and one.option.value != "n"]:
        raise KernelError("; ".join(map(str, fatal)))


def describe(fragments: Sequence[Fragment], config: str, gone: Iterable[Lost]) -> dict[str, Any]:
    """What each fragment brings to a configuration, as JSON data.

    Args:
        fragments: in the order in which they are put on top of each other.
        config: the text of the final `.config`.
        gone: the options that were lost.

    Returns:
        `fragments`, each with its options (`overridden_by`: a later fragment has another value; `again_in`: one has
        the same); how many options are `asked` for and `asked_off`, and how many are `on` and `modules` at the end;
        `lost`.
    """
    got, asked = parse_config(config), merge(fragments)
    told = [
        {
            "name": fragment.name,
            "keep": fragment.keep,
            "options": [
                {
                    "name": o.name,
                    "value": o.value,
                    "why": o.why,
                    "got": got.get(o.name, "n"),
                    **_later(o, fragments[number + 1 :]),
                }
                for o in fragment.options
            ],
        }
        for number, fragment in enumerate(fragments)
    ]
    return {
        "fragments": told,
        "asked": sum(option.value != "n" for option in asked),
        "asked_off": sum(option.value == "n" for option in asked),
        "on": on(got),
        "modules": list(got.values()).count("m"),
        "lost": [
            {"name": o.name, "value": o.value, "optional": o.optional, "got": one.got, "reason": one.reason}
            for one in gone
            for o in [one.option]
        ],
    }


def _later(option: Option, fragments: Iterable[Fragment]) -> dict[str, str | None]:
    """The last of some later fragments that has an option too: under `overridden_by` with another value."""
    last = [(fragment.name, o.value) for fragment in fragments for o in fragment.options if o.name == option.name]
    name, value = last[-1] if last else (None, option.value)
    same = value == option.value
    return {"overridden_by": None if same else name, "again_in": name if same else None}
