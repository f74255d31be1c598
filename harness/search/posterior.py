"""The probability of each commit to be the culprit.  The maths is in docs/search.md.

The model: one commit introduces the crash; it and its descendants crash with the same probability at each trial,
and nothing else ever shows that crash. For a fix, one commit ends the crash; all but it and its descendants
crash. The probability of the crash is unknown; it is integrated out.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass

from harness.search import Evidence, History
from harness.search.graph import Graph, members
from harness.search.hint import Classes, even, weight

# The prior probability that an end that should be quiet has the crash as well.
ALREADY = 0.05
# The prior probability that the crash comes at every trial. If not, its probability is anything between 0 and 1,
# with Jeffreys' prior, a beta distribution of these two parameters.
ALWAYS = 0.2
OFTEN, SELDOM = 0.5, 0.5
NOTHING = Evidence()


def log_likelihood(bad: int, quiet: int) -> float:
    """The log of the probability that commits with the crash show it, and are quiet, so often, in this order."""
    sometimes = math.log(1 - ALWAYS) + log_beta(OFTEN + bad, SELDOM + quiet) - log_beta(OFTEN, SELDOM)
    return sometimes if quiet else sometimes + math.log1p(ALWAYS * math.exp(-sometimes))


def log_beta(a: float, b: float) -> float:
    """The logarithm of the beta function."""
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def stays_quiet(bad: int, quiet: int, runs: int) -> float:
    """The probability that a commit with the crash does not show it in `runs` further trials."""
    return math.exp(log_likelihood(bad, quiet + runs) - log_likelihood(bad, quiet))


MOST = 200
"""Trials that are enough in any case."""


def enough(bad: int, quiet: int, confidence: float) -> int:
    """How many quiet trials make it as improbable as asked for that a commit has the crash.

    Args:
        bad: how often commits that have it showed it.
        quiet: how often they did not.
        confidence: between 0 and 1.
    """
    return next((runs for runs in range(1, MOST) if stays_quiet(bad, quiet, runs) <= 1 - confidence), MOST)


@dataclass(frozen=True)
class Level:
    """Commits that are equally probable.

    Attributes:
        commits: the set of them, in the words of `harness.search.graph`.
        quiet: how many quiet trials speak against each of them.
        weight: the probability of each to be the culprit.
    """

    commits: int
    quiet: int
    weight: float


@dataclass(frozen=True)
class Posterior:
    """The probabilities after all trials; they add up to 1.

    Attributes:
        bad: how often the crash came.
        levels: the commits that may be the culprit, the likeliest first.
        already: for each end that should be quiet, the probability that it has the crash as well, and how many
            quiet trials speak against that.
    """

    bad: int
    levels: tuple[Level, ...]
    already: tuple[tuple[float, int], ...]

    @property
    def candidates(self) -> int:
        """The set of commits that may be the culprit."""
        return functools.reduce(int.__or__, (level.commits for level in self.levels))

    def within(self, commits: int) -> list[tuple[float, int]]:
        """For each level, the probability of those of its commits that are in a set, and the quiet trials against."""
        parts = [(level, (level.commits & commits).bit_count()) for level in self.levels]
        return [(level.weight * count, level.quiet) for level, count in parts if count]

    def under(self, graph: Graph, place: int) -> list[tuple[float, int]]:
        """The hypotheses under which the commit at a place has the crash: probabilities, quiet trials against."""
        return [*self.already, *self.within(graph.crashing(place))]

    def masses(self, graph: Graph, pool: int) -> dict[int, float]:
        """The probability of the crash for each place in a set that includes all ancestors."""
        already = sum(chance for chance, _ in self.already)
        own = dict.fromkeys(members(pool), 0.0)
        for level in self.levels:
            own.update(dict.fromkeys(members(level.commits & pool), level.weight))
        above: dict[int, float] = {}
        for place, reached in graph.sweep(pool, self.candidates & pool):
            parents = graph.parents[place]
            if len(parents) > 1:
                above[place] = sum(mass for mass, _ in self.within(reached))
            else:
                above[place] = own[place] + (above[parents[0]] if parents else 0.0)
        whole = 1 - already
        return {place: already + (whole - mass if graph.fix else mass) for place, mass in above.items()}

    def entropy(self) -> float:
        """How uncertain the culprit is, in bits."""
        parts = [(level.commits.bit_count(), level.weight) for level in self.levels]
        parts += [(1, chance) for chance, _ in self.already]
        return -math.fsum(count * weight * math.log2(weight) for count, weight in parts if weight > 0)

    def of(self, place: int) -> float:
        """The probability that the commit at this place is the culprit."""
        return sum(level.weight for level in self.levels if level.commits >> place & 1)

    def likeliest(self, mass: float) -> list[int]:
        """The fewest commits that together are this probable (or all), the likeliest and of them the newest first."""
        found: list[int] = []
        for level in self.levels:
            for place in reversed(members(level.commits)):
                if mass <= 0:
                    return found
                found.append(place)
                mass -= level.weight
        return found


def posterior(
    history: History, graph: Graph, evidence: Mapping[str, Evidence], prior: Classes | None = None
) -> Posterior | None:
    """The belief about a range, one of whose ends showed the crash.

    Args:
        history: the range.
        graph: the same as numbers.
        evidence: what was seen; commits outside the range and its ends are ignored.
        prior: how probable each commit is beforehand, in proportion; all the same if None.

    Returns:
        None if no commit of the range can be the culprit.
    """
    seen = known(graph, evidence)
    candidates, bad, quiet = graph.everything, 0, 0
    for place, one in seen:
        bad, quiet = bad + one.bad, quiet + one.quiet
        if one.bad:
            candidates &= graph.crashing(place)
    if not candidates:
        return None
    # Broken ends crash whichever commit is the fix.
    ends = [evidence.get(end, NOTHING) for end in history.old] if history.fix else []
    bad, always = bad + sum(end.bad for end in ends), sum(end.quiet for end in ends)
    prior = prior or even(graph)
    sets = {(always, each): part for commits, each in prior if (part := commits & candidates)}
    for place, one in seen:
        if one.quiet:
            split: dict[tuple[int, int], int] = {}
            crashing = graph.crashing(place)
            for (against, each), commits in sets.items():
                for total, part in ((against + one.quiet, commits & crashing), (against, commits & ~crashing)):
                    if part:
                        split[total, each] = split.get((total, each), 0) | part
            sets = split
    share = math.log((1 - ALREADY) / weight(prior, graph.everything))
    logs = {(against, each): share + math.log(each) + log_likelihood(bad, against) for against, each in sets}
    # The trials of a fixed end are among those of the range.
    already = [always + quiet + (0 if history.fix else evidence.get(end, NOTHING).quiet) for end in history.quiet]
    already_logs = [math.log(ALREADY / len(already)) + log_likelihood(bad, against) for against in already]
    top = max(*logs.values(), *already_logs, -math.inf)
    whole = math.fsum(commits.bit_count() * math.exp(logs[which] - top) for which, commits in sets.items())
    whole += math.fsum(math.exp(log - top) for log in already_logs)
    return Posterior(
        bad,
        tuple(
            Level(sets[which], which[0], math.exp(logs[which] - top) / whole)
            for which in sorted(sets, key=lambda which: (-logs[which], which))
        ),
        tuple((math.exp(log - top) / whole, against) for log, against in zip(already_logs, already, strict=True)),
    )


def crashes(history: History, graph: Graph, belief: Posterior | None, sha: str, runs: int) -> float:
    """The probability that a commit crashes in so many runs.

    Args:
        belief: about the range; None if the crash was not seen yet.
        sha: a commit of the range, or an end.
    """
    place = graph.place.get(sha)
    if belief is None or place is None:
        return 1.0 if sha in history.crashing else 0.0
    return sum(mass * (1 - stays_quiet(belief.bad, against, runs)) for mass, against in belief.under(graph, place))


def known(graph: Graph, evidence: Mapping[str, Evidence]) -> list[tuple[int, Evidence]]:
    """The evidence about commits of the range, by place."""
    return [(graph.place[sha], seen) for sha, seen in evidence.items() if sha in graph.place]
