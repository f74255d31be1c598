"""`regress audit SCENARIO CULPRIT`."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.bisect import Economy
from harness.cli import bisect, environment, given
from harness.errors import UserError
from harness.model import Revision
from harness.thread.draft import draft
from harness.thread.message import printable
from harness.thread.read import read

EXPECTED = "expected a finished `git bisect log`, or a mail that says which commit introduced the regression"


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress audit`."""
    environment.configure(parser)
    parser.add_argument(
        "accused", metavar="CULPRIT", help="a commit, or a file that names it: a `git bisect log`, a mail, a thread"
    )
    bisect.configure_range(parser)
    parser.set_defaults(path=[], first_parent=False, resume=None, without=list(Economy))


def run(options: argparse.Namespace) -> int:
    """Check a culprit that somebody named; see `harness.bisect.audit`."""
    path = Path(options.accused)
    options.accused = _told(path, options) if path.is_file() else Revision(options.accused)
    return bisect.run(options)


def _told(path: Path, options: argparse.Namespace) -> Revision:
    """The commit that a file names; ends that it tells are used where the arguments give none."""
    facts = draft(read(given.of_file(path)), path.name).facts
    if (log := facts.bisection) is not None:
        if log.first_bad is None:
            named = ", ".join(one.revision[:12] for one in log.possible) or "none"
            raise UserError(f"{path}: its bisection names no single culprit (it has {named}): {EXPECTED}")
        options.bad = options.bad or [one.revision for one in log.bad[:1]]
        options.good = options.good or [one.revision for one in log.good[:1]]
        return Revision(log.first_bad.revision, log.first_bad.subject)
    blamed = [one for one in facts.suspects if one.blamed]
    if len(blamed) != 1:
        several = "; ".join(printable(one.sha or one.subject or "") for one in blamed)
        if several:
            raise UserError(f"{path}: blames several commits ({several}): name one by its hash")
        raise UserError(f"{path}: names no culprit: {EXPECTED}")
    return Revision(blamed[0].sha or printable(blamed[0].subject or ""), blamed[0].subject)
