"""The kernel's own tests from end to end: what a scenario says of them, a bisection on one, and the rows of reports."""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from harness import catalog
from harness.errors import UserError
from harness.machine import Chunk
from harness.machine.reproducer import stage
from harness.model import Boot, Outcome, Scenario, Timeouts
from harness.progress import Silent
from harness.testing import ScriptedMachine
from harness.trial import run_trial
from tests.support.bisect import Lab, Repo, lab, repo

__all__ = ["lab", "repo"]
TOY = """\
id: toy
title: the toy's own tests pass
build: {command: "true"}
machine: {command: sh console.sh}
expect: {tests: [toy.read]}
"""


def console(*results: str) -> dict[str, str]:
    lines = ["KTAP version 1", f"1..{len(results)}", *results]
    return {"console.sh": "\n".join([*(f"echo 'regress: ktap {line}'" for line in lines), "echo regress: passed"])}


WELL, READ, WRITE, GONE = (
    console(f"{read}ok 1 toy.read", f"{write}ok 2 toy.write", "ok 3 toy.big # SKIP")
    for read, write in (("", ""), ("not ", ""), ("", "not "), ("not ", "not "))
)
GONE = console("ok 1 toy.write")


def test_a_bisection_on_one_test(repo: Repo, lab: Lab) -> None:
    """Others that fail, and commits that do not have it, do not count."""
    (lab.folder / "scenario.yaml").write_text(TOY)
    states = [WELL, WELL, WRITE, GONE, WRITE, WELL, READ, READ, WELL | READ, READ]
    shas = [repo.commit(state) for state in states]
    told = lab.bisect(repo, "--good", shas[0], "--bad", shas[-1])
    assert told["culprit"] == shas[6], told.err
    assert "1 of 1 tests failed: toy.read" in told.out


def test_each_test_is_a_row(repo: Repo, lab: Lab) -> None:
    (lab.folder / "scenario.yaml").write_text(TOY.replace("[toy.read]", "['*']"))
    for state in (WELL, READ):
        repo.commit(state)
    argv = lab.argv(repo, "--commit", "HEAD", "--commit", "HEAD~", "--json", command="run")
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    assert told["commits"][0]["trials"][0]["tests"] == [
        {"name": "toy.read", "result": "failed", "reason": ""},
        {"name": "toy.write", "result": "passed", "reason": ""},
        {"name": "toy.big", "result": "skipped", "reason": ""},
    ]
    rows = {
        (suite.get("name", "").rpartition(" ")[2], case.get("name")): next((child.tag for child in case), None)
        for suite in ET.parse(Path(told["folder"]) / "junit.xml").iter("testsuite")
        for case in suite.iter("testcase")
    }
    assert rows["2", "toy.read"] == "failure"
    assert rows["1", "toy.read"] is None
    assert rows["1", "toy.big"] == "skipped"
    ktap = subprocess.run(
        [argv[0], "report", told["folder"], "--format", "ktap"], capture_output=True, text=True, check=True
    ).stdout
    assert "    not ok 1 toy.read" in ktap


@pytest.mark.parametrize(
    ("status", "outcome", "reason"),
    [
        ("ktap 1.0 not ok 1 toy.read\nregress: passed 1.1 done", Outcome.FAILED, "1 of 1 tests failed: toy.read"),
        ("ktap 1.0 ok 1 toy.read\nregress: passed 1.1 done", Outcome.PASSED, "1 of 1 tests passed"),
        ("ktap 1.0 ok 1 toy.write\nregress: passed 1.1 done", Outcome.SKIPPED, "no test toy.read has run"),
        ("passed 1.1 done", Outcome.SKIPPED, "no test toy.read has run"),
        # The script's own word comes first.
        ("ktap 1.0 not ok 1 toy.read\nregress: skipped 1.1 too old", Outcome.SKIPPED, "too old"),
        ("ktap 1.0 not ok 1 toy.read\nregress: error 1.1 no shell", Outcome.ERROR, "no shell"),
        # Without a word, the machine was lost, whatever was read.
        ("ktap 1.0 not ok 1 toy.read", Outcome.LOST, "without a result"),
        ("ktap 1.0 1..2\nregress: ktap 1.0 ok 1 toy.read\nregress: passed 1.1", Outcome.PASSED, "1 of 1"),
        ("ktap 1.0     1..1\nregress: ktap 1.0     not ok 1 read\nregress: ktap 1.0 not ok 1 toy\nregress: passed 1.1",
         Outcome.FAILED, "toy.read"),
    ],
)  # fmt: skip
def test_how_a_trial_with_tests_ends(tmp_path: Path, status: str, outcome: Outcome, reason: str) -> None:
    boot = Boot(tmp_path / "bzImage", "x86_64", tmp_path / "initrd", (), 512, 2, tmp_path)
    script = [Chunk(status=b"regress: up 0.5\n"), Chunk(status=f"regress: {status}\n".encode()), None]
    trial = run_trial(ScriptedMachine(script), boot, Timeouts(), None, lambda _: None, tests=("toy.read",))
    assert trial.outcome is outcome
    assert reason in trial.reason


def scenario(top: Path, text: str) -> Scenario:
    (top / "scenario.yaml").write_text(f"id: toy\ntitle: toy\n{text}")
    return catalog.load(top)


def test_suites_need_no_script(tmp_path: Path) -> None:
    made = scenario(tmp_path, "kconfig: [base]\nkunit: [list_sort, 'ext4_*']\nexpect: {tests: [list_sort.*]}\n")
    assert made.run == ()
    assert made.kconfig == ("base", "kunit")
    assert (made.tests, made.failure, made.expect) == (("list_sort.*",), True, None)
    for name in ("scenario", "lib/regress"):
        (tmp_path / "root" / name).mkdir(parents=True)
    stage(made, "x86_64", tmp_path / "root", Silent())
    assert (tmp_path / "root/lib/regress/run").read_text() == (
        "kunit list_sort 'ext4_*'\npass \"its tests have run\"\n"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kunit: []\n", "scenario.yaml:3: kunit: expected a list of KUnit suites"),
        ("kunit: ['a b; reboot']\n", "scenario.yaml:3: kunit: expected a list of KUnit suites"),
        ("kunit: [a]\nexpect: {tests: [a.b], failure: false}\n", "expected true, since `tests` are given"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UserError, match="scenario") as raised:
        scenario(tmp_path, text)
    assert told in str(raised.value)
