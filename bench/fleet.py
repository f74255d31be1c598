"""What several machines gain, and what a job costs: `python -m bench.fleet [speed|matrix|overhead|queue]`.

`speed` and `matrix` run the program's own bisection and runner with workers that sleep in place of building and
booting, beside theory: k commits at a time divide a range into k + 1 parts.  `overhead` measures whole trials that do
nothing, here, in workers, over a real sshd and a real Dask cluster; `queue` the controller with 10,000 trials waiting.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import math
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.common import machine, table
from bench.loop import Deaf
from harness import record
from harness.bisect import Bisection, Evaluator, EvidenceLog, Plan, search_for
from harness.bisect.evidence import Rates
from harness.console import expectation_from, find_crashes
from harness.fleet.fleet import Fleet
from harness.fleet.host import Carrier, Host, Order
from harness.fleet.lab import FleetLab
from harness.fleet.local import Local
from harness.fleet.request import BuildJob, Request
from harness.fleet.worker import SCHEMA
from harness.git import Git
from harness.kernel.tree import Tree, from_path
from harness.machine.command import CommandMachine
from harness.model import Boot, Scenario, Timeouts, Trial
from harness.progress import SILENT
from harness.runner import GuestImage, Runner, Subject
from harness.search import Culprit
from harness.trial import run_trial
from harness.turns import Turns

BUILD, BOOT = 2.0, 1.0
"""Seconds that a made-up build and boot take."""

WIDTHS = (1, 2, 4, 8, 16)
CRASH = (
    b"BUG: kernel NULL pointer dereference, address: 0000000000000000\n"
    b"RIP: 0010:made_up_read+0x1/0x2\n---[ end trace 0000000000000000 ]---\n"
)


@dataclass
class Sleeper:
    """A carrier whose builds and boots only take time.

    Args:
        bad: trees that crash.
    """

    bad: frozenset[str]
    build: float = BUILD
    boot: float = BOOT

    def send(self, path: Path, digest: str) -> None:
        """See `Carrier.send`."""

    def call(self, request: Request, order: Order, sent: Sequence[str]) -> tuple[str, Path | None]:  # noqa: ARG002
        """See `Carrier.call`."""
        job = request.job
        said: dict[str, object] = {"schema": SCHEMA, "job": job.id, "files": {}, "archive": None}
        if isinstance(job, BuildJob):
            time.sleep(self.build)
            said |= {"kind": "kernel", "signature": job.source.tree, "seconds": self.build, "built": True}
            return json.dumps(said), None
        time.sleep(self.boot)
        assert job.build is not None
        crashed = job.build.source.tree in self.bad
        console, raw = CRASH if crashed else b"booted\n", io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w:gz") as tar:
            told = tarfile.TarInfo("console.log")
            told.size = len(console)
            tar.addfile(told, io.BytesIO(console))
        archive = order.folder / "reply.tar.gz"
        archive.write_bytes(raw.getvalue())
        crash = next(iter(find_crashes(console)), None)
        said |= {
            "kind": "trial",
            "trial": {
                "outcome": "crashed" if crash else "passed",
                "reason": crash.title if crash else "",
                "seconds": self.boot,
                "phases": [],
                "crash": crash.to_json() if crash else None,
            },
            "files": {"console.log": hashlib.sha256(console).hexdigest()},
            "archive": {"sha256": hashlib.sha256(raw.getvalue()).hexdigest(), "size": len(raw.getvalue())},
        }
        return json.dumps(said), archive

    def close(self) -> None:
        """See `Carrier.close`."""


def lay(top: Path, count: int) -> tuple[Tree, list[str], list[str]]:
    """A line of commits; returns the tree, the hashes and the hashes of their trees."""
    git = Git(top / "git")
    git.path.mkdir(parents=True)
    git.run("init", "--quiet", "--initial-branch=main")
    lines = []
    for number in range(1, count + 1):
        lines += [f"commit refs/heads/main\nmark :{number}\ncommitter A <a@b> {1500000000 + number} +0000\ndata 1\nx"]
        lines += [f"from :{number - 1}"] if number > 1 else []
        lines += [f"M 644 inline n\ndata {len(str(number))}\n{number}\n"]
    git.run("fast-import", "--quiet", input="\n".join(lines).encode() + b"\n")
    shas = git.text("rev-list", "--reverse", "main").split()
    trees = git.text("log", "--reverse", "--format=%T", "main").split()
    return from_path(git.path, top / "cache", kernel=False), shas, trees


@contextlib.contextmanager
def bisection(top: Path, tree: Tree, ends: tuple[str, str], carriers: Sequence[Carrier]) -> Iterator[Bisection]:
    """A bisection over some hosts, each with room for one build and one boot."""
    expected = expectation_from({"title": "NULL pointer dereference in made_up_*"})
    scenario = Scenario("made-up", "made up", top, expect=expected, build_command="true", machine_command="true")
    with Fleet([Host(f"h{n}", one) for n, one in enumerate(carriers)], Turns(), SILENT) as fleet:
        lab = FleetLab(fleet, tree, scenario, "x86_64", (), top / f"kept-{len(carriers)}")
        runner = Runner(scenario, lab, None, lambda f: GuestImage(f / "i", ()), "x86_64", Deaf(), elsewhere=lab)
        plan = Plan("made-up", "", "made-up", "x86_64", (ends[1],), (ends[0],))
        log = EvidenceLog(record.start(top / "results", "made-up", "made-up", "x86_64"), expected, plan, share=False)
        yield Bisection(Evaluator(plan, tree, runner, log, Deaf()), search_for(plan, lambda: Rates(BUILD, BOOT)))


def speed(count: int) -> list[list[str]]:
    """How long a search takes with more and more hosts."""
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        tree, shas, trees = lay(top, count + 1)
        at = int(count * 0.618)
        alone = 0.0
        for width in WIDTHS:
            carriers = [Sleeper(frozenset(trees[at:])) for _ in range(width)]
            with bisection(top, tree, (shas[0], shas[-1]), carriers) as made:
                began = time.monotonic()
                found = made.range.find()
                took = time.monotonic() - began
                assert isinstance(found, Culprit), found
                assert found.commit == shas[at], "a wrong commit"
            alone = alone or took
            theory = math.log2(width + 1)
            gain = alone / took
            rows.append([str(count), str(width), f"{took:.1f}", f"{gain:.2f}", f"{theory:.2f}", f"{gain / theory:.2f}"])
    return rows


def matrix(trials: int) -> list[list[str]]:
    """How long many trials of one kernel take."""
    rows, alone = [], 0.0
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        tree, shas, _trees = lay(top, 2)
        for width in WIDTHS:
            carriers = [Sleeper(frozenset()) for _ in range(width)]
            with bisection(top, tree, (shas[0], shas[1]), carriers) as made:
                runner, began = made.evaluator.runner, time.monotonic()
                subject = Subject("commit", tree.workspace.commit(shas[1]))
                answer = runner.answer(subject, top / f"m-{width}", trials, lambda _trial: None)
                took = time.monotonic() - began - BUILD
                assert len(answer.trials) == trials
            alone = alone or took
            rows.append([str(width), f"{took:.1f}", f"{alone / took:.2f}", f"{alone / took / width:.2f}"])
    return rows


MACHINE = "sh -c 'echo booted; echo regress: passed'"


def overhead(trials: int) -> list[list[str]]:
    """Seconds of a trial that does nothing."""
    rows = []
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        top = Path(name)
        began = time.monotonic()
        for number in range(trials):
            folder = top / f"own-{number}"
            folder.mkdir()
            boot = Boot(top, "x86_64", top, (), 64, 1, folder)
            run_trial(CommandMachine(MACHINE), boot, Timeouts(), None, lambda _text: None)
        own = (time.monotonic() - began) / trials
        rows.append(["here, without a fleet", f"{own:.3f}", ""])
        tree, shas, _ = lay(top, 2)
        for what, carrier in (
            ("local:1, a process of its own", Local(top / "local")),
            ("ssh, a real sshd", stack.enter_context(over_ssh(top / "ssh"))),
            ("dask, a scheduler and a worker", stack.enter_context(over_dask(top / "dask"))),
        ):
            took = _each(top, what, tree, shas, carrier, trials)
            rows.append([what, f"{took:.3f}", f"{took - own:.3f}"])
    return rows


def _each(top: Path, what: str, tree: Tree, shas: Sequence[str], carrier: Carrier, trials: int) -> float:
    expected = expectation_from({"title": "*"})
    scenario = Scenario("idle", what, top, expect=expected, build_command="true", machine_command=MACHINE)
    with Fleet([Host("h", carrier)], Turns(), SILENT) as fleet:
        lab = FleetLab(fleet, tree, scenario, "x86_64", (), top / "kept")
        runner = Runner(scenario, lab, None, lambda f: GuestImage(f / "i", ()), "x86_64", Deaf(), elsewhere=lab)
        subject, done = Subject("commit", tree.workspace.commit(shas[1])), list[Trial]()
        place = top / hashlib.sha256(what.encode()).hexdigest()[:8]
        runner.answer(subject, place, 1, done.append)  # what is sent once
        began = time.monotonic()
        answer = runner.answer(subject, place, trials, done.append)
        assert all(trial.outcome == "passed" for trial in answer.trials), answer.trials
        return (time.monotonic() - began) / trials


@contextlib.contextmanager
def over_ssh(top: Path) -> Iterator[Carrier]:
    """A carrier over a real sshd on a loopback port."""
    from harness.fleet.secure import Secure
    from tests.support.hosts import hosts

    with hosts(top, "one") as made:
        yield Secure(made.servers["one"].remote("one"), str(made.folder("one")), 1024)


@contextlib.contextmanager
def over_dask(top: Path) -> Iterator[Carrier]:
    """A carrier over a real scheduler with one worker."""
    from harness.fleet.cluster import connect
    from tests.support.sshd import free_port

    top.mkdir()
    port, dask = free_port(), str(Path(sys.executable).with_name("dask"))
    env = {**os.environ, "XDG_CACHE_HOME": str(top / "cache")}
    place = f"127.0.0.1:{port}"
    words = ("--no-nanny", "--no-dashboard", "--local-directory", str(top), "--resources", "build=1,boot=1")
    with contextlib.ExitStack() as stack:
        for argv in (
            (dask, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"),
            (dask, "worker", f"tcp://{place}", *words),
        ):
            process = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=top)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            time.sleep(5)
        cluster = connect(f"dask://{place}")
        while not cluster.room()[1]:
            time.sleep(0.2)
        yield cluster


def queue(trials: int) -> list[list[str]]:
    """The controller with many trials waiting for sixteen hosts."""
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        tree, shas, _ = lay(top, 2)
        carriers = [Sleeper(frozenset(), 0.0, 0.0) for _ in range(16)]
        with bisection(top, tree, (shas[0], shas[1]), carriers) as made:
            subject, began = Subject("commit", tree.workspace.commit(shas[1])), time.monotonic()
            made.evaluator.runner.answer(subject, top / "queue", trials, lambda _trial: None)
            took = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [[str(trials), f"{took:.1f}", f"{took / trials * 1000:.1f}", f"{peak:.0f}"]]


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", default=["speed", "matrix", "overhead", "queue"])
    parser.add_argument("--trials", type=int, default=20, help="of each kind, for `overhead` (default: 20)")
    parser.add_argument("--queued", type=int, default=10_000, help="trials for `queue` (default: 10,000)")
    options = parser.parse_args()
    print(machine(), "\n")
    if "speed" in options.parts:
        head = ["commits", "hosts", "s to the culprit", "gain", "log2(hosts + 1)", "part of theory"]
        print(table(head, [*speed(1000), *speed(20_000)]), "\n")
    if "matrix" in options.parts:
        print(table(["hosts", "s for 100 trials", "gain", "part of theory"], matrix(100)), "\n")
    if "overhead" in options.parts:
        print(table(["a trial that does nothing", "s", "overhead"], overhead(options.trials)), "\n")
    if "queue" in options.parts:
        print(table(["trials queued", "s", "ms each", "peak MiB"], queue(options.queued)))


if __name__ == "__main__":
    main()
