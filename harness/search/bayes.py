"""For intermittent crashes: makes the most informative trial for its time until one commit is probable enough.

The probabilities are in `harness.search.posterior`; docs/search.md has the maths.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Set

from harness.search import Culprit, Decision, Evidence, History, Inconclusive, Probe
from harness.search.gain import MOST_RUNS, Choice, Gain
from harness.search.graph import Graph, as_set, flagged, members
from harness.search.halving import never_seen, once_more, refuted
from harness.search.hint import classes
from harness.search.posterior import NOTHING, Posterior, crashes, known, posterior

# Wait for so many crashes of the bad end, to learn how often they come, unless that takes too long.
LEARN = 3
# Weigh commits that have about this much of the probability in themselves and their ancestors.
SPLITS = (0.3, 0.36, 0.42, 0.48, 0.54, 0.6)
# Bits: less than this is nothing.
LEAST = 1e-9
# A boot that removes less than this part of the uncertainty is not worth it: thousands would be needed.
TOO_LITTLE = 3e-4
# A commit is tried at most so many times as often as a quiet bad end.
MOST_PATIENCE = 4
# The probability that a commit can be tested, between two others that can, and between two that cannot.
OPEN, SHUT = 0.95, 0.1


class Bayes:
    """Weigh every commit by all trials, and make the trial with the most information per second.

    Args:
        history: the range to search.
        confidence: how probable one commit has to be to be named, between 0.5 and 1.
        build_seconds: what a commit without an image costs on top of its boots.
        boot_seconds: what each trial costs.
        rarest: a crash with a lower probability than this may be missed on the bad end.
    """

    def __init__(
        self,
        history: History,
        confidence: float = 0.99,
        build_seconds: float = 180.0,
        boot_seconds: float = 15.0,
        rarest: float = 0.05,
    ) -> None:
        if not 0.5 < confidence < 1:
            raise ValueError(f"the confidence must be between 0.5 and 1, got {confidence}")
        if build_seconds < 0 or boot_seconds <= 0 or not 0 < rarest < 1:
            raise ValueError("boot_seconds must be positive, and rarest between 0 and 1")
        self.history = history
        self.confidence = confidence
        self.build_seconds = build_seconds
        self.boot_seconds = boot_seconds
        # After so many quiet runs, a crash of that probability would have shown, with the requested confidence.
        self.patience = math.ceil(math.log(1 - confidence) / math.log(1 - rarest))
        self._graph = Graph(history)
        self._classes = classes(history, self._graph)

    def decide(self, evidence: Mapping[str, Evidence], built: Set[str] = frozenset()) -> Decision:
        """See `harness.search.Search.decide`."""
        decision = self._ends(evidence) or self._between(evidence, built)
        if isinstance(decision, Inconclusive) and not decision.not_reproduced:
            again = once_more((*decision.candidates, *self.history.quiet), evidence)
            return Probe(again, 1, 0) if again else decision
        return decision

    def ahead(self, evidence: Mapping[str, Evidence], built: Set[str], flying: Mapping[str, int]) -> Probe | None:
        """See `harness.search.Wide.ahead`: as if what is being tried had shown what it most likely will."""
        supposed = dict(evidence)
        belief = posterior(self.history, self._graph, evidence)
        for sha, runs in flying.items():
            seen = evidence.get(sha, NOTHING)
            if belief is not None and crashes(self.history, self._graph, belief, sha, runs) > 0.5:
                supposed[sha] = Evidence(seen.bad + 1, seen.quiet)
            else:
                supposed[sha] = Evidence(seen.bad, seen.quiet + runs)
        # An end that is tried for its first crash may well be quiet, which is no reason to give up.
        if any(end in flying and not evidence.get(end, NOTHING).bad for end in self.history.crashing):
            return None
        decision = self.decide(supposed, built)
        return decision if isinstance(decision, Probe) and decision.commit not in flying else None

    def moot(self, evidence: Mapping[str, Evidence], sha: str) -> bool:  # noqa: ARG002
        """See `harness.search.Wide.moot`: a trial that was begun counts, or crashes would seem too frequent."""
        return False

    def _ends(self, evidence: Mapping[str, Evidence]) -> Decision | None:
        """The decision from the ends, or how often to try those that must crash; None if they are as they should be."""
        history = self.history
        if wrong := refuted(history, evidence, 1):
            return wrong
        left = len(history.commits).bit_length() + len(history.old)
        for end in history.crashing:
            seen = evidence.get(end, NOTHING)
            if seen.bad:
                continue
            if seen.quiet >= self.patience:
                return never_seen(history, end, evidence)
            if seen.hopeless:
                return Inconclusive(f"{history.name(end)} cannot be tested: {seen.skip}")
            return Probe(end, self.patience - seen.quiet, left)
        first = evidence[history.crashing[0]]
        if first.bad == 1 and first.quiet >= self.patience:
            return self._too_seldom(history.crashing[0], first)
        if first.bad < LEARN and first.quiet < self.patience and not first.hopeless:
            return Probe(history.crashing[0], MOST_RUNS, left)
        return None

    def _too_seldom(self, end: str, seen: Evidence) -> Inconclusive:
        """Give up on a crash that is too rare to tell commits apart in reasonable time."""
        boots = seen.bad + seen.quiet
        each = math.ceil(math.log(1 - self.confidence) / math.log(1 - seen.bad / boots))
        return Inconclusive(
            f"{self.history.name(end)} crashed once in {boots} boots: too rarely to tell commits apart, "
            f"as each would take about {each} boots; is there a way to make it crash more often?"
        )

    def _between(self, evidence: Mapping[str, Evidence], built: Set[str]) -> Decision:
        """The decision once the crash was seen."""
        history = self.history
        belief = posterior(history, self._graph, evidence)
        if belief is None:
            shown = ", ".join(sha[:12] for sha, seen in evidence.items() if seen.bad)
            return Inconclusive(
                f"no single commit can be the culprit: those that show the crash have none in common ({shown})"
            )
        left = len(history.commits).bit_length() + len(history.quiet)
        for number, end in enumerate(history.quiet):
            if not evidence.get(end, NOTHING).quiet:
                gain = Gain(belief.bad, self.build_seconds, self.boot_seconds)
                runs = gain.best(end, [belief.already[number]], end in built).runs
                return Probe(end, runs, left - number - 1)
        seen = known(self._graph, evidence)
        # A commit that was conclusive once may be again.
        shut = ((place, one.hopeless or not one.quiet) for place, one in seen if one.skip is not None or one.hopeless)
        skipped = as_set(place for place, closed in shut if closed)
        if decision := self._end(belief, skipped, evidence):
            return decision
        # What hints make probable is tried sooner; once they would name somebody, the trials have to speak alone.
        guide = posterior(history, self._graph, evidence, self._classes) if len(self._classes) > 1 else None
        best = None
        if guide is not None and self._end(guide, skipped, evidence) is None:
            best = self._best(guide, skipped, evidence, built)
        best = best or self._best(belief, skipped, evidence, built)
        if best is None:
            return Inconclusive(
                f"no further trial is informative enough to reach a confidence of {self.confidence:g}",
                self._names(belief.likeliest(self.confidence)),
            )
        return Probe(best.commit, best.runs, max(0, math.ceil(belief.entropy() - best.bits)))

    def _end(self, belief: Posterior, skipped: int, evidence: Mapping[str, Evidence]) -> Decision | None:
        """The culprit, or the commits that cannot be told apart, if probable enough."""
        level = max(belief.levels, key=lambda level: level.weight * level.commits.bit_count())
        together = self._together(level.commits, self._graph.everything & ~skipped, self.confidence / level.weight)
        if not together:
            return None
        places = members(together)
        if len(places) > 1:
            reason = f"it is one of {len(places)} commits, and those between them cannot be tested"
            return Inconclusive(reason, self._names(places[::-1]))
        sha = self.history.commits[places[0]]
        seen = evidence.get(sha, NOTHING)
        if seen.quiet if self.history.fix else seen.bad:
            return Culprit(sha, level.weight)
        # All that showed the crash contain it, but it has not shown the crash itself: no blame without a trial.
        if skipped >> places[0] & 1:
            what = "ended" if self.history.fix else "brought"
            return Inconclusive(f"the only commit that can have {what} it cannot be tested", (sha,))
        return Probe(sha, MOST_RUNS, 0)

    def _together(self, commits: int, free: int, least: float) -> int:
        """The equally probable commits that no trial can tell apart; 0 if fewer than `least`.

        Args:
            commits: the set of all of them.
            free: the commits that can be tested.
            least: more than half of them.
        """
        # A commit that can be tested separates its ancestors from the others; follow the larger part.
        inside = members(commits & free) if commits.bit_count() > 1 else []
        middle = [inside[len(inside) * part // 8] for part in (4, 2, 6, 3, 5)] if inside else []
        for place in middle:
            reached = commits & self._graph.reach(place)
            commits = max(reached, commits & ~reached, key=int.bit_count)
            if commits.bit_count() < least:
                return 0
        if commits.bit_count() > 1:
            can = flagged(free, len(self._graph.parents))
            for place, reached in self._graph.sweep(self._graph.everything, commits):
                if can[place]:
                    commits = max(commits & reached, commits & ~reached, key=int.bit_count)
        return commits if commits.bit_count() >= least else 0

    def _best(
        self, belief: Posterior, skipped: int, evidence: Mapping[str, Evidence], built: Set[str]
    ) -> Choice | None:
        """The trial with the most information per second; None if no trial has any."""
        history = self.history
        gain = Gain(belief.bad, self.build_seconds, self.boot_seconds)
        choices = [
            gain.best(end, [belief.already[number]], end in built)
            for number, end in enumerate(history.quiet)
            if evidence[end].skip is None and not self._tired(evidence[end])
        ]
        # Their trials count, but they get no more.
        skipped |= as_set(place for place, seen in known(self._graph, evidence) if self._tired(seen))
        # Commits not in all that showed the crash are considered only if nothing else is informative.
        pools = (self._graph.everything,) if history.fix else (belief.candidates, self._graph.everything)
        for pool in pools:
            odds = Odds(self._graph, pool, evidence)
            masses = belief.masses(self._graph, pool)
            for place in self._shortlist(masses, skipped, odds, built):
                sha = history.commits[place]
                under = belief.under(self._graph, place)
                choices.append(gain.best(sha, under, sha in built, 1.0 if sha in built else odds.of(place)))
            least = TOO_LITTLE * belief.entropy()
            worth = [choice for choice in choices if choice.bits >= max(LEAST, least * choice.runs)]
            if worth:
                return max(worth, key=lambda choice: choice.rate)
        return None

    def _tired(self, seen: Evidence) -> bool:
        """Whether a commit had so many trials that a crash not seen in them is too rare to search for."""
        return seen.bad + seen.quiet >= MOST_PATIENCE * self.patience

    def _shortlist(self, masses: Mapping[int, float], skipped: int, odds: Odds, built: Set[str]) -> set[int]:
        """The places worth weighing, given how much of the probability is in and before each."""
        open_ = [(mass, place) for place, mass in masses.items() if not skipped >> place & 1]
        # Near either end there is little to learn; look there only if there is nothing else.
        open_ = sorted(item for item in open_ if 0.05 < item[0] < 0.95) or sorted(open_)
        short = {self._graph.place[sha] for sha in built if sha in self._graph.place}
        short = {place for place in short if place in masses and not skipped >> place & 1}
        if odds.all_open:
            for split in SPLITS:
                at = bisect_left(open_, (split, 0))
                short.update(place for _, place in open_[max(at - 2, 0) : at + 2])
            return short
        for split in SPLITS[::2]:
            even = [(odds.of(place) * min(mass / split, (1 - mass) / (1 - split)), place) for mass, place in open_]
            short.update(place for _, place in heapq.nlargest(6, even))
        return short

    def _names(self, places: Iterable[int]) -> tuple[str, ...]:
        return tuple(self.history.commits[place] for place in places)


class Odds:
    """The probability that a commit can be tested, from what happened to those around it.

    What breaks a build or a boot lasts for a stretch of commits. Between a commit that could be tested and one that
    could not, the stretch may begin anywhere.

    Args:
        graph: the history.
        pool: a set that holds the ancestors of all in it.
        evidence: what was tried.

    Attributes:
        all_open: whether no commit is known that cannot be tested.
    """

    def __init__(self, graph: Graph, pool: int, evidence: Mapping[str, Evidence]) -> None:
        tried = {place: seen.skip is None for place, seen in known(graph, evidence)}
        self.all_open = all(tried.values())
        if self.all_open:
            return
        places = members(pool)
        # The nearest that was tried among the ancestors, and among the descendants: how far, and whether it could be.
        # The good ends lie before the first commits, and the bad end after the last.
        self._before: dict[int, tuple[int, bool]] = {}
        self._after = dict.fromkeys(places, (len(places), True))
        for place in places:
            far, fine = min((self._before[parent] for parent in graph.parents[place]), default=(0, True))
            self._before[place] = (0, tried[place]) if place in tried else (far + 1, fine)
        for place in reversed(places):
            if place in tried:
                self._after[place] = (0, tried[place])
            far, fine = self._after[place]
            for parent in graph.parents[place]:
                self._after[parent] = min(self._after[parent], (far + 1, fine))

    def of(self, place: int) -> float:
        """For the commit at a place."""
        if self.all_open:
            return OPEN
        (back, fine_before), (ahead, fine_after) = self._before[place], self._after[place]
        if fine_before == fine_after:
            return OPEN if fine_before else SHUT
        share = (ahead if fine_before else back) / (back + ahead or 1)
        return SHUT + (OPEN - SHUT) * share
