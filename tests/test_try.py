"""`regress try` from end to end, with command builders and machines in place of kernels."""

import contextlib
import json
import signal
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness import assessment, document, record
from harness.console import Expectation
from harness.git import Commit, Git
from harness.machine import Chunk
from harness.matrix import Cell, Row, TryStatus, conclude, try_all
from harness.model import Boot, Scenario
from harness.patches import Rejected, apply, read_change
from harness.progress import Silent
from harness.reports import junit, patch_table
from harness.runner import GuestImage, Runner
from harness.testing import FakeBuilder, ScriptedMachine
from harness.workspace import Workspace
from tests.support import ROOT, gone
from tests.test_run import BAD, CRASH, GOOD, SCENARIO

History = Callable[..., tuple[Git, list[str]]]
Regress = Callable[..., subprocess.CompletedProcess[str]]

OTHER = """\
id: other
title: the other thing works
build: {command: "true"}
machine: {command: sh other.sh}
commits:
  TREE: {good: HEAD, bad: HEAD~}
"""


def diff(git: Git, file: str, text: str) -> str:
    """The difference that a new text of a file makes, which is left as it was."""
    before = (git.path / file).read_text()
    (git.path / file).write_text(text)
    out = git.run("diff", "--", file).stdout
    (git.path / file).write_text(before)
    return out


def mail(subject: str, body: str, sender: str = "Ada Example <ada@example.org>") -> str:
    return (
        "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n"
        f"From: {sender}\nDate: Fri, 1 Mar 2024 09:05:00 +0000\nSubject: {subject}\n\nBecause.\n"
        f"---\n{body}-- \n2.40\n\n"
    )


@pytest.fixture
def toy(history: History, tmp_path: Path) -> tuple[Git, Path]:
    """A tree whose bad commit crashes, and its scenarios."""
    git, _ = history({"console.sh": GOOD, "other.sh": GOOD}, {"console.sh": BAD, "other.sh": GOOD})
    top = tmp_path / "scenarios"
    for name, text in (("toy", SCENARIO.format(timeouts="timeout: 30s")), ("other", OTHER)):
        (top / name).mkdir(parents=True)
        (top / name / "scenario.yaml").write_text(text.replace("sh build.sh", '"true"').replace("TREE", str(git.path)))
    return git, top


def try_toy(
    regress: Regress, toy: tuple[Git, Path], *args: str | Path
) -> tuple[int, dict[str, object], subprocess.CompletedProcess[str]]:
    git, top = toy
    done = regress(
        *("try", "toy", *map(str, args), "--scenarios", str(top), "--tree", str(git.path), "--bad", "HEAD", "--json"),
        *("--results", str(top.parent / "results")),
    )
    return done.returncode, json.loads(done.stdout) if done.stdout else {}, done


