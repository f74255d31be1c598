"""While a commit boots, idle processors build what may come next; nothing of that outlives the trial."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from harness import record
from harness.bisect import EvidenceLog, Plan
from harness.git import Commit, Git
from harness.kernel.ahead import Ahead, spare
from harness.kernel.build import KernelBuilder
from harness.kernel.tree import Tree, from_path
from harness.process import IDLE, run
from harness.progress import SILENT
from harness.search import Evidence, History, Probe
from harness.search.bayes import Bayes
from harness.search.graph import Graph
from harness.search.halving import Halving
from harness.search.outlook import outlook
from tests.support import ROOT, gone
from tests.support.edges import until
from tests.support.toy import Toy, lay

MAKEFILE = """\
VERSION = 6
PATCHLEVEL = 1
SUBLEVEL = 0
# KERNELRELEASE
tinyconfig olddefconfig:
\ttouch $(O)/.config
bzImage: code wait
\techo $$$$ >>$(O)/began; sh wait && mkdir -p $(O)/arch/x86/boot && cat code >$(O)/arch/x86/boot/bzImage
"""
STUCK = "sleep 1000 & sleep 1000\n"
PATIENCE = 300.0
"""Seconds for what is idle by intention: others may keep the processors busy."""


@pytest.fixture
def tree(tmp_path: Path) -> tuple[Tree, list[Commit]]:
    """Three kernels: one that is built at once, one that never ends, one that fails."""
    path = tmp_path / "tree"
    path.mkdir()
    git = Git(path)
    git.run("init", "--quiet")
    shas = []
    for number, wait in enumerate(("true\n", STUCK, "exit 1\n")):
        for name, text in {"Makefile": MAKEFILE, "Kconfig": "", "code": f"{number}\n", "wait": wait}.items():
            (path / name).write_text(text)
        git.run("add", "--all")
        git.run("commit", "--quiet", "-m", f"kernel {number}")
        shas.append(git.text("rev-parse", "HEAD"))
    made = from_path(path, tmp_path / "cache", SILENT)
    return made, [made.workspace.commit(sha) for sha in shas]


def builder_of(tree: Tree, top: Path) -> KernelBuilder:
    return KernelBuilder(tree, "x86_64", (), top / "cache", SILENT)


def kept(top: Path) -> list[Path]:
    return list((top / "cache" / "kernels").glob("[!.]*/kernel.json"))


def began(top: Path) -> list[int]:
    """The processes of builds that have begun."""
    return [int(pid) for path in (top / "cache" / "objects").glob("*/began") for pid in path.read_text().split()]


def test_an_idle_program_leaves_the_processors_to_others() -> None:
    """With all that it starts: proc(5) has niceness and policy in fields 19 and 41."""
    stat = run([*IDLE, "sh", "-c", "cat /proc/self/stat; exit"]).stdout.split()
    assert (int(stat[18]), int(stat[40])) == (min(19, os.nice(0) + 19), os.SCHED_IDLE)
    assert run([*IDLE, "sh", "-c", "exit 7"], check=False).returncode == 7


@pytest.mark.parametrize(
    ("cores", "guest", "jobs"), [(2, 2, 0), (2, 1, 0), (3, 1, 1), (4, 2, 1), (16, 2, 13), (2, 0, 1)]
)
def test_a_core_is_left_beside_the_guest(cores: int, guest: int, jobs: int) -> None:
    assert spare(cores, guest) == jobs


def test_a_kernel_that_was_built_ahead_is_not_built_again(tree: tuple[Tree, list[Commit]], tmp_path: Path) -> None:
    made, commits = tree
    spent: list[tuple[str, bool]] = []
    ahead = Ahead(builder_of(made, tmp_path), tmp_path / "ahead", lambda sha, _s, built: spent.append((sha, built)))
    with ahead.building([("fails", commits[2]), ("asked", commits[0]), ("slow", commits[1])]):
        assert until(lambda: len(began(tmp_path)) == 4, PATIENCE)  # what fails is tried twice
    assert kept(tmp_path)
    assert spent == [("fails", False), ("asked", True), ("slow", False)]
    kernel = builder_of(made, tmp_path).build(commits[0], tmp_path / "result")
    assert (kernel.built, (tmp_path / "result" / "bzImage").read_text()) == (False, "0\n")


def test_a_build_is_ended_with_the_trial_and_leaves_its_folder_in_order(
    tree: tuple[Tree, list[Commit]], tmp_path: Path
) -> None:
    made, commits = tree
    spent: list[tuple[str, bool]] = []
    ahead = Ahead(builder_of(made, tmp_path), tmp_path / "ahead", lambda sha, _s, built: spent.append((sha, built)))
    with ahead.building([("slow", commits[1]), ("later", commits[0])]):
        assert until(lambda: len(began(tmp_path)) == 1, PATIENCE)
        [pid] = began(tmp_path)
    assert gone(pid)
    assert spent == [("slow", False)]
    # The tree's lock is free, and the same folder builds another commit.
    assert builder_of(made, tmp_path).build(commits[0], tmp_path / "result").built
    assert (tmp_path / "result" / "bzImage").read_text() == "0\n"


def test_an_error_in_the_trial_ends_it_too(tree: tuple[Tree, list[Commit]], tmp_path: Path) -> None:
    made, commits = tree
    ahead = Ahead(builder_of(made, tmp_path), tmp_path / "ahead", lambda *_: None)

    def interrupted() -> None:
        with ahead.building([("slow", commits[1])]):
            assert until(lambda: len(began(tmp_path)) == 1, PATIENCE)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert gone(began(tmp_path)[0])


KILLED = """
import sys, time, pickle
from harness.kernel.ahead import Ahead
builder, commit, folder = pickle.load(sys.stdin.buffer)
with Ahead(builder, folder, print).building([("slow", commit)]):
    time.sleep(1000)
