"""The first pass over much text: where may a crash begin?"""

from __future__ import annotations

import re
from bisect import bisect_left

from harness.console.rules import MARKS

_ANY = re.compile(b"|".join(map(re.escape, MARKS)))


def marks_in(block: bytes) -> list[int]:
    """The places in a block, in order, where a head of a crash may be."""
    return [found.start() for found in _ANY.finditer(block)]


def next_mark(places: list[int], start: int) -> int | None:
    """The first of the places at or after one; None where there is none."""
    at = bisect_left(places, start)
    return places[at] if at < len(places) else None
