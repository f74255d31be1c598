"""Kills a running bisection again and again, and looks whether anything is lost, done twice or unreadable.

    python -m bench.kill [KILLS]

Bisections of a history of 60 commits (three that do not build, two that crash elsewhere) are killed with SIGKILL at
random moments and taken up with `--resume`, until so many kills are done (default: 200).  Builds and boots
are commands of a few milliseconds, so that most kills fall into the program's own work.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bench.common import machine, table
from harness.catalog import ROOT
from harness.git import Git
from harness.workspace import OWN

SCENARIO = """\
id: kill
title: a crash to be found by a program that is killed
build: {{command: sh build.sh}}
machine: {{command: {boot}, timeout: 30s}}
expect:
  crash: {{title: "NULL pointer dereference in toy_*"}}
"""
CRASH = """\
echo 'BUG: kernel NULL pointer dereference, address: 0000000000000000'
echo 'RIP: 0010:{function}+0x10/0x20'
echo '---[ end trace 0000000000000000 ]---'
"""
GOOD = "echo regress: passed\n"
STATES = [(GOOD, "true\n")] * 60
STATES[20:23] = [(GOOD, "exit 1\n")] * 3
STATES[37:60] = [(CRASH.format(function="toy_read"), "true\n")] * 23
STATES[44:46] = [(CRASH.format(function="other_write"), "true\n")] * 2
CULPRIT = 37


@dataclass
class Target:
    """The history, the scenario, the results, and what was counted.

    Args:
        top: an empty folder.
    """

    top: Path
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    booted: int = 0

    def __post_init__(self) -> None:
        self.tree, self.results = self.top / "tree", self.top / "results"
        self.tree.mkdir()
        folder = self.top / "scenarios" / "kill"
        folder.mkdir(parents=True)
        boot = folder / "boot"
        boot.write_text(f'#!/bin/sh\necho "$REGRESS_FOLDER" >>{self.top}/boots\nexec sh console.sh\n', encoding="utf-8")
        boot.chmod(0o755)
        (self.top / "boots").touch()
        (folder / "scenario.yaml").write_text(SCENARIO.format(boot=boot), encoding="utf-8")
        git = Git(self.tree)
        git.run("init", "--quiet")
        self.shas = []
        for number, (console, build) in enumerate(STATES):
            for name, text in (("console.sh", console), ("build.sh", build), (f"n/{number}", "")):
                (self.tree / name).parent.mkdir(exist_ok=True)
                (self.tree / name).write_text(text, encoding="utf-8")
            git.run("add", "--all")
            git.run("commit", "--quiet", "-m", f"commit {number}", env=OWN)
            self.shas.append(git.text("rev-parse", "HEAD"))

    def start(self, *, resume: bool) -> subprocess.Popen[str]:
        """A bisection in a process of its own."""
        ends = ["--resume"] if resume else ["--tree", str(self.tree), "--good", self.shas[0], "--bad", self.shas[-1]]
        argv = [sys.executable, "-m", "harness", "bisect", "kill", "--json", "--results", str(self.results)]
        argv += ["--scenarios", str(self.top / "scenarios"), *ends]
        env = {**os.environ, "XDG_CACHE_HOME": str(self.top / "cache")}
        return subprocess.Popen(
            argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def trials(self) -> Counter[tuple[str, str, str]]:
        """The finished trials in the journal, by run, commit and role."""
        index = self.results / "index.sqlite"
        if not index.exists():
            return Counter()
        with sqlite3.connect(index) as database:
            [state] = database.execute("PRAGMA integrity_check").fetchone()
            if state != "ok":
                raise sqlite3.DatabaseError(state)
            [self.booted] = database.execute("SELECT COUNT(*) FROM trials WHERE outcome <> 'build failed'").fetchone()
            return Counter(database.execute("SELECT run, sha, role FROM trials").fetchall())

    def look(self, before: Counter[tuple[str, str, str]]) -> Counter[tuple[str, str, str]]:
        """Look at the journal after a kill or an end."""
        try:
            now = self.trials()
        except sqlite3.Error as error:
            self.counts["unreadable journals"] += 1
            self.faults.append(f"journal: {error}")
            return before
        self.counts["finished trials lost"] += (before - now).total()
        return now

    def done(self, process: subprocess.Popen[str]) -> None:
        """A bisection came to its end by itself."""
        out, err = process.communicate()
        result = json.loads(out) if out else {}
        self.counts["bisections"] += 1
        if process.returncode or result.get("culprit") != self.shas[CULPRIT]:
            self.counts["wrong or no culprit"] += 1
            self.faults.append(f"exit {process.returncode}: {result.get('reason')} {err[-400:]}")


def main() -> None:
    """Kill, look, go on; print what was counted."""
    kills, chance = int(sys.argv[1]) if len(sys.argv) > 1 else 200, random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        target = Target(Path(folder))
        began = time.monotonic()
        target.done(target.start(resume=False))
        whole = time.monotonic() - began
        seen, open_, phases = target.look(Counter()), False, Counter[str]()
        while phases.total() < kills or open_:
            process = target.start(resume=open_)
            delay = chance.uniform(0, whole) if phases.total() < kills else 1000.0
            try:
                process.wait(delay)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                now = target.look(seen)
                new = now - seen
                roles = {role for _, _, role in new}
                phases[
                    "in the proof" if roles - {"commit"} else "in the search" if new else "before a trial ended"
                ] += 1
                seen = now
                with sqlite3.connect(target.results / "index.sqlite") as database:
                    last = "SELECT status FROM bisections JOIN runs ON run = folder ORDER BY started DESC, run DESC"
                    status = database.execute(last).fetchone() if _has(database, "bisections") else None
                open_ = status is not None and status[0] == "running"
                continue
            target.done(process)
            seen, open_ = target.look(seen), False
        repeated = beyond(target.trials())
        boots = len((target.top / "boots").read_text(encoding="utf-8").splitlines())
    print(f"{machine()}; an undisturbed bisection takes {whole:.1f} s\n\n    python -m bench.kill {kills}\n")
    rows: list[tuple[str, object]] = [("kills", phases.total()), *((f"... {k}", n) for k, n in sorted(phases.items()))]
    names = ("bisections", "wrong or no culprit", "finished trials lost", "unreadable journals")
    rows += [(name, target.counts[name]) for name in names]
    rows += [("finished trials", seen.total()), ("finished trials run twice", repeated)]
    rows += [("of them boots", target.booted), ("boots that were begun, those cut off by a kill too", boots)]
    print(table(("what", "count"), rows))
    for fault in target.faults:
        print(fault, file=sys.stderr)
    bad = repeated or boots > target.booted + kills or target.faults or any(target.counts[name] for name in names[1:])
    sys.exit(1 if bad else 0)


def beyond(trials: Counter[tuple[str, str, str]]) -> int:
    """How many trials there are beyond those that the first bisection, which nobody disturbed, made in each role."""
    runs: dict[str, Counter[tuple[str, str]]] = {}
    for (run, sha, role), number in sorted(trials.items()):
        runs.setdefault(run, Counter())[sha, role] += number
    first, *others = runs.values()
    return sum((other - first).total() for other in others)


def _has(database: sqlite3.Connection, name: str) -> bool:
    return bool(database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone())


if __name__ == "__main__":
    main()
