"""The replay's tree, and what its commits are, which the program never reads."""

from __future__ import annotations

import yaml

from harness.git import Git
from harness.kernel import replay
from harness.kernel.tree import Tree
from harness.paths import SCENARIOS, cache
from harness.progress import Silent

REPLAY = SCENARIOS / "lr-35498d" / "replay"
TRUTH = yaml.safe_load((REPLAY / "truth.yaml").read_text(encoding="utf-8"))
"""What each commit is, by the number of its patch."""


def tree() -> Tree:
    """The replay's tree, in the user's cache."""
    series = replay.read_series(REPLAY)
    return replay.lay(series, replay.find_source(series.kernel, cache(), Silent()), cache(), Silent())


def subject(number: int) -> str:
    """The subject line of a patch of the replay."""
    [path] = REPLAY.glob(f"{number:04}-*.patch")
    header = path.read_text(encoding="utf-8").partition("\n\n")[0]
    line = header.partition("\nSubject: ")[2].replace("\n ", " ").splitlines()[0]
    return line.partition("] ")[2]


def truth(key: str) -> str:
    """The subject of the commit that is to be found: `culprit` or `fix`."""
    return subject(TRUTH[key])


def commit(key: str) -> str:
    """The hash of that commit."""
    log = Git(tree().worktree).text("log", "--format=%s%x09%H", "replay-bad", "replay-fixed")
    return dict(line.split("\t") for line in log.splitlines())[truth(key)]
