"""What a survey found, as JSON data: the tags of each series as ranges.  Pure."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from harness.releases.marks import Change, Kind, Mark
from harness.releases.names import grouped
from harness.releases.trace import State, Survey

Data = dict[str, Any]


def told(found: Survey) -> Data:
    """A survey for people and programs.

    Returns:
        `series`, each with `ranges` of tags (`first`, `last`, `state`, `guess`, `by`), oldest first; `commits` that
        were recognised, with `how`, and of each series the `first` tag that has it; `also`: further commits that
        say `Fixes:` of the culprit; `tags`: their number; `cut`: whether history is.
    """
    series = grouped(found.tags)
    return {
        "tags": len(found.tags),
        "cut": found.cut,
        "series": [{"series": name, "ranges": _ranges(found, tags)} for name, tags in series.items()],
        "commits": [_commit(mark, found.having.get(mark.sha, ()), series) for mark in found.marks],
        "also": [{"commit": one.sha, "subject": one.subject} for one in found.also],
    }


def change(one: Change) -> Data:
    """What is looked for."""
    return {"commit": one.sha, "subject": one.subject}


def _ranges(found: Survey, tags: Sequence[str]) -> list[Data]:
    fixes = {mark.sha: mark.number for mark in found.marks if mark.kind is Kind.FIX}

    def what(tag: str) -> tuple[State, bool, frozenset[int]]:
        """What neighbours share; where each day is made anew, the commits are others each day."""
        one = found.tags[tag]
        return one.state, one.guess, frozenset(fixes[sha] for sha in one.by if sha in fixes)

    ranges = []
    for (state, guess, _), some in itertools.groupby(tags, key=what):
        members = list(some)
        by = list(dict.fromkeys(sha for tag in members for sha in found.tags[tag].by))
        ends = {"first": members[0], "last": members[-1], "tags": len(members)}
        ranges.append({**ends, "state": str(state), "guess": guess, "by": by})
    return ranges


def _commit(mark: Mark, having: Sequence[str], series: Mapping[str, Sequence[str]]) -> Data:
    there = set(having)
    firsts = {name: next((tag for tag in tags if tag in there), None) for name, tags in series.items()}
    return {
        "commit": mark.sha,
        "subject": mark.subject,
        "kind": str(mark.kind),
        "number": mark.number,
        "undoes": mark.undoes,
        "how": mark.how,
        "guess": mark.guess,
        "first": {name: tag for name, tag in firsts.items() if tag},
    }


def states(found: Survey) -> set[State]:
    """What there is among the tags."""
    return {one.state for one in found.tags.values()}
