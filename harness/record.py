"""The record of all that happened: a folder a run, and beside them one journal, `index.sqlite`.

The journal is a list of events; it is only ever added to, and each event is on disk before the work goes on.
Everything else (evidence, tables, reports) is worked out from it.  `results/README.md` defines the format.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import platform
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.console import Crash, Frame
from harness.errors import FULL, InfrastructureError, UserError
from harness.files import locked
from harness.model import Outcome, Trial
from harness.progress import Progress

SCHEMA = 2
"""The version of the events; 1 was a journal of tables that were changed in place."""

WAIT = 30.0
"""Seconds to wait for another process that writes."""

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
        kind: `start`, `resume`, `plan`, `rows`, `kernel`, `trial`, `answer`, `cell` or `end`.
        run: the name of the run's folder.
        data: what happened, as JSON data.
        utc: when, by the clock (ISO 8601).
        monotonic: when, in seconds since the machine was started.
        boot: which start of the machine that was.
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


@dataclass(frozen=True)
class Built:
    """What the journal knows of a commit's kernel.

    Attributes:
        signature: SHA-256 of the image; None where it did not build.
        seconds: what the build took.
        built: False when it came from the cache.
        mended: what was applied to make it build.
    """

    signature: str | None
    seconds: float
    built: bool
    mended: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tried:
    """A trial in the journal: of which commit, and as what."""

    sha: str
    role: str
    trial: Trial


@dataclass
class Run:
    """One run: its folder and its events.

    Attributes:
        folder: where everything of this run is.
        index: the journal, beside it.
    """

    folder: Path
    index: Path
    _events: list[Event] | None = field(default=None, repr=False)

    @property
    def events(self) -> list[Event]:
        """The run's events in the order in which they happened."""
        if self._events is None:
            with _reading(self.index) as database:
                rows = database.execute(
                    "SELECT kind, run, data, utc, monotonic, boot, host, schema FROM events WHERE run = ? ORDER BY id",
                    (self.folder.name,),
                ).fetchall()
                self._events = [Event(kind, run, json.loads(data), *when) for kind, run, data, *when in rows]
        return self._events

    def add(self, kind: str, data: Mapping[str, Any]) -> None:
        """Add an event; on return it is on disk.

        Raises:
            InfrastructureError: it cannot be written.
        """
        event = _event(kind, self.folder.name, data)
        known = self.events
        with _writing(self.index) as database:
            _insert(database, event)
        known.append(event)

    def trial(self, sha: str, role: str, trial: Trial) -> None:
        """Write one finished trial into the journal; on return it is on disk."""
        self.add(
            "trial",
            {
                "sha": sha,
                "role": role,
                "variant": trial.variant,
                "outcome": str(trial.outcome),
                "reason": trial.reason,
                "seconds": trial.seconds,
                "phases": [list(phase) for phase in trial.phases],
                "signature": trial.crash.signature if trial.crash else None,
                "crash": trial.crash.to_json() if trial.crash else None,
                "folder": str(trial.folder.relative_to(self.folder)),
                "digest": self._head.get("digest"),
                **_hashes(trial.folder.parent),
            },
        )

    def trials(self) -> list[Tried]:
        """The finished trials of this run, in the order in which they were made."""
        with whole(self.index):
            return [
                Tried(event.data["sha"], event.data["role"], _trial(event.data, self.folder))
                for event in self.events
                if event.kind == "trial"
            ]

    def kernel(self, sha: str, kernel: Built) -> None:
        """Write what came of a build; the first word on a commit stays, as later ones are from the cache."""
        if sha not in self.kernels():
            built = {"signature": kernel.signature, "seconds": kernel.seconds, "built": kernel.built}
            self.add("kernel", {"sha": sha, **built, "mended": list(kernel.mended)})

    def kernels(self) -> dict[str, Built]:
        """The builds of this run, by commit."""
        found: dict[str, Built] = {}
        with whole(self.index):
            for data in (event.data for event in self.events if event.kind == "kernel"):
                kernel = Built(data["signature"], data["seconds"], data["built"], tuple(data["mended"]))
                found.setdefault(data["sha"], kernel)
        return found

    def averages(self) -> tuple[float | None, float | None]:
        """Seconds of a build and of a boot, on the average of all runs of this run's scenario and architecture."""
        of = "(SELECT b.folder FROM runs a JOIN runs b USING (scenario, arch) WHERE a.folder = ?)"
        with _reading(self.index) as database:
            [builds] = database.execute(
                f"SELECT AVG(seconds) FROM kernels WHERE built AND signature IS NOT NULL AND run IN {of}",  # noqa: S608
                (self.folder.name,),
            ).fetchone()
            [boots] = database.execute(
                f"SELECT AVG(seconds) FROM trials WHERE outcome <> ? AND run IN {of}",  # noqa: S608
                (str(Outcome.BUILD_FAILED), self.folder.name),
            ).fetchone()
        return builds, boots

    def plan(self, plan: Mapping[str, Any]) -> None:
        """Write what a bisection is to find, before it starts."""
        self.add("plan", plan)

    def reopen(self) -> None:
        """Say that this run goes on."""
        self.add("resume", {})

    @contextlib.contextmanager
    def held(self, progress: Progress) -> Iterator[None]:
        """Hold the run, so that no second process goes on with it at the same time.

        Raises:
            UserError: another process has it; the message says which.
        """
        with locked(self.folder / "run.lock", progress, wait=False):
            self._events = None  # another process may have added to it until now
            yield

    def close(self, status: str, reason: str, findings: Mapping[str, Any] | None = None) -> None:
        """Write the end of the run; where it cannot be written, it is still among the events of this object.

        Args:
            findings: what was found, as far as no other event says it.

        Raises:
            InfrastructureError: it cannot be written.
        """
        data = {"status": status, "reason": reason, **(findings or {})}
        try:
            self.add("end", data)
        except InfrastructureError:
            self._events = [*(self._events or ()), _event("end", self.folder.name, data)]
            raise

    @property
    def _head(self) -> Mapping[str, Any]:
        return next((event.data for event in self.events if event.kind == "start"), {})