def test_a_table_of_patches_by_scenarios(regress: Regress, toy: tuple[Git, Path], tmp_path: Path) -> None:
    git, _ = toy
    right, wrong, breaks, rejected = (tmp_path / f"{n}.patch" for n in ("right", "wrong", "breaks", "rejected"))
    right.write_text(mail("[PATCH] toy: do not crash", diff(git, "console.sh", GOOD)))
    wrong.write_text(diff(git, "console.sh", "# nothing\n" + BAD))
    breaks.write_text(
        mail("[PATCH 2/2] the other", diff(git, "other.sh", "echo regress: failed it broke\n"))
        + mail("[PATCH 1/2] toy", diff(git, "console.sh", GOOD))
        + mail("[PATCH 0/2] cover", "")
    )
    rejected.write_text(mail("[PATCH] old", diff(git, "console.sh", GOOD).replace("-echo", "-printf")))
    before = git.text("rev-list", "--all", "--objects")
    code, result, done = try_toy(regress, toy, right, wrong, breaks, rejected, "--against", "other")
    assert code == 1, done.stderr
    cells = result["cells"]
    assert isinstance(cells, list)
    told = {
        (cell["row"], cell["scenario"]): (cell["answer"] and cell["answer"]["verdict"], cell["as_expected"])
        for cell in cells
    }
    assert told == {
        ("(no patch)", "toy"): ("bad", True),
        ("right.patch", "toy"): ("good", True),
        ("wrong.patch", "toy"): ("bad", False),
        ("breaks.patch", "toy"): ("good", True),
        ("rejected.patch", "toy"): (None, False),
        ("(no patch)", "other"): ("good", True),
        ("right.patch", "other"): ("good", True),
        ("wrong.patch", "other"): ("good", True),
        ("breaks.patch", "other"): ("bad", False),
        ("rejected.patch", "other"): (None, False),
    }
    table = done.stderr.splitlines()
    [head] = [line for line in table if line.split() == ["toy", "other"]]
    rows = table[table.index(head) + 1 :][:5]
    assert [row.split()[0] for row in rows] == ["(no", "right.patch", "wrong.patch", "breaks.patch", "rejected.patch"]
    assert rows[0].split("  ")[-1].strip() == "passed, as expected"
    assert "REPRODUCED, NOT as expected" in rows[2]
    assert "does not apply" in rows[4]
    assert "patch failed: console.sh:1" in done.stderr
    assert "-printf 'BUG: kernel NULL" in done.stderr  # the hunk that failed
    assert result["status"] == "not as expected"
    folder = Path(str(result["folder"]))
    suites = ET.parse(folder / "junit.xml").getroot()
    assert [(s.get("name"), s.get("tests"), s.get("failures")) for s in suites.iter("testsuite")] == [
        ("toy", "5", "2"),
        ("other", "5", "2"),
    ]
    assert (folder / "1-right.patch").read_text() == right.read_text()
    assert git.text("rev-list", "--all", "--objects") == before
    assert git.text("status", "--porcelain") == ""
    again = try_toy(regress, toy, right)
    assert again[0] == 0
    assert again[1]["rows"][1]["commit"] == result["rows"][1]["commit"]  # type: ignore[index]


def test_a_base_that_does_not_crash_proves_nothing(regress: Regress, toy: tuple[Git, Path], tmp_path: Path) -> None:
    git, _ = toy
    patch = tmp_path / "a.patch"
    patch.write_text(diff(git, "other.sh", "# x\n" + GOOD))
    (git.path / "console.sh").write_text(GOOD)
    git.run("commit", "--quiet", "--all", "-m", "fixed")
    code, result, _ = try_toy(regress, toy, patch)
    assert (code, result["status"]) == (1, "not reproduced")
    assert "proves nothing" in str(result["reason"])


def test_what_cannot_be_told(regress: Regress, toy: tuple[Git, Path], tmp_path: Path) -> None:
    git, _ = toy
    patch = tmp_path / "a.patch"
    patch.write_text(diff(git, "console.sh", CRASH.format(function="elsewhere")))
    code, result, done = try_toy(regress, toy, patch)
    assert (code, result["status"]) == (1, "inconclusive")
    assert "cannot tell" in done.stderr


def test_a_patch_that_breaks_the_build_is_at_fault(regress: Regress, toy: tuple[Git, Path], tmp_path: Path) -> None:
    git, top = toy
    scenario = top / "toy" / "scenario.yaml"
    scenario.write_text(scenario.read_text().replace('command: "true"', "command: sh -n console.sh"))
    patch = tmp_path / "a.patch"
    patch.write_text(diff(git, "console.sh", "if\n"))
    code, result, done = try_toy(regress, toy, patch)
    assert (code, result["status"]) == (1, "not as expected"), done.stderr
    assert "does not build" in done.stderr
    suites = ET.parse(Path(str(result["folder"])) / "junit.xml").getroot()
    assert [s.get("failures") for s in suites.iter("testsuite")] == ["1"]


