"""Which commit is tonight, what it is made of, and what was not there before."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.git import Git
from harness.nightly import day, demo
from harness.nightly.day import Day


@pytest.fixture(scope="module")
def next_(tmp_path_factory: pytest.TempPathFactory) -> Git:
    git = demo.repository(tmp_path_factory.mktemp("next") / "next.git")
    for number in range(1, demo.DAYS + 1):
        demo.publish(git, number)
    return git


def of(git: Git, number: int) -> Day:
    sha = git.sha(demo.tag(number))
    assert sha
    return day.day(git, demo.tag(number), sha)


def test_the_tags(next_: Git) -> None:
    next_.run("update-ref", "refs/tags/next-fixed", "HEAD")
    tags = day.tags(next_)
    assert [tag for tag, _ in tags] == [demo.tag(n) for n in range(1, demo.DAYS + 1) if n != demo.NO_TAG]
    assert tags[-1][1] == next_.sha("master")


def test_a_day(next_: Git) -> None:
    at = of(next_, 9)
    assert set(demo.TREES) <= set(at.heads)
    assert at.base == at.heads["stable"]
    assert at.urls["net"] == "git://git.example.org/net.git#for-next"


def test_without_its_files_the_branch_stable_is_the_base(next_: Git, tmp_path: Path) -> None:
    git = Git(tmp_path / "plain.git")
    shutil.copytree(next_.path, git.path)
    at = of(git, demo.DAYS)
    assert at.base
    top = git.text("commit-tree", "-p", at.base, "-m", "no files", f"{at.base}^{{tree}}")
    assert day.day(git, "next-20260601", top).base == at.base
    git.run("update-ref", "-d", "refs/heads/stable")
    assert day.day(git, "next-20260601", top).base is None


def test_what_a_day_has_that_the_one_before_had_not(next_: Git) -> None:
    found = day.changes(next_, of(next_, 8), of(next_, 9))
    subjects = {next_.commit(sha).subject for sha in found.commits}
    assert "net: refill the ring early" in subjects
    # All trees were rebased, and what they had before is known again.
    assert "usb: free the urb at once" not in subjects
    assert found.kept > 30
    assert len(found.commits) < 10
    assert len(found.merges) == len(demo.TREES) + 1
    assert "net" in found.trees
    assert not found.gone


def test_a_change_that_was_altered_is_no_old_one(next_: Git, tmp_path: Path) -> None:
    git = Git(tmp_path / "plain.git")
    shutil.copytree(next_.path, git.path)
    base = of(git, 1).base
    assert base
    blobs = [git.run("hash-object", "-w", "--stdin", input=text).stdout.strip() for text in (b"one\n", b"two\n")]

    def made(blob: str, subject: str, parent: str) -> str:
        tree = git.run("mktree", input=f"100644 blob {blob}\tfile\n".encode()).stdout.strip()
        return git.text("commit-tree", "-p", parent, "-m", subject, tree)

    old, same, altered, renamed = (
        made(blobs[0], "a: change", base),
        made(blobs[0], "a: change", of(git, 2).base or ""),
        made(blobs[1], "a: change", base),
        made(blobs[0], "a: change, in other words", of(git, 2).base or ""),
    )
    before = Day("next-1", old, base)
    assert day.changes(git, before, Day("next-2", altered, base)).commits == (altered,)
    # The mainline commits below are not the day's own.
    assert day.changes(git, before, Day("next-2", renamed, of(git, 2).base)).commits == (renamed,)
    assert same != old


def test_which_tree_brought_a_commit(next_: Git) -> None:
    at = of(next_, 9)
    [culprit] = next_.with_subject("net: refill the ring early", at.sha)
    assert day.tree_of(next_, at, culprit) == "net"
    assert at.base
    assert day.tree_of(next_, at, at.base) == "mainline"
    assert day.tree_of(next_, at, at.sha) is None
    assert day.tree_of(next_, of(next_, 8), culprit) is None
    assert day.tree_of(next_, at, "0" * 40) is None
