"""A commit as a report on it tells it: what it says, and whom to notify."""

from __future__ import annotations

import contextlib
import re
import tempfile
from pathlib import Path
from typing import Any

from harness.errors import InfrastructureError, UserError
from harness.git import Git
from harness.kernel.build import kernel_version
from harness.kernel.tree import Tree
from harness.process import run

SCRIPT = "scripts/get_maintainer.pl"


def described(tree: Tree, sha: str, end: str) -> dict[str, Any]:
    """What a report on a commit needs to know of it, as JSON data.

    Args:
        end: the commit at which the report is made.

    Returns:
        `author`, `date` (as git prints it), `message`, `parents`, `people` (see `maintainers`), and `version` (the
        kernel's at `end`, None where that is no kernel).
    """
    git = tree.workspace
    author, date, message = git.text("log", "-1", "--format=%an <%ae>%x00%ad%x00%B", sha, "--").split("\0", 2)
    version = None
    with contextlib.suppress(UserError):
        version = kernel_version(git.run("show", f"{end}:Makefile", check=False).stdout)
    return {
        "author": author,
        "date": date,
        "message": message,
        "parents": list(git.parents(sha)),
        "people": list(maintainers(tree, sha)),
        "version": version,
    }


def maintainers(tree: Tree, sha: str) -> tuple[str, ...]:
    """Addresses for a report on a commit: its author and those it was signed and reviewed by first.

    If the tree has no `scripts/get_maintainer.pl`, or it fails, only the people named in the commit.
    """
    git = tree.workspace
    author, _, message = git.text("log", "-1", "--format=%an <%ae>%x00%B", sha, "--").partition("\0")
    signed = re.findall(
        r"^(?:Signed-off|Reviewed|Acked|Tested|Reported|Suggested)-by: *(.*<.*>)", message, re.MULTILINE
    )
    return tuple(dict.fromkeys((author, *signed, *_from_script(tree, git, sha))))


def _from_script(tree: Tree, git: Git, sha: str) -> list[str]:
    if not (tree.worktree / SCRIPT).exists():
        return []
    with tempfile.TemporaryDirectory() as folder:
        patch = Path(folder) / "culprit.patch"
        patch.write_text(git.run("format-patch", "-1", "--stdout", sha, "--").stdout, encoding="utf-8")
        argv = ["perl", SCRIPT, "--nogit", "--nogit-fallback", "--norolestats", str(patch)]
        try:
            found = run(argv, cwd=tree.worktree, timeout=60).stdout
        except InfrastructureError:
            return []
    return [line.strip() for line in found.splitlines() if "@" in line]
