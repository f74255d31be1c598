"""What the site needs of the journal: nights as documents, regressions, and what has changed."""

from __future__ import annotations

import fcntl
import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import assessment, document, journal
from harness.files import write_atomically
from harness.journal import Event
from harness.nightly import history
from harness.nightly.history import KIND, Regression

Data = dict[str, Any]
PROGRESS = "progress.json"
"""In the folder of a night that goes on: what it has found by now."""


@dataclass(frozen=True)
class Head:
    """A night, without what was tried.

    Attributes:
        run: its name.  tree: as the configuration names it.  date: the operator's day.
        tag: None on a day without a new one.  status: of the run.
    """

    run: str
    tree: str
    date: str
    tag: str | None
    status: str


def heads(database: sqlite3.Connection) -> list[Head]:
    """All nights, in the order in which they were begun."""
    found: dict[str, Data] = {}
    rows = database.execute(
        "SELECT run, kind, CASE kind WHEN 'end' THEN json_object('status', json_extract(data, '$.status')) ELSE data "
        "END FROM events WHERE kind IN ('start', 'resume', 'tonight', 'end') AND run IN "
        "(SELECT run FROM events WHERE kind = 'start' AND json_extract(data, '$.kind') = ?) ORDER BY id",
        (KIND,),
    )
    for run, kind, text in rows:
        data = json.loads(text)
        if kind == "start":
            found[run] = {"tree": data["place"], "date": data["date"], "tag": None, "status": assessment.RUNNING}
        elif kind == "tonight":
            found[run]["tag"] = data["tag"]
        else:
            found[run]["status"] = data["status"] if kind == "end" else assessment.RUNNING
    return [Head(run, **data) for run, data in found.items()]


def changed(database: sqlite3.Connection, last: int) -> tuple[int, set[str]]:
    """The newest event, and the runs that have events after `last`."""
    runs = {run for (run,) in database.execute("SELECT DISTINCT run FROM events WHERE id > ?", (last,))}
    return newest(database), runs


def newest(database: sqlite3.Connection) -> int:
    """The number of the newest event; 0 where there is none."""
    return int(database.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0])


def findings(database: sqlite3.Connection, results: Path, head: Head) -> Data:
    """What a night has found, without its trials; by now, where it has not ended."""
    if head.status == assessment.RUNNING:
        return progress(results / head.run)
    [text] = database.execute(
        "SELECT data FROM events WHERE run = ? AND kind = 'end' ORDER BY id DESC LIMIT 1", (head.run,)
    ).fetchone()
    return dict(json.loads(text))


def night(results: Path, head: Head) -> Data:
    """A night's document; of one that has not ended, with what it has found by now."""
    folder = results / head.run
    events = journal.events(results / "index.sqlite", head.run)
    if head.status == assessment.RUNNING and (told := progress(folder)):
        data = {"status": assessment.RUNNING, "reason": told.get("reason", "it has not ended"), **told}
        events.append(Event("end", head.run, data, "", 0.0, "", ""))
    return document.of(events, folder)


def run(results: Path, name: str) -> Data | None:
    """The document of a bisection or a trial of patches; None where the journal has no such run."""
    events = journal.events(results / "index.sqlite", name)
    return document.of(events, results / name) if events else None


def regressions(results: Path, nights: Iterable[Head]) -> list[Regression]:
    """The regressions of some nights, in order."""
    return history.regressions(results, [one.run for one in nights])


def tables(database: sqlite3.Connection) -> dict[str, list[str]]:
    """The trials of patches by the signature of each failure that was seen in them, in order."""
    found: dict[str, list[str]] = {}
    rows = database.execute(
        "SELECT json_extract(data, '$.signature') AS how, run FROM events WHERE kind = 'trial' AND how IS NOT NULL "
        "AND run IN (SELECT run FROM events WHERE kind = 'start' AND json_extract(data, '$.kind') = 'try') "
        "GROUP BY how, run ORDER BY min(id)"
    )
    for signature, name in rows:
        found.setdefault(signature, []).append(name)
    return found


def figures(database: sqlite3.Connection, run: str) -> list[tuple[str, Data]]:
    """What took time on a night: its builds and its boots."""
    rows = database.execute(
        "SELECT kind, json_object('seconds', json_extract(data, '$.seconds'), 'built', json_extract(data, '$.built'), "
        "'outcome', json_extract(data, '$.outcome')) FROM events WHERE run = ? AND kind IN ('kernel', 'trial')",
        (run,),
    )
    return [(kind, json.loads(text)) for kind, text in rows]


def working(results: Path) -> bool:
    """Whether a night goes on right now: its process holds the lock."""
    try:
        with (results / "nightly.lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def seconds(database: sqlite3.Connection, run: str) -> dict[str, float]:
    """How long the boots of each cell took on a night: the median."""
    found: dict[str, list[float]] = {}
    for role, value in database.execute(
        "SELECT json_extract(data, '$.role'), json_extract(data, '$.seconds') FROM events "
        "WHERE run = ? AND kind = 'trial' AND json_extract(data, '$.outcome') NOT IN "
        "('build failed', 'skipped', 'infrastructure') ORDER BY id",
        (run,),
    ):
        found.setdefault(role, []).append(value)
    return {role: sorted(values)[len(values) // 2] for role, values in found.items()}


def progress(folder: Path) -> Data:
    """What a night that goes on has found by now; nothing where it has not said so yet, or was killed as it did."""
    try:
        return dict(json.loads((folder / PROGRESS).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def keep_progress(folder: Path, found: Data) -> None:
    """Write what a night has found by now."""
    write_atomically(folder / PROGRESS, json.dumps(found))


def end_progress(folder: Path) -> None:
    """The night has ended: the journal has it all."""
    (folder / PROGRESS).unlink(missing_ok=True)
