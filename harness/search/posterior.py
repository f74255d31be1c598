"""How probable it is of each commit that it is the first bad one, after all trials.  The maths is in docs/search.md.

The model: one commit brings the crash; it and its descendants crash with the same probability at each trial,
and nothing else ever shows that crash. How probable the crash is is not known; it is integrated out.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass

from harness.search import Evidence, History
from harness.search.graph import Graph, members

# How probable it is, before the first trial, that a good end has the crash as well.
ALREADY = 0.05
# How probable it is that a crash is one of those that come at every trial. If it is not, its probability is anything
# between 0 and 1, with Jeffreys' prior, a beta distribution of these two parameters.
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
    """How probable it is that a commit with the crash does not show it in `runs` further trials."""
    return math.exp(log_likelihood(bad, quiet + runs) - log_likelihood(bad, quiet))


@dataclass(frozen=True)
class Level:
    """Commits that are equally probable.

    Attributes:
        commits: the set of them, in the words of `harness.search.graph`.
        quiet: how many quiet trials speak against each of them.
        weight: how probable it is of each that it is the first bad one.
    """

    commits: int
    quiet: int
    weight: float


@dataclass(frozen=True)
class Posterior:
    """What is believed after all trials; the probabilities add up to 1.

    Attributes:
        bad: how often the crash came.
        levels: the commits that may be the first bad one, the likeliest first.
        already: for each good end, how probable it is that it has the crash as well, and how many quiet trials
            speak against that.
    """

    bad: int
    levels: tuple[Level, ...]
    already: tuple[tuple[float, int], ...]

    @property
    def candidates(self) -> int:
        """The set of commits that may be the first bad one."""
        return functools.reduce(int.__or__, (level.commits for level in self.levels))

    def within(self, commits: int) -> list[tuple[float, int]]:
        """For each level, the probability of those of its commits that are in a set, and the quiet trials against."""
        parts = [(level, (level.commits & commits).bit_count()) for level in self.levels]
        return [(level.weight * count, level.quiet) for level, count in parts if count]

    def masses(self, graph: Graph, pool: int) -> dict[int, float]:
        """For each place in a set that holds the ancestors of all in it: how probable it is that it has the crash."""
        weights = dict.fromkeys(members(pool), 0.0)
        for level in self.levels:
            weights.update(dict.fromkeys(members(level.commits & pool), level.weight))
        already = sum(chance for chance, _ in self.already)
        masses: dict[int, float] = {}
        for place, weight in weights.items():
            parents = graph.parents[place]
            if len(parents) > 1:
                masses[place] = already + sum(mass for mass, _ in self.within(graph.reach[place]))
            else:
                masses[place] = weight + (masses[parents[0]] if parents else already)
        return masses

    def entropy(self) -> float:
        """How uncertain the culprit is, in bits."""
        parts = [(level.commits.bit_count(), level.weight) for level in self.levels]
        parts += [(1, chance) for chance, _ in self.already]
        return -math.fsum(count * weight * math.log2(weight) for count, weight in parts if weight > 0)

    def of(self, place: int) -> float:
        """How probable it is that the commit at this place is the first bad one."""
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


def posterior(history: History, graph: Graph, evidence: Mapping[str, Evidence]) -> Posterior | None:
    """What to believe of a range whose bad end has shown the crash.

    Args:
        history: the range.
        graph: the same as numbers.
        evidence: what was seen; of commits outside the range and its ends nothing is made.

    Returns:
        None if no commit of the range can have brought the crash: none of them is in all that showed it.
    """
    candidates, bad, quiet = graph.everything, 0, 0
    for place, seen in known(graph, evidence):
        bad, quiet = bad + seen.bad, quiet + seen.quiet
        if seen.bad:
            candidates &= graph.reach[place]
    if not candidates:
        return None
    sets = {0: candidates}
    for place, seen in known(graph, evidence):
        if seen.quiet:
            split: dict[int, int] = {}
            for against, commits in sets.items():
                for total, part in (
                    (against + seen.quiet, commits & graph.reach[place]),
                    (against, commits & ~graph.reach[place]),
                ):
                    if part:
                        split[total] = split.get(total, 0) | part
            sets = split
    share = math.log((1 - ALREADY) / len(history.commits))
    logs = {against: share + log_likelihood(bad, against) for against in sets}
    good = [quiet + evidence.get(end, NOTHING).quiet for end in history.good]
    good_logs = [math.log(ALREADY / len(good)) + log_likelihood(bad, against) for against in good]
    top = max(*logs.values(), *good_logs, -math.inf)
    whole = math.fsum(commits.bit_count() * math.exp(logs[against] - top) for against, commits in sets.items())
    whole += math.fsum(math.exp(log - top) for log in good_logs)
    return Posterior(
        bad,
        tuple(Level(sets[against], against, math.exp(logs[against] - top) / whole) for against in sorted(sets)),
        tuple((math.exp(log - top) / whole, against) for log, against in zip(good_logs, good, strict=True)),
    )


def known(graph: Graph, evidence: Mapping[str, Evidence]) -> list[tuple[int, Evidence]]:
    """The evidence about commits of the range, by place."""
    return [(graph.place[sha], seen) for sha, seen in evidence.items() if sha in graph.place]
