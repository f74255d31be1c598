"""Whether packages may be installed: by option, or by asking the user."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from harness.cli import shared
from harness.cli.progress import Talk


def configure(parser: argparse.ArgumentParser) -> None:
    """The argument of every command that may install packages."""
    shared.group(parser, shared.PLACES).add_argument(
        "--install", action="store_true", help="install missing packages without asking"
    )


def consent(options: argparse.Namespace, talk: Talk) -> Callable[[str], bool] | None:
    """Asks whether a command may be run as root; None without consent and without anybody to ask."""
    if options.install:
        return lambda _command: True
    if sys.stdin.isatty() and sys.stderr.isatty():
        return lambda command: _ask(command, talk)
    return None


def _ask(command: str, talk: Talk) -> bool:
    talk.clear()
    print(f"regress: run `{command}` now? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
