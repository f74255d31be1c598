"""The journal of events, a SQLite file: append-only, and on disk before the work goes on.

`results/README.md` defines the format.
"""

from __future__ import annotations

import contextlib
import functools
import json
import platform
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import FULL, InfrastructureError, UserError

SCHEMA = 2
"""The version of the format; version 1 had tables that were updated in place."""

WAIT = 30.0
"""Seconds to wait for another writer."""

_TABLES = """
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, schema INTEGER NOT NULL, utc TEXT NOT NULL, monotonic REAL NOT NULL,
    boot TEXT NOT NULL, host TEXT NOT NULL, kind TEXT NOT NULL, run TEXT NOT NULL, data TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS events_by_run ON events (run, kind);
CREATE TRIGGER IF NOT EXISTS events_stay BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER IF NOT EXISTS events_are_kept BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE VIEW IF NOT EXISTS runs AS
    SELECT id, run AS folder, json_extract(data, '$.scenario') AS scenario, json_extract(data, '$.tree') AS tree,
        json_extract(data, '$.arch') AS arch, json_extract(data, '$.kind') AS kind, utc AS started,
        coalesce(json_extract(last, '$.status'), 'running') AS status,
        coalesce(json_extract(last, '$.reason'), '') AS reason
    FROM (SELECT *, (SELECT later.data FROM events later WHERE later.run = events.run
            AND later.kind IN ('resume', 'end') ORDER BY later.id DESC LIMIT 1) AS last
        FROM events WHERE kind = 'start');
CREATE VIEW IF NOT EXISTS trials AS
    SELECT id, run, json_extract(data, '$.sha') AS sha, json_extract(data, '$.role') AS role,
        json_extract(data, '$.variant') AS variant, json_extract(data, '$.outcome') AS outcome,
        json_extract(data, '$.reason') AS reason, json_extract(data, '$.crash.title') AS title,
        json_extract(data, '$.signature') AS signature, json_extract(data, '$.seconds') AS seconds,
        json_extract(data, '$.folder') AS folder, json_extract(data, '$.crash') AS crash
    FROM events WHERE kind = 'trial';
CREATE VIEW IF NOT EXISTS kernels AS
    SELECT min(id) AS id, run, json_extract(data, '$.sha') AS sha, json_extract(data, '$.signature') AS signature,
        json_extract(data, '$.seconds') AS seconds, json_extract(data, '$.built') AS built,
        json_extract(data, '$.mended') AS mended
    FROM events WHERE kind = 'kernel' GROUP BY run, json_extract(data, '$.sha');
CREATE VIEW IF NOT EXISTS bisections AS SELECT id, run, data AS plan FROM events WHERE kind = 'plan';
"""


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes:
        kind: `start`, `resume`, `plan`, `rows`, `kernel`, `earlier`, `dropped`, `ahead`, `trial`, `answer`, `cell` or
            `end`; of a search among options also `question` and `configuration`; of a night `tonight`, `regression`,
            `bisecting` and `bisected`.
        run: the name of the run's folder.
        data: what happened, as JSON data.
        utc: wall clock time (ISO 8601).
        monotonic: seconds since the machine was booted.
        boot: the id of that boot of the machine.
        host: the name of the machine.
        schema: the version of the format.
    """

    kind: str
    run: str
    data: Mapping[str, Any]
    utc: str
    monotonic: float
    boot: str
    host: str
    schema: int = SCHEMA


@functools.cache
def _boot() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


def event(kind: str, run: str, data: Mapping[str, Any]) -> Event:
    """An event here and now."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return Event(kind, run, data, now, round(time.monotonic(), 3), _boot(), platform.node())


def add(path: Path, event: Event, *, new: bool = False) -> None:
    """Add an event; on return it is on disk.

    Args:
        path: the journal.
        new: create it if missing.

    Raises:
        InfrastructureError: it cannot be written, or is damaged; the message has the remedy.
        UserError: it has another version.
    """
    with _writing(path, new=new) as database:
        database.execute(
            "INSERT INTO events (kind, run, data, utc, monotonic, boot, host, schema) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(event.kind, event.run, json.dumps(event.data, default=str)),
                *(event.utc, event.monotonic, event.boot, event.host, event.schema),
            ),
        )


