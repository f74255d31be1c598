"""What a bisection of a night's regression asks, and what its answer means for linux-next."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.bisect import Plan
from harness.console import Expectation
from harness.git import Git
from harness.model import Scenario
from harness.nightly import day
from harness.nightly.day import Day
from harness.nightly.history import CRASH, FAILED, Regression


def sought(scenario: Scenario, signature: str) -> Scenario:
    """The scenario that is bad where it fails in just this way."""
    if signature.startswith(FAILED):
        return replace(scenario, expect=None, failure=True)
    if signature.startswith(CRASH):
        expect = Expectation(title=glob.escape(signature.removeprefix(CRASH)))
    else:
        expect = Expectation(signature=glob.escape(signature))
    return replace(scenario, expect=expect, failure=False)


def plans(git: Git, one: Regression, plan: Plan) -> list[Plan]:
    """What to search, one after the other: the next where the good end of the one before turns out to be bad.

    First the day's own commits, from the mainline commit that it starts from; of those, only what the last good day
    had not.  Then mainline, from where the last good day started.

    Args:
        git: has the commits.
        one: the regression.
        plan: has what is the same for all of them.
    """
    old, new = day.day(git, one.good, one.good_sha), day.day(git, one.since, one.sha)
    if new.base is None or git.is_ancestor(one.good_sha, one.sha):
        return [replace(plan, good=(one.good_sha,), bad=(one.sha,))]
    suspects = day.suspects(day.changes(git, old, new), new)
    found = [replace(plan, good=(new.base,), bad=(one.sha,), suspects=suspects)]
    if old.base and old.base != new.base and git.is_ancestor(old.base, new.base):
        found.append(replace(plan, good=(old.base,), bad=(new.base,)))
    return found


def told(git: Git, one: Regression, documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the bisections found, as the night tells it.

    Args:
        documents: theirs, in order; the last one decides.
    """
    last = documents[-1]
    names = ("status", "reason", "culprit", "subject", "confidence", "candidates", "candidate_subjects")
    found = {name: last[name] for name in (*names, "checks", "merge", "notes")}
    new = day.day(git, one.since, one.sha)
    sha = last["culprit"]
    return {
        **found,
        "runs": [document["folder"].rpartition("/")[2] for document in documents],
        "range": {"good": last["plan"]["good"], "bad": last["plan"]["bad"]},
        "tree": _brought(git, new, sha, last["merge"]) if sha else None,
        "in_mainline": bool(sha and new.base and git.is_ancestor(sha, new.base)),
    }


def _brought(git: Git, new: Day, sha: str, merge: Mapping[str, Any] | None) -> str | None:
    """The tree that brought a commit; of a merge that takes two, both."""
    needs = merge["needs"] if merge else []
    trees = [tree for one in (*needs, sha) if (tree := day.tree_of(git, new, one))]
    return " and ".join(dict.fromkeys(trees)) or None
