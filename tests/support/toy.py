"""Bisections in one process: real git histories, laid at once, and a machine that a function plays."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness import record
from harness.bisect import Bisection, Evaluator, EvidenceLog, Plan, Result, State, search_for
from harness.console import Expectation
from harness.git import Commit, Git
from harness.kernel.ahead import Ahead
from harness.kernel.tree import Tree
from harness.machine import Chunk
from harness.model import Boot, Ignored, Judgement, Kernel, Scenario
from harness.progress import Silent
from harness.runner import GuestImage, Runner
from harness.testing import FakeBuilder, ScriptedMachine
from harness.workspace import Workspace

QUIET = b"regress: up\nregress: passed\n"


def crash(function: str) -> bytes:
    """A console with a crash in a function."""
    return (
        b"BUG: kernel NULL pointer dereference, address: 0000000000000000\n"
        b"RIP: 0010:" + function.encode() + b"+0x10/0x20\n"
        b"---[ end trace 0000000000000000 ]---\n"
    )


CONSOLES: dict[str, list[Chunk | None]] = {
    "good": [Chunk(b"", QUIET)],
    "bad": [Chunk(crash("toy_read"), b"regress: up\n")],
    "other": [Chunk(crash("foreign_write"), b"regress: up\n")],
    "noisy": [Chunk(crash("early_probe"), QUIET)],
    "noisy bad": [Chunk(crash("early_probe") + crash("toy_read"), b"regress: up\n")],
    "lost": [],
}


@dataclass
class Images(FakeBuilder):
    """Some commits have the image of another."""

    images: Mapping[str, str] = field(default_factory=dict)

    def build(self, commit: Commit, folder: Path) -> Kernel:
        kernel = super().build(commit, folder)
        signature = self.images.get(commit.sha, kernel.signature)
        (folder / "kernel.json").write_text(json.dumps({"signature": signature}))
        return replace(kernel, signature=signature)


class Unheard:
    """A watcher that forgets."""

    def state(self, state: State) -> None: ...
    def tried(self, commit: Commit, role: str, judged: Judgement) -> None: ...
    def note(self, text: str) -> None: ...


def lay(path: Path, history: Mapping[str, str]) -> tuple[Git, dict[str, str]]:
    """A repository with these commits: names to the names of their parents, parents first.

    Each commit adds a file of its name; a merge has the files of all its parents.

    Returns:
        The repository and the hashes by name.
    """
    path.mkdir(parents=True)
    git = Git(path)
    git.run("init", "--quiet", "--initial-branch=main")
    files: dict[str, set[str]] = {}
    stream = []
    marks = {name: number for number, name in enumerate(history, 1)}
    for name, above in history.items():
        parents = above.split()
        files[name] = {name}.union(*(files[parent] for parent in parents))
        first = files[parents[0]] if parents else set()
        lines = [f"commit refs/heads/{name}", f"mark :{marks[name]}"]
        lines += [f"committer A <a@b> {1500000000 + 60 * marks[name]} +0000", f"data {len(name)}", name]
        lines += [f"{'merge' if nth else 'from'} :{marks[parent]}" for nth, parent in enumerate(parents)]
        for file in sorted(files[name] - first):
            lines += [f"M 644 inline {file}", "data 1", "x"]
        stream += [*lines, ""]
    git.run("fast-import", "--quiet", input="\n".join(stream).encode() + b"\n")
    return git, {name: git.text("rev-parse", f"refs/heads/{name}") for name in history}


def descendants(history: Mapping[str, str], name: str) -> set[str]:
    """A commit and all that have it in their history."""
    found = {name}
    for other, above in history.items():
        if found & set(above.split()):
            found.add(other)
    return found


@dataclass
class Toy:
    """A scenario, a repository and a machine.

    Args:
        top: for all of it.
        git: the repository.
        names: hashes by name.
        play: gives what a boot shows (see `CONSOLES`): of which commit, by name where it has one, and the how
            manieth boot of that commit it is, from 0 on.
        broken: names of commits that do not build.
        images: names of images by the names of commits; where there are any, trials are shared.
        machine: see `harness.machine.Machine.identity`.
        ignore: crashes that are ignored.
        ahead: builds while others boot.
    """

    top: Path
    git: Git
    names: Mapping[str, str]
    play: Callable[[str, int], str]
    broken: Iterable[str] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    expect: Expectation = field(default_factory=lambda: Expectation(title="*in toy_*"))
    machine: str = ""
    ignore: tuple[Ignored, ...] = ()
    ahead: Ahead | None = None
    boots: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.scenario = self.top / "scenario"
        self.scenario.mkdir(exist_ok=True)
        self.initrd = self.top / "initrd"
        self.initrd.touch()
        self.run = record.start(self.top / "results", "toy", "tree", "x86_64")

    @property
    def tree(self) -> Tree:
        """The repository as a tree."""
        return Tree("tree", "tree", self.git, Workspace(self.git.path))

    def name(self, sha: str) -> str:
        """The name of a commit; what the bisection made has its hash."""
        return next((name for name, one in self.names.items() if one.startswith(sha)), sha)

    def _played(self, boot: Boot) -> list[Chunk | None]:
        name = self.name(boot.folder.parent.name[-12:])
        self.boots[name] += 1
        return CONSOLES[self.play(name, self.boots[name] - 1)]

    def bisect(self, old: str, new: str, **changes: object) -> Result:
        """Bisect between two commits; a second time it goes on with what is known."""
        ends = {"good": (self.names[old],), "bad": (self.names[new],)}
        if changes.get("find_fix"):
            ends = {"bad": (self.names[old],), "good": (self.names[new],)}
        plan = replace(Plan("toy", "", "tree", "x86_64", **ends), **changes)  # type: ignore[arg-type]
        scenario = Scenario("toy", "toy", self.scenario, expect=self.expect, ignore=self.ignore, build_command="b")
        builder = Images(
            broken={self.names[name]: "x.c:1: error" for name in self.broken},
            images={self.names[name]: image for name, image in self.images.items()},
        )
        machine = ScriptedMachine(self._played, self.machine)
        guest = GuestImage(self.initrd, ())
        runner = Runner(scenario, builder, machine, lambda _folder: guest, "x86_64", Silent())
        log = EvidenceLog(self.run, scenario.expect, plan, share=bool(self.images) and plan.runs is not None)
        self.bisection = Bisection(
            Evaluator(plan, self.tree, runner, log, Unheard(), self.ahead), search_for(plan, log.rates)
        )
        return self.bisection.run()

    def culprit(self, result: Result) -> str | None:
        """Its name."""
        return self.name(result.culprit) if result.culprit else None
