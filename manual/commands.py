"""The command line as data, read from its parser."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from harness import cli
from harness.cli.examples import EXAMPLES

STATUS = (
    ("0", "what was asked holds; on commits named with `--commit`: the regression is absent"),
    ("1", "it does not"),
    ("2", "wrong usage or input"),
    ("3", "the machinery failed, and nothing can be said"),
    ("130", "interrupted"),
    ("141", "standard output was closed"),
)
STEP = "`regress step` has git's: 0 good, 1 the expected crash, 125 cannot tell, 128 stop."

VARIABLES = (
    ("REGRESS_INSTALL=1", "install missing packages without asking, as `--install`"),
    ("REGRESS_NO_INSTALL=1", "never install any; print the command"),
    ("REGRESS_PASS_ENV", "names of variables that builds and machines get besides the usual ones"),
    ("NO_COLOR=1", "no colours"),
    ("TERM=dumb", "no colours, and no line is drawn again: for a screen reader, or a log"),
    ("XDG_CACHE_HOME", "where the cache is; default `~/.cache`"),
    ("XDG_CONFIG_HOME", "where the configuration is; default `~/.config`"),
)
PLACES = (
    ("~/.config/regress/scenarios/", "scenarios of your own"),
    ("~/.config/regress/trees.yaml", "kernel trees by name"),
    ("~/.config/regress/hosts.yaml", "other machines"),
    ("~/.cache/regress/", "trees, kernels, root file systems: all of it can be made again"),
    ("results/", "results; in the checkout, or if installed in the current folder"),
)


@dataclass(frozen=True)
class Argument:
    """An option or a positional argument.

    Attributes:
        names: of an option; empty for a positional.
        value: what stands for its value; empty for a switch.
        text: its help.
        words: the words that it takes, if those are fixed.
        optional: whether the value may be left out.
        several: whether it takes more than one.
    """

    names: tuple[str, ...]
    value: str
    text: str
    words: tuple[str, ...]
    optional: bool
    several: bool

    @property
    def form(self) -> str:
        """How it is written: `--runs N`, `[SCENARIO]`, `PATCH...`."""
        if not self.names:
            shown = f"{self.value}..." if self.several else self.value
            return f"[{shown}]" if self.optional else shown
        value = f"[{self.value}]" if self.optional else self.value
        return f"{', '.join(self.names)} {value}".strip()


@dataclass(frozen=True)
class Command:
    """A command: its arguments in groups by title, and its examples."""

    name: str
    text: str
    groups: dict[str, tuple[Argument, ...]]
    examples: tuple[tuple[str, str], ...]

    @property
    def positionals(self) -> list[Argument]:
        """The arguments that are no options, in order."""
        return [one for group in self.groups.values() for one in group if not one.names]

    @property
    def options(self) -> list[Argument]:
        """The options."""
        return [one for group in self.groups.values() for one in group if one.names]

    @property
    def usage(self) -> str:
        """How it is called."""
        return " ".join(["regress", self.name, "[OPTION...]", *(one.form for one in self.positionals)])


def commands() -> list[Command]:
    """Every command, in the order of `regress --help`."""
    _, parsers = cli.parser()
    return [Command(name, text, _groups(parsers[name]), EXAMPLES[name]) for name, text in cli.COMMANDS.items()]


def _groups(parser: argparse.ArgumentParser) -> dict[str, tuple[Argument, ...]]:
    # Before the shared ones, which their titles name, come those of argparse.
    titles = {"positional arguments": "arguments"}
    found = {titles.get(g.title or "", g.title or ""): tuple(_arguments(g)) for g in parser._action_groups}
    return {title: arguments for title, arguments in found.items() if arguments}


def _arguments(group: argparse._ArgumentGroup) -> Iterator[Argument]:
    for action in group._group_actions:
        if action.help is argparse.SUPPRESS:
            continue
        words = tuple(map(str, action.choices or ()))
        named = action.metavar if action.metavar is not None else ("|".join(words) or action.dest.upper())
        value = "" if action.nargs == 0 else named if isinstance(named, str) else " ".join(named)
        yield Argument(
            tuple(action.option_strings),
            value,
            (action.help or "").replace("%%", "%"),
            words,
            action.nargs in ("?", "*"),
            action.nargs in ("*", "+"),
        )
