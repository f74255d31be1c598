"""`regress run` of claims and variants, and `run --all`, with command builders and machines in place of kernels."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from harness.errors import KernelError
from harness.git import Commit, Git
from harness.machine import Chunk
from harness.model import Boot, Judgement, Kernel, Outcome, PiDisk, Scenario, Trial, Variant, Verdict
from harness.progress import Silent
from harness.reports import repro
from harness.runner import GuestImage, Runner, Subject
from harness.testing import FakeBuilder, ScriptedMachine

History = Callable[..., tuple[Git, list[str]]]
Regress = Callable[..., subprocess.CompletedProcess[str]]

CLAIM = """\
id: claim
title: the toy counts
claim: the toy counts to ten
build: {{command: "true"}}
machine: {{command: sh console.sh}}
expect: {{failure: true}}
variants:
  low: {{append: [upto=3]}}
  high: {{append: [upto=10]}}
commits:
  {tree}: {{good: [{good}]{bad}}}
"""
# A console for each variant, told apart by the kernel's command line.
COUNTS = 'case $REGRESS_APPEND in *upto=3*) echo regress: passed 3 of 3 ;; *) echo "regress: {high}" ;; esac\n'
GOOD = {"console.sh": COUNTS.format(high="passed 10 of 10")}
BAD = {"console.sh": COUNTS.format(high="failed 9, not 10")}
PANICS = {"console.sh": "echo Kernel panic - not syncing: boom\n"}
SKIPS = {"console.sh": COUNTS.format(high="skipped there is no ten")}


def run(regress: Regress, tree: Git, folder: Path, *args: str) -> tuple[int, dict[str, object], str]:
    done = regress(
        *("run", *args, "--scenarios", str(folder), "--tree", str(tree.path), "--json"),
        *("--results", str(folder.parent / "results")),
    )
    return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr


@pytest.fixture
def scenarios(tmp_path: Path) -> Path:
    folder = tmp_path / "scenarios" / "claim"
    folder.mkdir(parents=True)
    (folder / "scenario.yaml").write_text(CLAIM.format(tree="none", good="HEAD", bad=""))
    return folder.parent


@pytest.mark.parametrize(
    ("files", "code", "status", "verdict", "outcomes"),
    [
        (GOOD, 0, "holds", "good", ["passed", "passed"]),
        (BAD, 1, "does not hold", "bad", ["passed", "failed"]),
        (SKIPS, 1, "inconclusive", "skip", ["passed", "skipped"]),
    ],
)
def test_a_claim_holds_or_not(
    history: History,
    regress: Regress,
    scenarios: Path,
    files: dict[str, str],
    code: int,
    status: str,
    verdict: str,
    outcomes: list[str],
) -> None:
    git, [sha] = history(files)
    got, result, said = run(regress, git, scenarios, "claim", "--commit", "HEAD")
    assert (got, result["status"]) == (code, status), said
    [commit] = cast(list[dict[str, Any]], result["commits"])
    assert (commit["role"], commit["commit"], commit["verdict"]) == ("claim", sha, verdict)
    assert [trial["variant"] for trial in commit["trials"]] == ["low", "high"]
    assert [trial["outcome"] for trial in commit["trials"]] == outcomes
    assert "low                     passed" in said
    assert commit["trials"][1]["reason"] in said


def test_one_variant_alone(history: History, regress: Regress, scenarios: Path) -> None:
    git, _ = history(BAD)
    assert run(regress, git, scenarios, "claim:low", "--commit", "HEAD")[0] == 0
    assert run(regress, git, scenarios, "claim:high", "--commit", "HEAD")[0] == 1


def test_all_scenarios_in_one_table(history: History, regress: Regress, scenarios: Path) -> None:
    git, (good, bad) = history(GOOD, BAD)
    code, document, said = run(regress, git, scenarios, "--all", "--commit", good, "--commit", bad)
    assert code == 1
    results = document["scenarios"]
    assert isinstance(results, list)
    mine = next(result for result in results if result["scenario"] == "claim")
    assert mine["status"] == "does not hold"
    table = said[said.rindex("\nscenario ") :].splitlines()
    assert table[1].split() == ["scenario", good[:8], bad[:8], "as", "expected"]
    low, high = (line for line in table if line.startswith("claim:") and line[6] in "lh")
    assert low.split()[:2] == ["claim:low", "passed"]
    assert low.endswith("NO")
    assert " failed " in high
    assert f"claim: claim {bad[:12]} fails: 9, not 10" in table


@pytest.mark.parametrize(("console", "word", "code"), [(GOOD, "absent", 0), (PANICS, "SHOWS", 1)])
def test_a_regression_on_an_unknown_commit_is_absent_or_shows(
    history: History, regress: Regress, scenarios: Path, console: dict[str, str], word: str, code: int
) -> None:
    for folder in scenarios.iterdir():
        text = (folder / "scenario.yaml").read_text()
        crash = 'expect: {crash: {title: "kernel panic: *"}}'
        lines = [line for line in text.splitlines() if not line.startswith(("claim:", "expect:"))]
        (folder / "scenario.yaml").write_text("\n".join([*lines, crash, ""]))
    git, _ = history(console)
    status, _, said = run(regress, git, scenarios, "--all", "--commit", "HEAD")
    table = said[said.rindex("\nscenario ") :].splitlines()
    assert next(line for line in table if line.startswith("claim")).endswith(word)
    assert status == code


def test_what_cannot_be_tried_is_left_out_with_its_reason(history: History, regress: Regress, scenarios: Path) -> None:
    git, _ = history(GOOD)
    code, _, said = run(regress, git, scenarios, "--all")
    assert code == 2
    assert "claim is skipped: the scenario knows no commits of" in said
    assert "no scenario can run" in said


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["run"], "name one scenario or use --all"),
        (["run", "claim", "--all"], "name one scenario or use --all"),
        (["run", "--all", "--good", "x"], "--good and --bad do not go with --all"),
    ],
)
def test_one_scenario_or_all(regress: Regress, args: list[str], message: str) -> None:
    done = regress(*args)
    assert done.returncode == 2
    assert message in done.stderr


class Refusing:
    """A builder for which no commit will do."""

    def build(self, commit: Commit, folder: Path) -> Kernel:
        raise KernelError(f"the scenario requires Linux >=4.12, {commit.subject} is 4.9")


def test_a_kernel_that_the_scenario_cannot_run_on_is_skipped_with_the_reason(tmp_path: Path) -> None:
    scenario = Scenario("x", "x", tmp_path, claim="x")
    runner = Runner(scenario, Refusing(), ScriptedMachine([]), lambda _: GuestImage(tmp_path, ()), "x86_64", Silent())
    told: list[Trial] = []
    answer = runner.answer(Subject("claim", Commit("0" * 40, "1" * 40, "old")), tmp_path / "out", 1, told.append)
    assert answer.trials[0].outcome is Outcome.SKIPPED
    assert answer.judgement == Judgement(Verdict.SKIP, "skipped: the scenario requires Linux >=4.12, old is 4.9", 0.0)
    assert told == list(answer.trials)


def test_each_way_is_booted_with_its_words_and_a_fresh_disk(tmp_path: Path) -> None:
    ways = (Variant("a", PiDisk(dif=3)), Variant("b", None, ("quiet",)))
    scenario = Scenario("x", "x", tmp_path, claim="x", variants=ways, image=3)

    def play(boot: Boot) -> list[Chunk]:
        assert boot.disk is not None
        assert (boot.disk.stat().st_size, boot.disk.read_bytes().count(0)) == (3 << 20, 3 << 20)
        boot.disk.write_bytes(b"used")
        return [Chunk(status=b"regress: up 1.0\nregress: passed 2.0 1 of 1\n")]

    machine = ScriptedMachine(play)
    runner = Runner(scenario, FakeBuilder(), machine, lambda _: GuestImage(tmp_path, ("base",)), "x86_64", Silent())
    answer = runner.answer(Subject("claim", Commit("0" * 40, "1" * 40, "s")), tmp_path / "out", 2, lambda _: None)
    assert [trial.variant for trial in answer.trials] == ["a", "a", "b", "b"]
    assert answer.judgement.verdict is Verdict.GOOD
    assert [boot.append[-1] for boot in machine.boots] == ["VARIANT=a", "VARIANT=a", "VARIANT=b", "VARIANT=b"]
    assert {"base", "scsi_debug.dif=3"} <= set(machine.boots[0].append)
    assert machine.boots[2].append == ("base", "quiet", "VARIANT=b")
    assert len({boot.disk for boot in machine.boots}) == 4


def test_repro_boots_each_variant_with_its_disk(tmp_path: Path) -> None:
    ways = (Variant("a", PiDisk(dif=3)), Variant("b", None, ("quiet",)))
    repro.write(tmp_path, Scenario("x", "x", tmp_path, variants=ways, image=3), "x86_64")
    fake = tmp_path / "bin" / "qemu-system-x86_64"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\necho said >status.txt\n')
    fake.chmod(0o755)

    def words(*args: str, **env: str) -> str:
        path = f"{fake.parent}{os.pathsep}{os.environ['PATH']}"
        argv = [str(tmp_path / "repro.sh"), *args]
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, env={**os.environ, "PATH": path, **env}
        )
        return done.stdout + done.stderr

    assert "scsi_debug.dif=3" in words()
    assert "quiet VARIANT=b\n" in words("b")
    assert "quiet VARIANT=b BOOT=2\n" in words("b", BOOT="2")
    assert "drive=image" in words("a")
    assert (tmp_path / "disk.img").stat().st_size == 3 << 20
    assert "no variant c" in words("c")
