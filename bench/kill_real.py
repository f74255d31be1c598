"""Kills bisections of the replay with real builds and real boots, and checks the same as `bench.kill`.

    python -m bench.kill_real [--kills N] [--seed S]

The first bisection is not disturbed; with an empty cache it builds each kernel.  Those that are killed later boot what
is there already, and build what is not.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench.common import machine
from bench.kill import KINDS, ROOT, Target, disturbed, report
from bench.kill_shapes import Shape
from tests.support.replayed import commit

SCENARIO, MARK, NAME = "lr-35498d", "REGRESS_KILLED", "replay"


class Replay(Target):
    """Bisections of the replay; their processes have a variable with the folder in their environment."""

    stuck = 3600.0

    def lay(self) -> tuple[Shape, Mapping[int, str]]:
        """The real tree, of which only the culprit matters."""
        return Shape(exact=False), {0: commit("culprit")}

    def start(self, resume: Path | None = None) -> subprocess.Popen[str]:
        """See `Target.start`."""
        how = ("--resume", str(resume)) if resume else ("--tree", "replay")
        argv = [sys.executable, "-m", "harness", "bisect", SCENARIO, *how, "--json", "--results", str(self.results)]
        env = {**os.environ, MARK: str(self.top), "REGRESS_NO_INSTALL": "1"}
        return subprocess.Popen(
            argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def last(self) -> Path | None:
        """See `Target.last`."""
        folders = [path for path in self.results.glob(f"*-{SCENARIO}*") if path.is_dir()]
        return max(folders, key=lambda path: path.stat().st_ctime_ns, default=None)


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
