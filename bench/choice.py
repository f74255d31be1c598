"""Whether to choose among near-equal halvings by what a build would cost: `python -m bench.choice` (three minutes).

Made-up lines of commits, each of which changes one of the sources that the scenario's kernel is built of, and some a
header too; a build compiles what depends on the files that differ from the last one, by the numbers of objects that a
real build tells (`harness.kernel.inputs`).  Halving takes the middle; the others take the cheapest commit of those
near it.  The same lines and culprits for each.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.common import fragments, machine, replay_tree, table
from harness import paths
from harness.kernel import inputs
from harness.kernel.build import KernelBuilder
from harness.progress import SILENT

NEAR = (0.0, 1 / 32, 1 / 16, 1 / 8, 1 / 4)
"""How far from the middle a commit may be, in parts of the candidates."""


def objects() -> Mapping[str, int]:
    """The files that the scenario's kernel is built of, with the number of objects that depend on each."""
    tree = replay_tree()
    with tempfile.TemporaryDirectory(prefix="regress-bench-") as name:
        builder = KernelBuilder(tree, "x86_64", fragments(), paths.cache(), SILENT)
        builder.build(tree.repository.commit("replay-good"), Path(name))
        read = inputs.load(Path(name) / inputs.FILE)
    assert read is not None
    return {path: count for path, count in read.files.items() if count}


def cost(line: Sequence[frozenset[str]], files: Mapping[str, int], one: int, other: int) -> int:
    """Objects that a build of a commit compiles after that of another one, each file's counted apart."""
    changed = frozenset[str]().union(*line[min(one, other) + 1 : max(one, other) + 1])
    return sum(files[path] for path in changed)


def halved(line: Sequence[frozenset[str]], files: Mapping[str, int], culprit: int, near: float) -> tuple[int, int]:
    """Builds and compiled objects of a bisection; both ends are known, and the last one is built."""
    good, bad, at = -1, len(line) - 1, len(line) - 1
    everything = sum(count for path, count in files.items() if path.endswith((".c", ".S")))
    steps = compiled = 0
    while bad - good > 1:
        middle, off = (good + bad) // 2, int((bad - good) * near)
        some = range(max(good + 1, middle - off), min(bad - 1, middle + off) + 1)
        costs = {place: min(everything, cost(line, files, at, place)) for place in some}
        at = min(some, key=lambda place: (costs[place], abs(place - middle)))
        steps, compiled = steps + 1, compiled + costs[at]
        good, bad = (good, at) if at >= culprit else (at, bad)
    return steps, compiled


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=200, help="of each length (default: %(default)s)")
    options = parser.parse_args()
    files, chance, rows = objects(), random.Random(1), []
    sources = sorted(path for path in files if path.endswith(".c"))
    headers = sorted(path for path in files if path.endswith(".h"))
    for length, share in ((55, 0.15), (55, 0.3), (400, 0.15), (400, 0.3)):
        found: dict[float, list[tuple[int, int]]] = {near: [] for near in NEAR}
        for _ in range(options.lines):
            line = [
                frozenset({chance.choice(sources)} | ({chance.choice(headers)} if chance.random() < share else set()))
                for _ in range(length)
            ]
            culprit = chance.randrange(length)
            for near, all_ in found.items():
                all_.append(halved(line, files, culprit, near))
        for near, all_ in found.items():
            steps, compiled = (statistics.mean(one[part] for one in all_) for part in (0, 1))
            rows.append((length, f"{share:.0%}", f"{near:.3f}", f"{steps:.2f}", round(compiled)))
    print(machine(), "\n")
    print(table(("commits", "of them with a header", "how far from the middle", "builds", "objects"), rows))


if __name__ == "__main__":
    main()
