"""Kernel configuration: fragments on top of tinyconfig, and which of their options were lost.

A fragment is a file of `kconfigs/`: lines `CONFIG_X=y`, with a comment where the purpose is not
obvious.  `# optional: why` after an option says that a tree may lack it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import KernelError, UserError

_OPTION = re.compile(r"CONFIG_(\w+)=(\"[^\"]*\"|[^\s#]+)\s*(?:#\s*(optional\b)?.*)?$")
_UNSET = re.compile(r"# CONFIG_(\w+) is not set$")


@dataclass(frozen=True)
class Option:
    """One requested option: name without `CONFIG_`, value as in `.config`, `n` for unset."""

    name: str
    value: str
    optional: bool
    place: str


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
            options.append(Option(found[1], found[2], bool(found[3]), at))
        elif found := _UNSET.match(line.strip()):
            options.append(Option(found[1], "n", optional=False, place=at))
        elif line.strip() and not line.lstrip().startswith("#"):
            raise UserError(f"{at}: expected CONFIG_NAME=y, got {line.strip()!r}")
    return options


def compose(fragments: Iterable[Path]) -> list[Option]:
    """The options of several fragments; for an option in more than one, the last counts.

    Raises:
        UserError: a fragment is missing or malformed.
    """
    options: dict[str, Option] = {}
    for path in fragments:
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}") from error
        for option in parse_fragment(text, path.name):
            options.pop(option.name, None)
            options[option.name] = option
    return list(options.values())


def render(options: Sequence[Option]) -> str:
    """The options as lines for `.config`."""
    return "".join(
        f"# CONFIG_{o.name} is not set\n" if o.value == "n" else f"CONFIG_{o.name}={o.value}\n" for o in options
    )


def parse_config(text: str) -> dict[str, str]:
    """The values of a `.config` by option name, without unset ones."""
    pairs = (line.partition("=") for line in text.splitlines() if line.startswith("CONFIG_"))
    return {name.removeprefix("CONFIG_"): value for name, _, value in pairs}


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


def check(options: Sequence[Option], final: Path, tree: Path) -> list[Lost]:
    """The requested options that were lost in a final `.config`, if the kernel works without them.

    Args:
        tree: the kernel's source, whose Kconfig files give the reasons.

    Raises:
        KernelError: a required option is off.
    """
    got = parse_config(final.read_text(encoding="utf-8"))
    if not missing(options, got):
        return []
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in tree.rglob("Kconfig*"))
    gone = lost(options, got, texts)
    # An option that is on against the request only costs time; one that is off would be missed.
    if fatal := [one for one in gone if not one.option.optional and one.option.value != "n"]:
        raise KernelError("; ".join(map(str, fatal)))
    return gone
