"""A search for a fix: how sure it is, and the search itself where the crash comes only sometimes.

The commits before a fix crash now and then, those after it never do.  Read from the new end to the old one, that
is a regression, so that the same search finds it, with the same evidence.  It holds where the history is one line:
of commits beside each other, those without a fix are not the ancestors of any one commit.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Mapping, Set

from harness.search import Culprit, Decision, Evidence, History, Inconclusive, Search
from harness.search.graph import Graph
from harness.search.posterior import ALREADY, log_likelihood


def is_line(history: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether no commit has two parents in this history."""
    return all(len(parents) < 2 for parents in history.values())


class Reversed:
    """Finds the first fixed commit by finding, backwards, the first broken one.

    Args:
        history: one line, from the broken ends (`good`, in a search's words) to the fixed one (`bad`).
        search_for: makes the search of the history turned round.
    """

    def __init__(self, history: History, search_for: Callable[[History], Search]) -> None:
        backwards = (*history.commits[::-1], *history.old[::-1])
        end, *commits = backwards
        self._after = dict(zip(commits, backwards, strict=False))
        self._inside = set(history.commits)
        parents = {sha: tuple(commits[place - 1 : place]) if place else () for place, sha in enumerate(commits)}
        self._search = search_for(History(tuple(commits), parents, (end,)))

    def decide(self, evidence: Mapping[str, Evidence], built: Set[str] = frozenset()) -> Decision:
        """See `harness.search.Search.decide`; `bad` counts crashes here, which speak for "broken"."""
        decision = self._search.decide(evidence, built)
        if isinstance(decision, Culprit):
            fix = self._after[decision.commit]
            if fix not in self._inside:
                return Inconclusive(f"{fix[:12]}, where the range begins, is fixed already")
            return Culprit(fix, decision.confidence)
        if isinstance(decision, Inconclusive):
            candidates = tuple(self._after[sha] for sha in decision.candidates)
            return Inconclusive(_swapped(decision.reason), candidates, decision.not_reproduced)
        return decision


def _swapped(reason: str) -> str:
    """The reason of the search turned round: its good end is the fixed one."""
    return reason.replace("the bad end", "the broken end").replace("the good end", "the fixed end")


def probability(history: History, seen: Mapping[str, Evidence], fix: str) -> float:
    """How probable it is that this commit is the fix, after all trials.

    The model is that of `harness.search.posterior`, for a crash that one commit ends: commits without it crash with
    one unknown probability, those with it never do.  That nothing in the range ends it is among the hypotheses.

    Args:
        history: the range; `good`, in a search's words, are its broken ends.
        seen: crashes and quiet trials by commit, the ends included.
    """
    graph = Graph(history)
    tried = [(graph.reach[graph.place[sha]] if sha in graph.place else 0, one) for sha, one in seen.items()]
    crashes, quiet = sum(one.bad for _, one in tried), sum(one.quiet for _, one in tried)
    crashed = functools.reduce(operator.or_, (reach for reach, one in tried if one.bad), 0)
    share = math.log((1 - ALREADY) / len(history.commits))
    logs = {"": math.log(ALREADY) + log_likelihood(crashes, quiet)}
    for sha, place in graph.place.items():
        if not crashed >> place & 1:
            without = sum(one.quiet for reach, one in tried if not reach >> place & 1)
            logs[sha] = share + log_likelihood(crashes, without)
    top = max(logs.values())
    whole = math.fsum(math.exp(log - top) for log in logs.values())
    return math.exp(logs[fix] - top) / whole if fix in logs else 0.0


def in_words_of_a_fix(reason: str) -> str:
    """A search's reason in the words of a search for a fix."""
    for word, other in (("the bad end", "the fixed end"), ("the good end", "the broken end")):
        reason = reason.replace(word, other)
    return reason.replace("between good and bad", "between broken and fixed")
