"""What is written under `results/`: a folder a run, and a SQLite journal over all of them.

Each trial is in the journal before the next one starts; `results/README.md` defines the format.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.console import Crash, Frame
from harness.errors import InfrastructureError, UserError
from harness.files import locked, write_atomically
from harness.model import Outcome, Trial
from harness.progress import Progress

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    folder TEXT PRIMARY KEY, scenario TEXT NOT NULL, tree TEXT NOT NULL, arch TEXT NOT NULL,
    started TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS trials (
    id INTEGER PRIMARY KEY, run TEXT NOT NULL REFERENCES runs (folder), sha TEXT NOT NULL, role TEXT NOT NULL,
    outcome TEXT NOT NULL, reason TEXT NOT NULL, title TEXT, seconds REAL NOT NULL, folder TEXT NOT NULL,
    crash TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS kernels (
    run TEXT NOT NULL REFERENCES runs (folder), sha TEXT NOT NULL, signature TEXT, seconds REAL NOT NULL,
    built INTEGER NOT NULL, mended TEXT NOT NULL, PRIMARY KEY (run, sha)
) STRICT;
CREATE TABLE IF NOT EXISTS bisections (run TEXT PRIMARY KEY REFERENCES runs (folder), plan TEXT NOT NULL) STRICT;
"""


@dataclass(frozen=True)
class Built:
    """What the journal knows of a commit's kernel.

    Attributes:
        signature: SHA-256 of the image; None where it did not build.
        seconds: what the build took.  built: False when it came from the cache.
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


@dataclass(frozen=True)
class Run:
    """One run's folder and its line in the journal.

    Attributes:
        folder: where everything of this run is.
        index: the journal, beside it.
    """

    folder: Path
    index: Path

    def trial(self, sha: str, role: str, trial: Trial) -> None:
        """Write one finished trial into the journal; on return it is on disk."""
        with _opened(self.index) as database:
            database.execute(
                "INSERT INTO trials (run, sha, role, outcome, reason, title, seconds, folder, crash)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(self.folder.name, sha, role, str(trial.outcome), trial.reason),
                    *(trial.crash.title if trial.crash else None, trial.seconds),
                    str(trial.folder.relative_to(self.folder)),
                    json.dumps(trial.crash.to_json()) if trial.crash else None,
                ),
            )

    def trials(self) -> list[Tried]:
        """The finished trials of this run, in the order they were made."""
        with _opened(self.index) as database:
            rows = database.execute(
                "SELECT sha, role, outcome, reason, seconds, folder, crash FROM trials WHERE run = ? ORDER BY id",
                (self.folder.name,),
            ).fetchall()
        return [
            Tried(sha, role, Trial(Outcome(outcome), reason, seconds, self.folder / folder, _crash(crash)))
            for sha, role, outcome, reason, seconds, folder, crash in rows
        ]

    def kernel(self, sha: str, kernel: Built) -> None:
        """Write what came of a build; the first word on a commit stays, as later ones are from the cache."""
        with _opened(self.index) as database:
            database.execute(
                "INSERT OR IGNORE INTO kernels VALUES (?, ?, ?, ?, ?, ?)",
                (
                    *(self.folder.name, sha, kernel.signature, kernel.seconds, int(kernel.built)),
                    json.dumps(kernel.mended),
                ),
            )

    def kernels(self) -> dict[str, Built]:
        """The builds of this run, by commit."""
        with _opened(self.index) as database:
            rows = database.execute(
                "SELECT sha, signature, seconds, built, mended FROM kernels WHERE run = ?", (self.folder.name,)
            ).fetchall()
        return {
            sha: Built(sign, secs, bool(built), tuple(json.loads(mended))) for sha, sign, secs, built, mended in rows
        }

    def averages(self) -> tuple[float | None, float | None]:
        """Seconds of a build and of a boot, on the average of all runs of this run's scenario and architecture."""
        of = "(SELECT b.folder FROM runs a JOIN runs b USING (scenario, arch) WHERE a.folder = ?)"
        with _opened(self.index) as database:
            [builds] = database.execute(
                f"SELECT AVG(seconds) FROM kernels WHERE built AND signature IS NOT NULL AND run IN {of}",  # noqa: S608
                (self.folder.name,),
            ).fetchone()
            [boots] = database.execute(
                f"SELECT AVG(seconds) FROM trials WHERE outcome <> ? AND run IN {of}",  # noqa: S608
                (str(Outcome.BUILD_FAILED), self.folder.name),
            ).fetchone()
        return builds, boots

    def plan(self, plan: dict[str, Any]) -> None:
        """Write what a bisection is to find, before it starts."""
        with _opened(self.index) as database:
            database.execute("INSERT INTO bisections VALUES (?, ?)", (self.folder.name, json.dumps(plan)))

    def reopen(self) -> None:
        """Say that this run goes on."""
        with _opened(self.index) as database:
            database.execute("UPDATE runs SET status = 'running', reason = '' WHERE folder = ?", (self.folder.name,))

    @contextlib.contextmanager
    def held(self, progress: Progress) -> Iterator[None]:
        """Hold the run, so that no second process goes on with it at the same time.

        Raises:
            UserError: another process has it; the message says which.
        """
        with locked(self.folder / "run.lock", progress, wait=False):
            yield

    def close(self, status: str, reason: str, result: dict[str, Any]) -> None:
        """Write the end of the run: `result.json`, then the journal."""
        write_atomically(self.folder / "result.json", json.dumps(result, indent=2) + "\n")
        with _opened(self.index) as database:
            database.execute(
                "UPDATE runs SET status = ?, reason = ? WHERE folder = ?", (status, reason, self.folder.name)
            )


