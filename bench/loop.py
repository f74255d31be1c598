"""Made-up regressions through the program's own loop: `python -m bench.loop [--histories N]`.

The cases of `bench.search`, small ones, in real git repositories; with the journal, the console, the verdict and the
verification of each culprit. Only the builder and the machine are fakes (`harness.testing`).
One commit in ten changes nothing, so its image is that of its parent; in one case of 20 such a commit seems to
introduce the crash, and must not be blamed for it. The columns of the table are those of `bench.search`.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.common import machine, table
from bench.histories import Case, Kind
from bench.search import BOOT, BUILD, case_of
from harness import record
from harness.bisect import Bisection, BisectStatus, Evaluator, EvidenceLog, Plan, State, search_for
from harness.bisect.evidence import Rates
from harness.console import expectation_from
from harness.git import Commit, Git
from harness.kernel.tree import Tree
from harness.machine import Chunk
from harness.model import Boot, Judgement, Scenario
from harness.runner import GuestImage, Runner
from harness.search.graph import Graph, members
from harness.testing import FakeBuilder, ScriptedMachine
from harness.workspace import Workspace

OOPS = b"""\
BUG: kernel NULL pointer dereference, address: 0000000000000000
Oops: 0010 [#1] SMP
CPU: 0 PID: 71 Comm: dd Not tainted 6.1.192 #1
RIP: 0010:%s+0x10/0x20
Call Trace:
 made_up+0x10/0x20
---[ end trace 0000000000000000 ]---
"""
PASSED = Chunk(status=b"regress: up 1.20\r\nregress: passed 2.00\r\n")
UP = Chunk(status=b"regress: up 1.20\r\n")


@dataclass(frozen=True)
class Outcome:
    """What came of one case.

    Attributes:
        word: right, wrong, missed or open.  idle: whether the culprit changes nothing.
    """

    kind: Kind
    word: str
    idle: bool
    confidence: float
    builds: int
    boots: int
    reason: str


def lay(case: Case, folder: Path, idle: frozenset[str]) -> tuple[Workspace, dict[str, str]]:
    """Make the commits of a case in a repository: each adds a file, `crash` is there where the crash is.

    Args:
        folder: an empty one.
        idle: commits that change nothing, so that their image is their parent's.

    Returns:
        The repository, and the real hashes by the made-up ones.
    """
    git, one = Workspace(folder), case.made_up
    history, graph = one.history, Graph(one.history)
    git.run("init", "--quiet", "--template=", "--initial-branch=main")
    stream = [_commit(1, (), ["start", *(["crash"] if history.old[0] in one.bad else [])])]
    for place, sha in enumerate(history.commits):
        parents = graph.parents[place]
        kept = graph.reach(parents[0]) if parents else 0
        files = [f"n/{other}" for other in members(graph.reach(place) & ~kept) if history.commits[other] not in idle]
        files += ["crash"] if sha in one.bad and sha not in idle else []
        stream.append(_commit(place + 2, tuple(parent + 2 for parent in parents) or (1,), files))
    marks = folder / "marks"
    git.run("fast-import", "--quiet", "--force", f"--export-marks={marks}", input="".join(stream).encode())
    names = dict(line.split() for line in marks.read_text(encoding="utf-8").splitlines())
    return git, {sha: names[f":{mark}"] for mark, sha in enumerate((*history.old, *history.commits), 1)}


def _commit(mark: int, parents: tuple[int, ...], files: list[str]) -> str:
    above = "".join(f"{'merge' if at else 'from'} :{parent}\n" for at, parent in enumerate(parents))
    changes = "".join(f"M 644 inline {name}\ndata 2\n{'x'}\n\n" for name in files)
    return (
        f"commit refs/heads/main\nmark :{mark}\ncommitter A <a@b> {1700000000 + 60 * mark} +0000\n"
        f"data {len(str(mark))}\n{mark}\n{above}{changes}\n"
    )


class Deaf:
    """Watches a bisection without a word."""

    def state(self, state: State) -> None:
        """See `harness.bisect.Watcher.state`."""

    def tried(self, commit: Commit, role: str, judged: Judgement) -> None:
        """See `harness.bisect.Watcher.tried`."""

    def note(self, text: str) -> None:
        """See `harness.bisect.Watcher.note`."""

    def update(self, text: str) -> None:
        """See `harness.progress.Progress.update`."""


def bisect(case: Case, runs: int | None, confidence: float, seed: str, idle: frozenset[str]) -> Outcome:
    """What the program's bisection makes of a case.

    Args:
        runs: trials of each commit; None for as many as the evidence needs.
        seed: of the dice that say whether a trial crashes.
        idle: see `lay`.
    """
    chance, one = random.Random(seed), case.made_up
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "git"
        folder.mkdir()
        git, real = lay(case, folder, idle)
        elsewhere, bad, made = {real[sha] for sha in one.elsewhere}, {real[sha] for sha in one.bad}, set(real.values())

        def console(boot: Boot) -> Iterator[Chunk]:
            # A build's folder is named after its commit, which may be one that the verification made.
            sha = git.text("rev-parse", boot.image.parent.name.removeprefix("commit-"))
            yield UP
            if sha in elsewhere:
                yield Chunk(console=OOPS % b"other_write")
            elif (sha in bad if sha in made else crashes(git, sha)) and chance.random() < one.rate:
                yield Chunk(console=OOPS % b"made_up_read")
            else:
                yield PASSED

        expected = expectation_from({"title": "NULL pointer dereference in made_up_*"})
        scenario = Scenario("made-up", "a crash that never was", Path(top), expect=expected)
        builder = FakeBuilder({real[sha]: "does not build" for sha in one.broken})
        runner = Runner(
            *(
                scenario,
                builder,
                ScriptedMachine(console),
                lambda folder: GuestImage(folder / "initrd", ()),
                "x86_64",
                Deaf(),
            )
        )
        ends = ((real[one.history.new],), tuple(real[sha] for sha in one.history.old))
        plan = Plan(scenario.id, "", "made-up", "x86_64", *ends, runs=runs, confidence=confidence)
        run = record.start(Path(top) / "results", scenario.id, "made-up", "x86_64")
        # As with a build command of the user's: every commit is tried itself.
        evidence_log = EvidenceLog(run, expected, plan, share=False)
        tree = Tree("made-up", "made-up", git, git)
        bench = Evaluator(plan, tree, runner, evidence_log, Deaf())
        result = Bisection(bench, search_for(plan, lambda: Rates(BUILD, BOOT))).run()
    if result.status is BisectStatus.CULPRIT:
        culprits = {real[sha] for sha in one.culprits - idle}
        word = "right" if result.culprit in culprits else "wrong"
    elif result.status is BisectStatus.NOT_REPRODUCED:
        word = "missed" if one.culprits else "right"
    else:
        word = "open"
    return Outcome(
        case.kind, word, bool(one.culprits & idle), result.confidence, result.builds, result.boots, result.reason
    )


def crashes(git: Git, sha: str) -> bool:
    """Whether a commit that the verification made has the crash."""
    return git.run("cat-file", "-e", f"{sha}:crash", check=False).returncode == 0


METHODS: dict[str, tuple[int | None, float]] = {
    "--runs 1": (1, 0.95),
    "--runs auto": (None, 0.95),
    "--runs auto --confidence 0.99": (None, 0.99),
}


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--histories", type=int, default=100, help="how many (default: 100)")
    parser.add_argument("--largest", type=int, default=300, help="commits in the largest (default: 300)")
    parser.add_argument("--seed", type=int, default=2, help="another number makes up other histories")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    came: dict[tuple[str, float], list[Outcome]] = defaultdict(list)
    with contextlib.suppress(KeyboardInterrupt):
        for number in range(options.histories):
            case = case_of(number, options.largest, options.seed)
            chance, one = random.Random(f"idle {number}"), case.made_up
            idle = {sha for sha in one.history.commits if chance.random() < 0.1} - one.culprits
            if chance.random() < 0.05:
                idle |= one.culprits
            for method, (runs, confidence) in METHODS.items():
                if runs is None or one.rate == 1:
                    outcome = bisect(case, runs, confidence, f"{number}/{method}", frozenset(idle))
                    came[method, one.rate].append(outcome)
                    if outcome.word in ("wrong", "missed"):
                        print(f"{number} {method} {outcome}", file=sys.stderr, flush=True)
    rows = []
    for (method, rate), outcomes in sorted(came.items(), key=lambda item: (-item[0][1], item[0][0])):
        words = Counter(outcome.word for outcome in outcomes)
        told = sum(o.word == "open" and o.kind.tellable and not o.idle for o in outcomes)
        rows.append(
            (
                f"{rate:g}",
                method,
                len(outcomes),
                words["right"],
                words["wrong"],
                words["missed"],
                f"{words['open']} ({told})",
            )
        )
    head = ("rate", "regress bisect", "cases", "right", "wrong", "missed", "open (tellable)")
    print(f"The program's own loop; {machine()}\n\n{table(head, rows)}")


if __name__ == "__main__":
    main()
