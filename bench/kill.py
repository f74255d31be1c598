"""Kills running bisections again and again, and checks whether anything is lost, done twice, left running or stuck.

    python -m bench.kill [--kills N] [--seed S] [--only SHAPE]

Four bisections (a line, one with merges, a search for a fix, an intermittent crash) are disturbed at random
moments and resumed until they are done.  Builds and boots are shell scripts of a few milliseconds, so that most kills
hit the program's own work.  The disk is filled up only if this may mount a small one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bench.common import machine, table
from bench.kill_shapes import SHAPES, Shape, lay

ROOT = Path(__file__).resolve().parent.parent
LEFT = 10.0
"""Seconds that what a killed bisection had started has to be gone in."""

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
    """One shape on disk, its bisections, and what was counted.

    Args:
        top: an empty folder; everything that the program starts has this path in its environment or its command line.
        results: where results go.
    """

    scenario = "kill"
    stuck = 120.0
    """Seconds after which a bisection that nobody disturbs is stuck."""

    def __init__(self, name: str, top: Path, results: Path) -> None:
        self.top, self.results = top, results
        self.tree, self.name = top / "tree", name
        self.counts, self.faults = Counter[str](), list[str]()
        self.rows: set[Row] = set()
        self.first: Counter[tuple[str, str]] | None = None
        self.shape, self.shas = self.lay()

    def lay(self) -> tuple[Shape, Mapping[int, str]]:
        """Make what is bisected: the shape, and the hashes of its commits."""
        folder = self.top / "scenarios" / "kill"
        folder.mkdir(parents=True)
        (folder / "scenario.yaml").write_text(SCENARIO.format(top=self.top), encoding="utf-8")
        boot = f'echo "$REGRESS_FOLDER" >>{self.top}/boots\nexec sh console.sh\n'
        (self.top / "boot.sh").write_text(boot, encoding="utf-8")
        (self.top / "boots").touch()
        shape = SHAPES[self.name]()
        return shape, lay(shape, self.tree)

    def start(self, resume: Path | None = None) -> subprocess.Popen[str]:
        """A bisection in a process of its own: a new one, or the one in a folder."""
        how = ("--resume", str(resume)) if resume else self.asked()
        argv = [sys.executable, "-m", "harness", "bisect", self.scenario, "--json", "--results", str(self.results)]
        argv += ["--scenarios", str(self.top / "scenarios"), *how]
        env = {**os.environ, **self.environment(), "REGRESS_NO_INSTALL": "1"}
        return subprocess.Popen(
            argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def asked(self) -> tuple[str, ...]:
        """What a new bisection is told."""
        shape = self.shape
        ends = ("--good", self.shas[shape.good], "--bad", self.shas[shape.bad])
        return ("--tree", str(self.tree), *ends, *shape.options)

    def environment(self) -> dict[str, str]:
        """Variables of a bisection; one has this target's path, by which its processes are known."""
        return {"XDG_CACHE_HOME": str(self.top / "cache")}

    def last(self) -> Path | None:
        """The folder of the newest bisection."""
        folders = [path for path in self.results.glob(f"*-{self.scenario}*") if path.is_dir()]
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
        """Whatever a bisection had started has to end."""
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
        """Wait for the end of a bisection that nobody disturbs; whether there was one."""
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
            if result["status"] not in ("interrupted", "infrastructure"):
                self.judge(result, err)
                return True
            return False
        folder = self.last()
        if status in (-signal.SIGKILL, 130, 3) and folder and (folder / "result.json").exists():
            result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
            if result["status"] == "culprit":
                self.judge(result, err)
                return True
        return False

    def judge(self, result: dict[str, object], err: str) -> None:
        """A bisection is over."""
        self.counts["bisections"] += 1
        if result["culprit"] != self.shas[self.shape.answer]:
            self.fault("wrong or no culprit", f"{result['reason']} {err[-300:]}")
        self.look()
        run = Path(str(result["folder"])).name
        made = Counter((sha, role) for name, sha, role, _, _ in self.rows if name == run)
        self.first = self.first or made
        if self.shape.exact and made != self.first:
            self.fault("other trials than undisturbed", f"more {made - self.first}, less {self.first - made}")


Disturb = Callable[[Target, subprocess.Popen[str], random.Random], None]


def kill(_: Target, process: subprocess.Popen[str], chance: random.Random) -> None:
    """SIGKILL."""
    del chance
    process.kill()


def terminate(_: Target, process: subprocess.Popen[str], chance: random.Random) -> None:
    """SIGTERM."""
    del chance
    process.terminate()


def stop(_: Target, process: subprocess.Popen[str], chance: random.Random) -> None:
    """SIGSTOP, and SIGKILL a little later."""
    process.send_signal(signal.SIGSTOP)
    time.sleep(chance.uniform(0, 0.1))
    process.kill()


def interrupt(_: Target, process: subprocess.Popen[str], chance: random.Random) -> None:
    """Ctrl-C twice."""
    process.send_signal(signal.SIGINT)
    time.sleep(chance.uniform(0, 0.2))
    process.send_signal(signal.SIGINT)


def fill(target: Target, process: subprocess.Popen[str], chance: random.Random) -> None:
    """The disk of the results is full until the program has ended."""
    del chance
    filler = target.results / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    try:
        out, err = process.communicate(timeout=target.stuck)
        process.stdout = process.stderr = None
        if target.finished(process.returncode, out, err):
            target.counts["over all the same"] += 1
    except subprocess.TimeoutExpired:
        target.fault("stuck", "on a full disk")
        process.kill()
    finally:
        filler.unlink()


