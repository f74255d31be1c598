"""What the tests of bisection share: real git histories whose commits say how their machine behaves."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.git import Git
from tests.support import ROOT, Called
from tests.test_run import BAD, ELSEWHERE, GOOD, SCENARIO

BOOT_FAILED = "echo 'Kernel panic - not syncing: early'\nexit 1\n"
STATES = {
    "good": {"build.sh": "true\n", "console.sh": GOOD},
    "bad": {"build.sh": "true\n", "console.sh": BAD},
    "unbuildable": {"build.sh": "echo 'x.c:1: error: no such thing' >&2; exit 1\n", "console.sh": GOOD},
    "elsewhere": {"build.sh": "true\n", "console.sh": ELSEWHERE},
    "lost": {"build.sh": "true\n", "console.sh": BOOT_FAILED},
}


@dataclass
class Repo:
    """A repository that is written commit by commit; each commit has a file of its own besides its state."""

    path: Path
    count: int = 0
    git: Git = field(init=False)

    def __post_init__(self) -> None:
        self.path.mkdir(parents=True)
        self.git = Git(self.path)
        self.git.run("init", "--quiet", "--initial-branch=main")

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_text(text)

    def commit(self, state: str | dict[str, str], message: str | None = None) -> str:
        self.count += 1
        own = {f"n/{self.count}": "x\n"}
        self.write({**own, **(STATES[state] if isinstance(state, str) else state)})
        self.git.run("add", "--all")
        self.git.run("commit", "--quiet", "--allow-empty", "-m", message or f"commit {self.count}")
        return self.git.text("rev-parse", "HEAD")

    def line(self, states: str) -> list[str]:
        """A commit a word: `good*3 bad`."""
        shas = []
        for word in states.split():
            name, _, times = word.partition("*")
            shas += [self.commit(name) for _ in range(int(times or 1))]
        return shas

    def switch(self, branch: str, at: str | None = None) -> None:
        self.git.run("checkout", "--quiet", *(["-b", branch, at] if at else [branch]))

    def merge(self, *branches: str, message: str = "Merge") -> str:
        self.git.run("merge", "--quiet", "--no-ff", "--no-edit", "-m", message, *branches)
        return self.git.text("rev-parse", "HEAD")


@dataclass
class Lab:
    """A toy scenario and a place for results."""

    top: Path
    timeouts: str = "timeout: 30s"
    extra: str = ""

    def __post_init__(self) -> None:
        self.scenarios, self.results = self.top / "scenarios", self.top / "results"
        self.folder = self.scenarios / "toy"
        self.folder.mkdir(parents=True)
        self.write(self.extra)

    def write(self, extra: str) -> None:
        (self.folder / "scenario.yaml").write_text(SCENARIO.format(timeouts=self.timeouts) + extra)

    def argv(self, repo: Repo, *more: str, command: str = "bisect") -> list[str]:
        return [
            *(str(ROOT / "regress"), command, "toy", "--scenarios", str(self.scenarios)),
            *("--results", str(self.results), "--tree", str(repo.path), *more),
        ]

    def bisect(self, repo: Repo, *more: str, command: str = "bisect", **env: str) -> Answer:
        argv = self.argv(repo, "--json", *more, command=command)
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, **env})
        return Answer(done.returncode, done.stdout, done.stderr)


class Answer(Called):
    """What `regress bisect --json` said."""

    def verdicts(self) -> dict[str, str]:
        return {step["commit"]: step["verdict"] for step in self["steps"]}


def ends(shas: Sequence[str]) -> tuple[str, str, str, str]:
    return "--good", shas[0], "--bad", shas[-1]


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "tree")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)
