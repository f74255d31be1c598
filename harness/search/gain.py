"""The information gain of a trial, and its cost.  The maths is in docs/search.md."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.search.posterior import stays_quiet

# The most runs to ask for at once.
MOST_RUNS = 40
# Prefer more runs at once if the rate is at least this part of the best: fewer decisions.
NEARLY = 0.97


@dataclass(frozen=True)
class Choice:
    """A number of runs of a commit, and their information gain.

    Attributes:
        commit: its hash.
        runs: how often to try it, unless it crashes first.
        bits: by how much the uncertainty about the culprit shrinks, on average.
        rate: bits per second.
    """

    commit: str
    runs: int
    bits: float
    rate: float


class Gain:
    """Weighs trials.

    Args:
        bad: how often the crash was seen.
        build_seconds: cost of a commit without an image.
        boot_seconds: cost of each trial.
    """

    def __init__(self, bad: int, build_seconds: float, boot_seconds: float) -> None:
        self.bad = bad
        self.build_seconds = build_seconds
        self.boot_seconds = boot_seconds
        self._quiet: dict[int, list[tuple[float, float]]] = {}

    def best(self, commit: str, under: Sequence[tuple[float, int]], built: bool, odds: float = 1.0) -> Choice:
        """The number of runs of a commit with the best rate, or the highest number that is nearly as good.

        Args:
            commit: its hash.
            under: the hypotheses under which it has the crash: the probability of each, and how many quiet
                trials speak against it.
            built: whether its image is there.
            odds: the probability that it can be tested at all.
        """
        tables = [(mass, self._table(quiet)) for mass, quiet in under]
        best = Choice(commit, 1, 0.0, 0.0)
        most = 0.0
        boots = 0.0
        silence = 1.0
        for runs in range(1, MOST_RUNS + 1):
            boots += silence
            crash = doubt = 0.0
            for mass, table in tables:
                quiet, unsure = table[runs]
                crash += mass * (1 - quiet)
                doubt += mass * unsure
            silence = 1 - crash
            bits = odds * max(0.0, entropy(crash) - doubt)
            rate = bits / ((0 if built else self.build_seconds) + odds * boots * self.boot_seconds)
            most = max(most, rate)
            if rate < NEARLY * most:
                break
            best = Choice(commit, runs, bits, rate)
        return best

    def _table(self, quiet: int) -> list[tuple[float, float]]:
        """By number of runs: the probability that all are quiet on a commit with the crash, and its entropy."""
        if quiet not in self._quiet:
            chances = [stays_quiet(self.bad, quiet, runs) for runs in range(MOST_RUNS + 1)]
            self._quiet[quiet] = [(chance, entropy(chance)) for chance in chances]
        return self._quiet[quiet]


def entropy(chance: float) -> float:
    """The entropy of an event with this probability, in bits."""
    return -sum(part * math.log2(part) for part in (chance, 1 - chance) if part > 0)
