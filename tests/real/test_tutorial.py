"""The tutorial, word for word, with real kernels: a run, and a bisection of the replay that finds the culprit."""

import json
from pathlib import Path

import pytest

from tests.support.replayed import truth
from tests.test_docs import TUTORIAL, follow


@pytest.mark.real
def test_the_tutorial_word_for_word(tmp_path: Path) -> None:
    follow(TUTORIAL.read_text(), tmp_path)
    bisection = max((tmp_path / "results").glob("*-my-bug"))
    result = json.loads((bisection / "result.json").read_text())
    assert (result["status"], result["subject"]) == ("culprit", truth("culprit"))
    checks = result["checks"]
    assert all(checks[name] for name in ("good_end", "bad_end", "culprit_again", "parent_good"))
    assert checks["revert_on_culprit"] == "good"
    # Later commits of the replay build on the culprit: whether it reverts there is git's to say.
    assert checks["revert_on_bad"] in ("good", "conflict")
    report = (bisection / "report.txt").read_text()
    assert truth("culprit") in report
    assert report.partition("\n\n")[2].startswith("NOT TO BE SENT")
    assert "\nTo: " not in report
    assert "Workqueue: kintegrityd bio_integrity_verify_fn" in report
