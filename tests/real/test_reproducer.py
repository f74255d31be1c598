"""A reproducer in C, on the replay's good and bad commits, with real parts."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT


@pytest.mark.real
def test_a_c_file_shows_the_regression(tmp_path: Path) -> None:
    """Its kernels are those of lr-35498d."""
    argv = ("run", "c-reproducer", "--scenarios", str(Path(__file__).parent), "--tree", "replay")
    commits = ("--commit", "replay-good", "--commit", "replay-bad")
    done = subprocess.run(
        [str(ROOT / "regress"), *argv, *commits, "--json", "--results", str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    result = json.loads(done.stdout)
    good, bad = result["commits"]
    assert (good["verdict"], bad["verdict"]) == ("good", "bad"), result["reason"]
    assert "repro ran 3 times, 1 at a time, without a crash; 3 ended by themselves" in good["trials"][0]["reason"]
    assert "exit status 0" in good["trials"][0]["reason"]
    assert bad["trials"][0]["crash"]["workqueue"] == "bio_integrity_verify_fn"
