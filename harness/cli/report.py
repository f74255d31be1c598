"""`regress report RESULT`: a stored result, in one of the formats."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness import document, journal, record, reports
from harness.cli.progress import Talk


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress report`."""
    parser.add_argument("result", metavar="RESULT", type=Path, help="the folder of a run, a patch trial or a bisection")
    parser.add_argument("--format", choices=tuple(reports.FORMATS), default="text", help="default: text")


def run(options: argparse.Namespace) -> int:
    """Print the result as the command printed it.

    Raises:
        UserError: not a result.
        InfrastructureError: the journal cannot be read.
    """
    folder = options.result.resolve()
    found = record.find(folder)
    with journal.whole(found.index):
        told = document.of(found.events, folder)
    Talk().say(reports.render(options.format, told).rstrip("\n"), aside=False)
    return 0
