"""Bisects hostile histories with the real program, and compares the results with the truth.

    python -m bench.hostile_histories [--count N] [--seed S] [--jobs J]
    python -m bench.hostile_histories --seed S --only NUMBER [--keep DIR]

Each history is a git repository of its own; its kernels and machines are shell scripts.  At p = 1 no wrong commit may
be named; for an intermittent crash, no more may be wrong than the stated confidence allows.  `--only` replays one
history and shows everything.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.common import machine, table
from bench.hostile_shapes import Grower, Shape
from harness.cli import bisect as _warm
from harness.cli import main as regress

PATIENCE = 180.0
"""Seconds after which a bisection is said to hang."""

RESUMES = 3
"""How often one that pauses is resumed."""

SCENARIO = """\
id: toy
title: a toy crash
build: {{command: sh {top}/build.sh}}
machine: {{command: sh {top}/boot.sh, timeout: 30s}}
expect:
  crash: {{title: "NULL pointer dereference in toy_*"}}
"""
BUILD = "[ ! -e nobuild ] || { echo 'x.c:1: error: no such thing'; exit 1; }\n"
BOOT = """\
crash() {{
    echo 'BUG: kernel NULL pointer dereference, address: 0000000000000000'
    echo "RIP: 0010:$1+0x10/0x20"
    echo '---[ end trace 0000000000000000 ]---'
    exit
}}
read -r n <{top}/boots
n=$((n + 1))
echo $n >{top}/boots
x=$(((n * 2654435761 + {seed}) & 4294967295))
x=$(((x ^ (x >> 15)) * 2246822519 & 4294967295))
x=$(((x ^ (x >> 13)) * 3266489917 & 4294967295))
x=$((x ^ (x >> 16)))
rate=$((x % 10000)) noise=$((x / 10000 % 10000))
[ $noise -ge {lost} ] || exit 0
[ $noise -ge {other} ] || crash foreign_write
[ ! -e lost ] || exit 0
[ ! -e elsewhere ] || crash other_write
if [ -e crash ] || {{ [ -e half-a ] && [ -e half-b ]; }}; then
    [ $rate -ge {rate} ] || crash toy_read
