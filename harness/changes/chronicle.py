"""All that the journal has of a scenario or a failure: since when, how often, on which commits, whether it is flaky."""

from __future__ import annotations

import fnmatch
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import journal
from harness.changes.sides import MADE, UNTOLD
from harness.model import Outcome
from harness.nightly.history import CONTROL, failure

Data = dict[str, Any]
UNPATCHED = "(no patch) in "
"""Before a scenario's name: the role of trials of the commit that patches are for."""


@dataclass(frozen=True)
class Seen:
    """One trial, as far as it matters here.

    Attributes:
        utc: when.  run: its run.  kind: of the run.
        cell: scenario and variant, architecture, configuration.
        sha: the commit.  tag: of a night.
        outcome: how it ended.  failure: by what a failure is known; None where there is none.
        title: of its crash.
    """

    utc: str
    run: str
    kind: str
    cell: str
    sha: str
    tag: str | None
    outcome: Outcome
    failure: str | None
    title: str | None

    @property
    def told(self) -> bool:
        """Whether it says that the kernel fails or does not."""
        return self.failure is not None or self.outcome is Outcome.PASSED


@dataclass
class _Run:
    kind: str
    scenario: str
    arch: str
    tree: str
    tag: str | None = None


def trials(results: Path) -> Iterator[Seen]:
    """All trials of commits that others have too, in the order in which they were made.

    What was patched, merged or reverted for a test is left out.

    Args:
        results: the folder of all results.

    Raises:
        InfrastructureError, UserError: the journal cannot be read.
    """
    index = results / "index.sqlite"
    if not index.exists():
        return
    fields = ("sha", "role", "variant", "outcome", "reason", "signature", "crash.title")
    columns = ", ".join(f"'$.{name}'" for name in fields)
    with journal.reading(index) as database, journal.whole(index):
        runs = _runs(
            database.execute("SELECT run, kind, data FROM events WHERE kind IN ('start', 'tonight') ORDER BY id")
        )
        rows = database.execute(
            f"SELECT run, utc, json_extract(data, {columns}) FROM events WHERE kind = 'trial' ORDER BY id"  # noqa: S608
        )
        for name, utc, text in rows:
            if (run := runs.get(name)) and (seen := _seen(name, run, utc, json.loads(text))):
                yield seen


def _runs(rows: Iterator[tuple[str, str, str]]) -> dict[str, _Run]:
    found: dict[str, _Run] = {}
    for name, kind, text in rows:
        data = json.loads(text)
        if kind == "start":
            found[name] = _Run(data.get("kind", "run"), data["scenario"], data["arch"], data["tree"])
        elif name in found:
            found[name].tag = data["tag"]
    return found


def _seen(name: str, run: _Run, utc: str, fields: Sequence[Any]) -> Seen | None:
    sha, role, variant, outcome, reason, signature, title = fields
    if run.kind == "nightly":
        if role.startswith(CONTROL):
            return None
        cell = role
    else:
        if role in MADE or (run.kind == "try" and not role.startswith(UNPATCHED)):
            return None
        scenario = role.removeprefix(UNPATCHED) if run.kind == "try" else run.scenario
        cell = f"{scenario}{f':{variant}' if variant else ''} {run.arch}"
    how = Outcome(outcome)
    return Seen(
        *(utc, name, run.kind, cell, sha, run.tag, how, failure(how, reason, signature, title)),
        title or (reason if signature or how is Outcome.FAILED else None),
    )


def of_scenario(names: Sequence[str]) -> Callable[[Seen], bool]:
    """Whether a trial is of a scenario, or of one variant of it (`stacked:raid1`)."""

    def belongs(seen: Seen) -> bool:
        subject = seen.cell.partition(" ")[0]
        return subject in names or subject.partition(":")[0] in names

    return belongs


def of_failure(pattern: str) -> Callable[[Seen], bool]:
    """Whether a trial showed a failure: by its signature (a glob) or by the title of its crash."""

    def belongs(seen: Seen) -> bool:
        known = seen.failure is not None
        return known and (fnmatch.fnmatchcase(seen.failure or "", pattern) or pattern in (seen.title, seen.failure))

    return belongs


def chronicle(all_: Sequence[Seen], belongs: Callable[[Seen], bool], found: Sequence[Data], *, failing: bool) -> Data:
    """What trials say of a scenario or a failure.

    Args:
        all_: every trial, in order.
        belongs: whether a trial is of what was asked about.
        found: culprits, see `culprits`.
        failing: whether a failure was asked about: then only that one is told of.

    Returns:
        How many `trials`, in how many `runs`, from `first` to `last`, by `outcomes` and by cell (`cells`); and each of
        its `failures`, the one seen last first.
    """
    mine = [seen for seen in all_ if belongs(seen)]
    names = dict.fromkeys(seen.failure for seen in mine if seen.failure)
    cells = {seen.cell for seen in mine}
    around = [seen for seen in all_ if seen.cell in cells] if failing else mine
    failures = [_failure(name, around, found) for name in names if name]
    return {
        "trials": len(mine),
        "runs": len({seen.run for seen in mine}),
        "first": _place(mine[0]) if mine else None,
        "last": _place(mine[-1]) if mine else None,
        "outcomes": dict(Counter(str(seen.outcome) for seen in mine)),
        "cells": _cells(around),
        "failures": sorted(failures, key=lambda one: str(one["last"]["utc"]), reverse=True),
    }


