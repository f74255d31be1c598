"""What a report says of mainline: its newest release that a repository knows, and whether it shows the regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.git import Git
from harness.releases.names import MAINLINE, key, series


def newest(git: Git, good: Sequence[str], bad: Sequence[str]) -> dict[str, Any] | None:
    """The newest release of mainline, release candidates included.

    Args:
        good, bad: commits that were tried, and do not and do show the regression.

    Returns:
        Its `tag`; the commit `at` which it was tried, that is one that has it in its history; and the `state` of
        that: `good`, `bad`, or None where none was tried.  None where no release is known.
    """
    tags = [tag for tag in git.text("tag", "--list", "v*").splitlines() if series(tag) == MAINLINE]
    if not tags:
        return None
    tag = max(tags, key=key)
    for state, shas in (("good", good), ("bad", bad)):
        for sha in shas:
            if git.is_ancestor(f"refs/tags/{tag}", sha):
                return {"tag": tag, "state": state, "at": sha}
    return {"tag": tag, "state": None, "at": None}
