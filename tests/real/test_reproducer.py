"""Reproducers in C, with real parts: run, bisected and tried with patches; the kernels are those of lr-35498d."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.real.test_reproduce import revision
from tests.support import ROOT
from tests.support.replayed import truth

FIXES = sorted((ROOT / "scenarios/lr-35498d/fixes").glob("*.patch"))


def told(results: Path, command: str, name: str, *argv: str) -> dict[str, Any]:
    """What a command says of a scenario beside this file, on the replay."""
    words = (command, name, "--scenarios", str(Path(__file__).parent), "--tree", "replay", *argv)
    done = subprocess.run(
        [str(ROOT / "regress"), *words, "--json", "--results", str(results)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return dict[str, Any](json.loads(done.stdout))


@pytest.mark.real
def test_a_c_file_shows_the_regression_and_names_its_culprit(tmp_path: Path) -> None:
    result = told(tmp_path, "run", "c-reproducer")
    good, bad, fixed = result["commits"]
    assert (good["verdict"], bad["verdict"], fixed["verdict"]) == ("good", "bad", "good"), result["reason"]
    assert "repro ran 3 times, 1 at a time, without a crash; 3 ended by themselves" in good["trials"][0]["reason"]
    assert "exit status 0" in good["trials"][0]["reason"]
    assert bad["trials"][0]["crash"]["workqueue"] == "bio_integrity_verify_fn"
    result = told(tmp_path, "bisect", "c-reproducer")
    assert (result["status"], result["subject"]) == ("culprit", truth("culprit")), result["reason"]


@pytest.mark.real
def test_each_of_the_three_fixes_ends_what_a_c_file_shows(tmp_path: Path) -> None:
    result = told(tmp_path, "try", "c-reproducer", *map(str, FIXES))
    assert [cell["answer"]["verdict"] for cell in result["cells"]] == ["bad", "good", "good", "good"], result["reason"]


RACE = (revision(21), revision(25))


@pytest.mark.real
def test_a_race_that_is_won_one_time_in_five_shows(tmp_path: Path) -> None:
    """It is run eight times a boot, and five boots of six show it: six that do not are one time in 20,000."""
    commits = [word for one in RACE for word in ("--commit", one)]
    result = told(tmp_path, "run", "racy-reproducer", *commits, "--runs", "6")
    good, bad = result["commits"]
    assert (good["verdict"], bad["verdict"]) == ("good", "bad"), result["reason"]
    assert len(good["trials"]) == 6


@pytest.mark.real
@pytest.mark.chance
def test_a_race_is_bisected(tmp_path: Path) -> None:
    """Some boots of a bad commit pass, and the search takes as many as it needs; it is right 19 times in 20."""
    ends = ("--good", RACE[0], "--bad", RACE[1])
    result = told(tmp_path, "bisect", "racy-reproducer", *ends, "--runs", "auto", "--confidence", "0.95")
    assert (result["status"], result["subject"]) == ("culprit", truth("culprit")), result["reason"]
