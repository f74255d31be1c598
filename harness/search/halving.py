"""git's own halving: the commit that splits the rest most evenly, one verdict per commit.

The rules are those of git's bisect.c, described in docs/search.md; if the commits of a history are in the
order of `git rev-list --reverse`, and nothing hints at any of them, the choice is exactly that of `git bisect`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set

from harness.search import Culprit, Decision, Evidence, History, Inconclusive, Probe
from harness.search.graph import Graph, as_set, flagged, members
from harness.search.hint import Classes, classes, even, weight
from harness.search.posterior import NOTHING, known, posterior

DETOUR = 2
"""How many trials more than halving needs a wrong hint may cost."""

FEW = 4
"""At most so many inconclusive commits are tried again when nothing else is left."""


class Halving:
    """Halve the range: a commit that crashed is bad, one that was quiet `runs` times is good (or fixed).

    Args:
        history: the range to search.
        runs: after how many quiet trials a commit counts as good.
        deterministic: the crash is known to come at every trial of every bad commit. A culprit's
            confidence is then 1; otherwise it is computed from how often the crash came
            (`harness.search.posterior`), and is never 1. Evidence to the contrary overrules it.
    """

    def __init__(self, history: History, runs: int = 1, *, deterministic: bool = False) -> None:
        if runs < 1:
            raise ValueError(f"runs must be at least 1, got {runs}")
        self.history = history
        self.runs = runs
        self.deterministic = deterministic
        self._graph = Graph(history)
        self._classes = classes(history, self._graph)

    def decide(self, evidence: Mapping[str, Evidence], built: Set[str] = frozenset()) -> Decision:  # noqa: ARG002
        """See `harness.search.Search.decide`; `built` makes no difference."""
        return self._ends(evidence) or self._between(evidence)

    def ahead(self, evidence: Mapping[str, Evidence], built: Set[str], flying: Mapping[str, int]) -> Probe | None:
        """See `harness.search.Wide.ahead`: the ends first, then the middle of the largest part.

        What is being tried divides the candidates into parts, whatever it will show; k commits at a time so narrow
        them to a part in k + 1.  The ends are taken to be as they should be meanwhile.
        """
        if not flying:
            decision = self.decide(evidence, built)
            return decision if isinstance(decision, Probe) else None
        history = self.history
        for end in (history.new, *history.old):
            if end not in flying and not self._known(evidence.get(end, NOTHING)):
                return Probe(end, self._missing(end, evidence), steps(len(history.commits)))
        candidates, proven, skipped = self._candidates(evidence)
        proven |= candidates & as_set([self._graph.place[history.new]])
        parts = [candidates] if candidates else []
        for sha in flying:
            if (place := self._graph.place.get(sha)) is not None:
                reach = self._graph.reach(place)
                parts = [piece for part in parts for piece in (part & reach, part & ~reach) if piece]
                proven |= candidates & as_set([place])
        for part in sorted(parts, key=int.bit_count, reverse=True):
            count = part.bit_count()
            if count > 1 and (choice := self._middle(part, part & proven, skipped, count)) is not None:
                sha = history.commits[choice]
                if sha not in flying:
                    return Probe(sha, self._missing(sha, evidence), steps(count))
        return None

    def moot(self, evidence: Mapping[str, Evidence], sha: str) -> bool:
        """See `harness.search.Wide.moot`: all or none of the candidates are in it, and it is none itself."""
        place = self._graph.place.get(sha)
        if place is None:
            return sha not in self.history.old
        if sha == self.history.new:
            return False
        candidates, _, _ = self._candidates(evidence)
        reach = self._graph.reach(place)
        return not candidates & reach or (not candidates & ~reach and not candidates >> place & 1)

    def _candidates(self, evidence: Mapping[str, Evidence]) -> tuple[int, int, int]:
        """The commits that may be the culprit, those of them that are known to be new, and those to skip."""
        graph = self._graph
        candidates, new, skipped = graph.everything, 0, 0
        for place, trials in known(graph, evidence):
            if not self._known(trials):
                if trials.skip is not None or trials.hopeless:
                    skipped |= 1 << place
            elif bool(trials.bad) is not self.history.fix:
                candidates &= graph.reach(place)
                new |= 1 << place
            else:
                candidates &= ~graph.reach(place)
        return candidates, candidates & new, skipped

    def _ends(self, evidence: Mapping[str, Evidence]) -> Decision | None:
        """The decision from the ends, or which of them to try; None if they are as they should be."""
        history = self.history
        if wrong := refuted(history, evidence, self.runs):
            return wrong
        untried = [end for end in (history.new, *history.old) if not self._known(evidence.get(end, NOTHING))]
        if untried:
            left = len(untried) - 1 + steps(len(history.commits))
            return Probe(untried[0], self._missing(untried[0], evidence), left)
        return next((never_seen(history, end, evidence) for end in history.crashing if not evidence[end].bad), None)

    def _between(self, evidence: Mapping[str, Evidence]) -> Decision:
        """The next commit to try once both ends are known."""
        graph, commits = self._graph, self.history.commits
        candidates, proven, skipped = self._candidates(evidence)
        if not candidates:
            seen = [(place, trials) for place, trials in known(graph, evidence) if self._known(trials)]
            new = [place for place, trials in seen if bool(trials.bad) is not self.history.fix]
            old = [place for place, trials in seen if bool(trials.bad) is self.history.fix]
            return Inconclusive(self._contradiction(new, old))
        if candidates == proven:
            (culprit,) = members(candidates)
            return Culprit(commits[culprit], self._confidence(culprit, evidence))
        choice = self._middle(candidates, proven, skipped, self._most(evidence))
        if choice is not None:
            return Probe(commits[choice], self._missing(commits[choice], evidence), steps(candidates.bit_count()))
        left = tuple(commits[place] for place in reversed(members(candidates)))
        if again := once_more(left, evidence):
            return Probe(again, self._missing(again, evidence), 0)
        ends = "broken and fixed" if self.history.fix else "good and bad"
        untestable = (candidates & skipped).bit_count()
        return Inconclusive(f"only commits that cannot be tested are left between {ends} ({untestable} of them)", left)

    def _known(self, seen: Evidence) -> bool:
        """Whether a commit is known to be bad or good."""
        return seen.bad > 0 or seen.quiet >= self.runs

    def _missing(self, sha: str, evidence: Mapping[str, Evidence]) -> int:
        """How many quiet trials a commit lacks to be good."""
        return self.runs - evidence.get(sha, NOTHING).quiet

    def _most(self, evidence: Mapping[str, Evidence]) -> int:
        """How many candidates may be left after the next trial, for hints to cost at most `DETOUR` trials."""
        new = self._graph.place[self.history.new]
        done = sum(self._known(seen) for place, seen in known(self._graph, evidence) if place != new)
        return 1 << max(0, (len(self.history.commits) - 1).bit_length() + DETOUR - done - 1)

    def _middle(self, candidates: int, proven: int, skipped: int, most: int) -> int | None:
        """The candidate to try next; None if those left are bad or cannot be tested.

        Args:
            most: how many candidates may be left, where hints decide.
        """
        if not candidates & ~proven & ~skipped:
            return None
        if not skipped:
            hinted = self._hinted(candidates, most) if len(self._classes) > 1 else None
            return self._best(candidates) if hinted is None else hinted
        total = candidates.bit_count()
        weights = dict(self._weights(candidates, even(self._graph)))
        names = self.history.commits
        ranked = sorted(weights, key=lambda place: (-min(weights[place], total - weights[place]), names[place]))
        if not skipped >> ranked[0] & 1:
            return ranked[0]
        free = [place for place in ranked if not skipped >> place & 1]
        at = far(len(free))
        if proven >> free[at] & 1:
            at = max(at - 1, 0)
        return free[at]

    def _best(self, candidates: int) -> int:
        """The commit that halves the candidates; the first that is near enough, as git has it."""
        total = candidates.bit_count()
        best, best_distance = 0, -1
        counts = []
        for place, reached in self._weights(candidates, even(self._graph)):
            # An odd total has two middles; of thousands of commits, a thousandth off is still the middle. git does
            # not look at what reaches nothing but itself here.
            if reached > 1 and (abs(2 * reached - total) <= 1 or abs(2 * reached - total) < total // 1024):
                return place
            counts.append((place, reached))
        for place, reached in sorted(counts):
            if min(reached, total - reached) > best_distance:
                best, best_distance = place, min(reached, total - reached)
        return best

    def _hinted(self, candidates: int, most: int) -> int | None:
        """The commit that halves the weight of the candidates, of those that leave few enough; None if none does."""
        count, total = candidates.bit_count(), weight(self._classes, candidates)
        weights = dict(self._weights(candidates, self._classes))
        fit = list(weights)
        if most < count:  # at first any will do, and a long history need not be swept again
            counts = self._weights(candidates, even(self._graph))
            fit = [place for place, reached in counts if max(reached, count - reached) <= most]
        return max(fit, key=lambda place: (min(weights[place], total - weights[place]), -place), default=None)

    def _weights(self, candidates: int, classes: Classes) -> Iterator[tuple[int, int]]:
        """What the candidates that each reaches weigh, itself included: merges first, then the others, oldest first."""
        weights: dict[int, int] = {}
        single = []
        inside = flagged(candidates, len(self._graph.parents))
        own = {place: each for part, each in classes for place in members(part & candidates)}
        for place, reached in self._graph.sweep(candidates, candidates):
            parents = [parent for parent in self._graph.parents[place] if inside[parent]]
            if len(parents) > 1:
                weights[place] = weight(classes, reached)
                yield place, weights[place]
            else:
                single.append((place, parents))
        for place, parents in single:
            weights[place] = own[place] + (weights[parents[0]] if parents else 0)
            yield place, weights[place]

    def _contradiction(self, new: list[int], old: list[int]) -> str:
        """Why no commit is left that could be the culprit."""
        names, fix = self.history.commits, self.history.fix
        for older in new:
            for newer in old:
                if not self._graph.reach(newer) >> older & 1:
                    continue
                if fix:
                    return (
                        f"{names[older][:12]} ran {times(self.runs)} without the crash, but {names[newer][:12]}, which "
                        "descends from it, crashes: the crash is intermittent, or it came back"
                    )
                return (
                    f"{names[older][:12]} shows the crash, but {names[newer][:12]}, which descends from it, "
                    f"ran {times(self.runs)} without it: the crash is intermittent, or was fixed in between"
                )
        what, state = ("fixed", "broken") if fix else ("bad", "good")
        return (
            f"no single commit explains it: {', '.join(names[place][:12] for place in new)} are {what}, and every "
            f"commit that all of them have is also in one that is {state}, if there is one at all"
        )

    def _confidence(self, culprit: int, evidence: Mapping[str, Evidence]) -> float:
        """The probability that this is the culprit."""
        if self.deterministic and not any(seen.bad and seen.quiet for seen in evidence.values()):
            return 1.0
        belief = posterior(self.history, self._graph, evidence)
        return belief.of(culprit) if belief else 0.0


def refuted(history: History, evidence: Mapping[str, Evidence], runs: int) -> Inconclusive | None:
    """Why the ends rule out a search: an end crashes that must not, or an end cannot be tested.

    Args:
        runs: how many quiet trials of an end are enough.
    """
    for end in history.quiet:
        if evidence.get(end, NOTHING).bad:
            return Inconclusive(f"{history.name(end)} shows the crash too", not_reproduced=True)
    for end in (history.new, *history.old):
        seen = evidence.get(end, NOTHING)
        if seen.skip is not None and seen.hopeless and seen.quiet < runs:
            return Inconclusive(f"{history.name(end)} cannot be tested: {seen.skip}")
    return None


def never_seen(history: History, end: str, evidence: Mapping[str, Evidence]) -> Inconclusive:
    """An end that must show the crash ran without it."""
    quiet = evidence[end].quiet
    return Inconclusive(f"{history.name(end)} ran {times(quiet)} without the crash", not_reproduced=True)


def once_more(left: Sequence[str], evidence: Mapping[str, Evidence]) -> str | None:
    """One of the few inconclusive commits that are left to try again, or None."""
    skipped = [sha for sha in left if evidence.get(sha, NOTHING).skip is not None]
    again = [sha for sha in skipped if not evidence[sha].hopeless]
    return min(again, key=lambda sha: evidence[sha].untold) if again and len(again) <= FEW else None


def times(count: int) -> str:
    """`once`, `3 times`."""
    return "once" if count == 1 else f"{count} times"


def steps(candidates: int) -> int:
    """About how many more commits halving tries after the next, as `git bisect` counts them."""
    if candidates < 3:
        return 0
    whole = candidates.bit_length() - 1
    return whole if 2**whole < 3 * (candidates - 2**whole) else whole - 1


def far(count: int) -> int:
    """Which of so many commits, the most even split first, git tries if the best cannot be tested.

    It draws a number from the count, so that the same question gets the same answer; the square root draws it
    towards the even splits. See `skip_away` in git's bisect.c.
    """
    bound = 1 << 15
    drawn = (count * 1103515245 + 12345) % 2**32 // 2**16 % bound
    return count * drawn // bound * root(drawn) // root(bound)


def root(number: int) -> int:
    """The integer square root as git computes it: Newton's method, until a step is less than a half."""
    if not number:
        return 0
    guess, step = float(number), 1.0
    while step >= 0.5:
        better = (guess + number / guess) / 2
        guess, step = better, abs(better - guess)
    return int(guess)
