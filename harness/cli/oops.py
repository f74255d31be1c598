"""`regress oops [FILE...]`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress oops`."""
    parser.add_argument("files", metavar="FILE", nargs="*", type=Path, help="a console log; by default standard input")
    parser.add_argument("--json", action="store_true", help="one JSON document a file, a line each, on standard output")


def run(options: argparse.Namespace) -> int:
    """Print the crashes in each file."""
    from harness.console import find_crashes

    for path in options.files:
        crashes = find_crashes(path.read_bytes())
        print(json.dumps({"file": str(path), "crashes": [crash.to_json() for crash in crashes]}))
    return 0
