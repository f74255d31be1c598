"""A history as numbers: commits by their place in it, sets of commits as the bits of one integer."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set

from harness.search import History

# From the digits of a binary number to the bytes 0 and 1, and back.
DIGITS = bytes.maketrans(b"01", b"\x00\x01")
BINARY = bytes.maketrans(b"\x00\x01", b"01")


class Graph:
    """Who descends from whom in a history.

    A commit is its place in `History.commits`; bit i of a set says whether the commit at place i is in it.

    Args:
        history: the range to search.

    Attributes:
        everything: the set of all commits.
        parents: of each commit, its parents in the history.

    Raises:
        ValueError: a parent does not come before its child, or is not in the history.
    """

    def __init__(self, history: History) -> None:
        place: dict[str, int] = {}
        self.place = place
        self.parents: list[tuple[int, ...]] = []
        self.fix = history.fix
        self._reach: dict[int, int] = {}
        for here, sha in enumerate(history.commits):
            above = history.parents.get(sha, ())
            if not all(parent in place for parent in above):
                raise ValueError(f"a parent of {sha} does not come before it in the history")
            self.parents.append(tuple(place[parent] for parent in above))
            place[sha] = here
        self.everything = (1 << len(self.parents)) - 1

    def having(self, shas: Iterable[str]) -> int:
        """The set of these commits; those that are not in the history are left out."""
        flags = bytearray(len(self.parents))
        for sha in shas:
            if (place := self.place.get(sha)) is not None:
                flags[place] = 1
        return int(flags[::-1].translate(BINARY) or b"0", 2)

    def reach(self, place: int) -> int:
        """The set of a commit and its ancestors.

        It is computed on demand: all of them together would take n * n / 16 bytes.
        """
        if place not in self._reach:
            flags, todo = bytearray(len(self.parents)), [place]
            flags[place] = 1
            while todo:
                for parent in self.parents[todo.pop()]:
                    if not flags[parent]:
                        flags[parent] = 1
                        todo.append(parent)
            self._reach[place] = int(flags[::-1].translate(BINARY), 2)
        return self._reach[place]

    def crashing(self, place: int) -> int:
        """The commits that, if they are the culprit, make the commit at this place crash."""
        return self.everything & ~self.reach(place) if self.fix else self.reach(place)

    def sweep(self, pool: int, within: int) -> Iterator[tuple[int, int]]:
        """What each commit of a set reaches in another set, parents before children.

        Only what is still needed is in memory: one set per branch that is open at a time.

        Args:
            pool: the commits to go through.  The way from one to another must not lead out of it.
            within: what counts.

        Yields:
            A place, and the part of `within` that it reaches inside `pool`.
        """
        places = members(pool)
        inside = flagged(pool, len(self.parents))
        counts = flagged(within, len(self.parents))
        children = Counter(parent for place in places for parent in self.parents[place] if inside[parent])
        known: dict[int, int] = {}
        for place in places:
            found = 0
            for parent in self.parents[place]:
                if inside[parent]:
                    found |= known[parent]
                    children[parent] -= 1
                    if not children[parent]:
                        del known[parent]
            if counts[place]:
                found |= 1 << place
            if children[place]:
                known[place] = found
            yield place, found


def flagged(bits: int, count: int) -> bytes:
    """For each of `count` places whether it is in a set, as a byte 0 or 1."""
    return bin(bits)[:1:-1].encode().translate(DIGITS).ljust(count, b"\0")


def members(bits: int) -> list[int]:
    """The places that are in a set, oldest first."""
    return list(itertools.compress(itertools.count(), flagged(bits, 0)))


def as_set(places: Iterable[int]) -> int:
    """The set of these places."""
    bits = 0
    for place in places:
        bits |= 1 << place
    return bits


def only(above: Mapping[str, tuple[str, ...]], kept: Set[str]) -> dict[str, tuple[str, ...]]:
    """A part of a history, its commits joined as they descend from one another.

    Args:
        above: for each commit its parents, parents before children.
        kept: the commits of the part.
    """
    nearest: dict[str, tuple[str, ...]] = {}
    found: dict[str, tuple[str, ...]] = {}
    for sha, parents in above.items():
        under = tuple(dict.fromkeys(one for parent in parents for one in nearest[parent]))
        if sha in kept:
            found[sha] = under
        nearest[sha] = (sha,) if sha in kept else under
    return found
