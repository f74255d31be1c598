"""The guest's status lines, as guest/README.md defines them: a mark, optionally the guest's uptime, and a text."""

from __future__ import annotations

import re
from typing import NamedTuple

_LINE = re.compile(r"regress: (up|step|cut|ktap|passed|failed|skipped|error)\b(?: \d+\.\d+)? ?(.*)")


class Status(NamedTuple):
    """What a status line says: its mark, such as `passed`, and its text."""

    mark: str
    text: str


def status_line(line: str) -> Status | None:
    """What a line says, without the newline; None if it is no status line."""
    found = _LINE.fullmatch(line)
    return Status(found[1], found[2]) if found else None
