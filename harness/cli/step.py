"""`regress step SCENARIO`: one step of the user's own `git bisect run`."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli import environment
from harness.cli import run as run_
from harness.cli.environment import Environment
from harness.errors import InfrastructureError, UserError
from harness.git import Git
from harness.model import Verdict
from harness.runner import RunStatus

EXIT = {Verdict.GOOD: 0, Verdict.BAD: 1, Verdict.SKIP: 125}
"""What `git bisect run` takes for its words."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress step`."""
    environment.configure(parser)
    parser.add_argument(
        "--runs", type=environment.count, default=1, metavar="N", help="boots of the commit (default: 1)"
    )


def run(options: argparse.Namespace) -> int:
    """Try the commit that the bisection in this folder is at.

    Returns:
        0; git's own exit status is left in `options.verdict`, so that nothing else passes for it.

    Raises:
        UserError: this is no git repository.
        InfrastructureError: nothing can be said of the commit; the bisection is to stop, not to go on.
    """
    environ = Environment.of(options)
    here = Git(Path.cwd())
    if not here.exists():
        raise UserError(f"{here.path} is no git repository: `regress step` tries the commit that is checked out")
    # With --no-checkout, git moves this reference and leaves HEAD alone.
    revision = "BISECT_HEAD" if here.marked("BISECT_HEAD") else "HEAD"
    options.tree, options.commit, options.good, options.bad = str(here.path), [revision], None, None
    with environment.ended_cleanly():
        one = run_.Run(environ, options)
        try:
            status = one.run()
        finally:
            one.print_json()
        if status is RunStatus.INFRASTRUCTURE:
            raise InfrastructureError("the bisection can go on from here when the machinery is well again")
    options.verdict = EXIT[one.answers[0].verdict.word]
    return 0
