"""Patches as people send them, as commits on top of another commit, in the program's own repository."""

from __future__ import annotations

import hashlib
import posixpath
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import UserError
from harness.git import Commit, Conflict, Git
from harness.thread.diff import FileDiff
from harness.thread.message import printable
from harness.thread.patch import BROKEN, NAMELESS, Patch, patches
from harness.thread.read import read
from harness.thread.repair import Old, Unclear, repair
from harness.workspace import Workspace

_NUMBER = re.compile(
    r"\[[^\]]*?(?:\bv(?P<version>\d+)\b)?[^\]]*?\b(?P<number>\d+)/(?P<count>\d+)[^\]]*\]", re.IGNORECASE
)
_FAILED = re.compile(r"patch failed: (?P<path>.*):(?P<line>\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Change:
    """The change in one file: a patch, or a series of patches, applied in order.

    Attributes:
        file: SHA-256 of the file.
    """

    name: str
    patches: tuple[Patch, ...]
    file: str = ""

    @property
    def patchset(self) -> str | None:
        """What KCIDB knows it by: a hash of the hashes of the patches' files; None for several in one file."""
        return hashlib.sha256(f"{self.file}\n".encode()).hexdigest() if len(self.patches) == 1 and self.file else None

    @property
    def subject(self) -> str:
        """Its subject; for a series, that of the first patch."""
        first = self.patches[0].title
        return f"{first} (and {len(self.patches) - 1} more)" if len(self.patches) > 1 else first


@dataclass(frozen=True)
class Rejected:
    """A patch that does not apply.

    Attributes:
        patch: the patch of the change that failed.
        reason: git's reason.
        hunk: the hunk that failed, if any.
    """

    patch: Patch
    reason: str
    hunk: str | None


def read_change(path: Path) -> Change:
    """The patches in a file: a mail, a series in an mbox, a plain diff.

    Raises:
        UserError: it cannot be read, has no patch, or has more than one series.
    """
    try:
        text = path.read_bytes()
        thread = read(text)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    found = [patch for message in thread.messages for patch in patches(message)]
    if not found:
        raise UserError(f"{path}: no patch in it")
    named = [replace(patch, subject=path.name) if patch.subject == NAMELESS else patch for patch in found]
    return Change(path.name, tuple(_in_order(path, named)), hashlib.sha256(text).hexdigest())


def _in_order(path: Path, found: Sequence[Patch]) -> list[Patch]:
    """The patches of a series by their numbers, whatever the order in which they arrived."""
    numbered = [(_NUMBER.search(patch.subject), patch) for patch in found]
    if len(found) == 1 or not any(number for number, _ in numbered):
        return list(found)
    series = {(number["version"], number["count"]) if number else None for number, _ in numbered}
    numbers = [int(number["number"]) for number, _ in numbered if number]
    if len(series) > 1 or len(set(numbers)) < len(numbers):
        hint = "`regress import` makes a file of each"
        raise UserError(f"{path}: more than one series in it; {hint}")
    return [patch for _, patch in sorted(numbered, key=lambda one: int(one[0]["number"]) if one[0] else 0)]


def apply(git: Workspace, base: Commit, change: Change) -> Commit | Rejected:
    """Apply a change on top of a commit.  Applied twice, it gives the same commit.

    git's own rules apply: nothing outside of the tree or in `.git` can be touched, and a three-way merge
    copes with changed context.  No file is touched, only objects are written.

    Args:
        git: the program's own repository.
    """
    now = base
    for patch in change.patches:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "patch"
            file.write_bytes(patch.diff.text().encode("utf-8", "surrogateescape"))
            tree = git.patched_tree(now.sha, file)
            if isinstance(tree, Conflict):
                return _rejected(git, now, patch, file, str(tree))
        if link := _link_out(git, now.sha, tree):
            return Rejected(patch, f"it creates a symbolic link that leads out of the tree: {printable(link)}", None)
        message = f"{printable(patch.title)}\n\n{patch.message}\n".encode("utf-8", "replace").decode()
        now = git.make_commit(tree, [now.sha], message.replace("\0", ""))
    return now


def _link_out(git: Git, old: str, new: str) -> str | None:
    """A symbolic link in the diff of two trees that leads out of the tree, or nowhere."""
    for line in git.run("diff-tree", "-r", "-z", "--no-renames", old, new).stdout.split("\0:"):
        facts, _, path = line.lstrip(":").rstrip("\0").partition("\0")
        mode, blob = facts.split()[1:4:2] if facts else ("", "")
        if mode == "120000":
            target = git.run("cat-file", "blob", blob).stdout
            place = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
            if not target or place.startswith(("/", "..")) or "\0" in target or ".git" in place.split("/"):
                return f"{path} -> {target or 'nothing'}"
    return None


def check(git: Git, commit: str, diff: bytes, blobs: Mapping[str, str] | None = None) -> str | None:
    """Check whether a diff applies to a commit as is, without a merge: None, or git's reason why not.

    Args:
        blobs: files that replace those of the commit, by path.
    """
    with tempfile.TemporaryDirectory() as folder:
        env = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        git.run("read-tree", commit, env=env)
        for path, blob in (blobs or {}).items():
            git.run("update-index", "--add", "--cacheinfo", f"100644,{git.text('rev-parse', blob)},{path}", env=env)
        done = git.run("apply", "--cached", "--check", "--whitespace=nowarn", "-", env=env, input=diff, check=False)
    return None if done.returncode == 0 else done.stderr


def repaired(git: Git, patch: Patch, revisions: Sequence[str]) -> Patch:
    """Repair the white space of a damaged patch from its files, and note what was done, or why not.

    The files are those that the diff names by hash, if available, or else those of the first revision that
    fits.  The result is used only if it passes `git apply --check`.

    Args:
        revisions: the revisions to look at, in order.
    """
    whys: list[str] = []
    for revision in revisions:
        commit = git.commit(revision)
        try:
            done = repair(patch.diff, lambda file, at=commit.sha: _old(git, file, at))  # type: ignore[misc]
        except Unclear as unclear:
            whys.append(f"{revision}: {unclear}")
            continue
        known = {one.path: one.blob for one in patch.diff.files if one.path and one.blob and _has_blob(git, one.blob)}
        said = check(git, commit.sha, done.diff.text().encode("utf-8", "surrogateescape"), known)
        if said is not None:
            whys.append(f"{revision}: the repaired patch does not apply: {printable(said)}")
            continue
        exact = len(known) == len(patch.diff.files)
        files = "the exact files that it was made for" if exact else f"{revision} ({commit.sha[:12]})"
        notes = [f"repaired with {files}; it passes git apply --check"]
        if done.laid_out:
            notes.append(f"the white space of {done.laid_out} added lines is unknown: they were reindented")
        if done.placed:
            notes.append(f"in {done.placed} places an empty line may belong on the other side of the addition")
        return patch.noted(*notes, diff=done.diff)
    return patch.noted(f"not repaired, left as is: {'; '.join(whys) or 'no revision to repair it with'}")


def _has_blob(git: Git, blob: str) -> bool:
    return git.run("cat-file", "-e", f"{blob}^{{blob}}", check=False).returncode == 0


def _old(git: Git, file: FileDiff, revision: str) -> Old | None:
    """The file that part of a diff is for."""
    exact = file.blob is not None and _has_blob(git, file.blob)
    done = git.run("show", file.blob if exact and file.blob else f"{revision}:{file.path}", check=False)
    return Old(done.stdout.split("\n")[:-1], exact) if done.returncode == 0 else None


def _rejected(git: Git, commit: Commit, patch: Patch, file: Path, merged: str) -> Rejected:
    """Why a patch does not apply: the hunk that failed according to git."""
    said = check(git, commit.sha, file.read_bytes()) or merged
    lines = [line.removeprefix("error: ") for line in said.splitlines() if line.startswith("error: ")]
    reason = printable("; ".join(lines) or merged)
    if not patch.diff.whole:
        reason = f"{BROKEN} (`regress import --tree` may repair them): {reason}"
    for failed in _FAILED.finditer(said):
        for hunk in (hunk for one in patch.diff.files if one.path == failed["path"] for hunk in one.hunks):
            if hunk.old[0] == int(failed["line"]):
                return Rejected(patch, reason, "\n".join((hunk.head, *hunk.lines)))
    return Rejected(patch, reason, None)
