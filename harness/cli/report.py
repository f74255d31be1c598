"""`regress report RESULT`: a stored result, in one of the formats."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from harness import document, journal, record, reports
from harness.cli.progress import Talk
from harness.errors import UserError
from harness.files import write_atomically


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress report`."""
    parser.add_argument("result", metavar="RESULT", type=Path, help="the folder of a run, a patch trial or a bisection")
    parser.add_argument("--format", choices=tuple(reports.FORMATS), default="text", help="default: text")
    parser.add_argument("--output", metavar="FILE", type=Path, help="default: standard output")
    parser.add_argument(
        "--base-url", metavar="URL", type=_url, help="where the folder of results is served, for links to files"
    )


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s\x00-\x20<>\"\\^`{|}]+", text):
        raise argparse.ArgumentTypeError(f"expected an address such as https://ci.example.org/results, got {text!r}")
    return text


def run(options: argparse.Namespace) -> int:
    """Print or write the result as the command printed it.

    Raises:
        UserError: not a result, or the file cannot be written.
        InfrastructureError: the journal cannot be read.
    """
    folder = options.result.resolve()
    found = record.find(folder)
    with journal.whole(found.index):
        told = document.of(found.events, folder)
    text = reports.render(options.format, told, options.base_url).rstrip("\n")
    if options.output is None:
        Talk().say(text, aside=False)
        return 0
    try:
        write_atomically(options.output, f"{text}\n")
    except OSError as error:
        raise UserError(f"--output {options.output}: {error.strerror}") from error
    return 0
