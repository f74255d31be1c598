"""The first pass over much text: where may a crash begin?

Reading lines in Python costs some 10 microseconds a line; almost all of a console is benign, so blocks are first
searched for the few words that the head of any crash has.  An Aho-Corasick automaton in Rust does that at the speed
of memory, several times faster than `grep -F` of the same words (bench/oops.py).  Where that library is not
installed, Python's own `re` finds the same places, about thirty times slower.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable

from harness.console.rules import MARKS

try:
    from ahocorasick_rs import BytesAhoCorasick, MatchKind
except ImportError:  # the library is to be of use without the rest of the program's dependencies
    BytesAhoCorasick = None  # type: ignore[assignment, misc]


def _with_re() -> Callable[[bytes], list[int]]:
    any_mark = re.compile(b"|".join(map(re.escape, MARKS)))
    return lambda block: [found.start() for found in any_mark.finditer(block)]


def _with_automaton() -> Callable[[bytes], list[int]]:
    # Leftmost-first is what `re` does; it also lets the automaton use its vectorized search.
    automaton = BytesAhoCorasick(list(MARKS), matchkind=MatchKind.LeftmostFirst)
    return lambda block: [start for _, start, _ in automaton.find_matches_as_indexes(block)]


marks_in = _with_automaton() if BytesAhoCorasick is not None else _with_re()
"""The places in a block, in order, where a head of a crash may be."""


def next_mark(places: list[int], start: int) -> int | None:
    """The first of the places at or after one; None where there is none."""
    at = bisect_left(places, start)
    return places[at] if at < len(places) else None