def _trial(data: Mapping[str, Any], top: Path) -> Trial:
    return Trial(
        Outcome(data["outcome"]),
        data["reason"],
        data["seconds"],
        top / data["folder"],
        _crash(data["crash"]),
        tuple((name, at) for name, at in data["phases"]),
        data["variant"],
    )


def _crash(data: Mapping[str, Any] | None) -> Crash | None:
    if data is None:
        return None
    lists = {name: tuple(data[name]) for name in ("alt_titles", "modules")}
    return Crash(**{**data, **lists, "frames": tuple(Frame(**frame) for frame in data["frames"])})


def _hashes(folder: Path) -> dict[str, str | None]:
    """The hashes of the image and of the configuration in a commit's folder, where there are any."""
    image = config = None
    with contextlib.suppress(OSError, ValueError, AttributeError):
        image = json.loads((folder / "kernel.json").read_text(encoding="utf-8")).get("signature")
    with contextlib.suppress(OSError):
        config = hashlib.sha256((folder / "config").read_bytes()).hexdigest()
    return {"image": image, "config": config}


@functools.cache
def _boot() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


def _event(kind: str, run: str, data: Mapping[str, Any]) -> Event:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return Event(kind, run, data, now, round(time.monotonic(), 3), _boot(), platform.node())


def _insert(database: sqlite3.Connection, event: Event) -> None:
    database.execute(
        "INSERT INTO events (kind, run, data, utc, monotonic, boot, host, schema) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(event.kind, event.run, json.dumps(event.data, default=str)),
            *(event.utc, event.monotonic, event.boot, event.host, event.schema),
        ),
    )


