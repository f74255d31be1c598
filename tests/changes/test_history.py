"""`regress history`, and `regress diff` of nights: over made-up nights, a run and a bisection beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.git import Git
from harness.nightly import demo
from tests.changes.test_diff import call
from tests.nightly.test_command import USB, Lab
from tests.support import Called

SCENARIOS = ("usb-plug", "fs-sync", "rtc-alarm")


@dataclass
class Nights:
    """Nine nights of three scenarios: one breaks on day 3, one is flaky from day 5, one is broken on days 6 and 7."""

    top: Path
    folders: dict[int, Path]

    def history(self, what: str, *args: str) -> Called:
        scenarios = ("--scenarios", str(self.top / "scenarios"))
        return call("history", what, "--results", self.top / "results", *scenarios, *args)

    def failure(self, what: str) -> dict[str, Any]:
        [one] = self.history(what, "--json")["failures"]
        return dict[str, Any](one)


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nights]:
    top = tmp_path_factory.mktemp("nights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(top / "cache"))
        patch.setenv("XDG_CONFIG_HOME", str(top / "config"))
        lab = Lab(top, 9)
        folders = {day: Path(lab.night(day, *SCENARIOS).document["folder"]) for day in range(1, 10)}
        yield Nights(top, folders)


def test_since_when_and_by_which_commit(nights: Nights) -> None:
    one = nights.failure("usb-plug")
    seen = one["nights"]
    assert (one["failure"], seen["since"]["tag"], seen["passed_before"]["tag"]) == (USB, demo.tag(3), demo.tag(2))
    assert (seen["last"]["tag"], seen["passed_since"]) == (demo.tag(9), 0)
    assert (one["flaky"]["commits"], one["cells"]) == (0, ["usb-plug x86_64"])
    [culprit] = one["culprits"]
    assert (culprit["subject"], culprit["tree"]) == ("usb: free the urb at once", "usb")
    text = nights.history("usb-plug").out
    assert f"since      {one['nights']['since']['utc'][:10]}, {demo.tag(3)}" in text
    assert '("usb: free the urb at once"), tree usb' in text


def test_what_is_flaky_and_how_often(nights: Nights) -> None:
    one = nights.failure("fs-sync")
    flaky = one["flaky"]
    assert flaky["commits"] >= 1
    assert 0 < flaky["failed"] < flaky["trials"]
    assert one["nights"]["since"]["tag"] == demo.tag(5)
    assert "failed and passed, in" in nights.history("fs-sync").out


def test_what_went_away(nights: Nights) -> None:
    one = nights.failure("rtc-alarm")["nights"]
    assert (one["since"]["tag"], one["last"]["tag"]) == (demo.tag(6), demo.tag(7))
    assert one["passed_since"] > 1


def test_of_a_signature(nights: Nights) -> None:
    """The same as of its scenario, by its name, a glob or the crash's title; and no other failure."""
    by_name = nights.history(USB, "--json").json
    assert by_name["kind"] == "failure"
    assert by_name["failures"] == nights.history("usb-plug", "--json")["failures"]
    assert by_name["outcomes"] == {"crashed": by_name["trials"]}
    assert nights.history("null-deref:hub_*", "--json")["failures"] == by_name["failures"]
    title = by_name["failures"][0]["title"]
    assert nights.history(title, "--json")["failures"] == by_name["failures"]


def test_a_run_counts_and_what_it_reverts_does_not(nights: Nights) -> None:
    before = nights.failure("usb-plug")
    reverted = [one for one in before["commits"] if one["passed"]]
    assert not reverted  # a commit that was reverted or merged for a test is nobody else's
    tree = nights.top / "next.git"
    sha = Git(tree).text("rev-parse", demo.tag(9))
    scenarios = ("--scenarios", nights.top / "scenarios", "--results", nights.top / "results")
    env = {"XDG_CACHE_HOME": str(nights.top / "cache")}
    assert call("run", "usb-plug", "--tree", tree, "--commit", sha, *scenarios, "--json", env=env).status == 1
    after = nights.failure("usb-plug")
    assert (after["times"], after["nights"]) == (before["times"] + 1, before["nights"])


def test_never_tried_and_unknown(nights: Nights) -> None:
    told = nights.history("swap")
    assert (told.status, told.out.strip().partition(":")[2].split()[0]) == (1, "no")
    told = nights.history("usb-plgu")
    assert told.status == 2
    assert "did you mean 'usb-plug'?" in told.err


def test_the_difference_of_two_nights(nights: Nights) -> None:
    told = call("diff", nights.folders[2], nights.folders[3], "--json")
    rows = {row["row"]: row for row in told["rows"]}
    assert told.status == 1
    assert [name for name, row in rows.items() if row["change"] == "different"] == ["usb-plug x86_64"]
    new = rows["usb-plug x86_64"]["new"]
    assert (new["verdict"], list(new["failures"])) == ("new", [USB])
    assert {"what": "tag", "old": demo.tag(2), "new": demo.tag(3)} in told["circumstances"]
    assert all(row["kernel"] for row in rows.values())
    # The state is another word for the same failure: that is no difference.
    again = call("diff", nights.folders[3], nights.folders[4])
    assert again.status == 0, again.out
    assert "other kernels in 3 of 3 rows" in again.out