def _crash(text: str | None) -> Crash | None:
    if text is None:
        return None
    data = json.loads(text)
    lists = {name: tuple(data[name]) for name in ("alt_titles", "modules")}
    return Crash(**{**data, **lists, "frames": tuple(Frame(**frame) for frame in data["frames"])})


class _opened:  # noqa: N801  used as a function
    """The journal, for one transaction."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> sqlite3.Connection:
        try:
            self.database = sqlite3.connect(self.path, timeout=30.0)
            self.database.execute("PRAGMA journal_mode = WAL")
            self.database.execute("PRAGMA synchronous = FULL")
            self.database.executescript(_SCHEMA)
            columns = {row[1] for row in self.database.execute("PRAGMA table_info(trials)")}
            if "crash" not in columns:  # written by an earlier version
                self.database.execute("ALTER TABLE trials ADD COLUMN crash TEXT")
        except sqlite3.Error as error:
            raise InfrastructureError(f"{self.path}: {error}") from error
        return self.database

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            self.database.commit() if kind is None else self.database.rollback()
        except sqlite3.Error as fault:
            raise InfrastructureError(f"{self.path}: {fault}") from fault
        finally:
            self.database.close()


def start(results: Path, scenario: str, tree: str, arch: str) -> Run:
    """A new run, already in the journal.

    Args:
        results: the folder of all results; made where it is missing.

    Raises:
        UserError: nothing can be written there.
    """
    stamp = time.strftime("%Y-%m-%d-%H%M%S")
    name = f"{stamp}-{scenario}"
    for number in range(2, 100):
        try:
            results.mkdir(parents=True, exist_ok=True)
            (results / name).mkdir()
            break
        except FileExistsError:
            name = f"{stamp}-{scenario}-{number}"
        except OSError as error:
            raise UserError(f"--results {results}: {error.strerror}") from error
    run = Run(results / name, results / "index.sqlite")
    with _opened(run.index) as database:
        database.execute(
            "INSERT INTO runs VALUES (?, ?, ?, ?, ?, 'running', '')",
            (name, scenario, tree, arch, time.strftime("%Y-%m-%dT%H:%M:%S%z")),
        )
    return run


def bisections(results: Path) -> list[tuple[Run, dict[str, Any], str]]:
    """The bisections in a folder of results, the newest first, each with its plan and its status."""
    index = results / "index.sqlite"
    if not index.exists():
        return []
    with _opened(index) as database:
        rows = database.execute(
            "SELECT run, plan, status FROM bisections JOIN runs ON run = folder ORDER BY runs.started DESC, run DESC"
        ).fetchall()
    return [(Run(results / name, index), json.loads(plan), status) for name, plan, status in rows]
