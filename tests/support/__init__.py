"""Helpers that several tests share."""

import os
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
"""The checkout."""

IDENTITY = {
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "C",
    "GIT_COMMITTER_EMAIL": "c@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    """Whether a process ends within ten seconds; one that waits to be reaped has ended."""
    for _ in range(200):
        if not alive(pid):
            return True
        time.sleep(0.05)
    return False