def test_the_same_image_is_no_fix(tmp_path: Path) -> None:
    """A patch that does not change the image, and a crash that comes only the first time."""
    boots = 0

    def play(_: Boot) -> list[Chunk]:
        nonlocal boots
        boots += 1
        return [
            Chunk(b"", b"regress: up\n"),
            Chunk(b"Kernel panic - not syncing: toy\n" if boots == 1 else b"", b"regress: passed\n"),
        ]

    scenario = Scenario("toy", "toy", tmp_path, expect=Expectation(title="kernel panic: toy"))
    runner = Runner(
        scenario, FakeBuilder(), ScriptedMachine(play), lambda _: GuestImage(tmp_path, ()), "x86_64", Silent()
    )
    (tmp_path / "a.patch").write_text(NEW.format(path="README", mode="100644", line="x"))
    rows = [
        Row(None, Commit("1" * 40, "tree", "base")),
        Row(read_change(tmp_path / "a.patch"), Commit("2" * 40, "tree", "patched")),
    ]
    cells: list[Cell] = []
    labs = [(scenario, "bad", contextlib.nullcontext(runner))]
    try_all(rows, labs, tmp_path / "out", 1, lambda *_: None, cells.append)
    assert [cell.answer and cell.answer.judgement.verdict for cell in cells] == ["bad", "good"]
    assert [cell.as_expected for cell in cells] == [True, None]
    standing, reason = conclude(cells)
    assert standing is TryStatus.INCONCLUSIVE
    assert "the crash is intermittent" in reason
    run = record.start(tmp_path / "results", "toy", "tree", "x86_64", kind="try")
    told = [replace(cell.answer, folder=run.folder) if cell.answer else None for cell in cells]
    for cell, answer in zip(cells, told, strict=True):
        run.add("cell", document.cell(replace(cell, answer=answer), run.folder))
    run.close(str(standing), reason)
    result = document.of(run.events, run.folder)
    assert (result["well"], assessment.exit_status(result)) == (None, 1)
    assert "cannot tell" in patch_table.render(result)
    assert "the crash is intermittent" in junit.render(result)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file"),
        ("hello\n", "no patch in it"),
        (mail("[PATCH 1/2] a", "D") + mail("[PATCH v2 1/1] a", "D"), "more than one series"),
    ],
)
def test_files_that_are_no_change(
    regress: Regress, toy: tuple[Git, Path], tmp_path: Path, text: str | None, message: str
) -> None:
    patch = tmp_path / "a.patch"
    if text is not None:
        patch.write_text(text.replace("D-- ", diff(toy[0], "console.sh", GOOD) + "-- "))
    code, _, done = try_toy(regress, toy, patch)
    assert code == 2
    assert message in done.stderr


def test_the_commit_to_patch_has_to_be_known(regress: Regress, toy: tuple[Git, Path], tmp_path: Path) -> None:
    git, top = toy
    patch = tmp_path / "a.patch"
    patch.write_text(diff(git, "console.sh", GOOD))
    for more, message in (
        ([], "the scenario knows no bad commit of"),
        (["--bad", "v9.9"], "revision 'v9.9' is not in"),
        (["--bad", "HEAD", "--against", "othre"], "did you mean 'other'?"),
    ):
        done = regress("try", "toy", str(patch), "--scenarios", str(top), "--tree", str(git.path), *more)
        assert (done.returncode, message in done.stderr) == (2, True), done.stderr


def made(git: Git, tmp_path: Path, text: str) -> Commit | Rejected:
    path = tmp_path / "x.patch"
    path.write_text(text)
    return apply(Workspace(git.path), git.commit("HEAD"), read_change(path))


NEW = """\
diff --git a/{path} b/{path}
new file mode {mode}
--- /dev/null
+++ b/{path}
@@ -0,0 +1 @@
+{line}
"""


@pytest.mark.parametrize(
    "path",
    [
        "../outside",
        "a/../../outside",
        "/etc/outside",
        ".git/hooks/post-checkout",
        "sub/.git/config",
        ".GIT/../../x",
        ".git",
    ],
)
def test_no_patch_leaves_its_tree(toy: tuple[Git, Path], tmp_path: Path, path: str) -> None:
    git, _ = toy
    before = sorted(str(p) for p in tmp_path.rglob("*") if ".git/objects" not in str(p))
    assert isinstance(made(git, tmp_path, NEW.format(path=path, mode="100644", line="x")), Rejected)
    after = sorted(str(p) for p in tmp_path.rglob("*") if ".git/objects" not in str(p))
    assert [name for name in after if not name.endswith("x.patch")] == before
    assert not Path("/etc/outside").exists()


