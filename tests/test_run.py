"""`regress run` from end to end, with command builders and machines in place of kernels."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.git import Git
from tests.support import ROOT, gone

History = Callable[..., tuple[Git, list[str]]]
Regress = Callable[..., subprocess.CompletedProcess[str]]

SCENARIO = """\
id: toy
aliases: ["lr#toy"]
title: the toy crashes
build: {{command: sh build.sh}}
machine: {{command: sh console.sh, {timeouts}}}
expect:
  crash: {{title: "NULL pointer dereference in toy_*"}}
"""
CRASH = """\
echo 'BUG: kernel NULL pointer dereference, address: 0000000000000000'
echo 'CPU: 0 PID: 7 Comm: dd Not tainted 6.1.0 #1'
echo 'RIP: 0010:{function}+0x10/0x20'
echo 'Call Trace:'
echo ' caller+0x1/0x2'
echo '---[ end trace 0000000000000000 ]---'
"""
GOOD = "echo booted\necho regress: passed\n"
BAD = CRASH.format(function="toy_read")
ELSEWHERE = CRASH.format(function="other_write")


@pytest.fixture
def scenarios(tmp_path: Path) -> Path:
    folder = tmp_path / "scenarios" / "toy"
    folder.mkdir(parents=True)
    (folder / "scenario.yaml").write_text(SCENARIO.format(timeouts="timeout: 30s"))
    return folder.parent


def commits(*consoles: str, build: str = "true\n") -> list[dict[str, str]]:
    return [{"build.sh": build, "console.sh": console} for console in consoles]


def test_the_regression_shows(history: History, regress: Regress, scenarios: Path, tmp_path: Path) -> None:
    git, (good, bad) = history(*commits(GOOD, BAD))
    results = tmp_path / "results"
    done = regress(
        *("run", "lr#toy", "--scenarios", str(scenarios), "--tree", str(git.path)),
        *("--good", "HEAD~", "--bad", "HEAD", "--results", str(results)),
    )
    assert done.returncode == 0, done.stderr
    assert "lr#toy  the toy crashes" in done.stdout
    lines = done.stdout.splitlines()
    assert lines[1].split()[:2] == ["good", good[:8]]
    assert "passed" in lines[1]
    assert "REPRODUCED" in lines[2]
    assert "BUG: unable to handle kernel NULL pointer dereference in toy_read  [dd]" in lines[2]
    assert lines[3].startswith("The regression shows.")
    [folder] = [path for path in results.iterdir() if path.is_dir()]
    result = json.loads((folder / "result.json").read_text())
    assert [(c["role"], c["commit"], c["verdict"]) for c in result["commits"]] == [
        ("good", good, "good"),
        ("bad", bad, "bad"),
    ]
    assert result["commits"][1]["trials"][0]["crash"]["function"] == "toy_read"
    assert (folder / f"bad-{bad[:12]}" / "trial-1" / "console.log").read_text().startswith("BUG: kernel NULL")
    suite = ET.parse(folder / "junit.xml").getroot()
    assert [case.get("name", "").split()[0] for case in suite.iter("testcase")] == ["good", "bad"]
    assert list(suite.iter("failure")) == []
    with sqlite3.connect(results / "index.sqlite") as database:
        assert database.execute("SELECT folder, status FROM runs").fetchall() == [(folder.name, "shows")]
        assert database.execute("SELECT role, outcome FROM trials").fetchall() == [
            ("good", "passed"),
            ("bad", "crashed"),
        ]


def run_toy(regress: Regress, git: Git, scenarios: Path, *more: str) -> tuple[int, dict[str, object]]:
    done = regress(
        *("run", "toy", "--scenarios", str(scenarios), "--tree", str(git.path), "--json"),
        *("--results", str(scenarios.parent / "results"), *more),
    )
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize(
    ("consoles", "build", "status", "code", "reason"),
    [
        ((GOOD, GOOD), "true\n", "does not show", 1, "does not crash"),
        ((BAD, BAD), "true\n", "does not show", 1, "crashes too"),
        ((GOOD, ELSEWHERE), "true\n", "inconclusive", 1, "other_write"),
        ((GOOD, "echo halfway\n"), "true\n", "inconclusive", 1, "without a result"),
        ((GOOD, "echo regress: failed no data\n"), "true\n", "inconclusive", 1, "failed: no data"),
        ((GOOD, BAD), "echo 'x.c:1: error: no' >&2; exit 1\n", "inconclusive", 1, "x.c:1: error: no"),
    ],
)
def test_what_cannot_be_told_is_not_claimed(
    history: History,
    regress: Regress,
    scenarios: Path,
    consoles: tuple[str, str],
    build: str,
    status: str,
    code: int,
    reason: str,
) -> None:
    git, _ = history(*commits(*consoles, build=build))
    returncode, result = run_toy(regress, git, scenarios, "--good", "HEAD~", "--bad", "HEAD")
    assert (returncode, result["status"]) == (code, status)
    assert reason in str(result["reason"])


def test_single_commits(history: History, regress: Regress, scenarios: Path) -> None:
    git, (good, bad) = history(*commits(GOOD, BAD))
    code, result = run_toy(regress, git, scenarios, "--commit", bad)
    assert (code, result["status"], result["well"]) == (1, "shows", False)
    code, result = run_toy(regress, git, scenarios, "--commit", good)
    assert (code, result["status"], result["well"]) == (0, "does not show", True)
    code, result = run_toy(regress, git, scenarios, "--commit", good, "--commit", bad)
    assert (code, result["status"]) == (1, "shows")
    assert result["reason"] == f"commit {bad[:12]} crashes"


def test_several_runs_stop_at_the_first_crash(history: History, regress: Regress, scenarios: Path) -> None:
    git, _ = history(*commits(GOOD, BAD))
    _, result = run_toy(regress, git, scenarios, "--good", "HEAD~", "--bad", "HEAD", "--runs", "3")
    answers = result["commits"]
    assert isinstance(answers, list)
    assert [len(answer["trials"]) for answer in answers] == [3, 1]
    assert answers[0]["confidence"] == 0.8


def test_a_users_tree_is_only_read(history: History, regress: Regress, scenarios: Path) -> None:
    git, _ = history(*commits(GOOD, BAD))
    (git.path / "console.sh").write_text("uncommitted\n")

    def state() -> list[tuple[str, bytes]]:
        return sorted((str(p), p.read_bytes()) for p in git.path.rglob("*") if p.is_file())

    before = state()
    assert run_toy(regress, git, scenarios, "--good", "HEAD~", "--bad", "HEAD")[0] == 0
    assert state() == before


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["run", "lr#35498"], "did you mean 'lr#35498d'"),
        (["run", "lr#35498d", "--tree", "/nowhere"], "--tree /nowhere: no such folder"),
        (["run", "lr#35498d", "--tree", "linux-nex"], "did you mean 'linux-next'"),
        (["run", "lr#35498d", "--tree", "TREE"], "not a kernel tree"),
        (["run", "toy", "--tree", "TREE"], "the scenario knows no commits of"),
        (["run", "toy", "--tree", "TREE", "--commit", "v9.9"], "revision 'v9.9' is not in"),
        (["run", "toy", "--tree", "SCENARIOS"], "not a git repository"),
        (["run", "toy", "--runs", "0"], "must be a whole number, 1 or more"),
        (["run", "toy", "--commit", "x", "--good", "y"], "--commit does not go with"),
        (["run", "toy", "--scenarios", "/nowhere"], "/nowhere: no such folder of scenarios"),
        (["run", "toy", "--tree", "TREE", "--commit", "HEAD", "--results", "/proc/x"], "--results /proc/x"),
        (["rum"], "unknown command 'rum'; did you mean 'run'?"),
        (["run", "toy", "--comit", "HEAD"], "unknown: --comit; did you mean '--commit'?"),
        ([], "regress bisect SCENARIO --good v6.1 --bad v6.2"),
    ],
)
def test_wrong_input_is_named(
    history: History, regress: Regress, scenarios: Path, args: list[str], message: str
) -> None:
    git, _ = history(*commits(GOOD))
    places = {"TREE": str(git.path), "SCENARIOS": str(scenarios)}
    more = ["--scenarios", str(scenarios)] if args[:2] == ["run", "toy"] else []
    done = regress(*(places.get(arg, arg) for arg in args), *more)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_all_and_keeps_what_is_finished(history: History, scenarios: Path, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    git, _ = history(*commits(GOOD, f"sh -c 'echo $$ >{pid}; exec sleep 100'\n"))
    results = tmp_path / "results"
    argv = [str(ROOT / "regress"), "run", "toy", "--scenarios", str(scenarios), "--tree", str(git.path)]
    argv += ["--good", "HEAD~", "--bad", "HEAD", "--results", str(results)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    for _ in range(400):
        if pid.exists() and pid.read_text():
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Interrupted: after 1 of 2 commits" in out
    assert gone(int(pid.read_text()))
    [folder] = [path for path in results.iterdir() if path.is_dir()]
    assert json.loads((folder / "result.json").read_text())["commits"][0]["verdict"] == "good"
    with sqlite3.connect(results / "index.sqlite") as database:
        assert database.execute("SELECT status FROM runs").fetchall() == [("interrupted",)]


def test_list_and_show(regress: Regress) -> None:
    assert re.search(r"^lr-35498d +dm-crypt over dm-integrity", regress("list").stdout, re.MULTILINE)
    shown = regress("show", "lr#35498d").stdout
    for word in ("run.sh", "cryptsetup", "dm-integrity", "bio_integrity_verify_fn", "replay-bad", "v4.12"):
        assert word in shown
    assert json.loads(regress("show", "lr#35498d", "--json").stdout)["disk"]["dif"] == 1
    assert "lr-35498d" in [scenario["id"] for scenario in json.loads(regress("list", "--json").stdout)]


def test_a_full_disk_is_told_with_its_remedy(history: History, scenarios: Path, tmp_path: Path) -> None:
    """/dev/full takes the place of a disk without room: the build's log cannot be written there."""
    git, _ = history({"build.sh": "cat build.sh >/dev/full\n", "console.sh": GOOD})
    argv = ["run", "toy", "--scenarios", str(scenarios), "--tree", str(git.path), "--commit", "HEAD"]
    done = subprocess.run(
        [str(ROOT / "regress"), *argv, "--results", str(tmp_path / "r")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "Nothing can be said: the build failed because of this machine" in done.stdout
    assert "a disk is full: free some space" in done.stdout
