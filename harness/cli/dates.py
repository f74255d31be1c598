"""Ends of a bisection that are named by a date."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date

from harness.errors import UserError
from harness.kernel.tree import Tree
from harness.model import Revision

_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")


def any_of(*names: Sequence[str]) -> bool:
    """Whether a date is among some names of commits."""
    return any(_DATE.fullmatch(name) for some in names for name in some)


def commits(
    tree: Tree, option: str, names: Sequence[str], tip: Callable[[], Revision], note: Callable[[str], None]
) -> list[str]:
    """Names of commits, with each date replaced by the commit that it stands for.

    That is the last one of a first-parent history that was committed until the end of the day (UTC).  A revision of
    that name takes precedence.

    Args:
        option: the option that has them, for the user.
        tip: says what the history is of, if there is a date.
        note: is told what a date became.

    Raises:
        UserError: there is no such day, or no commit until then.
    """
    found = []
    for name in names:
        if not _DATE.fullmatch(name) or tree.repository.sha(name):
            found.append(name)
            continue
        try:
            day = date(*map(int, name.split("-")))
        except ValueError as error:
            raise UserError(f"{option} {name}: expected a revision or a date such as 2026-11-01: {error}") from error
        git, top = tree.workspace, tree.resolve(tip())
        sha = git.last_until(top.sha, f"{day} 23:59:59 +0000")
        if sha is None:
            raise UserError(
                f"{option} {name}: the history of {top.sha[:12]} ({top.subject}) in {tree.description} has no commit "
                "that old; name a later date, or fetch more of it"
            )
        note(f"{option} {name} is {sha[:12]} ({git.commit(sha).subject}), the last of that day or before it")
        found.append(sha)
    return found
