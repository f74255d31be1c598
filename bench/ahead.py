"""A trial alone, and beside a build ahead: `python -m bench.ahead` (about 6 minutes, once the kernel is built).

By turns in one run: the good kernel from power-on to its verdict with nothing beside it, and beside a build of one job
from nothing, at idle priority, as `harness.kernel.ahead` makes it.  Where the rule (`spare`) allows no build ahead,
this is what the rule saves.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from bench.boot import median, ours
from bench.common import Errors, fragments, fresh, machine, replay_tree, scenario, table
from harness import architecture, paths
from harness.kernel.ahead import Ahead, spare
from harness.kernel.build import KernelBuilder
from harness.machine import accelerator, rootfs
from harness.model import Boot, Outcome
from harness.process import BY_NAME
from harness.progress import SILENT

SETTLED = 10.0
"""Seconds after which the build compiles: before, it configures."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10, help="of each (default: 10)")
    times = parser.parse_args().times
    spec, tree, cache = scenario(), replay_tree(), paths.cache()
    accel = accelerator.probe(architecture.load("x86_64"), cache, Errors()).name
    cores, cpus = len(os.sched_getaffinity(0)), spec.machine.cpus
    assert spec.pi_disk is not None
    with tempfile.TemporaryDirectory(prefix="regress-bench-") as name:
        top = Path(name)
        commit = tree.repository.commit("replay-good")
        builder = KernelBuilder(tree, "x86_64", fragments(), cache, Errors())
        image = builder.build(commit, fresh(top / "artifacts")).image
        rootfs.initramfs(spec, Path("/"), top / "guest.cpio")
        disk, memory = spec.pi_disk.append, spec.machine.memory
        boot = Boot(image, "x86_64", top / "guest.cpio", disk, memory, cpus, top / "boot")
        # Into a cache of its own, which has nothing yet; and what ccache knows would soon be built.
        os.environ |= {"CCACHE_DISABLE": "1", BY_NAME: "CCACHE_DISABLE"}
        idle = replace(builder, cache=top / "cache", jobs=1, idle=True, progress=SILENT)
        built: list[bool] = []
        ahead = Ahead(idle, top / "ahead", lambda _sha, _seconds, made: built.append(made))
        seconds: dict[str, list[float]] = {"alone": [], "beside a build of one job, idle": []}
        for _ in range(times):
            for what, taken in seconds.items():
                beside = what != "alone"
                with ahead.building([(commit.sha, commit)]) if beside else contextlib.nullcontext():
                    time.sleep(SETTLED if beside else 0)
                    trial, _watch = ours(boot, accel)
                if trial.outcome is not Outcome.PASSED:
                    raise SystemExit(f"the good kernel {what}: {trial.outcome}: {trial.reason}")
                taken.append(trial.seconds)
            if any(built):
                raise SystemExit("the build came to its end: nothing ran beside the next trial")
    alone = median(seconds["alone"])
    print(f"{machine()}, load {os.getloadavg()[2]:.1f}\naccelerator: {accel}; the guest has {cpus} processors")
    print(f"jobs that the rule allows beside it: {spare(cores, cpus)}\n")
    rows = [(what, median(s), min(s), max(s), f"{median(s) / alone:.2f}") for what, s in seconds.items()]
    print(table(("power-on to the end", "median s", "min", "max", "of a trial alone"), rows))


if __name__ == "__main__":
    main()
