"""The options that several commands share, in the groups under which `--help` shows them."""

from __future__ import annotations

import argparse
from pathlib import Path

COMMITS, BOOTS, KERNEL, PLACES = "commits", "boots", "kernel", "places"
GROUPS = (COMMITS, BOOTS, KERNEL, PLACES)
TREE = "the kernel tree; default: mainline, else the replay"


def group(parser: argparse.ArgumentParser, title: str) -> argparse._ArgumentGroup:
    """The group of options with this title; one without options is not shown."""
    found = next((one for one in parser._action_groups if one.title == title), None)
    return found or parser.add_argument_group(title)


def scenario(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """SCENARIO."""
    parser.add_argument(
        "scenario", metavar="SCENARIO", nargs=None if required else "?", help="a name or an id, such as lr#35498d"
    )


def tree(parser: argparse.ArgumentParser, text: str = TREE) -> None:
    """`--tree`."""
    group(parser, COMMITS).add_argument("--tree", metavar="NAME|PATH|URL", help=text)


def ends(parser: argparse.ArgumentParser, *, also: str = "") -> None:
    """`--good` and `--bad`, once each.

    Args:
        also: what is added to their help.
    """
    for name, word in (("good", "without"), ("bad", "with")):
        group(parser, COMMITS).add_argument(f"--{name}", metavar="REV", help=f"a commit {word} the regression{also}")


def runs(parser: argparse.ArgumentParser, of: str = "commit") -> None:
    """`--runs`, a number.

    Args:
        of: what is booted so often.
    """
    group(parser, BOOTS).add_argument("--runs", type=count, default=1, metavar="N", help=f"boots per {of} (default: 1)")


def count(text: str) -> int:
    """A number of boots, as an argument."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number, 1 or more, got {text!r}")
    return int(text)


def kernel(parser: argparse.ArgumentParser) -> None:
    """`--arch`, `--config` and `--lsmod`."""
    from harness import architecture, configuration  # only where it is of use: a start costs only what it needs

    titled = group(parser, KERNEL)
    titled.add_argument(
        "--arch", choices=architecture.names(), default=architecture.DEFAULT, help=f"default: {architecture.DEFAULT}"
    )
    titled.add_argument(
        "--config",
        metavar="FILE|TARGETS",
        help="the kernel's configuration, in place of tinyconfig: a file such as /boot/config-*, /proc/config.gz, or "
        "targets of the tree's make such as x86_64_defconfig+kvm_guest.config (docs/kconfig.md)",
    )
    titled.add_argument(
        "--lsmod",
        metavar=f"FILE|{configuration.HERE}",
        help="leave out of it the modules that are not loaded: a file with what lsmod prints, or this machine",
    )


def results(parser: argparse.ArgumentParser, text: str = "folder of results") -> None:
    """`--results`."""
    group(parser, PLACES).add_argument("--results", type=Path, metavar="DIR", help=text)


def scenarios(parser: argparse.ArgumentParser) -> None:
    """`--scenarios`."""
    group(parser, PLACES).add_argument(
        "--scenarios",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a folder of scenarios of your own (repeatable)",
    )


def json(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