def _place(seen: Seen) -> Data:
    return {"utc": seen.utc, "run": seen.run, "commit": seen.sha, "tag": seen.tag}


def _cells(trials_: Sequence[Seen]) -> list[Data]:
    by_cell: dict[str, list[Seen]] = {}
    for seen in trials_:
        by_cell.setdefault(seen.cell, []).append(seen)
    return [
        {
            "cell": cell,
            "trials": len(own),
            "passed": sum(seen.outcome is Outcome.PASSED for seen in own),
            "failed": sum(seen.failure is not None for seen in own),
            "untold": sum(seen.outcome in UNTOLD for seen in own),
            "last": _place(own[-1]),
        }
        for cell, own in sorted(by_cell.items())
    ]


def _failure(name: str, trials_: Sequence[Seen], found: Sequence[Data]) -> Data:
    """One failure, over the trials of the cells that it was seen on."""
    cells = {seen.cell for seen in trials_ if seen.failure == name}
    own = [seen for seen in trials_ if seen.cell in cells and seen.told]
    shown = [seen for seen in own if seen.failure == name]
    commits: dict[str, Data] = {}
    for seen in own:
        told = commits.setdefault(seen.sha, {"commit": seen.sha, "tag": seen.tag, "failed": 0, "passed": 0})
        told["tag"] = told["tag"] or seen.tag
        told["failed"] += seen.failure == name
        told["passed"] += seen.outcome is Outcome.PASSED
    failing = [told for told in commits.values() if told["failed"]]
    flaky = [told for told in failing if told["passed"]]
    return {
        "failure": name,
        "title": shown[0].title,
        "first": _place(shown[0]),
        "last": _place(shown[-1]),
        "times": len(shown),
        "nights": _nights(name, [seen for seen in own if seen.tag]),
        "cells": sorted(cells),
        "commits": failing,
        "flaky": {
            "commits": len(flaky),
            "failed": sum(told["failed"] for told in flaky),
            "trials": sum(told["failed"] + told["passed"] for told in flaky),
        },
        "culprits": [told for told in found if told["failure"] == name],
    }


def _nights(name: str, trials_: Sequence[Seen]) -> Data | None:
    """A failure from night to night: other runs try old commits and new ones as they need them.

    Returns:
        `since` and `last`; what `passed_before` on the same cell; of so many `trials` since then so many `failed`; how
        many `passed_since` it was seen last.  None where no night has seen it.
    """
    at = [place for place, seen in enumerate(trials_) if seen.failure == name]
    if not at:
        return None
    first, last = trials_[at[0]], trials_[at[-1]]
    before = [seen for seen in trials_[: at[0]] if seen.cell == first.cell and seen.outcome is Outcome.PASSED]
    return {
        "since": _place(first),
        "last": _place(last),
        "passed_before": _place(before[-1]) if before else None,
        "trials": len(trials_) - at[0],
        "failed": len(at),
        "passed_since": sum(seen.outcome is Outcome.PASSED for seen in trials_[at[-1] + 1 :]),
    }


def culprits(results: Path) -> list[Data]:
    """The commits that bisections found, each with the `failure` that it brought, its `tree` and the `run`."""
    index = results / "index.sqlite"
    if not index.exists():
        return []
    with journal.reading(index) as database, journal.whole(index):
        rows = database.execute(
            "SELECT run, data FROM events WHERE kind = 'end' AND json_extract(data, '$.culprit') IS NOT NULL "
            "ORDER BY id"
        ).fetchall()
        nights = database.execute("SELECT data FROM events WHERE kind = 'bisected' ORDER BY id").fetchall()
        plans = dict(database.execute("SELECT run, data FROM events WHERE kind = 'plan'").fetchall())
        trees = {name: told for (text,) in nights for told in [json.loads(text)] for name in told.get("runs", ())}
        return [
            told
            for run, text in rows
            for told in [_culprit(run, json.loads(text), json.loads(plans.get(run, "{}")), trees.get(run, {}))]
            if told
        ]


def _culprit(run: str, end: Mapping[str, Any], plan: Mapping[str, Any], night: Mapping[str, Any]) -> Data | None:
    trial = end.get("crash")
    if trial is None or plan.get("find_fix"):
        return None
    title = (trial["crash"] or {}).get("title")
    return {
        "failure": failure(Outcome(trial["outcome"]), trial["reason"], trial["signature"], title),
        "commit": end["culprit"],
        "subject": end["subject"],
        "tree": night.get("tree"),
        "run": run,
    }