def second(target: Target, process: subprocess.Popen[str], chance: random.Random) -> None:
    """Another process takes up the same bisection, which has to be refused; then SIGKILL."""
    del chance
    # A new bisection may have no folder yet, and the one before it is over.
    result = (folder := target.last()) and folder / "result.json"
    if folder and not (result and result.exists() and '"culprit": "' in result.read_text(encoding="utf-8")):
        other = target.start(folder)
        try:
            out, err = other.communicate(timeout=target.stuck)
        except subprocess.TimeoutExpired:
            target.fault("stuck", "the second of two at once")
            other.kill()
            other.communicate()
        else:
            if "Traceback" in err:
                target.fault("tracebacks", err[-500:])
            if other.returncode != 2 and process.poll() is None:
                target.fault("two at once", f"exit {other.returncode}: {err[-200:]} {out[-100:]}")
    process.kill()


def disturbed(target: Target, kills: int, kinds: dict[str, Disturb], chance: random.Random) -> Counter[str]:
    """Bisect, disturb, look, resume, until so many kills are done and the last bisection is over."""
    began = time.monotonic()
    if not target.ended(target.start()):
        target.fault("wrong or no culprit", "undisturbed")
        return Counter()
    whole = time.monotonic() - began
    target.look()
    done, folder = Counter[str](), None
    while done.total() < kills:
        process = target.start(folder)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0, whole))
        kind = chance.choice(list(kinds))
        over = target.counts["bisections"]
        if process.poll() is None:
            kinds[kind](target, process, chance)
            done[kind] += 1
        if process.stdout is not None:
            try:
                out, err = process.communicate(timeout=target.stuck)
            except subprocess.TimeoutExpired:
                target.fault("stuck", kind)
                process.kill()
                out, err = process.communicate()
            target.finished(process.returncode, out, err)
        roles = target.look()
        phase = "in the verification" if set(roles) - {"commit"} else "in the search" if roles else ""
        target.counts[phase or "before a trial ended"] += 1
        target.left()
        folder = None if target.counts["bisections"] > over else _open(target)
    if folder and not target.ended(target.start(folder)):
        target.fault("cannot be resumed", str(folder))
    target.look()
    target.left()
    return done


def _open(target: Target) -> Path | None:
    """The bisection to resume; one that was killed before its first trial may not be there yet."""
    folder = target.last()
    if folder and any(run == folder.name for run, *_ in target.rows):
        return folder
    return None


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A small disk on a folder, where that is allowed."""
    folder.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=512m", "tmpfs", str(folder)]
    mounted = subprocess.run(argv, stderr=subprocess.DEVNULL, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


KINDS: dict[str, Disturb] = {
    "SIGKILL": kill,
    "SIGTERM": terminate,
    "SIGSTOP, SIGKILL": stop,
    "SIGINT twice": interrupt,
    "full disk": fill,
    "two at once": second,
}
FAULTS = (
    *("wrong or no culprit", "finished trials lost", "trials that are there twice", "other trials than undisturbed"),
    *("boots beyond trials and kills", "unreadable journals", "processes left", "stuck", "two at once"),
    *("tracebacks", "cannot be resumed"),
)


def main() -> None:
    """Disturb each shape; print what was counted."""
    parser = argparse.ArgumentParser(description="Kill bisections, and look whether anything is lost.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=SHAPES)
    options = parser.parse_args()
    names = [options.only] if options.only else list(SHAPES)
    counts, faults, kills = dict[str, Counter[str]](), list[str](), dict[str, Counter[str]]()
    for number, name in enumerate(names):
        chance = random.Random(f"{options.seed}/{name}")
        share = options.kills // len(names) + (number < options.kills % len(names))
        with contextlib.ExitStack() as stack:
            top = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kill-")))
            own = stack.enter_context(small_disk(top / "results"))
            target = Target(name, top, top / "results")
            usable = {kind: way for kind, way in KINDS.items() if own or kind != "full disk"}
            kills[name] = disturbed(target, share, usable, chance)
            begun = len((top / "boots").read_text(encoding="utf-8").splitlines())
            booted = sum(outcome != "build failed" for *_, outcome, _ in target.rows)
            if begun > booted + kills[name].total():
                target.fault("boots beyond trials and kills", f"{begun} begun, {booted} finished")
            target.counts |= Counter({"finished trials": len(target.rows), "boots begun": begun})
            counts[name], faults = target.counts, faults + target.faults
    print(f"{machine()}\n\n    python -m bench.kill --kills {options.kills} --seed {options.seed}\n")
    sys.exit(report(names, counts, kills, faults))


def report(
    names: Sequence[str], counts: Mapping[str, Counter[str]], kills: Mapping[str, Counter[str]], faults: Sequence[str]
) -> int:
    """Print what was counted, by shape; the exit status."""
    where = ("in the search", "in the verification", "before a trial ended")
    keys = ["bisections", *where, "finished trials", "boots begun", *FAULTS]
    rows = [("kills", *(kills[name].total() for name in names))]
    rows += [(f"... {kind}", *(kills[name][kind] for name in names)) for kind in KINDS]
    rows += [(key, *(counts[name][key] for name in names)) for key in keys]
    print(table(("what", *names), rows))
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    main()