def test_no_patch_goes_through_a_symbolic_link(toy: tuple[Git, Path], tmp_path: Path) -> None:
    git, _ = toy
    link = NEW.format(path="link", mode="120000", line=str(tmp_path)) + "\\ No newline at end of file\n"
    through = NEW.format(path="link/outside", mode="100644", line="x")
    assert isinstance(made(git, tmp_path, link + through), Rejected)
    assert isinstance(made(git, tmp_path, mail("[PATCH 1/2] l", link) + mail("[PATCH 2/2] t", through)), Rejected)
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "a/../../x", ".git/config", ".."])
def test_no_patch_makes_a_symbolic_link_that_leads_out(toy: tuple[Git, Path], tmp_path: Path, target: str) -> None:
    git, _ = toy
    link = NEW + "\\ No newline at end of file\n"
    rejected = made(git, tmp_path, link.format(path="link", mode="120000", line=target))
    assert isinstance(rejected, Rejected)
    assert "a symbolic link that leads out of the tree: link -> " in rejected.reason
    inside = made(git, tmp_path, link.format(path="sub/link", mode="120000", line="../console.sh"))
    assert isinstance(inside, Commit)


@pytest.mark.parametrize("path", ["link", "sub/link"])
def test_no_patch_makes_a_symbolic_link_to_nothing(toy: tuple[Git, Path], tmp_path: Path, path: str) -> None:
    git, _ = toy
    # A file that can be checked out, so that it is a patch, and an empty one as a link, which cannot.
    empty = f"diff --git a/{path} b/{path}\nnew file mode 120000\nindex 0000000..e69de29\n"
    rejected = made(git, tmp_path, empty + NEW.format(path="file", mode="100644", line="x"))
    assert isinstance(rejected, Rejected)
    assert f"{path} -> nothing" in rejected.reason


def test_three_way(toy: tuple[Git, Path], tmp_path: Path) -> None:
    """A patch against an older commit whose context has changed since, but whose blob is known."""
    git, _ = toy
    lines = [f"line {number}\n" for number in range(20)]
    (git.path / "file").write_text("".join(lines))
    git.run("add", "--all")
    git.run("commit", "--quiet", "-m", "a file")
    patch = diff(git, "file", "".join([*lines[:10], "new\n", *lines[11:]]))
    (git.path / "file").write_text("".join([*lines[:7], "changed\n", *lines[8:]]))
    git.run("commit", "--quiet", "--all", "-m", "context")
    commit = made(git, tmp_path, patch)
    assert isinstance(commit, Commit)
    text = git.text("show", f"{commit.sha}:file")
    assert "changed" in text
    assert "new" in text


def test_bytes_and_names_are_kept(toy: tuple[Git, Path], tmp_path: Path) -> None:
    git, _ = toy
    path = tmp_path / "x.patch"
    path.write_bytes(NEW.format(path="latin", mode="100644", line="caf\udce9").encode("utf-8", "surrogateescape"))
    commit = apply(Workspace(git.path), git.commit("HEAD"), read_change(path))
    assert isinstance(commit, Commit)
    shown = subprocess.run(["git", "show", f"{commit.sha}:latin"], cwd=git.path, capture_output=True, check=True)
    assert shown.stdout == b"caf\xe9\n"


def test_ctrl_c_keeps_what_is_finished(toy: tuple[Git, Path], tmp_path: Path) -> None:
    git, top = toy
    pid = tmp_path / "pid"
    patch = tmp_path / "slow.patch"
    patch.write_text(diff(git, "console.sh", f"sh -c 'echo $$ >{pid}; exec sleep 100'\n"))
    results = tmp_path / "results"
    argv = [str(ROOT / "regress"), "try", "toy", str(patch), "--scenarios", str(top), "--tree", str(git.path)]
    argv += ["--bad", "HEAD", "--results", str(results)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(1200):
        if (pid.exists() and pid.read_text()) or process.poll() is not None:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Interrupted: after 1 of 2 cells" in out
    assert gone(int(pid.read_text()))
    [folder] = [path for path in results.iterdir() if path.is_dir()]
    assert "REPRODUCED, as expected" in (folder / "table.txt").read_text()
    assert json.loads((folder / "result.json").read_text())["cells"][0]["as_expected"] is True
