"""Three made-up weeks, night by night: each state, each culprit, and no false alarm."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from harness import document, record
from harness.cli import nightly
from harness.nightly import demo
from harness.reports import night as report
from tests.nightly.conftest import Weeks
from tests.support import ROOT


def plain(told: dict[str, Any]) -> Any:
    """A document as JSON has it: its tuples are lists."""
    return json.loads(json.dumps(told))


def expected(scenario: str) -> dict[int, str]:
    """What a scenario is each day, by the flaws that were written into the trees."""
    begins = {"net-rx": 9, "net-tx": 9, "usb-plug": 3, "swap": 7, "crypto-self": 4, "rtc-alarm": 6, "timer-tick": 16}
    ends = {"usb-plug": 15, "rtc-alarm": 8}
    found = {}
    for day in range(1, demo.DAYS + 1):
        begin, end = begins.get(scenario, 99), ends.get(scenario, 99)
        state = "passes" if day < begin or day > end else "still"
        state = "new" if day == begin else "fixed" if day == end else state
        found[day] = state
    special: dict[str, dict[int, str]] = {
        "rtc-alarm": {17: "new", **dict.fromkeys(range(18, demo.DAYS + 1), "still")},
        "crypto-self": {13: "changed"},
        "fs-sync": dict.fromkeys(range(5, demo.DAYS + 1), "flaky"),
        "old-board": dict.fromkeys(range(1, demo.DAYS + 1), "never worked"),
    }
    found |= special.get(scenario, {})
    found |= {demo.NO_BUILD: "not run", demo.CUT_SHORT: "not run"}
    del found[demo.NO_TAG]
    return found


@pytest.mark.parametrize("scenario", demo.SCENARIOS)
def test_every_state(weeks: Weeks, scenario: str) -> None:
    seen, right = weeks.states(scenario), expected(scenario)
    bad = seen.pop(demo.BAD_MACHINE)
    assert bad in {"infrastructure", right.pop(demo.BAD_MACHINE)}
    assert seen == right


def test_what_is_new_and_nothing_else(weeks: Weeks) -> None:
    """A regression on several scenarios is one."""
    new = {
        (day, one["signature"].partition(":")[2].partition("<")[0]) for day in weeks.nights for one in _new(weeks, day)
    }
    assert new == {
        *((3, "hub_event"), (4, "aes_encrypt"), (6, "rtc_ring"), (7, "swap_in"), (9, "ring_refill")),
        *((13, "gcm_setkey"), (16, "timer_round"), (17, "rtc_ring")),
    }
    [net] = _new(weeks, 9)
    assert sorted(net["cells"]) == ["net-rx x86_64", "net-tx x86_64"]
    assert net["last_good"] == demo.tag(8)


def _new(weeks: Weeks, day: int) -> list[dict[str, Any]]:
    return list(weeks.night(day)["new"])


@pytest.mark.parametrize("scenario", demo.CULPRITS)
def test_every_culprit(weeks: Weeks, scenario: str) -> None:
    subject, tree, day = demo.CULPRITS[scenario]
    [one] = _new(weeks, day)
    found = one["bisection"]
    assert (found["status"], found["subject"], found["tree"]) == ("culprit", subject, tree), found["reason"]
    assert found["in_mainline"] is (tree == "mainline")
    assert found["checks"]["revert_on_bad"] == "good"


def test_two_trees_together(weeks: Weeks) -> None:
    [one] = _new(weeks, 7)
    found = one["bisection"]
    assert found["status"] == "culprit", found["reason"]
    assert found["subject"] == "Merge branch 'for-next' of git://git.example.org/mm.git"
    assert sorted(found["tree"].split(" and ")) == ["block", "mm"]
    assert "block: reorder writes" in found["merge"]["reason"]
    assert "mm: trust the order of writes" in found["merge"]["reason"]


def test_what_is_hidden_by_another_failure_is_told_as_a_range(weeks: Weeks) -> None:
    [one] = _new(weeks, 13)
    assert one["bisection"] is None
    assert "aes_encrypt" in one["before"]
    assert "changes are not in" in one["notes"][0]


def test_what_came_back_says_so(weeks: Weeks) -> None:
    [cell] = [one for one in weeks.night(17)["cells"] if one["scenario"] == "rtc-alarm"]
    assert cell["reason"] == f"it has come back: it was there from {demo.tag(6)} to {demo.tag(7)}"


def test_nights_that_could_not_be(weeks: Weeks) -> None:
    assert all("build failed" in one["reason"] for one in weeks.night(demo.NO_BUILD)["cells"])
    assert weeks.night(demo.NO_TAG)["tag"] is None
    assert weeks.nights[demo.NO_TAG].document["reason"].startswith("no new tag")
    assert len(weeks.night(demo.CUT_SHORT)["carried"]) == len(demo.SCENARIOS)
    [lab] = [one for one in weeks.night(demo.BAD_MACHINE)["cells"] if one["scenario"] == "lab-board"]
    assert (lab["state"], lab["reason"]) == ("infrastructure", "the machine is broken: no power")


def test_exit_statuses(weeks: Weeks) -> None:
    news = {3, 4, 6, 7, 9, 13, 16, 17}
    assert {day: one.status for day, one in weeks.nights.items()} == {
        day: 1 if day in news else 3 if day == demo.BAD_MACHINE else 0 for day in range(1, demo.DAYS + 1)
    }


def test_stored_nights_tell_the_same_again(weeks: Weeks) -> None:
    for one in weeks.nights.values():
        folder = Path(one.document["folder"])
        again = document.of(record.find(folder).events, folder)
        assert plain(again) == plain(one.document)
        assert report.render(again) == report.render(one.document)
        assert json.loads((folder / "result.json").read_text()) == plain(one.document)


def test_a_page_of_text(weeks: Weeks) -> None:
    text = report.render(weeks.nights[9].document)
    assert text.splitlines()[2].startswith("NEW  null-deref:ring_refill")
    assert "net: refill the ring early" in text
    assert "tree: net" in text


def test_no_commit_is_tried_that_was_there_in_the_last_good_night(weeks: Weeks) -> None:
    """Of some forty changes that were rebased, none is tried: the last good night had them all."""
    [one] = _new(weeks, 6)
    [name] = one["bisection"]["runs"]
    told = json.loads((weeks.top / "results" / name / "result.json").read_text())
    tried = [step["subject"] for step in told["steps"] if step["role"] == "commit"]
    assert len(tried) < 12
    assert "usb: free the urb at once" not in tried


DRIVER = """
import sys
from pathlib import Path
from harness.cli import nightly
top, day = Path(sys.argv[1]), int(sys.argv[2])
[told] = nightly.play(top, top / "results", range(day, day + 1))
print(told.status)
"""


@pytest.mark.parametrize("seed", range(-(-int(os.environ.get("REGRESS_KILLS", "6")) // 6)))
def test_killed_at_any_moment(tmp_path: Path, seed: int) -> None:
    """The nights are killed again and again; what comes out is the same, and nothing is done twice."""
    chance, statuses = random.Random(seed), {}
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}
    # The making of the repository is no part of the night.
    demo.scenarios(tmp_path)
    demo.repository(tmp_path / "next.git", 4)
    for day in range(1, 5):
        kills = 3 if day >= 3 else 0
        while day not in statuses:
            argv = [sys.executable, "-c", DRIVER, str(tmp_path), str(day)]
            process = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True)
            if kills:
                kills -= 1
                time.sleep(chance.uniform(0.5, 2.5))
                os.killpg(process.pid, signal.SIGKILL)
            out, _ = process.communicate()
            if process.returncode == 0:
                statuses[day] = out.strip()
    assert statuses == {1: "0", 2: "0", 3: "1", 4: "1"}
    with sqlite3.connect(tmp_path / "results" / "index.sqlite") as journal:
        [nights] = journal.execute("SELECT count(*) FROM runs WHERE kind = 'nightly'").fetchone()
        trials = dict(
            journal.execute(
                "SELECT role, count(*) FROM trials JOIN runs ON run = runs.folder WHERE kind = 'nightly' GROUP BY role"
            ).fetchall()
        )
        found = [
            json.loads(text)["subject"]
            for (text,) in journal.execute("SELECT data FROM events WHERE kind = 'bisected' ORDER BY id")
        ]
        [regressions] = journal.execute("SELECT count(*) FROM events WHERE kind = 'regression'").fetchone()
    assert nights == 4
    assert trials["net-rx x86_64"] == 4
    assert found == ["usb: free the urb at once", "crypto: unroll the loop"]
    assert regressions == 2


def test_a_night_that_is_done_is_only_told_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first, second = (next(nightly.play(tmp_path, tmp_path / "results", range(1, 2))) for _ in range(2))
    assert plain(second.document) == plain(first.document)
    assert len(list((tmp_path / "results").glob("*-nightly"))) == 1


def test_a_night_that_was_cut_short_goes_on_with_a_new_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(demo, "CUT_SHORT", 1)
    [cut] = nightly.play(tmp_path, tmp_path / "results", range(1, 2))
    assert len(cut.document["night"]["carried"]) == len(demo.SCENARIOS)
    monkeypatch.setattr(demo, "CUT_SHORT", 99)
    [whole] = nightly.play(tmp_path, tmp_path / "results", range(1, 2))
    assert whole.document["folder"] == cut.document["folder"]
    assert not whole.document["night"]["carried"]