def events(path: Path, run: str) -> list[Event]:
    """The events of a run in the order in which they were written.

    Args:
        path: the journal.
        run: the name of the run's folder.

    Raises:
        InfrastructureError, UserError: see `add`.
    """
    with reading(path) as database:
        rows = database.execute(
            "SELECT kind, run, data, utc, monotonic, boot, host, schema FROM events WHERE run = ? ORDER BY id", (run,)
        ).fetchall()
        return [Event(kind, run, json.loads(data), *when) for kind, run, data, *when in rows]


@contextlib.contextmanager
def _writing(path: Path, *, new: bool) -> Iterator[sqlite3.Connection]:
    """The journal, opened for one transaction."""
    with _told(path), contextlib.closing(_connected(path, "rwc" if new else "rw")) as database:
        database.execute("PRAGMA synchronous = EXTRA")
        database.execute("BEGIN IMMEDIATE")
        _check(database, path, new=new)
        yield database
        database.execute("COMMIT")


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """The journal, opened for reading.

    Raises:
        InfrastructureError, UserError: see `add`.
    """
    # Not "ro": what a killed process left half-written is rolled back first.  A read-only disk works too.
    with _told(path), contextlib.closing(_connected(path, "rw")) as database:
        _check(database, path)
        yield database


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=WAIT, isolation_level=None)


def _check(database: sqlite3.Connection, path: Path, *, new: bool = False) -> None:
    """Refuse a journal of another version; create the tables of a new one."""
    [version] = database.execute("PRAGMA user_version").fetchone()
    if version == SCHEMA:
        return
    empty = not database.execute("SELECT 1 FROM sqlite_schema").fetchone()
    if new and empty:
        for statement in _statements():
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {SCHEMA}")
    elif not empty:
        when = "an earlier" if version < SCHEMA else "a later"
        raise UserError(
            f"{path}: written by {when} version of regress (format {version or 1}, this one has {SCHEMA}); "
            f"move it away (mv {path.name} {path.name}.{version or 1}), or use another folder with --results"
        )


def _statements() -> Iterator[str]:
    text = ""
    for line in _TABLES.splitlines():
        text += line + "\n"
        if sqlite3.complete_statement(text):
            yield text
            text = ""


_REMEDIES = {
    "locked": f"another process has held it for {WAIT:.0f} s; end it (`fuser` shows which), then try again",
    "readonly": "it cannot be written: make the file and its folder writable, or use another folder with --results",
    "unable to open": "it cannot be opened: is the folder there, readable and writable?",
    "disk I/O": "the disk failed or is full; try again once that is fixed",
    "malformed": "it is damaged: move it away, or use `sqlite3 FILE .recover` to save what is readable",
    "not a database": "it is damaged, or not a journal: move it away, or use another folder with --results",
    "decode": "it is damaged: move it away, or use `sqlite3 FILE .recover` to save what is readable",
}


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn errors of the journal into errors of the machinery, with the remedy."""
    try:
        with whole(path):
            yield
    except sqlite3.Error as error:
        said = str(error)
        if "full" in said:
            raise InfrastructureError(f"{path}: {FULL}") from error
        remedy = next((remedy for words, remedy in _REMEDIES.items() if words.lower() in said.lower()), "")
        raise InfrastructureError(f"{path}: {said}" + (f" ({remedy})" if remedy else "")) from error


@contextlib.contextmanager
def whole(path: Path) -> Iterator[None]:
    """Turn failures caused by malformed events into an error of the machinery: a damaged journal.

    Args:
        path: the journal.
    """
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, StopIteration) as error:
        raise InfrastructureError(f"{path}: {_REMEDIES['malformed']} ({error})") from error
