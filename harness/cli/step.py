"""`regress step SCENARIO`: one step of the user's own `git bisect run`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from harness.assessment import INFRASTRUCTURE
from harness.cli import commits, environment, shared
from harness.cli.environment import Environment
from harness.errors import InfrastructureError, UserError
from harness.git import Git
from harness.interrupts import Interrupts
from harness.reports import summary

EXIT = {"good": 0, "bad": 1, "skip": 125}
"""Exit statuses of `git bisect run`, by verdict."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress step`."""
    environment.configure(parser)
    shared.runs(parser)


def run(options: argparse.Namespace) -> int:
    """Try the commit that the bisection in this folder is at.

    Returns:
        0; the exit status for git goes to `options.verdict`, so that nothing else is taken for it.

    Raises:
        UserError: not a git repository.
        InfrastructureError: nothing can be said about the commit; the bisection has to stop.
    """
    environ = Environment.of(options)
    here = Git(Path.cwd())
    named = os.environ.get("GIT_DIR")
    if named and not here.exists():
        # git exports the repository to what it runs, and it may not be reachable from the work tree.
        here = Git(Path.cwd(), Path(named).absolute())
    if not here.exists():
        raise UserError(f"{here.path} is not a git repository: `regress step` tries the commit that is checked out")
    # With --no-checkout, git moves this reference and leaves HEAD alone.
    revision = "BISECT_HEAD" if here.marked("BISECT_HEAD") else "HEAD"
    options.tree, options.commit = str(here.common() if here.directory else here.path), [here.commit(revision).sha]
    options.good = options.bad = None
    interrupts = Interrupts()

    def tell(document: dict[str, Any]) -> None:
        environ.talk.result(summary.conclusion(document), document, as_json=options.json)

    with interrupts.taken():
        document = commits.conduct(environ, options, interrupts, tell, "step")
        if document["status"] == INFRASTRUCTURE:
            raise InfrastructureError("the bisection can go on from here once the machine is fixed")
    options.verdict = EXIT[document["commits"][0]["verdict"]]
    return 0
