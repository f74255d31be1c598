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
    """The commits that a search is about: a set that git would call `OLD..NEW`.

    Attributes:
        commits: full hashes of all commits reachable from the new end and from no old end, parents
            before children; the new end is the last.
        parents: of each of `commits`, its parents that are in `commits` too, the first parent first.
        old: the old ends; they are not in `commits`.
        fix: whether the old ends have the crash, and the commit that ended it is looked for.
    """

    commits: tuple[str, ...]
    parents: Mapping[str, tuple[str, ...]]
    old: tuple[str, ...]
    fix: bool = False

    @property
    def new(self) -> str:
        """The new end."""
        return self.commits[-1]

    @property
    def crashing(self) -> tuple[str, ...]:
        """The ends that have to show the crash."""
        return self.old if self.fix else (self.new,)

    @property
    def quiet(self) -> tuple[str, ...]:
        """The ends that have to be without it."""
        return (self.new,) if self.fix else self.old

    def name(self, end: str) -> str:
        """An end as people call it, such as `the bad end 0123456789ab`."""
        new, old = ("fixed", "broken") if self.fix else ("bad", "good")
        return f"the {new if end == self.new else old} end {end[:12]}"


GIVE_UP = 4
"""A commit is given up after so many trials in a row that could not be told."""


@dataclass(frozen=True)
class Evidence:
    """What the trials of one commit have shown.

    Attributes:
        bad: trials that showed the expected crash.
        quiet: trials that ran to their end without it.
        skip: why the commit cannot be tried (it does not build or boot, it crashes elsewhere); None where it can.
        untold: the trials since the last one that could be told; 0 where another trial would be the same.
    """

    bad: int = 0
    quiet: int = 0
    skip: str | None = None
    untold: int = 0

    @property
    def hopeless(self) -> bool:
        """Whether it is no use to try it again."""
        return self.untold >= GIVE_UP or (self.skip is not None and not self.untold)


@dataclass(frozen=True)
class Probe:
    """Try this commit, `runs` times unless the crash comes before; `left` is about how many more commits will be."""

    commit: str
    runs: int
    left: int


@dataclass(frozen=True)
class Culprit:
    """The commit that is looked for, and how probable that is, between 0 and 1."""

    commit: str
    confidence: float


@dataclass(frozen=True)
class Inconclusive:
    """It can't be told.

    Attributes:
        reason: why, on one line.
        candidates: the commits between which it can't be told, the likeliest first; empty where it is none
            of the range (`not_reproduced`).
        not_reproduced: an end that has to show the crash does not, or one that has to be without it does.
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
