"""Helpers that several tests share."""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.progress import Silent

ROOT = Path(__file__).resolve().parent.parent.parent
"""The checkout."""

IDENTITY = {
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "C",
    "GIT_COMMITTER_EMAIL": "c@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
}


class Noting(Silent):
    """Progress that keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """See `harness.progress.Progress.note`."""
        self.notes.append(text)


@dataclass
class Called:
    """A call of the program with `--json`: its exit status, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        assert self.out, self.err
        return dict[str, Any](json.loads(self.out))

    def __getitem__(self, key: str) -> Any:
        return self.json[key]


def alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(pid: int) -> bool:
    """Whether a process ends within ten seconds; one that waits to be reaped has ended."""
    for _ in range(200):
        if not alive(pid):
            return True
        time.sleep(0.05)
    return False


def said_by_processes() -> Iterator[tuple[int, bytes]]:
    """Each process but this one, with its command line and its environment."""
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):
                yield int(folder.name), (folder / "cmdline").read_bytes() + b"\0" + (folder / "environ").read_bytes()


def processes(word: str) -> list[int]:
    """Processes that have a word in their command line or their environment."""
    return [pid for pid, said in said_by_processes() if word.encode() in said]
