"""What a bisection costs by the length of its range: `python -m bench.curve [--histories N]`.

Made-up histories with merges (`bench.histories`), from 10 to 200,000 commits, each with a culprit at random, searched
by halving and by probabilities, without a hint, all commits testable. Commits, builds and boots are counted; the
controller's own seconds (of the processor, for all decisions together) and its peak memory (with the made-up history)
are measured, each in a process of its own. Builds and boots take what docs/benchmarks.md says: the first kernel, one
after a changed line, and a boot to its verdict. A rebuild costs something between these two: both sums are given.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass

from bench.common import machine, table
from bench.histories import grown, merges
from harness.search import Culprit, Decision, Evidence, History, Search
from harness.search.bayes import Bayes
from harness.search.halving import Halving
from harness.testing import MadeUp, play

SIZES = (10, 100, 1000, 10_000, 100_000, 200_000)
FULL, LINE, BOOT = 180.0, 8.4, 5.0
"""Seconds, from docs/benchmarks.md."""

SEARCHES: dict[str, tuple[float, Callable[[History], Search]]] = {
    "--runs 1": (1.0, Halving),
    "--runs auto, p = 1": (1.0, lambda history: Bayes(history, 0.99, FULL, BOOT)),
    "--runs auto, p = 0.2": (0.2, lambda history: Bayes(history, 0.99, FULL, BOOT)),
}
WIDTH = 60


@dataclass
class Timed:
    """A search whose decisions are timed, in seconds of the processor."""

    search: Search
    seconds: float = 0.0

    def decide(self, evidence: Mapping[str, Evidence], built: Set[str] = frozenset()) -> Decision:
        """See `harness.search.Search.decide`."""
        began = time.process_time()
        decision = self.search.decide(evidence, built)
        self.seconds += time.process_time() - began
        return decision


def one(name: str, size: int, seed: int) -> dict[str, float]:
    """One search, in this process."""
    chance = random.Random(f"{size}/{seed}")
    history, _ = grown(merges(size, chance))
    rate, search = SEARCHES[name]
    began = time.process_time()
    timed = Timed(search(history))
    timed.seconds = time.process_time() - began
    made_up = MadeUp(history, frozenset([chance.choice(history.commits)]), rate)
    played = play(timed, made_up, chance)
    right = isinstance(played.decision, Culprit) and played.decision.commit in made_up.culprits
    return {
        "right": right,
        "commits": len(history.commits),
        "tried": len(played.evidence),
        "builds": played.builds,
        "boots": played.boots,
        "own": timed.seconds,
        "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Measure, and print a table and a chart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=5, help="of each length (default: 5)")
    parser.add_argument("--largest", type=int, default=SIZES[-1], help=f"commits (default: {SIZES[-1]})")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        name, size, seed = options.child
        print(json.dumps(one(name, int(size), int(seed))))
        return
    rows, chart = [], []
    for name in SEARCHES:
        for size in (size for size in SIZES if size <= options.largest):
            children = (
                (sys.executable, "-m", "bench.curve", "--child", name, str(size), str(seed))
                for seed in range(options.histories)
            )
            told = [json.loads(subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout) for argv in children]
            mean = {key: statistics.mean(found[key] for found in told) for key in told[0]}
            rebuilds, boots = mean["builds"] - 1, mean["boots"] * BOOT
            least, most = (round((FULL + rebuilds * build + boots) / 60) for build in (LINE, FULL))
            right = f"{sum(found['right'] for found in told)} of {len(told)}"
            own = f"{mean['own']:.2f}" if mean["own"] < 10 else f"{mean['own']:.0f}"
            counts = (mean["tried"], mean["builds"], mean["boots"], f"{least} to {most}", own, round(mean["mib"]))
            rows.append((name, round(mean["commits"]), right, *counts))
            print(*rows[-1], sep="\t", file=sys.stderr, flush=True)
            chart.append((name, round(mean["commits"]), mean["builds"]))
    print(f"{options.histories} histories of each length; {machine()}\n")
    head = ("search", "commits", "right", "tried", "builds", "boots", "minutes", "own CPU s", "MiB")
    print(table(head, rows))
    scale = WIDTH / max(builds for *_, builds in chart)
    print("\nbuilds:\n")
    for name, commits, builds in chart:
        print(f"    {name:<22}{commits:>8}  {'#' * round(builds * scale)} {builds:.1f}")


if __name__ == "__main__":
    main()
