"""What a crash points to in a tree, and a bisection that goes by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.bisect import BisectStatus, Economy, Result
from harness.bisect.hint import definitions, functions
from harness.console import Crash, Frame, find_crashes
from harness.git import Git
from tests.support.bisect import Repo
from tests.support.toy import Toy

READ = "int toy_read(int x)\n{\n\treturn x + %d;\n}\n"
OTHER = "int toy_write(int x)\n{\n\treturn toy_read(x) + %d;\n}\n"


def frame(name: str, **more: object) -> Frame:
    return replace(Frame(name, 1, 2, None, reliable=True), **more)  # type: ignore[arg-type]


def test_the_functions_of_a_crash_are_its_own_from_the_fault_outwards() -> None:
    crash = Crash(
        *("title", "kind", "toy_read", 1, 2),
        workqueue="toy_work",
        frames=(
            *(frame("dump_stack"), frame("toy_read"), frame("toy_do.isra.0"), frame("mutex_lock"), frame("0xffff")),
            *(frame("process_one_work"), frame("toy_free", trace="Freed by task 71")),
        ),
    )
    assert functions(crash) == ["toy_read", "toy_do", "toy_work"]


def test_a_crash_without_a_function_points_to_nothing() -> None:
    [crash] = find_crashes(b"Kernel panic - not syncing: Attempted to kill init!\n")
    assert functions(crash) == []


def test_a_definition_is_told_from_a_declaration_and_a_common_name() -> None:
    lines = [
        ("a.c", "int toy_read(int x);"),
        ("b.c", "static struct toy *toy_read(int x)"),
        ("b.c", "toy_do(int x, "),
        *((f"{name}.c", "static int probe(void)") for name in "defg"),
    ]
    assert definitions(["probe", "toy_do", "toy_read", "gone"], lines) == {"toy_do": ["b.c"], "toy_read": ["b.c"]}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """Commits of which few touch what the crash points to: 20 and 41 the file, 30 its neighbour, 10 another."""
    repo = Repo(tmp_path / "tree")
    files = {20: ("drivers/toy.c", READ), 41: ("drivers/toy.c", READ), 30: ("drivers/more.c", OTHER)}
    files[10] = ("fs/else.c", "static int toy_else(void)\n")
    repo.commit({"drivers/toy.c": READ % 0, "drivers/toy.h": "int toy_read(int x);\n"})
    for number in range(1, 64):
        path, text = files.get(number, ("", ""))
        repo.commit({path: text.replace("%d", str(number))} if path else {})
    return repo


def bisect(top: Path, repo: Repo, culprit: int, old: str = "0", **changes: object) -> tuple[Toy, Result]:
    shas = repo.git.text("rev-list", "--reverse", "HEAD").split()
    names = {str(number): sha for number, sha in enumerate(shas)}

    def play(name: str, _: int) -> str:
        # What has no name is a revert, and good.
        return "bad" if name in names and int(name) >= culprit else "good"

    top.mkdir(exist_ok=True)
    toy = Toy(top, repo.git, names, play)
    return toy, toy.bisect(old, "63", **changes)


@pytest.mark.parametrize("runs", [1, None])
@pytest.mark.parametrize("culprit", [20, 41, 30, 10, 50])
def test_the_culprit_is_the_same_with_a_hint_and_without(
    tmp_path: Path, repo: Repo, culprit: int, runs: int | None
) -> None:
    results = {}
    for name, without in (("with", ()), ("without", (Economy.HINT,))):
        toy, result = bisect(tmp_path / name, repo, culprit, runs=runs, without=without)
        assert result.status is BisectStatus.CULPRIT
        assert toy.culprit(result) == str(culprit)
        results[name] = result
    tried = {name: len(result.steps) for name, result in results.items()}
    # 20 and 41 are in the smallest set, of two.
    assert tried["with"] <= tried["without"] + (-1 if culprit in (20, 41) else 2)
    [note] = [note for note in results["with"].notes if "points" in note]
    assert "drivers/toy.c: commits that change these or their neighbours (3) come sooner" in note
    assert not any("points" in note for note in results["without"].notes)


def test_a_resumed_bisection_goes_by_the_same_hint(tmp_path: Path, repo: Repo) -> None:
    toy, first = bisect(tmp_path / "one", repo, 41)
    again = toy.bisect("0", "63")
    assert [step.commit for step in again.steps] == [step.commit for step in first.steps]
    assert again.notes == first.notes


def test_files_that_the_range_does_not_change_are_not_looked_into(tmp_path: Path, repo: Repo) -> None:
    toy, result = bisect(tmp_path / "one", repo, 55, old="45")
    assert toy.culprit(result) == "55"
    assert not any("points" in note for note in result.notes)


def test_what_git_is_asked(tmp_path: Path, repo: Repo) -> None:
    git: Git = repo.git
    first = git.text("rev-list", "--max-parents=0", "HEAD")
    head = git.commit("HEAD").sha
    repo.switch("side", first)
    (repo.path / "drivers/toy.h").unlink()
    side = repo.commit({"drivers/[x].c": READ % 3})
    repo.switch("main")
    merge = repo.merge("side")
    assert git.touching(merge, [first], ["drivers/[x].c"]) == [side]
    assert git.touching(merge, [first], ["drivers/[x].c"], first_parent=True) == [merge]
    assert git.touching(head, [first], ["drivers/[x].c"]) == []
    assert "drivers/toy.h" in git.changed(first, side)
    assert "drivers/toy.h" not in git.changed(first, side, there=True)
    assert list(git.grep("^int toy_read", merge, ["drivers/[x].c", "fs/else.c"])) == [
        ("drivers/[x].c", "int toy_read(int x)")
    ]
    assert list(git.grep("^none", merge, ["drivers/toy.c"])) == []