@contextlib.contextmanager
def _writing(path: Path, *, new: bool = False) -> Iterator[sqlite3.Connection]:
    """The journal, for one transaction.

    Args:
        new: make it where there is none.
    """
    with _told(path), contextlib.closing(_connected(path, "rwc" if new else "rw")) as database:
        database.execute("PRAGMA synchronous = EXTRA")
        database.execute("BEGIN IMMEDIATE")
        _check(database, path, new=new)
        yield database
        database.execute("COMMIT")


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    # Not "ro": what a killed process left half-written is rolled back first.  A read-only disk is read all the same.
    with _told(path), contextlib.closing(_connected(path, "rw")) as database:
        _check(database, path)
        yield database


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=WAIT, isolation_level=None)


def _check(database: sqlite3.Connection, path: Path, *, new: bool = False) -> None:
    """Refuse a journal of another version; make the tables of a new one."""
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
            f"move it away (mv {path.name} {path.name}.{version or 1}), or give another folder with --results"
        )


def _statements() -> Iterator[str]:
    text = ""
    for line in _TABLES.splitlines():
        text += line + "\n"
        if sqlite3.complete_statement(text):
            yield text
            text = ""


_REMEDIES = {
    "locked": f"another process has held it for {WAIT:.0f} s; end it (`fuser` says which), then try again",
    "readonly": "it cannot be written: make the file and its folder writable, or give another folder with --results",
    "unable to open": "it cannot be opened: is the folder there, readable and writable?",
    "disk I/O": "the disk failed or is full; when that is well again, go on",
    "malformed": "it is damaged: move it away, or let `sqlite3 FILE .recover` save what can be read",
    "not a database": "it is damaged, or not a journal: move it away, or give another folder with --results",
    "decode": "it is damaged: move it away, or let `sqlite3 FILE .recover` save what can be read",
}


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Errors of the journal as errors of the machinery, with what to do about them."""
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
    """Turn what goes wrong with events that make no sense into an error of the machinery: a damaged journal.

    Args:
        path: the journal.
    """
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, StopIteration) as error:
        raise InfrastructureError(f"{path}: {_REMEDIES['malformed']} ({error})") from error


def start(results: Path, scenario: str, tree: str, arch: str, **more: Any) -> Run:
    """A new run, already in the journal.

    Args:
        results: the folder of all results; made where it is missing.
        more: whatever else is to be known of it from the start.

    Raises:
        UserError: nothing can be written there.
        InfrastructureError: the disk is full, or the journal cannot be written.
    """
    stamp = time.strftime("%Y-%m-%d-%H%M%S")
    for number in range(1, 1000):
        name = f"{stamp}-{scenario}" + (f"-{number}" if number > 1 else "")
        try:
            results.mkdir(parents=True, exist_ok=True)
            (results / name).mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                raise InfrastructureError(f"--results {results}: {error.strerror}") from error
            raise UserError(f"--results {results}: {error.strerror}") from error
        break
    else:
        raise UserError(f"--results {results}: a thousand runs in one second; is the clock right?")
    run = Run(results / name, results / "index.sqlite")
    event = _event("start", name, {"scenario": scenario, "tree": tree, "arch": arch, **more})
    with _writing(run.index, new=True) as database:
        _insert(database, event)
    run._events = [event]
    return run


def find(folder: Path) -> Run:
    """The run in a folder.

    Raises:
        UserError: there is no run in it that the journal beside it knows.
    """
    index = folder.parent / "index.sqlite"
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; a result is a folder such as results/2026-05-01-101500-pi-disk")
    if not index.exists():
        raise UserError(f"{folder}: no result: its journal, {index}, is missing; a result is moved along with it")
    run = Run(folder, index)
    if not run.events:
        raise UserError(f"{folder}: no result: {index} knows no such run")
    return run


def bisections(results: Path) -> list[tuple[Run, dict[str, Any], str]]:
    """The bisections in a folder of results, the last that was started first, each with its plan and its status."""
    index = results / "index.sqlite"
    if not index.exists():
        return []
    with _reading(index) as database:
        rows = database.execute(
            "SELECT run, plan, status FROM bisections JOIN runs ON run = folder ORDER BY bisections.id DESC"
        ).fetchall()
        return [(Run(results / name, index), json.loads(plan), status) for name, plan, status in rows]
