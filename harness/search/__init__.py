"""Which commit to try next, or: this is the culprit, or: it can't be told, because ...  Pure.

A search is asked again and again with all that is known by then; it keeps nothing between two
questions, so a search that is taken up from a journal decides as one that never stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class History:
    """The commits that a search is about: a set that git would call `GOOD..BAD`.

    Attributes:
        commits: full hashes of all commits reachable from the bad end and from no good end, parents
            before children; the bad end is the last.
        parents: of each of `commits`, its parents that are in `commits` too, the first parent first.
        good: the good ends; they are not in `commits`.
    """

    commits: tuple[str, ...]
    parents: Mapping[str, tuple[str, ...]]
    good: tuple[str, ...]

    @property
    def bad(self) -> str:
        """The bad end."""
        return self.commits[-1]


@dataclass(frozen=True)
class Evidence:
    """What the trials of one commit have shown.

    Attributes:
        bad: trials that showed the expected crash.
        quiet: trials that ran to their end without it.
        skip: why the commit cannot be tried (it does not build or boot, it crashes elsewhere); None where it can.
    """

    bad: int = 0
    quiet: int = 0
    skip: str | None = None


@dataclass(frozen=True)
class Probe:
    """Try this commit, `runs` times unless the crash comes before; `left` is about how many more commits will be."""

    commit: str
    runs: int
    left: int


@dataclass(frozen=True)
class Culprit:
    """The first bad commit, and how probable that is, between 0 and 1."""

    commit: str
    confidence: float


@dataclass(frozen=True)
class Inconclusive:
    """It can't be told.

    Attributes:
        reason: why, on one line.
        candidates: the commits between which it can't be told, the likeliest first; empty where it is none
            of the range (`not_reproduced`).
        not_reproduced: the bad end does not show the crash, or a good end does: there is no such regression.
    """

    reason: str
    candidates: tuple[str, ...] = ()
    not_reproduced: bool = False


Decision = Probe | Culprit | Inconclusive


class Search(Protocol):
    """A way to search a history."""

    def decide(self, evidence: Mapping[str, Evidence], built: Set[str] = frozenset()) -> Decision:
        """What to do next.

        Args:
            evidence: by commit, the ends included; what is not in it was not tried.
            built: the commits that have a finished image, whose next trial costs a boot and no build.
        """
