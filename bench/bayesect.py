"""Drives git-bayesect, from PyPI, over made-up histories; run by `bench.search`, in an environment of its own.

    uv run --no-project --with git-bayesect==1.2 python bench/bayesect.py

Each line on standard input is a case: a JSON object with `size` (commits from the old end to the new one, both
counted, along first parents), `first` (the place of the first with the crash, 0 is the old end; `size` if there is
none), `rate`, `seed`, `confidence`, and `broken` and `elsewhere` (places that do not build, or crash elsewhere).
Each line on standard output is the result: `named` (a place, or null), `builds`, `boots`.

It takes each step as `git bayesect run` does, with two concessions: a commit that was built once is never built again,
and a commit that cannot be tested is recorded as skipped, which `git bayesect run` cannot do by itself.

A case with `real` set is searched by the program itself, `git bayesect run`, in a repository made for it.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from git_bayesect import Bisector

# It takes logarithms of the zero probabilities of skipped commits, and masks what comes of it.
np.seterr(divide="ignore", invalid="ignore")
# So many boots are enough to call it off.
MOST = 1000


def search(case: dict[str, Any]) -> dict[str, Any]:
    """What git-bayesect makes of a case."""
    size, chance = case["size"], random.Random(case["seed"])
    broken, elsewhere = set(case["broken"]), set(case["elsewhere"])
    bisector = Bisector(np.ones(size))
    built: set[int] = set()
    skipped: set[int] = set()
    boots = 0
    while boots < MOST and len(skipped) < size:
        # Its index 0 is the newest commit.
        place = size - 1 - bisector.select()
        if place in skipped:
            # It would choose the same again, for ever.
            place = min((one for one in range(size) if one not in skipped), key=lambda one: abs(one - place))
        built.add(place)
        if place in broken:
            skipped.add(place)
            bisector.record(size - 1 - place, None)
            continue
        boots += 1
        if place in elsewhere:
            skipped.add(place)
            bisector.record(size - 1 - place, None)
            continue
        bisector.record(size - 1 - place, place >= case["first"] and chance.random() < case["rate"])
        if bisector.distribution.max() >= case["confidence"]:
            named = size - 1 - int(bisector.distribution.argmax())
            return {"named": named, "builds": len(built), "boots": boots}
    return {"named": None, "builds": len(built), "boots": boots}


def run(case: dict[str, Any]) -> dict[str, Any]:
    """What `git bayesect run` makes of a case without untestable commits; the same dice as above."""
    size, chance = case["size"], random.Random(case["seed"])
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        tree = top / "tree"
        tree.mkdir()
        stream = "".join(
            f"commit refs/heads/main\ncommitter A <a@b> {1700000000 + place} +0000\ndata 1\n{place % 10}\n"
            f"M 644 inline place\ndata {len(str(place))}\n{place}\n\n"
            for place in range(size)
        )

        def call(*argv: str, text: str | None = None) -> str:
            return subprocess.run(argv, cwd=tree, input=text, text=True, capture_output=True, check=True).stdout

        call("git", "init", "--quiet", "--initial-branch=main")
        call("git", "fast-import", "--quiet", text=stream)
        call("git", "checkout", "--quiet", "main")
        shas = call("git", "rev-list", "--reverse", "main").split()
        # The fate of the next trial of a commit with the crash is on the first line.
        dice = top / "dice"
        dice.write_text("".join(f"{int(chance.random() < case['rate'])}\n" for _ in range(MOST)), encoding="utf-8")
        script = top / "script"
        script.write_text(
            f"p=$(cat place); echo $p >>{top}/tried; [ $p -lt {case['first']} ] && exit 0\n"
            f"read d <{dice}; sed -i 1d {dice}; exit $d\n",
            encoding="utf-8",
        )
        call(sys.executable, "-m", "git_bayesect", "start", "--old", shas[0], "--new", shas[-1])
        confidence = ("--confidence", str(case["confidence"]))
        told = call(sys.executable, "-m", "git_bayesect", "run", *confidence, "sh", str(script))
        named = told.split("Bisection converged to ")[1].split()[0]
        tried = (top / "tried").read_text(encoding="utf-8").split()
        place = next(place for place, sha in enumerate(shas) if sha.startswith(named))
        return {"named": place, "builds": len(set(tried)), "boots": len(tried)}


if __name__ == "__main__":
    for line in sys.stdin:
        one = json.loads(line)
        print(json.dumps(run(one) if one.get("real") else search(one)), flush=True)
