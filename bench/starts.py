"""What a configuration's first build costs where another one was built before: `python -m bench.starts`.

The kernel of lr-35498d is built once, with an empty ccache.  Then that of another configuration, in three ways, each of
which has to give the same image:
- from nothing, without ccache;
- from nothing, with a ccache that knows the first one;
- by this program: from the objects of the first one, with such a ccache too.

About 20 minutes on two cores.  Compare the seconds of processors where the machine has other work.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from bench.build import Cost, measured
from bench.common import Errors, fragments, fresh, machine, replay_tree, table
from harness.git import Commit
from harness.kernel.build import KernelBuilder
from harness.process import BY_NAME


def build(builder: KernelBuilder, commit: Commit, folder: Path, ccache: Path | None) -> tuple[Cost, int, str]:
    """Build a kernel; returns what it cost, the number of objects that make worked on, and the image's hash."""
    name, value = ("CCACHE_DIR", str(ccache)) if ccache else ("CCACHE_DISABLE", "1")
    os.environ |= {name: value, BY_NAME: name}
    made: list[str] = []
    cost = measured(lambda: made.append(builder.build(commit, fresh(folder)).signature))
    del os.environ[name]
    steps = sum(line.startswith(("  CC ", "  AS ")) for line in (folder / "build.log").read_text().splitlines())
    return cost, steps, made[0]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    more = ("base", "scsi-debug-pi", "dm-integrity", "dm-crypt", "raid")
    parser.add_argument("--fragments", nargs="+", default=more, help="of the other one; default: the first's, and raid")
    names = parser.parse_args().fragments
    tree = replay_tree()
    commit = tree.repository.commit("replay-good")
    with tempfile.TemporaryDirectory(prefix="regress-bench-") as name:
        top = Path(name)
        ccache, ours = top / "ccache", KernelBuilder(tree, "x86_64", fragments(), top / "ours", Errors())
        rows = {"that of lr-35498d, from nothing, ccache empty": build(ours, commit, top / "first", ccache)}
        shutil.copytree(ccache, top / "known")
        ways = {
            "from nothing, without ccache": ("bare", None),
            "from nothing, with ccache": ("ccached", top / "known"),
            "from the nearest objects, with ccache": ("ours", ccache),
        }
        for what, (cache, used) in ways.items():
            builder = replace(ours, fragments=fragments(names), cache=top / cache)
            rows[f"the other, {what}"] = build(builder, commit, top / "second", used)
    print(machine(), "\n")
    told = [(what, cost.wall, cost.cpu, steps) for what, (cost, steps, _) in rows.items()]
    print(table(("kernel", "wall s", "CPU s", "compiled"), told), "\n")
    images = {image for _, _, image in list(rows.values())[1:]}
    print("The same image each way." if len(images) == 1 else f"NOT the same image: {images}")


if __name__ == "__main__":
    main()
