"""Bisection with real kernels, on the replay: through what does not build, panics at boot or crashes elsewhere.

That the culprit is found is in test_tutorial.py.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.git import Git
from tests.support import ROOT
from tests.support.replayed import tree, truth


def bisect(results: Path, *args: str) -> dict[str, Any]:
    done = subprocess.run(
        [str(ROOT / "regress"), "bisect", "lr#35498d", "--tree", "replay", "--json", "--results", str(results), *args],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    result = dict[str, Any](json.loads(done.stdout))
    assert done.returncode == 0, result["reason"]
    return result


@pytest.mark.real
def test_git_bisect_run_with_step_finds_it_too(tmp_path: Path) -> None:
    """In a clone of the replay's tree, as a user has one: git halves, `regress step` answers."""
    clone = Git(tmp_path / "linux")
    clone.path.mkdir()
    clone.run("clone", "--quiet", "--shared", "--no-checkout", str(tree().worktree), ".")
    good, bad = (clone.text("rev-parse", f"replay-{end}") for end in ("good", "bad"))
    clone.run("bisect", "start", "--no-checkout", bad, good)
    argv = ("step", "lr#35498d", "--results", str(tmp_path / "results"))
    said = clone.run("bisect", "run", str(ROOT / "regress"), *argv).stdout
    first = said.partition(" is the first bad commit")[0].split()[-1]
    assert clone.commit(first).subject == truth("culprit")


@pytest.mark.real
def test_the_fix_is_found_on_the_replay(tmp_path: Path) -> None:
    result = bisect(tmp_path, "--find-fix")
    assert (result["status"], result["subject"], result["sought"]) == ("culprit", truth("fix"), "fix")
    assert result["checks"]["parent_broken"]
