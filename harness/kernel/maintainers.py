"""Whom to notify about a commit: the people that it names, and those that the kernel's own script finds."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from harness.errors import InfrastructureError
from harness.git import Git
from harness.kernel.tree import Tree
from harness.process import run

SCRIPT = "scripts/get_maintainer.pl"


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
