"""`regress run SCENARIO`."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from harness import paths
from harness.model import Range, Revision, Scenario


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress run`."""
    parser.add_argument("scenario", metavar="SCENARIO", help="a name or an id, such as lr#35498d")
    parser.add_argument("--tree", metavar="NAME|PATH|URL", help="the kernel tree; default: mainline, else the replay")
    parser.add_argument("--arch", choices=("x86_64", "i386"), default="x86_64", help="default: x86_64")
    parser.add_argument("--commit", metavar="REV", action="append", default=[], help="try this commit only (repeatable)")
    parser.add_argument("--good", metavar="REV", help="a commit without the regression")
    parser.add_argument("--bad", metavar="REV", help="a commit with it")
    parser.add_argument("--runs", type=_count, default=1, metavar="N", help="boots of each commit (default: 1)")
    parser.add_argument("--results", type=Path, metavar="DIR", help="where results go")
    parser.add_argument("--scenarios", type=Path, action="append", default=[], metavar="DIR", help="a folder of your own")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)
