"""`regress diff OLD NEW`: what changed between two results."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness import journal, record
from harness.changes.compare import STATUS, compare
from harness.changes.sides import Side, side
from harness.cli import shared
from harness.cli.progress import Talk
from harness.errors import UserError
from harness.reports import diff

SORTS = {"step": "run"}
"""Kinds of results that are compared as another kind is."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress diff`."""
    for name in ("old", "new"):
        parser.add_argument(name, metavar=name.upper(), type=Path, help="the folder of a run, a night or a bisection")
    shared.json(parser)


def run(options: argparse.Namespace) -> int:
    """Compare two results.

    Returns:
        0 the same came out of both, 1 something else did, 3 of some of it nothing is known.

    Raises:
        UserError: not results, or not ones that can be compared.
        InfrastructureError: a journal cannot be read.
    """
    old, new = (_side(path) for path in (options.old, options.new))
    kinds = [SORTS.get(one.document["kind"], one.document["kind"]) for one in (old, new)]
    if kinds[0] != kinds[1]:
        raise UserError(f"{options.old} is a {kinds[0]}, {options.new} a {kinds[1]}: name two results of one kind")
    scenarios = [one.document["scenario"] for one in (old, new)]
    if scenarios[0] != scenarios[1] and kinds[0] != "try":
        raise UserError(
            f"{options.old} tried {scenarios[0]}, {options.new} {scenarios[1]}: name two results of one scenario"
        )
    told = compare(old, new)
    Talk().result(diff.render(told), told, as_json=options.json)
    return STATUS[told["status"]]


def _side(path: Path) -> Side:
    found = record.find(path.resolve())
    with journal.whole(found.index):
        return side(found)
