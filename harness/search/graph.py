"""A history as numbers: commits by their place in it, sets of commits as the bits of one integer."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from harness.search import History

# From the digits of a binary number to the bytes 0 and 1.
DIGITS = bytes.maketrans(b"01", b"\x00\x01")


class Graph:
    """Who descends from whom in a history.

    A commit is its place in `History.commits`; bit i of a set says whether the commit at place i is in it.

    Args:
        history: what to search.

    Attributes:
        everything: the set of all commits.
        parents: of each commit, its parents in the history.
        reach: of each commit, the set of itself and its ancestors.

    Raises:
        ValueError: a parent does not come before its child, or is not in the history.
    """

    def __init__(self, history: History) -> None:
        place: dict[str, int] = {}
        self.place = place
        self.parents: list[tuple[int, ...]] = []
        self.reach: list[int] = []
        for here, sha in enumerate(history.commits):
            if not all(parent in place for parent in history.parents.get(sha, ())):
                raise ValueError(f"a parent of {sha} does not come before it in the history")
            parents = tuple(place[parent] for parent in history.parents.get(sha, ()))
            reach = 1 << here
            for parent in parents:
                reach |= self.reach[parent]
            place[sha] = here
            self.parents.append(parents)
            self.reach.append(reach)
        self.everything = (1 << len(self.reach)) - 1


def members(bits: int) -> list[int]:
    """The places that are in a set, oldest first."""
    digits = bin(bits)[:1:-1].encode().translate(DIGITS)
    return list(itertools.compress(itertools.count(), digits))


def as_set(places: Iterable[int]) -> int:
    """The set of these places."""
    bits = 0
    for place in places:
        bits |= 1 << place
    return bits
