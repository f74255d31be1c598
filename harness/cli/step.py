"""`regress step SCENARIO`: one step of the user's own `git bisect run`."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli import run as run_
from harness.cli import workshop
from harness.cli.workshop import Workshop
from harness.errors import InfrastructureError, UserError
from harness.git import Git
from harness.model import Word
from harness.reproduce import Status

EXIT = {Word.GOOD: 0, Word.BAD: 1, Word.SKIP: 125}
"""What `git bisect run` takes for its words."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress step`."""
    workshop.configure(parser)
    parser.add_argument("--runs", type=workshop.count, default=1, metavar="N", help="boots of the commit (default: 1)")


def run(options: argparse.Namespace) -> int:
    """Try the commit that the bisection in this folder is at.

    Returns:
        0; git's own exit status is left in `options.verdict`, so that nothing else passes for it.

    Raises:
        UserError: this is no git repository.
        InfrastructureError: nothing can be said of the commit; the bisection is to stop, not to go on.
    """
    shop = Workshop.of(options)
    here = Git(Path.cwd())
    if not here.exists():
        raise UserError(f"{here.path} is no git repository: `regress step` tries the commit that is checked out")
    # With --no-checkout, git moves this reference and leaves HEAD alone.
    revision = "BISECT_HEAD" if here.has("BISECT_HEAD") else "HEAD"
    options.tree, options.commit, options.good, options.bad = str(here.path), [revision], None, None
    with workshop.ended_cleanly():
        one = run_.Run(shop, options)
        try:
            status = one.run()
        finally:
            one.print_json()
        if status is Status.INFRASTRUCTURE:
            raise InfrastructureError("the bisection can go on from here when the machinery is well again")
    options.verdict = EXIT[one.answers[0].verdict.word]
    return 0
