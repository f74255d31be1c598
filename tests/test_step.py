"""`regress step` under a real `git bisect run`, with command builders and machines in place of kernels."""

import os
import subprocess
from pathlib import Path

import pytest

from harness.git import Git
from tests.conftest import ROOT
from tests.test_run import BAD, ELSEWHERE, GOOD, History, commits, scenarios

__all__ = ["scenarios"]
LOST = "echo the console, and no word\n"


def step(git: Git, scenarios: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "regress"), "step", "toy", "--scenarios", str(scenarios), "--results", f"{scenarios}/../r", *args],
        cwd=git.path,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("console", "build", "status"),
    [
        (GOOD, "true\n", 0),
        (BAD, "true\n", 1),
        (ELSEWHERE, "true\n", 125),
        (LOST, "true\n", 125),
        ("echo regress: failed\n", "true\n", 125),
        (GOOD, "false\n", 125),
        ("exit 0\n", "true\n", 125),
        ("exit 1\n", "true\n", 128),
    ],
)
def test_only_the_expected_crash_is_bad_and_only_the_guests_word_is_good(
    history: History, scenarios: Path, console: str, build: str, status: int
) -> None:
    git, _ = history(*commits(console, build=build))
    assert step(git, scenarios).returncode == status


@pytest.mark.parametrize(
    "args",
    [("--help",), ("--no-such",), ("--runs", "0"), ("--scenarios", "/nowhere"), ("--results", "/proc/no")],
)
def test_no_mistake_passes_for_a_verdict(history: History, scenarios: Path, args: tuple[str, ...]) -> None:
    git, _ = history(*commits(BAD))
    assert step(git, scenarios, *args).returncode >= 128


def test_no_failure_passes_for_a_verdict(history: History, scenarios: Path, tmp_path: Path) -> None:
    git, _ = history(*commits(BAD))
    assert step(Git(tmp_path), scenarios).returncode >= 128
    assert step(git, scenarios, XDG_CACHE_HOME="/proc/no").returncode >= 128
    (scenarios / "toy" / "scenario.yaml").write_text("id: [")
    assert step(git, scenarios).returncode >= 128


@pytest.mark.parametrize("how", [(), ("--no-checkout",)])
def test_git_bisect_run_finds_the_culprit(history: History, scenarios: Path, how: tuple[str, ...]) -> None:
    """Through a commit that does not build, one that crashes elsewhere, and one that is lost."""
    consoles = [GOOD] * 5 + [ELSEWHERE] + [BAD] * 8
    states = commits(*consoles)
    states[7]["build.sh"], states[8]["build.sh"] = "false\n", "true\n"
    states[10]["console.sh"] = LOST
    for number, state in enumerate(states):
        state["number"] = str(number)
    git, shas = history(*states)
    culprit = next(sha for sha, state in zip(shas, states, strict=True) if state["console.sh"] == BAD)
    git.run("bisect", "start", *how, shas[-1], shas[0])
    argv = ("step", "toy", "--scenarios", str(scenarios), "--results", f"{scenarios}/../r")
    done = git.run("bisect", "run", str(ROOT / "regress"), *argv, check=False)
    # The commit before the culprit crashes elsewhere, so git can name two candidates and no one.
    assert done.returncode == 2
    assert "There are only 'skip'ped commits left to test." in done.stdout
    assert {shas[5], culprit} <= set(done.stdout.split())


@pytest.mark.parametrize("how", [(), ("--no-checkout",)])
def test_git_bisect_run_names_one(history: History, scenarios: Path, how: tuple[str, ...]) -> None:
    states = commits(*[GOOD] * 4, ELSEWHERE, *[GOOD] * 2, *[BAD] * 9)
    for number, state in enumerate(states):
        state["number"] = str(number)
    git, shas = history(*states)
    git.run("bisect", "start", *how, shas[-1], shas[0])
    argv = ("step", "toy", "--scenarios", str(scenarios), "--results", f"{scenarios}/../r")
    done = git.run("bisect", "run", str(ROOT / "regress"), *argv)
    assert f"{shas[7]} is the first bad commit" in done.stdout
    assert len(list((scenarios.parent / "r").glob("*-toy*"))) >= 3


def test_a_machine_that_fails_stops_the_bisection(history: History, scenarios: Path) -> None:
    text = (scenarios / "toy" / "scenario.yaml").read_text().replace("sh console.sh", "/no/such/program")
    (scenarios / "toy" / "scenario.yaml").write_text(text)
    git, shas = history(*commits(GOOD, GOOD, BAD))
    git.run("bisect", "start", shas[-1], shas[0])
    argv = ("step", "toy", "--scenarios", str(scenarios), "--results", f"{scenarios}/../r")
    done = git.run("bisect", "run", str(ROOT / "regress"), *argv, check=False)
    assert done.returncode >= 128 or "128" in done.stdout + done.stderr
    assert "first bad commit" not in done.stdout
