"""A day of linux-next, asked of git: which tag, from which mainline, merged out of which trees, and what was not there
on an earlier day.

linux-next is made anew each day: every day's commits hang on a mainline commit of that day, and a tree that was rebased
has other hashes for the same changes.  `Next/SHA1s` (name and head of each tree) and `Next/Trees` (name, kind, URL) are
files of each day's tree.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.git import Git

TAG = re.compile(r"next-\d{8}")
MAINLINE = ("stable", "origin")
"""What `Next/SHA1s` calls mainline: the commit that the day starts from, and Linus' head of that day."""


@dataclass(frozen=True)
class Day:
    """One day's linux-next.

    Attributes:
        tag, sha: its name, and its commit.
        base: the mainline commit that it starts from; None where that cannot be told.
        heads: the head of each tree that was merged.
        urls: where each tree is.
    """

    tag: str
    sha: str
    base: str | None = None
    heads: Mapping[str, str] = field(default_factory=dict)
    urls: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Changes:
    """What a day has that an earlier one had not.

    Attributes:
        trees: those whose head is another, or that were not there, in the order of the day.
        gone: trees that were there, and are not.
        commits: those that no commit of the earlier day is the same change as; merges are not among them.
        lost: changes of the earlier day that this one lacks.
        kept: how many commits have other hashes, but are the same changes under the same subject.
        merges: the merges of the day, the oldest first.
    """

    trees: tuple[str, ...]
    gone: tuple[str, ...]
    commits: tuple[str, ...]
    lost: tuple[str, ...]
    kept: int
    merges: tuple[str, ...]


def tags(git: Git) -> list[tuple[str, str]]:
    """The tags `next-YYYYMMDD` with their commits, the newest last."""
    out = git.text("for-each-ref", "--format=%(refname:strip=2) %(objectname) %(*objectname)", "refs/tags/next-*")
    found = [(name, shas[-1]) for name, *shas in map(str.split, out.splitlines()) if TAG.fullmatch(name)]
    return sorted(found)


def day(git: Git, tag: str, sha: str) -> Day:
    """What a day is made of.

    Args:
        git: where its commits are.
        tag, sha: its name, and its commit.
    """
    heads = {name: columns[0] for name, *columns in _table(git, sha, "SHA1s") if columns}
    urls = {name: columns[-1] for name, *columns in _table(git, sha, "Trees") if columns}
    return Day(tag, sha, _base(git, sha, heads), heads, urls)


def _table(git: Git, sha: str, name: str) -> list[list[str]]:
    done = git.run("show", f"{sha}:Next/{name}", check=False)
    return [columns for line in done.stdout.splitlines() if (columns := line.split())] if done.returncode == 0 else []


def _base(git: Git, sha: str, heads: Mapping[str, str]) -> str | None:
    """The newest mainline commit that is known to be in a day."""
    told = [head for name in MAINLINE if (head := heads.get(name)) and git.has(head) and git.is_ancestor(head, sha)]
    for name in ("refs/remotes/heads/stable", "refs/remotes/remotes/origin/stable", "refs/heads/stable"):
        if not told and git.has(name):
            told = git.merge_bases(name, sha)[:1]
    return next((one for one in told if all(git.is_ancestor(other, one) for other in told)), None)


def changes(git: Git, old: Day, new: Day) -> Changes:
    """What a day has that an earlier one had not; nothing is built for it.

    A commit counts as the same change where patch-id and subject are the same: one that was changed is a suspect.
    """
    trees = tuple(name for name, head in new.heads.items() if old.heads.get(name) != head and name not in MAINLINE)
    gone = tuple(name for name in old.heads if name not in new.heads)
    below = [f"^{base}" for base in {old.base, new.base} if base]
    told: dict[str, list[tuple[str, str]]] = {"<": [], "=": [], ">": []}
    for mark, sha, subject in _marked(git, "--cherry-mark", "--no-merges", f"{old.sha}...{new.sha}", *below):
        told[mark].append((sha, subject))
    there = {sha for _, sha, _ in _marked(git, "--no-merges", new.sha, f"^{old.sha}", *below)} if told["="] else set()
    before = {subject for sha, subject in told["="] if sha not in there}
    kept = [sha for sha, subject in told["="] if sha in there and subject in before]
    commits = [sha for sha, _ in told[">"]] + [sha for sha, _ in told["="] if sha in there and sha not in set(kept)]
    bottom = [f"^{new.base}"] if new.base else [f"^{old.sha}"]
    merges = git.text("rev-list", "--first-parent", "--reverse", new.sha, *bottom, "--").splitlines()
    return Changes(trees, gone, tuple(commits), tuple(sha for sha, _ in told["<"]), len(kept), tuple(merges))


def _marked(git: Git, *args: str) -> list[tuple[str, str, str]]:
    out = git.text("log", "--no-color", "--format=%m%x00%H%x00%s", *args, "--")
    lines = (line.split("\0") for line in out.splitlines())
    return [(mark, sha, subject) for mark, sha, subject in lines]


def suspects(found: Changes, new: Day) -> tuple[str, ...]:
    """The commits of a day that may have brought what the earlier day was without.

    Those are its new changes, and the merges of the day: two trees may do together what neither does alone.
    """
    return tuple(dict.fromkeys((*found.commits, *found.merges, new.sha)))


def tree_of(git: Git, at: Day, sha: str) -> str | None:
    """The tree whose merge brought a commit into a day; `mainline` where it is older than the day's merges.

    Returns:
        None where the day has no such commit, or does not say.
    """
    if not git.has(sha) or not git.is_ancestor(sha, at.sha):
        return None
    if at.base and git.is_ancestor(sha, at.base):
        return "mainline"
    bottom = [f"^{at.base}"] if at.base else []
    merges = git.text("rev-list", "--first-parent", "--reverse", at.sha, *bottom, "--").splitlines()
    names = {head: name for name, head in at.heads.items()}
    # What a merge has, all later ones have too.
    first = bisect.bisect_left(merges, True, key=lambda merge: git.is_ancestor(sha, merge))
    return next((names[side] for side in git.parents(merges[first])[1:] if side in names), None)


def describe(found: Changes, old: Day, most: int = 8) -> str:
    """What changed, on one line for people."""

    def listed(names: Sequence[str]) -> str:
        return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")

    parts = [f"{len(found.commits)} changes are not in {old.tag}"]
    parts += [f"out of the trees {listed(found.trees)}"] if found.trees else []
    parts += [f"the trees {listed(found.gone)} are gone"] if found.gone else []
    parts += [f"{len(found.lost)} changes of {old.tag} are missing"] if found.lost else []
    return "; ".join(parts)
