"""A night over the real replay with real kernels: what is new is confirmed, bisected through merges, and reverted.

The two days of linux-next hold nothing but the sources of `replay-good` and `replay-bad`, so that every kernel is one
that the other tests here build too: a night is boots, and no build.
"""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from harness import catalog
from harness.cli import nightly
from harness.cli.nightly import Conducted
from harness.cli.progress import Talk
from harness.git import Git
from harness.nightly import config
from harness.nightly.config import Config
from tests.support import IDENTITY
from tests.support.replayed import tree

CULPRIT = "block: complete every protected read from the workqueue"


class Days:
    """linux-next, made anew each day: mainline, and two trees that are merged; the second day's block has the bug."""

    def __init__(self, path: Path) -> None:
        self.git = Git(path)
        path.mkdir()
        self.git.run("clone", "--quiet", "--shared", "--bare", str(tree().worktree), ".")
        self.good, self.bad = (self.git.commit(f"replay-{end}").tree for end in ("good", "bad"))

    def _commit(self, tree: str, subject: str, *parents: str) -> str:
        env = {**IDENTITY, **{f"GIT_{who}_DATE": "2026-05-04T09:00:00Z" for who in ("AUTHOR", "COMMITTER")}}
        above = [word for parent in parents for word in ("-p", parent)]
        return self.git.run("commit-tree", *above, "-m", subject, tree, env=env).stdout.strip()

    def publish(self, day: int) -> str:
        """The tag of a day, with the branch `stable` on the mainline commit that it starts from."""
        base = self._commit(self.good, "Linux 6.1")
        for number in range(1, day + 1):
            base = self._commit(self.good, f"mainline of day {number}", base)
        docs = self._commit(self.good, "docs: say more", base)
        block = self._commit(self.good, "block: tidy up", base)
        after = self.good
        if day == 2:
            after = self.bad
            block = self._commit(after, CULPRIT, block)
        first = self._commit(after, "Merge branch 'for-next' of git://git.example.org/block.git", base, block)
        head = self._commit(after, "Merge branch 'for-next' of git://git.example.org/docs.git", first, docs)
        tag = f"next-202605{day:02}"
        for name, sha in ((f"refs/tags/{tag}", head), ("refs/heads/replay", head), ("refs/heads/stable", base)):
            self.git.run("update-ref", name, sha)
        return tag


@pytest.mark.real
def test_a_night_on_the_replay(tmp_path: Path, surroundings: Path) -> None:
    days = Days(tmp_path / "next.git")

    def night(day: int) -> Conducted:
        days.publish(day)
        chosen = Config(str(days.git.path), ("lr-35498d",))
        now = datetime.datetime(2026, 5, day, 1, tzinfo=datetime.UTC)
        cells = config.cells(chosen, catalog.scenarios())
        return nightly.conduct(chosen, cells, tmp_path / "results", Talk(), now)

    first = night(1)
    assert (first.status, first.document["night"]["cells"][0]["state"]) == (0, "passes")
    told = night(2)
    assert told.status == 1
    [cell], [one] = told.document["night"]["cells"], told.document["night"]["new"]
    assert (cell["state"], cell["last_good"], one["since"]) == ("new", "next-20260501", "next-20260502")
    assert "bio_integrity" in one["signature"]
    found = one["bisection"]
    assert (found["status"], found["subject"]) == ("culprit", CULPRIT), found["reason"]
    assert found["checks"]["revert_on_bad"] == "good"
    assert night(2).document["folder"] == told.document["folder"]
