"""Building the scenario's kernel: `python -m bench.build` (about 25 minutes on two cores).

Side by side in one run, without ccache:
- a full build of the scenario's configuration, and of a handwritten option list
  (`bench/generic.config`): CPU seconds of all processes, and objects;
- a rebuild after a one-line change of `block/bio-integrity.c` by this program, from the question
  to the stored image, and by a bare `make` in a folder of the same objects: wall time.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.common import Errors, fragments, fresh, machine, replay_tree, table
from harness.git import Commit
from harness.kernel.build import KernelBuilder
from harness.kernel.tree import Tree
from harness.process import BY_NAME

GENERIC = Path(__file__).with_name("generic.config")


@dataclass(frozen=True)
class Cost:
    """Seconds of wall time and of all processors."""

    wall: float
    cpu: float


def measured(work: Callable[[], object]) -> Cost:
    """What some work costs, with all the programs that it runs."""

    def used() -> float:
        children, self_ = resource.getrusage(resource.RUSAGE_CHILDREN), resource.getrusage(resource.RUSAGE_SELF)
        return children.ru_utime + children.ru_stime + self_.ru_utime + self_.ru_stime

    wall, cpu = time.monotonic(), used()
    work()
    return Cost(time.monotonic() - wall, used() - cpu)


def full(tree: Tree, commit: Commit, fragments: tuple[Path, ...], folder: Path) -> tuple[Cost, int]:
    """A build from nothing; returns its cost and the number of objects."""
    builder = KernelBuilder(tree, "x86_64", fragments, folder, Errors())
    cost = measured(lambda: builder.build(commit, fresh(folder / "artifacts")))
    return cost, sum(1 for _ in (folder / "objects").rglob("*.o"))


def rebuilds(tree: Tree, commits: tuple[Commit, Commit], fragments: tuple[Path, ...], folder: Path, times: int) -> str:
    """Rebuilds by turns, there and back between two commits that differ in one line."""
    [ours] = (folder / "objects").iterdir()
    bare = folder / "bare"
    shutil.copytree(ours, bare, symlinks=True)
    builder = KernelBuilder(tree, "x86_64", fragments, folder, Errors())
    argv = ["make", "-C", str(tree.worktree), f"O={bare}", "ARCH=x86_64", f"-j{os.cpu_count()}", "bzImage"]

    def make() -> None:
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    make()  # the folder has another name now
    costs: dict[str, list[Cost]] = {"regress": [], "bare make": []}
    for turn in range(times):
        commit = commits[turn % 2]
        shutil.rmtree(folder / "kernels")  # else nothing would be built a second time
        costs["regress"].append(measured(partial(builder.build, commit, fresh(folder / "artifacts"))))
        costs["bare make"].append(measured(make))
    medians = {name: statistics.median(cost.wall for cost in some) for name, some in costs.items()}
    rows = [
        (
            name,
            medians[name],
            min(c.wall for c in some),
            max(c.wall for c in some),
            f"{medians[name] / medians['bare make']:.2f}",
        )
        for name, some in costs.items()
    ]
    return table((f"rebuild after one line ({times} times)", "median s", "min", "max", "ratio"), rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=6, help="rebuilds (default: 6)")
    options = parser.parse_args()
    os.environ |= {"CCACHE_DISABLE": "1", BY_NAME: "CCACHE_DISABLE"}
    tree = replay_tree()
    good = tree.repository.commit("replay-good")
    after = next(
        tree.repository.commit(sha)
        for sha in tree.repository.text("rev-list", "--reverse", "replay-good..replay").split()
        if tree.repository.changed(f"{sha}^", sha) == ["block/bio-integrity.c"]
    )
    ours = fragments()
    with tempfile.TemporaryDirectory(prefix="regress-bench-") as name:
        folder = Path(name)
        costs = {
            "the scenario's fragments": full(tree, good, ours, folder / "ours"),
            "the list written by hand": full(tree, good, (GENERIC,), folder / "generic"),
        }
        base = costs["the list written by hand"][0].cpu
        rows = [(what, c.wall, c.cpu, n, f"{c.cpu / base:.2f}") for what, (c, n) in costs.items()]
        print(machine(), "\n", flush=True)
        print(table(("full build", "wall s", "CPU s", "objects", "CPU ratio"), rows), "\n", flush=True)
        print(rebuilds(tree, (after, good), ours, folder / "ours", options.times))


if __name__ == "__main__":
    main()
