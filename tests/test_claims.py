"""`regress run` of claims and variants, and `run --all`, with command builders and machines in place of kernels."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from harness.git import Git

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


def test_what_cannot_be_tried_is_left_out_with_its_reason(history: History, regress: Regress, scenarios: Path) -> None:
    git, _ = history(GOOD)
    code, _, said = run(regress, git, scenarios, "--all")
    assert code == 2
    assert "claim is left out: the scenario knows no commits of" in said
    assert "no scenario can be tried" in said


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["run"], "name one scenario, or say --all"),
        (["run", "claim", "--all"], "name one scenario, or say --all"),
        (["run", "--all", "--good", "x"], "--good and --bad are one scenario's ends"),
    ],
)
def test_one_scenario_or_all(regress: Regress, args: list[str], message: str) -> None:
    done = regress(*args)
    assert done.returncode == 2
    assert message in done.stderr
