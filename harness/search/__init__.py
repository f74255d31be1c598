"""Decides which commit to try next, or which one is the culprit, or why that is inconclusive.  Pure.

A search is asked repeatedly with everything known so far.  It keeps no state in between, so a search resumed
from a journal decides as one that was never interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class History:
    """The commits to search: what git would call `OLD..NEW`.

    Attributes:
        commits: full hashes of all commits reachable from the new end and from no old end, parents
            before children; the new end is the last.
        parents: of each of `commits`, its parents that are in `commits` too, the first parent first.
        old: the old ends; they are not in `commits`.
        fix: whether the old ends have the crash, and the commit that fixed it is the culprit.
        hints: sets of commits that the crash points to (`harness.search.hint`); they decide what is tried sooner, and
            neither what is a culprit nor how probable that is.
    """

    commits: tuple[str, ...]
    parents: Mapping[str, tuple[str, ...]]
    old: tuple[str, ...]
    fix: bool = False
    hints: tuple[frozenset[str], ...] = ()

    @property
    def new(self) -> str:
        """The new end."""
        return self.commits[-1]

    @property
    def crashing(self) -> tuple[str, ...]:
        """The ends that must show the crash."""
        return self.old if self.fix else (self.new,)

    @property
    def quiet(self) -> tuple[str, ...]:
        """The ends that must not show the crash."""
        return (self.new,) if self.fix else self.old

    def name(self, end: str) -> str:
        """An end in words, such as `the bad end 0123456789ab`."""
        new, old = ("fixed", "broken") if self.fix else ("bad", "good")
        return f"the {new if end == self.new else old} end {end[:12]}"


GIVE_UP = 4
"""A commit is given up after so many inconclusive trials in a row."""


@dataclass(frozen=True)
class Evidence:
    """What the trials of one commit showed.

    Attributes:
        bad: trials that showed the expected crash.
        quiet: trials that ran to their end without it.
        skip: why the commit cannot be tested (it does not build or boot, it crashes elsewhere); None if it can.
        untold: inconclusive trials since the last conclusive one; 0 if another trial would be the same.
    """

    bad: int = 0
    quiet: int = 0
    skip: str | None = None
    untold: int = 0

    @property
    def hopeless(self) -> bool:
        """Whether trying it again is useless."""
        return self.untold >= GIVE_UP or (self.skip is not None and not self.untold)


@dataclass(frozen=True)
class Probe:
    """Try this commit, `runs` times unless it crashes first; `left` estimates how many more commits follow."""

    commit: str
    runs: int
    left: int


@dataclass(frozen=True)
class Culprit:
    """The culprit, and how probable that is, between 0 and 1."""

    commit: str
    confidence: float


@dataclass(frozen=True)
class Inconclusive:
    """There is no single culprit.

    Attributes:
        reason: why, on one line.
        candidates: the commits among which it is, the likeliest first; empty if it is not in the range
            (`not_reproduced`).
        not_reproduced: an end that must show the crash does not, or one that must not does.
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
            evidence: by commit, ends included; commits not in it were not tried.
            built: the commits that have a finished image, whose next trial costs a boot and no build.
        """


class Wide(Search, Protocol):
    """A search that can have several commits in hand."""

    def ahead(self, evidence: Mapping[str, Evidence], built: Set[str], flying: Mapping[str, int]) -> Probe | None:
        """What to try beside what is being tried, given that it has yet to decide.

        Args:
            evidence: as for `decide`.
            built: as for `decide`.
            flying: the commits that are being tried, and how often.

        Returns:
            None if nothing further is worth trying now.
        """

    def moot(self, evidence: Mapping[str, Evidence], sha: str) -> bool:
        """Whether the trials of a commit that is being tried no longer tell anything."""
