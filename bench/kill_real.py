"""Kills bisections of the replay with real builds and real boots, and checks the same as `bench.kill`.

    python -m bench.kill_real [--kills N] [--seed S]

The first bisection is not disturbed; with an empty cache it builds each kernel.  Those that are killed later boot what
is there already, and build what is not.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench.common import machine
from bench.kill import KINDS, disturbed, report
from bench.kill_shapes import Shape
from bench.kill_target import Target
from tests.support.replayed import commit

NAME = "replay"


class Replay(Target):
    """Bisections of the replay, with the user's cache."""

    scenario = "lr-35498d"
    stuck = 3600.0

    def lay(self) -> tuple[Shape, Mapping[int, str]]:
        """The real tree, of which only the culprit matters."""
        (self.top / "scenarios").mkdir()
        return Shape(exact=False), {0: commit("culprit")}

    def asked(self) -> tuple[str, ...]:
        """See `Target.asked`."""
        return ("--tree", "replay")

    def environment(self) -> dict[str, str]:
        """See `Target.environment`."""
        return {"REGRESS_KILLED": str(self.top)}


def main() -> None:
    """Disturb the bisection; print what was counted."""
    parser = argparse.ArgumentParser(description="Kill bisections of real kernels, and look whether anything is lost.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kill-") as top:
        target = Replay(NAME, Path(top), Path(top, "results"))
        ways = {kind: way for kind, way in KINDS.items() if kind != "full disk"}
        kills = disturbed(target, options.kills, ways, random.Random(options.seed))
        target.counts["finished trials"] = len(target.rows)
    print(f"{machine()}\n\n    python -m bench.kill_real --kills {options.kills} --seed {options.seed}\n")
    sys.exit(report([NAME], {NAME: target.counts}, {NAME: kills}, target.faults))


if __name__ == "__main__":
    main()
