"""`regress run SCENARIO`."""

from __future__ import annotations

import argparse
from typing import Any

from harness import assessment
from harness.cli import commits, environment, fleets, run_all, shared
from harness.cli.environment import Environment
from harness.cli.progress import Talk
from harness.errors import UserError
from harness.interrupts import Interrupts
from harness.reports import summary


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress run`."""
    environment.configure(parser, named=False)
    fleets.configure(parser)
    parser.add_argument(
        "--all", action="store_true", help="run every scenario that has commits in the tree; prints a table"
    )
    shared.tree(parser)
    shared.group(parser, shared.COMMITS).add_argument(
        "--commit",
        metavar="REV",
        action="append",
        default=[],
        help="try only this commit (repeatable); exit status 0 if the regression is absent, 1 if it shows",
    )
    shared.ends(parser)
    shared.runs(parser)


def run(options: argparse.Namespace) -> int:
    """Try the scenario; see `harness.runner`."""
    if (options.good or options.bad) and options.commit:
        raise UserError("--commit does not go with --good and --bad")
    if options.all is (options.scenario is not None):
        raise UserError("name one scenario or use --all (`regress list` has the names)")
    if options.all and (options.good or options.bad):
        raise UserError("--good and --bad do not go with --all; name commits with --commit")
    if options.all:
        return run_all.run(options)
    talk, interrupts = Talk(), Interrupts()

    def tell(document: dict[str, Any]) -> None:
        talk.result(summary.conclusion(document), document, as_json=options.json)

    with interrupts.taken(), fleets.opened(options, talk) as fleet:
        environ = Environment.of(options, talk, fleet)
        return assessment.exit_status(commits.conduct(environ, options, interrupts, tell))
