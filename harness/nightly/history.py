"""The nights as the journal has them.  A night is a run of kind `nightly`; a trial's role is the cell that was tried.

Beside trials, kernels and the end, a night has events of its own: `tonight` (the tag), `regression` (a new failure),
`bisecting` (the run that looks for its commit) and `bisected` (what that found).  `results/README.md` lists them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness import journal
from harness.model import Outcome
from harness.nightly.classify import NOTHING, Sighting, Standing, step
from harness.record import Run

KIND = "nightly"
CONTROL = "last good: "
"""Before a cell's name: the role of trials of the last good night's commit."""

CRASH, FAILED = "crash: ", "failed: "
"""Before the title of a crash that has no signature; before what the script said."""

CERTAIN = (Outcome.BUILD_FAILED, Outcome.SKIPPED)
"""What would come out the same at another trial."""

UNTOLD = 2
"""A commit that could not be told is tried so often; a machine that failed, once more than that."""


@dataclass
class Night:
    """A night as it is known by now.

    Attributes:
        run: its name in the journal.
        date: the day of the operator's, `YYYY-MM-DD`.
        tag, sha: what was tried; None on a day without a new tag.
        status: of the run.
        cells: what was seen of each cell.
    """

    run: str
    date: str
    tag: str | None = None
    sha: str | None = None
    status: str = "running"
    cells: dict[str, Sighting] = field(default_factory=dict)

    def take(self, data: Mapping[str, Any]) -> None:
        """Take a trial: an event's data, or the columns of the view."""
        role, outcome = str(data["role"]), Outcome(data["outcome"])
        control, name = role.startswith(CONTROL), role.removeprefix(CONTROL)
        seen = self.cells.get(name) or Sighting(self.tag or "", self.sha or "")
        how = failure(outcome, data["reason"], data["signature"], data["title"])
        if control:
            quiet, bad = int(outcome is Outcome.PASSED), int(how is not None)
            why = f"{outcome}: {data['reason']}" if outcome in CERTAIN else seen.control_untold
            seen = replace(
                seen,
                control_quiet=seen.control_quiet + quiet,
                control_bad=seen.control_bad + bad,
                control_untold=why,
            )
        elif how is not None:
            seen = replace(seen, failures={**seen.failures, how: seen.failures.get(how, 0) + 1})
        elif outcome is Outcome.PASSED:
            seen = replace(seen, quiet=seen.quiet + 1)
        else:
            seen = _untold(seen, outcome, data["reason"])
        self.cells[name] = seen


def _untold(seen: Sighting, outcome: Outcome, reason: str) -> Sighting:
    lost = outcome is Outcome.INFRASTRUCTURE
    enough = UNTOLD if outcome in CERTAIN else seen.untold_count + 1
    return replace(
        seen,
        untold=reason if lost else f"{outcome}: {reason}",
        untold_count=enough,
        machine=lost and (seen.machine or not seen.untold_count),
    )


def failure(outcome: Outcome, reason: str, signature: str | None, title: str | None) -> str | None:
    """What a trial's failure is known by from night to night; None where it did not fail, or cannot be told.

    A crash has its signature.  What the script says itself is known by its words, whatever numbers are in them.
    """
    if signature:
        return signature
    if title:
        return f"{CRASH}{title}"
    if outcome is Outcome.FAILED:
        return FAILED + re.sub(r"\b(0x[0-9a-f]+|\d+)\b", "N", reason)
    return None


def nights(results: Path, tree: str) -> list[Night]:
    """All nights of a tree, in the order in which they were begun.

    Args:
        results: the folder of all results.
        tree: as the configuration names it.
    """
    index = results / "index.sqlite"
    if not index.exists():
        return []
    found: dict[str, Night] = {}
    of = "run IN (SELECT run FROM events WHERE kind = 'start' AND json_extract(data, '$.kind') = ?)"
    with journal.reading(index) as database, journal.whole(index):
        kinds = "('start', 'resume', 'tonight', 'end')"
        for run, kind, text in database.execute(
            f"SELECT run, kind, data FROM events WHERE kind IN {kinds} AND {of} ORDER BY id",  # noqa: S608
            (KIND,),
        ):
            data = json.loads(text)
            if kind == "start" and data["place"] == tree:
                found[run] = Night(run, data["date"])
            elif run in found and kind == "tonight":
                found[run].tag, found[run].sha = data["tag"], data["sha"]
            elif run in found:
                found[run].status = data["status"] if kind == "end" else "running"
        names = ("role", "outcome", "reason", "signature", "title")
        for run, *values in database.execute(
            f"SELECT run, {', '.join(names)} FROM trials WHERE {of} ORDER BY id",  # noqa: S608
            (KIND,),
        ):
            if run in found:
                found[run].take(dict(zip(names, values, strict=True)))
    return list(found.values())


def standings(before: Iterable[Night]) -> dict[str, Standing]:
    """Where each cell stands after some nights; nights without a tag have tried nothing."""
    at: dict[str, Standing] = {}
    for night in before:
        for name, seen in night.cells.items() if night.tag else ():
            at[name] = step(at.get(name, NOTHING), seen)
    return at


@dataclass
class Regression:
    """A new failure, and what became of the search for its commit.

    Attributes:
        signature, since, sha: how it fails, and since which tag and commit.
        good, good_sha: the last good night.
        cells: on what it was seen, the one that is bisected first.
        night: the run of the night that reported it.
        change: None, or the failure that was there before it: then nothing is bisected.
        notes: what is known without building anything.
        runs: the bisections that were begun.
        found: what came of it; None while it is open.
    """

    signature: str
    since: str
    sha: str
    good: str
    good_sha: str
    cells: tuple[str, ...]
    night: str
    change: str | None = None
    notes: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    found: dict[str, Any] | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What it is known by."""
        return self.signature, self.since


def regressions(results: Path, runs: Iterable[str]) -> list[Regression]:
    """The regressions that were found in some nights, in order.

    Args:
        results: the folder of all results.
        runs: the names of the nights.
    """
    index = results / "index.sqlite"
    names = set(runs)
    found: dict[tuple[str, str], Regression] = {}
    if not names:
        return []
    with journal.reading(index) as database, journal.whole(index):
        rows = database.execute(
            "SELECT run, kind, data FROM events WHERE kind IN ('regression', 'bisecting', 'bisected') ORDER BY id"
        ).fetchall()
        for run, kind, text in rows:
            if run in names:
                _take(found, kind, json.loads(text))
    return list(found.values())


def _take(found: dict[tuple[str, str], Regression], kind: str, data: dict[str, Any]) -> None:
    key = (data["signature"], data["since"])
    if kind == "regression":
        lists = {name: tuple(data[name]) for name in ("cells", "notes")}
        found.setdefault(key, Regression(**{**data, **lists}))
    elif kind == "bisecting":
        found[key].runs = (*found[key].runs, data["run"])
    else:
        found[key].found = data


def record(run: Run, one: Regression) -> None:
    """Write a new failure into the night's run."""
    names = ("signature", "since", "sha", "good", "good_sha", "night", "change")
    data = {name: getattr(one, name) for name in names}
    run.add("regression", {**data, "cells": list(one.cells), "notes": list(one.notes)})
