"""Asks a search what to try until it has an answer, and keeps a watcher informed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Set
from dataclasses import asdict, dataclass
from typing import Protocol, cast

from harness.bisect.evidence import Rates
from harness.bisect.plan import Plan
from harness.git import Commit
from harness.model import Judgement, Verdict
from harness.runner import Elsewhere
from harness.search import Culprit, Evidence, History, Inconclusive, Probe, Search, Wide
from harness.search.bayes import Bayes
from harness.search.halving import Halving
from harness.turns import Crew

SearchFor = Callable[[History], Wide]
"""Makes a search of a history."""


def search_for(plan: Plan, rates: Callable[[], Rates]) -> SearchFor:
    """The maker of the search that a plan asks for.

    Args:
        rates: what builds and boots take here.
    """

    def make(history: History) -> Wide:
        if plan.runs is not None:
            return Halving(history, plan.runs)
        costs = {f"{name}_seconds": value for name, value in asdict(rates()).items() if value}
        return Bayes(history, plan.confidence, **costs)

    return make


@dataclass(frozen=True)
class State:
    """The state of a bisection, for a watcher.

    Attributes:
        commits: the range from the old ends to the new one, oldest first.
        suspects: those of them that may still be the culprit.
        in_hand: the commit being tried, and how often.
        left: about how many more commits will be tried.
        words: the verdicts so far, by commit.
        likely: the likeliest commits with their probabilities, if the search goes by these.
        rates: what builds and boots take here.
    """

    commits: tuple[str, ...]
    suspects: frozenset[str]
    in_hand: Commit
    runs: int
    left: int
    words: Mapping[str, Verdict]
    likely: tuple[tuple[str, float], ...]
    rates: Rates


class Watcher(Protocol):
    """Follows a bisection."""

    def state(self, state: State) -> None:
        """A commit is about to be tried."""

    def tried(self, commit: Commit, role: str, judged: Judgement) -> None:
        """A commit was tried; `role` says why."""

    def note(self, text: str) -> None:
        """Something worth telling the reader."""


def seek(
    search: Callable[[], Search],
    evidence: Callable[[], Mapping[str, Evidence]],
    built: Callable[[], Set[str]],
    attempt: Callable[[Probe], bool],
    elsewhere: Elsewhere | None = None,
) -> Culprit | Inconclusive:
    """Ask a search and try what it asks for, until it has an answer.

    Args:
        search: the search; another one if the range has changed.
        evidence: all that is known so far.
        built: the commits that have an image.
        attempt: tries a commit and returns whether anything was learned.
        elsewhere: where commits are tried, several at a time; None for here.
    """
    if elsewhere is not None and elsewhere.width > 1:
        # Those that are made here can all do it.
        return _seek_widely(cast(Callable[[], Wide], search), evidence, built, attempt, elsewhere)
    while isinstance(decision := search().decide(evidence(), built()), Probe):
        if not attempt(decision):
            return nothing_learned(decision.commit)
    return decision


def nothing_learned(sha: str) -> Inconclusive:
    """The answer where a commit that a search asks for tells nothing more."""
    return Inconclusive(f"another trial of {sha[:12]} would add nothing", (sha,))


def _seek_widely(
    search: Callable[[], Wide],
    evidence: Callable[[], Mapping[str, Evidence]],
    built: Callable[[], Set[str]],
    attempt: Callable[[Probe], bool],
    elsewhere: Elsewhere,
) -> Culprit | Inconclusive:
    """The same with several commits in hand, as many as there is room for their trials."""
    flying: dict[str, int] = {}
    with Crew[str, bool](elsewhere.turns) as crew:
        while True:
            decision = search().decide(evidence(), built())
            if not isinstance(decision, Probe):
                if isinstance(decision, Inconclusive) and decision.not_reproduced:
                    return decision
                waited = [sha for sha in flying if not search().moot(evidence(), sha)]
                if not waited:
                    return decision
            while isinstance(decision, Probe) and sum(flying.values()) < elsewhere.width:
                probe = search().ahead(evidence(), built(), flying)
                if probe is None:
                    break
                flying[probe.commit] = min(probe.runs, elsewhere.width)
                crew.start(probe.commit, functools.partial(attempt, probe))
            if not flying:
                assert isinstance(decision, Probe)
                return nothing_learned(decision.commit)
            sha, learned = crew.next()
            del flying[sha]
            if learned is False and not flying:
                return nothing_learned(sha)
            for other in list(flying):
                if search().moot(evidence(), other):
                    crew.cancel(other)