"""


def test_nothing_outlives_a_bisection_that_is_killed(tree: tuple[Tree, list[Commit]], tmp_path: Path) -> None:
    made, commits = tree
    request = pickle.dumps((builder_of(made, tmp_path), commits[1], tmp_path / "ahead"))
    process = subprocess.Popen([sys.executable, "-c", KILLED], cwd=ROOT, stdin=subprocess.PIPE)
    assert process.stdin
    process.stdin.write(request)
    process.stdin.close()
    assert until(lambda: len(began(tmp_path)) == 1, PATIENCE)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert gone(began(tmp_path)[0])
    assert builder_of(made, tmp_path).build(commits[0], tmp_path / "result").built


LINE = History(tuple("abcdefgh"), {sha: (() if sha == "a" else (chr(ord(sha) - 1),)) for sha in "abcdefgh"}, ("o",))


def looked(search: Halving | Bayes, evidence: dict[str, Evidence], probe: Probe, built: str = "") -> list[str]:
    return outlook(search, LINE, Graph(LINE), evidence, set(built), probe)


def test_what_may_come_next() -> None:
    halving = Halving(LINE)
    # The bad end will crash, and then the good end is next.
    assert looked(halving, {}, Probe("h", 1, 0)) == ["o"]
    ends = {"h": Evidence(bad=1), "o": Evidence(quiet=1)}
    probe = halving.decide(ends)
    assert isinstance(probe, Probe)
    after = {
        word: halving.decide({**ends, probe.commit: seen})
        for word, seen in {"bad": Evidence(bad=1), "good": Evidence(quiet=1)}.items()
    }
    wanted = {one.commit for one in after.values() if isinstance(one, Probe)}
    assert set(looked(halving, ends, probe)) == wanted
    assert len(wanted) == 2
    # What has an image need not be built.
    assert looked(halving, ends, probe, "abcdefgh") == []


@pytest.mark.parametrize("make", [Halving, Bayes])
def test_the_likelier_outcome_comes_first(make: Callable[[History], Halving | Bayes]) -> None:
    """Most of what is suspected is in `g`: that it crashes is likely."""
    search = make(LINE)
    ends = {"h": Evidence(bad=4), "o": Evidence(quiet=1)}
    [first, *_] = looked(search, ends, Probe("g", 1, 0))
    after = search.decide({**ends, "g": Evidence(bad=1)}, {"g"})
    assert isinstance(after, Probe)
    assert first == after.commit


def test_what_it_cost_is_told(tmp_path: Path) -> None:
    run = record.start(tmp_path, "toy", "tree", "x86_64")
    run.ahead("a" * 40, 3.0, built=False)
    run.ahead("a" * 40, 4.5, built=True)
    run.ahead("b" * 40, 2.0, built=True)
    run.kernel("a" * 40, record.Built("f" * 64, 7.5, True))
    again = record.find(run.folder)
    assert again.built_ahead() == {"a" * 40: (7.5, True), "b" * 40: (2.0, True)}
    log = EvidenceLog(again, None, Plan("toy", "", "tree", "x86_64", ("b",), ("a",)), share=True)
    assert log.saved() == ["built ahead while others booted: 8 s of use, 2 s useless"]


class Noting(Ahead):
    """Builds nothing, but notes what it was asked for."""

    asked: ClassVar[list[list[str]]] = []

    @contextlib.contextmanager
    def building(self, commits: Sequence[tuple[str, Commit]]) -> Iterator[None]:
        self.asked.append([sha for sha, _ in commits])
        yield


@pytest.mark.parametrize("runs", [1, None])
def test_a_bisection_asks_for_what_comes_next(tmp_path: Path, runs: int | None) -> None:
    line = {f"c{number}": f"c{number - 1}" if number else "" for number in range(17)}
    git, names = lay(tmp_path / "tree", line)
    toy = Toy(tmp_path, git, names, lambda name, _nth: "bad" if name in line and int(name[1:]) >= 11 else "good")
    plain = toy.bisect("c0", "c16", runs=runs)
    Noting.asked = []
    ahead = Noting(builder_of(toy.tree, tmp_path), tmp_path, lambda *_: None)
    also = replace(toy, ahead=ahead, boots=Counter())
    result = also.bisect("c0", "c16", runs=runs)
    assert [(s.commit, s.verdict) for s in result.steps] == [(s.commit, s.verdict) for s in plain.steps]
    order = [step.commit for step in result.steps]
    guesses = {sha for asked in Noting.asked for sha in asked}
    # All but the first were asked for before their turn: the revert at the end too.
    assert set(order[1:]) <= guesses
    for asked in Noting.asked:
        assert len(asked) == len(set(asked)) <= 2