fi
echo regress: passed
"""
"""A boot: its dice are thrown by the number of boots before it, so that a replay throws the same."""


@dataclass(frozen=True)
class Verdict:
    """What came of one history.

    Attributes:
        kind: `right`, `open`, `WRONG`, `gave up`, `refused`, `paused` or `error`.
        reason: the program's, with names and numbers taken out.
        confidence: of a culprit.
    """

    number: int
    shape: Shape
    kind: str
    reason: str
    confidence: float | None
    seconds: float


class History:
    """One history on disk, and the program that bisects it.

    Args:
        seed, number: what it is grown from.
        top: an empty folder.
    """

    def __init__(self, seed: int, number: int, top: Path) -> None:
        self.number, self.top = number, top
        self.shape = Grower(random.Random(f"{seed}/{number}")).grow()
        self.tree, self.results = top / "tree", top / "results"
        self._lay(zlib.crc32(f"{seed}/{number}".encode()))

    def _lay(self, seed: int) -> None:
        (self.top / "scn/toy").mkdir(parents=True)
        (self.top / "scn/toy/scenario.yaml").write_text(SCENARIO.format(top=self.top), encoding="utf-8")
        (self.top / "build.sh").write_text(BUILD, encoding="utf-8")
        lost, other = (round(10_000 * one) for one in self.shape.noise)
        rate = round(10_000 * self.shape.rate)
        boot = BOOT.format(top=self.top, seed=seed, lost=lost, other=lost + other, rate=rate)
        (self.top / "boot.sh").write_text(boot, encoding="utf-8")
        (self.top / "boots").write_text("0\n", encoding="utf-8")
        self.tree.mkdir()
        self._git("init", "--quiet", "--initial-branch=main")
        self._git(
            "fast-import", "--quiet", "--date-format=raw-permissive", "--export-marks=../marks", text=self._stream()
        )
        marks = (line.split() for line in (self.top / "marks").read_text(encoding="ascii").splitlines())
        self.shas = {int(mark[1:]) - 1: sha for mark, sha in marks}
        self._view()

    def _stream(self) -> str:
        """All commits, as git fast-import reads them."""
        out = []
        for number, node in enumerate(self.shape.nodes):
            out.append(f"commit refs/heads/c{number}\nmark :{number + 1}")
            out += [f"{who} a <a@example.org> {node.date} +0000" for who in ("author", "committer")]
            out.append(_data(f"commit {number}"))
            out += [f"{'merge' if place else 'from'} :{one + 1}" for place, one in enumerate(node.parents)]
            out.append("deleteall")
            own = {f"n/{one}" for one in self._ancestors(number)}
            out += [f"M 644 inline {name}\n{_data(name)}" for name in sorted(own | node.files)]
        return "\n".join(out) + "\n"

    def _ancestors(self, number: int) -> set[int]:
        found, todo = set(), [number]
        while todo:
            if (one := todo.pop()) not in found:
                found.add(one)
                todo += self.shape.nodes[one].parents
        return found

    def _view(self) -> None:
        """Let git show the parents that the shape says."""
        cut = []
        for number, node in enumerate(self.shape.nodes):
            if node.seen is not None and "graft" in self.shape.tags:
                self._git("replace", "--graft", self.shas[number], *(self.shas[one] for one in node.seen))
            elif node.seen is not None:
                cut.append(self.shas[number] + "\n")
        if cut:
            (self.tree / ".git/shallow").write_text("".join(cut), encoding="ascii")
            ends = [f"c{one}" for one in (*self.shape.good, self.shape.bad)]
            for name in self._git("for-each-ref", "--format=%(refname:short)", "refs/heads").split():
                if name not in ends:
                    self._git("update-ref", "-d", f"refs/heads/{name}")
            self._git("-c", "gc.auto=0", "prune", "--expire=now")

    def _git(self, *args: str, text: str | None = None) -> str:
        done = subprocess.run(
            ["git", "-c", "core.logAllRefUpdates=false", *args],
            cwd=self.tree,
            input=text,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"history {self.number}: git {args}: {done.stderr}")
        return done.stdout

    def start(self, *, resume: bool = False) -> int:
        """The program, in a child; its pid."""
        argv = ["bisect", "toy", "--json", "--scenarios", str(self.top / "scn"), "--results", str(self.results)]
        if resume:
            argv += ["--resume"]
        else:
            ends = [f"--good={self.shas[one]}" for one in self.shape.good] + [f"--bad={self.shas[self.shape.bad]}"]
            argv += ["--tree", str(self.tree), *ends, *self.shape.options]
        sys.stdout.flush()
        if pid := os.fork():
            return pid
        status = 70
        try:
            os.setsid()
            for descriptor, name in ((1, "out"), (2, "err")):
                os.dup2(os.open(self.top / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), descriptor)
            sys.stdout, sys.stderr = (os.fdopen(one, "w", encoding="utf-8", closefd=False) for one in (1, 2))
            os.environ.update({"XDG_CACHE_HOME": f"{self.top}/cache", "XDG_CONFIG_HOME": f"{self.top}/config"})
            os.environ.update({"GIT_CONFIG_GLOBAL": os.devnull, "REGRESS_NO_INSTALL": "1"})
            os.chdir(self.top)
            sys.argv = ["regress", *argv]
            status = regress(argv)
        except BaseException:  # a forked child must not go on in the parent's code, whatever it was; "err" has it
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def verdict(self, status: int, seconds: float) -> Verdict:
        """Judge what the program said."""
        shape = self.shape
        err = (self.top / "err").read_text(encoding="utf-8", errors="replace")
        out = (self.top / "out").read_text(encoding="utf-8", errors="replace")
        last = (err.strip().splitlines() or [""])[-1]

        def be(kind: str, reason: str = "", confidence: float | None = None) -> Verdict:
            return Verdict(self.number, shape, kind, _plain(reason), confidence, seconds)

        if "Traceback" in err or status not in (0, 1, 2, 3):
            return be("error", f"exit {status}: {last}")
        if not out:
            return be("refused" if status == 2 else "error", last)
        said: dict[str, Any] = json.loads(out)
        if said["culprit"]:
            number = next((one for one, sha in self.shas.items() if sha == said["culprit"]), None)
            right = number is not None and shape.turns(number)
            return be("right" if right else "WRONG", said["reason"], said["confidence"])
        if said["status"] == "infrastructure":
            return be("paused", said["reason"])
        return be("gave up" if shape.decidable() else "open", f"{said['status']}: {said['reason']}")

    def show(self) -> None:
        """Print the history as the shape has it."""
        shape = self.shape
        print(f"history {self.number}: {', '.join(sorted(shape.tags))}; p = {shape.rate}, noise {shape.noise}")
        print(f"good {shape.good}, bad {shape.bad}, {' '.join(shape.options)}")
        print(f"answers {sorted(shape.answers())}, of them decidable {sorted(shape.decidable())}\n")
        for number, node in enumerate(shape.nodes):
            seen = f" seen as {node.seen}" if node.seen is not None else ""
            mark = "BAD" if node.bad else ""
            sha = self.shas.get(number, "?")[:12]
            print(f"{number:3} {sha} {node.parents!s:16}{seen} {mark:3} {' '.join(sorted(node.files))}")


def _data(text: str) -> str:
    return f"data {len(text)}\n{text}"


def _plain(reason: str) -> str:
    """A reason without what is different in each history."""
    text = re.sub(r"\b[0-9a-f]{12,40}\b", "SHA", reason)
    text = re.sub(r"/\S+", "PATH", text)
    return re.sub(r"\d+(\.\d+)?", "N", text)[:110]


class Pool:
    """Runs histories in children, some at once."""

    def __init__(self, seed: int, top: Path, *, keep: bool = False) -> None:
        self.seed, self.top, self.keep = seed, top, keep
        self.running: dict[int, tuple[History, float, int]] = {}
        self.verdicts: list[Verdict] = []

    def run(self, numbers: range, jobs: int) -> list[Verdict]:
        """Run them all; what came of them, in their order."""
        for number in numbers:
            while len(self.running) >= jobs:
                self._reap()
            folder = self.top / str(number)
            folder.mkdir()
            history = History(self.seed, number, folder)
            self.running[history.start()] = (history, time.monotonic(), 0)
        while self.running:
            self._reap()
        return sorted(self.verdicts, key=lambda one: one.number)

    def _reap(self) -> None:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            for one, (_, began, _) in self.running.items():
                if time.monotonic() - began > PATIENCE:
                    os.killpg(one, signal.SIGKILL)
            time.sleep(0.005)
            return
        history, began, resumed = self.running.pop(pid)
        code = os.waitstatus_to_exitcode(status)
        verdict = history.verdict(code, time.monotonic() - began)
        if verdict.kind == "paused" and resumed < RESUMES:
            self.running[history.start(resume=True)] = (history, began, resumed + 1)
            return
        self.verdicts.append(verdict)
        if verdict.kind in ("WRONG", "error"):
            print(f"{verdict.number}: {verdict.kind}: {verdict.reason}", file=sys.stderr, flush=True)
        if not self.keep:
            shutil.rmtree(history.top, ignore_errors=True)


KINDS = ("right", "open", "WRONG", "gave up", "refused", "paused", "error")


def report(verdicts: list[Verdict]) -> str:
    """Tables: kinds by certainty and by hazard, the reasons, and the rate of wrong answers where p < 1."""
    rows: list[tuple[object, ...]] = []
    groups = {
        "p = 1": [one for one in verdicts if one.shape.rate == 1],
        "p < 1": [v for v in verdicts if v.shape.rate < 1],
    }
    tags = sorted({tag for one in verdicts for tag in one.shape.tags})
    groups |= {tag: [one for one in verdicts if tag in one.shape.tags and one.shape.rate == 1] for tag in tags}
    for name, found in groups.items():
        kinds = Counter(one.kind for one in found)
        if found:
            rows.append((name, len(found), *(kinds[kind] for kind in KINDS)))
    parts = [table(("histories", "number", *KINDS), rows)]
    for kind in KINDS[2:]:
        reasons: dict[str, list[int]] = {}
        for one in verdicts:
            if one.kind == kind:
                certain = "" if one.shape.rate == 1 else "p < 1: "
                reasons.setdefault(certain + one.reason, []).append(one.number)
        most = sorted(reasons.items(), key=lambda item: -len(item[1]))
        if most:
            lines = [(len(numbers), reason, " ".join(map(str, numbers[:8]))) for reason, numbers in most]
            parts.append(table(("number", kind, "histories"), lines))
    named = [one for one in groups["p < 1"] if one.confidence is not None]
    wrong, doubt = sum(one.kind == "WRONG" for one in named), sum(1 - (one.confidence or 0) for one in named)
    parts.append(
        f"p < 1: {len(named)} culprits named, {wrong} wrong; by their confidence {doubt:.1f} are to be expected"
    )
    return "\n\n".join(parts)


def main() -> None:
    """Run them, and print what came of them."""
    parser = argparse.ArgumentParser(description="Bisect hostile histories with the real program.")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number of the first history")
    parser.add_argument("--only", type=int, help="replay this one, and show it")
    parser.add_argument("--keep", type=Path, help="a folder that keeps what was made")
    options = parser.parse_args()
    assert _warm
    with tempfile.TemporaryDirectory() as scratch:
        top = (options.keep or Path(scratch)).resolve()
        top.mkdir(parents=True, exist_ok=True)
        pool = Pool(options.seed, top, keep=options.only is not None or options.keep is not None)
        if options.only is not None:
            [verdict] = pool.run(range(options.only, options.only + 1), 1)
            folder = top / str(options.only)
            print((folder / "err").read_text(encoding="utf-8"))
            shutil.rmtree(folder)
            folder.mkdir()
            History(options.seed, options.only, folder).show()
            print(f"\n{verdict.kind}: {verdict.reason}  ({verdict.seconds:.1f} s)")
            return
        began = time.monotonic()
        verdicts = pool.run(range(options.first, options.first + options.count), options.jobs)
        seconds = time.monotonic() - began
    command = f"python -m bench.hostile_histories --count {options.count} --seed {options.seed} --jobs {options.jobs}"
    print(f"{machine()}; {seconds / options.count:.2f} s a history\n\n    {command}\n\n{report(verdicts)}")
    bad = [one for one in verdicts if one.kind == "error" or (one.kind == "WRONG" and one.shape.rate == 1)]
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
