"""`regress reproduce`: which scenario shows the crash of a draft."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT
from tests.support.bisect import Repo, repo
from tests.test_run import CRASH, GOOD

__all__ = ["repo"]

TOY = "id: {id}\ntitle: {title}\nbuild: {{command: 'true'}}\nmachine: {{command: sh {id}.sh}}\n"


@pytest.fixture
def scenarios(tmp_path: Path) -> Path:
    """A draft and three scenarios of which one crashes as it says, one otherwise, and one not."""
    top = tmp_path / "scenarios"
    texts = {
        "draft": TOY.format(id="draft", title="a crash when the toy reads a stack")
        + "expect: {crash: {title: '*in toy_read'}}\n",
        "quiet": TOY.format(id="quiet", title="nothing") + "claim: it is quiet\n",
        "other": TOY.format(id="other", title="a write") + "expect: {crash: {title: '*in toy_write'}}\n",
        "reads": TOY.format(id="reads", title="reads of a stack") + "variants: {one: {}, two: {}}\n",
    }
    for name, text in texts.items():
        (top / name).mkdir(parents=True)
        (top / name / "scenario.yaml").write_text(text)
    return top


def reproduce(tree: Path, scenarios: Path, *more: str) -> tuple[int, dict[str, Any], str]:
    argv = [str(ROOT / "regress"), "reproduce", "draft", "--scenarios", str(scenarios), "--tree", str(tree), *more]
    done = subprocess.run(
        [*argv, "--json", "--results", str(tree.parent / "results")], capture_output=True, text=True, check=False
    )
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def test_the_one_that_crashes_as_expected_is_found(repo: Repo, scenarios: Path) -> None:
    read, write = (CRASH.format(function=f"toy_{what}") for what in ("read", "write"))
    repo.commit(
        {"quiet.sh": GOOD, "other.sh": write, "reads.sh": f"case $REGRESS_APPEND in *two*) {read}\n;; esac\n{GOOD}"}
    )
    status, told, err = reproduce(repo.path, scenarios, "--commit", "HEAD")
    assert (status, told["found"]) == (0, ["reads"]), err
    by_name = {one["scenario"]: one for one in told["tried"]}
    assert by_name["reads"]["variants"] == ["two"]
    assert not by_name["other"]["shows"]
    assert "not the expected crash" in by_name["other"]["reason"]
    assert not by_name["quiet"]["shows"]
    # The draft has its name.
    assert told["tried"][0]["scenario"] == "reads"
    assert (Path(by_name["reads"]["folder"]) / "result.json").exists()


def test_none_that_shows_is_said(repo: Repo, scenarios: Path) -> None:
    repo.commit({f"{name}.sh": GOOD for name in ("quiet", "other", "reads")})
    status, told, _ = reproduce(repo.path, scenarios, "--commit", "HEAD")
    assert (status, told["found"]) == (1, [])
    assert len(told["tried"]) == 3


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        ("expect: {crash: {any: true}}\n", ("--commit", "HEAD"), "draft expects no certain crash"),
        ("expect: {failure: true}\n", ("--commit", "HEAD"), "draft expects no certain crash"),
        ("expect: {crash: {title: '*in toy_read'}}\n", (), "draft knows no bad commit of"),
        ("expect: {crash: {title: '*in toy_read'}}\n", ("--commit", "gone"), "gone"),
    ],
)
def test_what_is_missing_is_said(repo: Repo, scenarios: Path, text: str, more: tuple[str, ...], said: str) -> None:
    repo.commit({"quiet.sh": GOOD})
    (scenarios / "draft/scenario.yaml").write_text(TOY.format(id="draft", title="a crash") + text)
    status, _, err = reproduce(repo.path, scenarios, *more)
    assert status == 2
    assert said in err
