"""A bisection of the replay with and without each economy, beside a plain one: `python -m bench.economies FOLDER`.

Side by side, each from nothing but the source (no image, no objects, no ccache), the ends and the answer the same:
- `regress bisect` with all economies, again with the first one's journal, without each, and without all;
- `git bisect run` with `make` and `vng` (`bench/plain_bisect.sh`), one boot a commit, as one would write it; and
  with six quiet boots for each good commit, as many as back the verdict on the parent of a culprit of ours.

About two hours on two cores.  What was measured is in FOLDER, a file a row: started again, it goes on with the next
row.  `--only` measures some rows alone; remove a row's file to measure it again.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from bench.build import GENERIC
from bench.common import ROOT, Errors, fresh, machine, scenario, table
from harness import architecture, record
from harness.bisect import Economy
from harness.bisect.verification import QUIET_RUNS
from harness.files import write_atomically
from harness.kernel import replay
from harness.kernel.tree import Tree
from harness.machine import accelerator

PLAIN = Path(__file__).with_name("plain_bisect.sh")
SCENARIO = "lr#35498d"
VERIFYING = ("again", "parent", "revert")
"""The roles of trials that the search did not ask for.  The plain script has none: it names the culprit unverified."""
Row = Mapping[str, Any]


def start(cache: Path) -> Tree:
    """The replay in a cache that holds nothing else."""
    for name in ("regress/kernels", "regress/objects", "ccache"):
        shutil.rmtree(cache / name, ignore_errors=True)
    series = replay.read_series(scenario().folder / "replay")
    place = cache / "regress"
    return replay.lay(series, replay.find_source(series.kernel, place, Errors()), place, Errors())


def ours(top: Path, results: Path, without: tuple[str, ...]) -> Row:
    """One bisection of this program.

    Args:
        results: the folder of results; what it holds already are earlier runs.
        without: the economies that are off.
    """
    start(top / "cache")
    argv = [str(ROOT / "regress"), "bisect", SCENARIO, "--tree", "replay", "--json", "--results", str(results)]
    argv += [word for name in without for word in ("--without", name)]
    env = {**os.environ, "XDG_CACHE_HOME": str(top / "cache")}
    began = time.monotonic()
    done = subprocess.run(argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=False)
    seconds = time.monotonic() - began
    told = json.loads(done.stdout)
    return {
        "seconds": seconds,
        "builds": told["builds"],
        "boots": told["boots"],
        "verified": sum(tried.role in VERIFYING for tried in record.find(Path(told["folder"])).trials()),
        "culprit": told["culprit"],
        "reason": told["reason"],
        "notes": told["notes"],
    }


def plain(top: Path, runs: int) -> Row:
    """`git bisect run` with the script.

    Args:
        runs: quiet boots that make a commit good.
    """
    tree, out, clone = start(top / "cache"), fresh(top / "plain"), top / "clone"
    shutil.rmtree(clone, ignore_errors=True)
    git = ["git", "-c", "advice.detachedHead=false"]
    subprocess.run([*git, "clone", "--quiet", "--shared", str(tree.repository.path), str(clone)], check=True)
    known = scenario().commits[tree.name]
    assert known.bad is not None
    bad, good = tree.resolve(known.bad).sha, tree.resolve(known.good).sha
    accel = accelerator.probe(architecture.load("x86_64"), top / "cache" / "regress", Errors()).name
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "CCACHE_DISABLE": "1",
        "OUT": str(out),
        "RUNS": str(runs),
        "KVM": "--disable-kvm" if accel == "tcg" else "",
    }
    subprocess.run([*git, "checkout", "--quiet", good], cwd=clone, check=True)
    began = time.monotonic()
    subprocess.run(["make", "-s", f"O={out}", "tinyconfig"], cwd=clone, env=env, check=True)
    with (out / ".config").open("a", encoding="utf-8") as config:
        config.write(GENERIC.read_text(encoding="utf-8"))
    subprocess.run([*git, "bisect", "start", bad, good], cwd=clone, check=True, stdout=sys.stderr)
    with (top / f"plain-{runs}.log").open("w+", encoding="utf-8", errors="replace") as log:
        subprocess.run(
            [*git, "bisect", "run", str(PLAIN)], cwd=clone, env=env, stdout=log, stderr=subprocess.STDOUT, check=False
        )
        seconds = time.monotonic() - began
        log.seek(0)
        said = log.read()
    found = re.search(r"^([0-9a-f]{40}) is the first bad commit", said, re.MULTILINE)
    did = (out / "did").read_text(encoding="ascii").split()
    return {
        "seconds": seconds,
        "builds": did.count("build"),
        "boots": did.count("boot"),
        "verified": 0,
        "culprit": found[1] if found else None,
        "reason": "" if found else said[-300:],
        "notes": [],
    }


def watched(measure: Callable[[], Row]) -> Row:
    """A row, with the seconds of processors that it took, and those that the machine's other work took beside it."""

    def own() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    def all_() -> float:
        user, nice, system, _, _, irq, softirq = map(int, Path("/proc/stat").read_text(encoding="ascii").split()[1:8])
        return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")

    before = own(), all_()
    row = measure()
    cpu = own() - before[0]
    return {**row, "cpu": cpu, "others": max(0.0, all_() - before[1] - cpu), "machine": machine()}


