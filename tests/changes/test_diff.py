"""`regress diff`: what changed between two runs, nights and bisections, as the commands left them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.changes.compare import compare
from harness.changes.sides import Row, Side
from tests.support import ROOT, Called
from tests.support.edges import BAD, GOOD, OTHER, Toy


def call(*args: object, env: dict[str, str] | None = None) -> Called:
    argv = [str(ROOT / "regress"), *map(str, args)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})})
    return Called(done.returncode, done.stdout, done.stderr)


def rows(told: Called) -> dict[str, str]:
    return {row["row"]: row["change"] for row in told["rows"]}


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path)


def test_two_runs_of_one_commit(toy: Toy) -> None:
    """The machine is another program: what came out is told, and that the scenario is not the same."""
    tree = toy.repo()
    sha = tree.commit("good")
    args = ("--json", "--tree", str(tree.path), "--commit", sha)
    one, two = (Path(toy.call("run", *args)["folder"]) for _ in range(2))
    same = call("diff", one, two, "--json")
    assert (same.status, same["status"], same["circumstances"]) == (0, "same", [])
    toy.machine(BAD)
    three = Path(toy.call("run", *args)["folder"])
    toy.machine(OTHER)
    four = Path(toy.call("run", *args)["folder"])
    told = call("diff", two, three, "--json")
    [row] = told["rows"]
    assert (told.status, row["change"], row["kernel"]) == (1, "different", False)
    assert (row["old"]["outcomes"], row["new"]["outcomes"]) == ({"passed": 1}, {"crashed": 1})
    assert [one["what"] for one in told["circumstances"]] == ["scenario's files"]
    text = call("diff", three, four).out
    assert f"! commit {sha[:12]}  bad: 1 crashed (null-deref:toy_read)" in text
    assert "(null-deref:foreign_write)" in text


def test_another_commit_in_the_same_role(toy: Toy) -> None:
    tree = toy.repo()
    shas = tree.line("good bad good")
    folders = []
    for bad in shas[1:]:
        done = toy.call("run", "--json", "--tree", str(tree.path), "--good", shas[0], "--bad", bad)
        folders.append(done["folder"])
    told = call("diff", *folders, "--json")
    assert rows(told) == {
        f"good {shas[0][:12]}": "same",
        f"bad {shas[1][:12]} -> bad {shas[2][:12]}": "different",
    }
    assert told["rows"][1]["kernel"]
    assert "commit" in call("diff", *folders).out


def test_a_commit_that_only_one_has(toy: Toy) -> None:
    tree = toy.repo()
    shas = tree.line("good good")
    args = ("run", "--json", "--tree", str(tree.path))
    both = toy.call(*args, "--commit", shas[0], "--commit", shas[1])["folder"]
    one = toy.call(*args, "--commit", shas[1])["folder"]
    told = call("diff", both, one, "--json")
    assert (told.status, rows(told)) == (1, {f"commit {shas[0][:12]}": "only old", f"commit {shas[1][:12]}": "same"})
    assert call("diff", one, both, "--json")["rows"][-1]["change"] == "only new"


def test_a_machine_that_failed_is_no_difference(toy: Toy) -> None:
    tree = toy.repo()
    sha = tree.commit("good")
    args = ("run", "--json", "--tree", str(tree.path), "--commit", sha)
    good = toy.call(*args)["folder"]
    toy.machine("echo regress: broken no power\n")
    lost = toy.call(*args)["folder"]
    different = call("diff", good, lost, "--json")
    assert (different.status, different["status"], rows(different)) == (
        3,
        "cannot tell",
        {f"commit {sha[:12]}": "cannot tell"},
    )


def test_the_options_of_two_kernels(toy: Toy) -> None:
    """The builder leaves its configuration beside the kernel, as the real one does."""
    tree = toy.repo()
    sha = tree.commit("good")
    args = ("run", "--json", "--tree", str(tree.path), "--commit", sha)
    folders = [Path(toy.call(*args)["folder"]) for _ in range(2)]
    options = ("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=64\n", "CONFIG_A=y\nCONFIG_B=m\nCONFIG_D=y\n")
    sides = []
    for folder, text in zip(folders, options, strict=True):
        [commit] = folder.glob("commit-*")
        (commit / "config").write_text(text)
        row = Row(("commit", sha, ""), None, "commit", sha, config=text, folder=commit)
        row.outcomes["passed"] += 1
        sides.append(Side({"kind": "run", "scenario": "toy", "started": "", "status": "", "folder": ""}, {}, [row]))
    told = compare(*sides)
    [set_] = told["options"]
    assert [(one["option"], one["old"], one["new"]) for one in set_["changed"]] == [
        ("B", "n", "m"),
        ("C", "64", "n"),
        ("D", "n", "y"),
    ]
    assert (told["status"], told["rows"][0]["config"]) == ("same", True)
    (folders[0] / f"commit-{sha[:12]}" / "config").unlink()
    assert compare(*sides)["options"][0]["changed"] is None


def side(seconds: list[float], **more: Any) -> Side:
    row = Row(("cell",), None, "cell", "0" * 40, seconds=seconds, **more)
    row.outcomes["passed"] += len(seconds)
    return Side({"kind": "nightly", "scenario": "nightly", "started": "", "status": "", "folder": ""}, {}, [row])


@pytest.mark.parametrize(
    ("old", "new", "times"),
    [
        ([10.0, 11.0], [20.0, 22.0], 2.0),
        ([20.0, 22.0], [10.0, 11.0], 0.5),
        ([10.0, 20.0], [19.0, 21.0], None),  # no news where some were as slow before
        ([0.1], [0.9], None),  # too short
        ([10.0], [11.0], None),  # too little
        ([], [11.0], None),
    ],
)
def test_what_counts_as_slower(old: list[float], new: list[float], times: float | None) -> None:
    told = compare(side(old), side(new))
    assert told["rows"][0]["slower"] == times


def test_bisections(toy: Toy) -> None:
    """Which commits were tried is no difference; what came of it is."""
    tree = toy.repo()
    shas = tree.line("good*3 bad same*4")
    one = Path(toy.bisect(tree, shas[0], shas[-1])["folder"])
    two = Path(toy.bisect(tree, shas[2], shas[-1])["folder"])
    told = call("diff", one, two, "--json")
    assert (told.status, told["status"]) == (0, "same")
    assert {one["what"] for one in told["circumstances"]} == {"good"}
    toy.machine(f"[ -e f5 ] || {{ {GOOD.strip()}; exit; }}\nsh console.sh\n")
    three = Path(toy.bisect(tree, shas[0], shas[-1])["folder"])
    told = call("diff", one, three, "--json")
    assert (told.status, told["reason"].partition(";")[0]) == (1, "the bisections ended otherwise")
    assert rows(told)[shas[3][:12]] == "different"
    assert "culprit: " in call("diff", one, three).out


def test_wrong_input(toy: Toy, tmp_path: Path) -> None:
    tree = toy.repo()
    shas = tree.line("good bad")
    run = toy.call("run", "--json", "--tree", str(tree.path), "--commit", shas[0])["folder"]
    bisection = toy.bisect(tree, shas[0], shas[1])["folder"]
    told = call("diff", run, bisection)
    assert told.status == 2
    assert "is a run" in told.err
    assert "a bisect" in told.err
    told = call("diff", run, tmp_path / "none")
    assert told.status == 2
    assert "no such folder" in told.err


def test_tables_of_patches(toy: Toy, tmp_path: Path) -> None:
    """A second version of a patch is a row of its own; what was tried without a patch is compared."""
    tree = toy.repo()
    shas = tree.line("good bad")
    one, two = tmp_path / "v1.patch", tmp_path / "v2.patch"
    one.write_text(tree.git("diff", shas[1], shas[0], "--", "console.sh") + "\n")
    two.write_text(one.read_text())
    args = ("--json", "--tree", str(tree.path), "--bad", shas[1])
    old, same, new = (toy.call("try", str(patch), *args)["folder"] for patch in (one, one, two))
    assert call("diff", old, same, "--json")["status"] == "same"
    told = call("diff", old, new, "--json")
    assert told.status == 1
    assert rows(told) == {
        "(no patch) in toy": "same",
        "v1.patch in toy": "only old",
        "v2.patch in toy": "only new",
    }
