"""How long the first decision takes in a large history: `python -m bench.large [--commits N]`.

A made-up repository in the shape of a kernel tree (topic branches, merged into subsystem branches, merged into one
line) is made with `git fast-import`. In its own process, each search reads the history and says which commit to try
first, with both ends known; compared with `git rev-list --bisect` for the same question. The memory is the peak of
the process.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.common import machine, table
from harness.git import Git
from harness.search import Evidence, History, Probe, Search
from harness.search.bayes import Bayes
from harness.search.halving import Halving

COMMITS, MERGES, BRANCHES = 200_000, 0.1, 300
SEARCHES = {
    "--runs 1": Halving,
    "--runs 1, and the second, where the first does not build": Halving,
    "--runs 1, with a hint": Halving,
    "--runs auto": Bayes,
    "--runs auto, and the second, where the first does not build": Bayes,
    "--runs auto, with a hint": Bayes,
}
HINT = (0.002, 0.01, 0.05)
"""How large the sets of a hint are, as parts of the history."""


def stream(commits: int, merges: float, branches: int, chance: random.Random) -> Iterator[str]:
    """The input of `git fast-import`: so many commits, this part of them merges, on so many branches at a time."""
    tips: list[int] = []
    line = 1
    for mark in range(1, commits + 1):
        if mark == 1 or not tips:
            above = [line] if mark > 1 else []
            tips = [line] * branches
        else:
            at = chance.randrange(len(tips))
            above = [tips[at]]
            if mark > commits - branches:  # in the end all come together
                above = [line, tips.pop()]
                line = mark
            elif chance.random() < merges:
                # A branch goes into another one, or into the main line, and starts again from there.
                other = chance.randrange(len(tips))
                above = list(dict.fromkeys([line if chance.random() < 0.3 else tips[other], tips[at]]))
                tips[at] = mark
                if above[0] == line:
                    line = mark
                else:
                    tips[other], tips[at] = mark, line
            else:
                tips[at] = mark
        parents = "".join(f"{'merge' if nth else 'from'} :{parent}\n" for nth, parent in enumerate(above))
        yield f"commit refs/heads/main\nmark :{mark}\ncommitter A <a@b> {1500000000 + 60 * mark} +0000\ndata 1\nx\n"
        yield f"{parents}\n"


def lay(folder: Path, commits: int, merges: float, branches: int, seed: int) -> Git:
    """The repository."""
    git = Git(folder)
    git.run("init", "--quiet", "--bare", "--initial-branch=main")
    text = "".join(stream(commits, merges, branches, random.Random(seed)))
    git.run("fast-import", "--quiet", "--force", input=text.encode())
    return git


def measure(name: str, folder: Path) -> dict[str, object]:
    """What a search takes, in this process."""
    git, began = Git(folder), time.monotonic()
    new, old = git.commit("main").sha, git.text("rev-list", "--max-parents=0", "main")
    above = git.history(new, (old,))
    history = History(tuple(above), above, (old,))
    if "hint" in name:
        line = random.Random(1).sample(history.commits, len(history.commits))
        history = replace(history, hints=tuple(frozenset(line[: int(len(line) * share)]) for share in HINT))
    read = time.monotonic() - began
    search: Search = SEARCHES[name](history)
    seen = {new: Evidence(bad=3), old: Evidence(quiet=30)}
    decision = search.decide(seen)
    if "second" in name:
        assert isinstance(decision, Probe)
        decision = search.decide({**seen, decision.commit: Evidence(skip="does not build")})
    assert isinstance(decision, Probe), decision
    return {
        "commit": decision.commit,
        "read": read,
        "seconds": time.monotonic() - began,
        "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commits", type=int, default=COMMITS, help=f"how many (default: {COMMITS})")
    parser.add_argument("--merges", type=float, default=MERGES, help=f"which part are merges (default: {MERGES})")
    parser.add_argument("--branches", type=int, default=BRANCHES, help=f"at a time (default: {BRANCHES})")
    parser.add_argument("--seed", type=int, default=1, help="another number makes up another history")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options.child[0], Path(options.child[1]))))
        return
    with tempfile.TemporaryDirectory() as top:
        git = lay(Path(top), options.commits, options.merges, options.branches, options.seed)
        count = int(git.text("rev-list", "--count", "main"))
        merges = int(git.text("rev-list", "--count", "--merges", "main"))
        began = time.monotonic()
        root = git.text("rev-list", "--max-parents=0", "main")
        chosen = git.text("rev-list", "--bisect", "main", f"^{root}")
        rows: list[tuple[object, ...]] = [("git rev-list --bisect", time.monotonic() - began, "", "", chosen[:12])]
        for name in SEARCHES:
            child = (sys.executable, "-m", "bench.large", "--child", name, top)
            said = json.loads(subprocess.run(child, check=True, stdout=subprocess.PIPE).stdout)
            rows.append((name, said["seconds"], said["read"], said["mib"], said["commit"][:12]))
        print(f"{count} commits, {merges} of them merges; {machine()}\n")
        print(table(("search", "s to the decision", "of it reading", "MiB", "commit"), rows))


if __name__ == "__main__":
    main()
