"""`regress nightly` as an operator calls it: known regressions, the command that is told, servers, mistakes."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness import catalog
from harness.cli import nightly
from harness.cli.nightly import Conducted
from harness.cli.progress import Talk
from harness.errors import Unavailable, UserError
from harness.files import locked
from harness.git import Git
from harness.nightly import config, demo
from harness.nightly import day as day_
from harness.nightly.config import Config
from tests.support import ROOT

USB = "null-deref:hub_event"


@dataclass
class Lab:
    """A repository of made-up days, and one scenario of them."""

    top: Path

    days: int = 4

    def __post_init__(self) -> None:
        self.tree = Git(self.top / "next.git")
        self.results = self.top / "results"
        demo.scenarios(self.top)
        demo.repository(self.tree.path, self.days)

    def night(self, day: int, *scenarios: str, tree: str | None = None, **more: Any) -> Conducted:
        demo.publish(self.tree, day)
        demo.tonight(self.top, day)
        chosen = Config(tree or str(self.tree.path), scenarios or ("usb-plug",), **more)
        cells = config.cells(chosen, catalog.scenarios([self.top / "scenarios"]))
        now = datetime.datetime.combine(demo.date(day), datetime.time(1), datetime.UTC)
        return nightly.conduct(chosen, cells, self.results, Talk(), now)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Lab(tmp_path)


def test_a_known_regression_is_not_reported(lab: Lab) -> None:
    known = lab.top / "known.yaml"
    known.write_text(f"- {{signature: '{USB}', link: https://example.org/1, until: {demo.date(3)}}}\n")
    heard = lab.top / "heard.json"
    for day in (1, 2, 3):
        told = lab.night(day, known=known, notify=f"cat > {heard}")
        assert told.status == 0
        assert not told.document["night"]["new"]
    [cell] = told.document["night"]["cells"]
    assert (cell["state"], cell["known"]) == ("new", True)
    assert not heard.exists()


def test_one_that_is_not_known_any_more_is_reported(lab: Lab) -> None:
    known = lab.top / "known.yaml"
    known.write_text(f"- {{signature: '{USB}', until: {demo.date(3)}}}\n")
    for day in (1, 2, 3, 4):
        told = lab.night(day, known=known)
    [cell] = told.document["night"]["cells"]
    [one] = told.document["night"]["new"]
    assert (cell["state"], told.status) == ("still", 1)
    assert (one["since"], one["last_good"]) == (demo.tag(3), demo.tag(2))
    assert one["bisection"]["subject"] == "usb: free the urb at once"


def test_a_regression_of_mainline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The day's own base has it: the search goes on between the bases of the two days."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(demo, "MAINLINE", {(3, 1): demo.MAINLINE[16, 1]})
    lab = Lab(tmp_path)
    for day in (1, 2, 3):
        told = lab.night(day, "timer-tick")
    [one] = told.document["night"]["new"]
    found = one["bisection"]
    assert (found["subject"], found["tree"], found["in_mainline"]) == ("timers: round down", "mainline", True)
    assert found["checks"]["revert_on_bad"] == "good"
    assert len(found["runs"]) == 2


def test_suspects_that_are_wrong_name_no_wrong_commit(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the culprit is not among the commits that were suspected, its descendant's parent is bad: on it goes."""
    monkeypatch.setattr(day_, "suspects", lambda _found, new: (new.sha,))
    for day in (1, 2, 3):
        told = lab.night(day)
    [one] = told.document["night"]["new"]
    assert one["bisection"]["subject"] == "usb: free the urb at once"
    assert any("searching on outside of the suspects" in note for note in one["bisection"]["notes"])


def test_the_command_is_told_what_is_new(lab: Lab) -> None:
    heard = lab.top / "heard.json"
    for day in (1, 2):
        assert lab.night(day, notify=f"cat > {heard}").status == 0
    assert not heard.exists()
    assert lab.night(3, notify=f"cat > {heard}").status == 1
    told = json.loads(heard.read_text())
    [new] = told["new"]
    assert (new["signature"], new["since"], told["tag"]) == (USB, demo.tag(3), demo.tag(3))
    assert new["bisection"]["subject"] == "usb: free the urb at once"