def rows(top: Path) -> dict[str, Callable[[], Row]]:
    """What is measured, by name, in order."""
    every = tuple(map(str, Economy))
    first = top / "results-all"
    found: dict[str, Callable[[], Row]] = {
        "plain script": partial(plain, top, 1),
        "regress, all": lambda: ours(top, fresh(first), ()),
        "regress, all, again": partial(ours, top, first, ()),
    }
    found |= {f"without {name}": partial(_alone, top, (name,)) for name in every}
    found["without all"] = partial(_alone, top, every)
    found["plain script, as sure"] = partial(plain, top, QUIET_RUNS + 1)
    return found


def _alone(top: Path, without: tuple[str, ...]) -> Row:
    return ours(top, fresh(top / "results-without"), without)


def main() -> None:
    """Measure what is missing, and print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="for what was measured; about 5 GiB")
    parser.add_argument("--only", action="append", default=[], metavar="ROW", help="a row of the table (repeatable)")
    options = parser.parse_args()
    top: Path = options.folder.resolve()
    known: dict[str, Row] = {}
    for name, measure in rows(top).items():
        kept = top / "rows" / f"{name.replace(' ', '-').replace(',', '')}.json"
        if not kept.exists() and name in (options.only or rows(top)):
            Errors().note(f"{name} ...")
            write_atomically(kept, json.dumps(watched(measure), indent=2) + "\n")
        if kept.exists():
            known[name] = json.loads(kept.read_text(encoding="utf-8"))
    if not known:
        raise SystemExit(f"--only: no such row; there are {', '.join(rows(top))}")
    base = known.get("plain script", {}).get("seconds")
    right = {row["culprit"] for row in known.values()}
    print(machine(), "\n")
    head = ("", "s", "of plain", "CPU s", "others' CPU s", "builds", "boots", "of them to verify", "culprit")
    print(
        table(
            head,
            (
                (
                    *(name, row["seconds"], f"{row['seconds'] / base:.2f}" if base else ""),
                    *(
                        row["cpu"],
                        row["others"],
                        row["builds"],
                        row["boots"],
                        row["verified"],
                        (row["culprit"] or "none")[:12],
                    ),
                )
                for name, row in known.items()
            ),
        )
    )
    print("\nThe same culprit in all rows." if len(right) == 1 else "\nNOT the same culprit in all rows.")
    for name, row in known.items():
        for note in row["notes"]:
            print(f"- {name}: {note}")


if __name__ == "__main__":
    main()
