"""What is written under `results/`: a folder a run, and a SQLite journal over all of them.

Each trial is in the journal before the next one starts; `results/README.md` defines the format.
"""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import InfrastructureError, UserError
from harness.files import write_atomically
from harness.model import Trial

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    folder TEXT PRIMARY KEY, scenario TEXT NOT NULL, tree TEXT NOT NULL, arch TEXT NOT NULL,
    started TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS trials (
    id INTEGER PRIMARY KEY, run TEXT NOT NULL REFERENCES runs (folder), sha TEXT NOT NULL, role TEXT NOT NULL,
    outcome TEXT NOT NULL, reason TEXT NOT NULL, title TEXT, seconds REAL NOT NULL, folder TEXT NOT NULL
) STRICT;
"""


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
                "INSERT INTO trials (run, sha, role, outcome, reason, title, seconds, folder)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(self.folder.name, sha, role, str(trial.outcome), trial.reason),
                    *(trial.crash.title if trial.crash else None, trial.seconds),
                    str(trial.folder.relative_to(self.folder)),
                ),
            )

    def close(self, status: str, reason: str, result: dict[str, Any]) -> None:
        """Write the end of the run: `result.json`, then the journal."""
        write_atomically(self.folder / "result.json", json.dumps(result, indent=2) + "\n")
        with _opened(self.index) as database:
            database.execute(
                "UPDATE runs SET status = ?, reason = ? WHERE folder = ?", (status, reason, self.folder.name)
            )


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