def test_a_command_that_fails_is_told(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    for day in (1, 2, 3):
        told = lab.night(day, notify="echo no mail >&2; exit 1")
    assert told.status == 1
    assert "no mail" in capsys.readouterr().err


def test_a_known_one_that_goes_away_is_reported(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    known = lab.top / "known.yaml"
    known.write_text(f"- {{signature: '{USB}', link: https://example.org/1}}\n")
    shutil.rmtree(lab.tree.path)
    flaws = [one for one in demo.FLAWS if one.tree != "usb"]
    begins, ends = (one for one in demo.FLAWS if one.tree == "usb")
    gone = type(ends)(ends.tree, 4, ends.subject, ends.files)
    monkeypatch.setattr(demo, "FLAWS", (*flaws, begins, gone))
    demo.repository(lab.tree.path, 4)
    nights = [lab.night(day, known=known).document["night"] for day in (1, 2, 3, 4)]
    assert not nights[3]["fixed"]
    [one] = nights[3]["gone"]
    assert (one["signature"], one["since"], one["link"]) == (USB, demo.tag(3), "https://example.org/1")


def test_a_server_that_goes_away(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """What was fetched before is gone on with, and the exit status says that something is wrong."""
    url = f"file://{lab.tree.path}"
    assert lab.night(1, tree=url).document["night"]["tag"] == demo.tag(1)
    assert lab.night(2, tree=url).document["night"]["tag"] == demo.tag(2)
    away = lab.tree.path.rename(lab.top / "away.git")
    lab.tree = Git(away)
    told = lab.night(3, tree=url)
    assert told.status == 3
    assert told.document["night"]["tag"] is None
    assert "does not answer" in capsys.readouterr().err
    with pytest.raises(Unavailable):
        lab.night(3, tree=f"file://{lab.top}/never.git")


def test_a_tag_that_comes_late_is_tried_on_the_same_day(lab: Lab) -> None:
    lab.night(1)
    demo.publish(lab.tree, 1)
    chosen = Config(str(lab.tree.path), ("usb-plug",))
    cells = config.cells(chosen, catalog.scenarios([lab.top / "scenarios"]))
    now = datetime.datetime.combine(demo.date(2), datetime.time(1), datetime.UTC)
    early = nightly.conduct(chosen, cells, lab.results, Talk(), now)
    assert early.document["night"]["tag"] is None
    assert lab.night(2).document["night"]["tag"] == demo.tag(2)


def test_a_clock_that_went_back_is_told(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.night(2)
    demo.publish(lab.tree, 3)
    assert lab.night(1).document["night"]["tag"] == demo.tag(3)
    assert "is it right?" in capsys.readouterr().err


def test_a_tree_without_days(lab: Lab) -> None:
    lab.tree.run("update-ref", "refs/heads/master", f"refs/days/{demo.tag(1)}")
    chosen = Config(str(lab.tree.path), ("usb-plug",))
    cells = config.cells(chosen, catalog.scenarios([lab.top / "scenarios"]))
    with pytest.raises(UserError, match="has no tag next-YYYYMMDD"):
        nightly.conduct(chosen, cells, lab.results, Talk(), datetime.datetime.now(datetime.UTC))


def test_two_at_once_are_refused(lab: Lab) -> None:
    with locked(lab.results / "nightly.lock", Talk()), pytest.raises(UserError, match="is held by process"):
        lab.night(1)


@pytest.mark.parametrize(
    ("until", "budget", "seconds"),
    [
        ((6, 0), None, 5 * 3600),
        ((0, 30), None, 23.5 * 3600),
        ((6, 0), 60.0, 60),
        (None, 7200.0, 7200),
        (None, None, None),
    ],
)
def test_how_long_a_night_is(until: tuple[int, int] | None, budget: float | None, seconds: float | None) -> None:
    now = datetime.datetime(2026, 5, 4, 1, 0, tzinfo=datetime.UTC)
    assert nightly._seconds(Config("t", until=until, budget=budget), now) == seconds


def call(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "XDG_CACHE_HOME": str(cwd / "cache"), "XDG_CONFIG_HOME": str(cwd / "config")}
    argv = [str(ROOT / "regress"), "nightly", *args]
    return subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def test_from_the_shell(lab: Lab) -> None:
    demo.publish(lab.tree, 1)
    (lab.top / "nightly.yaml").write_text("tree: ./next.git\ntags: [demo]\n")
    args = ("--scenarios", str(lab.top / "scenarios"), "--results", str(lab.results))
    done = call(*args, "--json", cwd=lab.top)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["status"], told["night"]["tag"], told["well"]) == ("nothing new", demo.tag(1), True)
    again = call(*args, cwd=lab.top)
    assert again.returncode == 0
    assert "Nothing new." in again.stdout
    assert "tonight's work is done" in again.stderr


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "nightly.yaml: no such file"),
        (("--config", "bad.yaml"), "bad.yaml:1: unknown key 'tre'; did you mean 'tree'?"),
        (("--until", "noon"), "expected a time of day such as 06:00, got 'noon'"),
        (("--budget", "4"), "expected a time such as 45min or 4h, got '4'"),
    ],
)
def test_wrong_input(tmp_path: Path, args: tuple[str, ...], said: str) -> None:
    (tmp_path / "bad.yaml").write_text("tre: x\n")
    done = call(*args, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr


def test_cells_that_share_a_build_command_share_the_build(lab: Lab) -> None:
    """A laboratory's own build may take an hour: once a commit is enough, whatever is tried on it."""
    count = lab.top / "builds"
    for name in ("usb-plug", "net-rx", "swap"):
        file = lab.top / "scenarios" / name / "scenario.yaml"
        build = lab.top / "build.sh"
        build.write_text(f"echo $REGRESS_COMMIT >> {count}\nexec sh build.sh\n")
        file.write_text(file.read_text().replace("command: sh build.sh", f"command: sh {build}"))
    lab.night(1, "usb-plug", "net-rx", "swap")
    assert len(count.read_text().split()) == 1
    told = lab.night(2, "usb-plug", "net-rx", "swap")
    assert len(count.read_text().split()) == 2
    logs = list(Path(told.document["folder"]).glob("*/build.log"))
    assert len(logs) == 3
