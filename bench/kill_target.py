"""A program that is killed, what it left, and whether that is right; see `bench.kill`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.common import ROOT
from bench.kill_shapes import PATCH, SHAPES, Shape, lay

LEFT = 10.0
"""Seconds that what a killed program had started has to be gone in."""

NOTHING = ("interrupted", "infrastructure", "running")
"""The states of a result that say nothing about a kernel."""

SCENARIO = """\
id: kill
title: a crash to be found by a program that is killed
build: {{command: sh build.sh}}
machine: {{command: sh {top}/boot.sh, timeout: 30s}}
expect:
  crash: {{title: "NULL pointer dereference in toy_*"}}
"""
Row = tuple[str, str, str, str, str]


class Target:
    """One shape on disk, its runs, and what was counted.

    Args:
        top: an empty folder; everything that the program starts has this path in its environment or its command line.
        results: where results go.
    """

    scenario = "kill"
    stuck = 120.0
    """Seconds after which a run that nobody disturbs is stuck."""

    def __init__(self, name: str, top: Path, results: Path) -> None:
        self.top, self.results = top, results
        self.tree, self.name = top / "tree", name
        self.counts, self.faults = Counter[str](), list[str]()
        self.rows: set[Row] = set()
        self.first: Counter[tuple[str, str]] | None = None
        self.over: set[Path] = set()
        self.shape, self.shas = self.lay()

    def lay(self) -> tuple[Shape, Mapping[int, str]]:
        """Make what is tried: the shape, and the hashes of its commits."""
        folder = self.top / "scenarios" / "kill"
        folder.mkdir(parents=True)
        (folder / "scenario.yaml").write_text(SCENARIO.format(top=self.top), encoding="utf-8")
        boot = f'echo "$REGRESS_FOLDER" >>{self.top}/boots\nexec sh console.sh\n'
        (self.top / "boot.sh").write_text(boot, encoding="utf-8")
        (self.top / "boots").touch()
        (self.top / "fix.patch").write_text(PATCH, encoding="utf-8")
        shape = SHAPES[self.name]()
        return shape, lay(shape, self.tree)

    def start(self, resume: Path | None = None) -> subprocess.Popen[str]:
        """A run in a process of its own: a new one, or the one in a folder."""
        self.over = {path.parent for path in self.results.glob("*/result.json") if path.parent != resume}
        how = ("--resume", str(resume)) if resume else self.asked()
        argv = [sys.executable, "-m", "harness", self.shape.command, self.scenario, *how, "--json"]
        argv += ["--results", str(self.results), "--scenarios", str(self.top / "scenarios")]
        env = {**os.environ, **self.environment(), "REGRESS_NO_INSTALL": "1"}
        return subprocess.Popen(
            argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def asked(self) -> tuple[str, ...]:
        """What a new run is told."""
        shape = self.shape
        good, bad = self.shas[shape.good], self.shas[shape.bad]
        ends = {
            "bisect": ("--good", good, "--bad", bad),
            "run": ("--commit", good, "--commit", bad),
            "try": (str(self.top / "fix.patch"), "--bad", bad),
        }
        return (*ends[shape.command], "--tree", str(self.tree), *shape.options)

    def environment(self) -> dict[str, str]:
        """Variables of a run; one has this target's path, by which its processes are known."""
        return {"XDG_CACHE_HOME": str(self.top / "cache")}

    def last(self) -> Path | None:
        """The folder of the newest run that was not over before."""
        folders = [path for path in self.results.glob(f"*-{self.scenario}*") if path.is_dir() and path not in self.over]
        return max(folders, key=lambda path: path.stat().st_ctime_ns, default=None)

    def fault(self, what: str, detail: str = "") -> None:
        """Count a fault, and keep the first words about it."""
        self.counts[what] += 1
        self.faults.append(f"{self.name}: {what}: {detail}"[:600])

    def look(self) -> Counter[str]:
        """Compare the journal with what it was; the roles of the trials that are new."""
        index = self.results / "index.sqlite"
        if not index.exists():
            return Counter()
        try:
            with contextlib.closing(sqlite3.connect(index, timeout=30)) as database:
                [state] = database.execute("PRAGMA integrity_check").fetchone()
                found = database.execute("SELECT run, sha, role, outcome, folder FROM trials").fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return Counter()
            self.fault("unreadable journals", str(error))
            return Counter()
        if state != "ok":
            self.fault("unreadable journals", state)
        if self.rows - set(found):
            self.fault("finished trials lost", str(self.rows - set(found)))
        if len(set(found)) < len(found):
            self.fault("trials that are there twice", str(Counter(found).most_common(1)))
        new = Counter(role for _, _, role, _, _ in set(found) - self.rows)
        self.rows = set(found)
        return new

    def left(self) -> None:
        """Whatever a run had started has to end."""
        end = time.monotonic() + LEFT
        while pids := list(self._alive()):
            if time.monotonic() > end:
                self.fault("processes left", "; ".join(f"{pid} {words}" for pid, words in pids))
                for pid, _ in pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                return
            time.sleep(0.02)

    def _alive(self) -> Iterator[tuple[int, str]]:
        mark = str(self.top).encode()
        for folder in Path("/proc").iterdir():
            if not folder.name.isdecimal() or int(folder.name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_bytes()
                if mark in words or mark in (folder / "environ").read_bytes():
                    yield int(folder.name), words.replace(b"\0", b" ").decode(errors="replace")

    def ended(self, process: subprocess.Popen[str]) -> bool:
        """Wait for the end of a run that nobody disturbs; whether there was one."""
        try:
            out, err = process.communicate(timeout=self.stuck)
        except subprocess.TimeoutExpired:
            self.fault("stuck", str(self.last()))
            process.kill()
            process.communicate()
            return True
        return self.finished(process.returncode, out, err)

    def finished(self, status: int, out: str, err: str) -> bool:
        """Whether a call came to an end of its own with a result, which has to be the right one."""
        if "Traceback" in err:
            self.fault("tracebacks", err[-500:])
        with contextlib.suppress(json.JSONDecodeError):
            result = json.loads(out)
            return self.judge(result, err)
        folder = self.last()
        if status in (-signal.SIGKILL, 130, 3) and folder and (folder / "result.json").exists():
            return self.judge(json.loads((folder / "result.json").read_text(encoding="utf-8")), err)
        return False

    def believed(self) -> None:
        """What is told of a run that was killed, and is not gone on with, has to say nothing, or all that it should."""
        if (folder := self.last()) is not None:
            argv = [sys.executable, "-m", "harness", "report", "--format", "json", str(folder)]
            told = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
            with contextlib.suppress(json.JSONDecodeError):
                result = json.loads(told.stdout)
                if result["status"] not in NOTHING and not self.right(result):
                    self.fault("half-finished and believed", str(result["status"]))

    def right(self, result: Mapping[str, Any]) -> bool:
        """Whether a result is what it should be."""
        if self.shape.command == "bisect":
            return bool(result["culprit"] == self.shas[self.shape.answer])
        if self.shape.command == "run":
            return [one["verdict"] for one in result["commits"]] == ["good", "bad"]
        return [cell["answer"]["verdict"] for cell in result["cells"]] == ["bad", "good"]

    def judge(self, result: Mapping[str, Any], err: str) -> bool:
        """A run has ended; whether by itself, and not because it was disturbed."""
        if result["status"] in NOTHING:
            return False
        self.counts["runs"] += 1
        if not self.right(result):
            self.fault("wrong or no culprit", f"{result['reason']} {err[-300:]}")
        self.look()
        run = Path(str(result["folder"])).name
        made = Counter((sha, role) for name, sha, role, _, _ in self.rows if name == run)
        self.first = self.first or made
        if self.shape.exact and made != self.first:
            self.fault("other trials than undisturbed", f"more {made - self.first}, less {self.first - made}")
        return True
