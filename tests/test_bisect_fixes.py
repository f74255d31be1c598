"""`--find-fix` over the topology of a kernel: branches that forked before the regression are quiet, and not fixed."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.bisect import BisectStatus
from tests.support.toy import Toy, descendants, lay


def playing(history: dict[str, str], bug: str, fix: str, rate: float = 1.0) -> Callable[[str, int], str]:
    """What has the bug and not the fix crashes."""
    broken = descendants(history, bug) - descendants(history, fix)
    chance = random.Random(1)
    return lambda name, boot: "bad" if name in broken and chance.random() < rate else "good"


# Two branches from before the regression are merged after it; one of them is longer than all the rest.
MAIN = {"a": "", "b": "a", "bug": "b", "e": "bug", "f": "e"}
OLD = {"o1": "a", **{f"o{n}": f"o{n - 1}" for n in range(2, 12)}}
SIDE = {"p1": "b", "p2": "p1", "p3": "p2"}
REST = {"m1": "f o11", "g": "m1", "fix": "g", "h": "fix", "m2": "h p3", "i": "m2", "j": "i"}
KERNEL = {**MAIN, **OLD, **SIDE, **REST}


@pytest.mark.parametrize("runs", [1, 3, None])
@pytest.mark.parametrize("fix", ["e", "f", "g", "fix", "h", "i"])
def test_the_fix_is_found_beside_branches_from_before_the_regression(
    tmp_path: Path, runs: int | None, fix: str
) -> None:
    git, names = lay(tmp_path / "tree", KERNEL)
    rate = 1.0 if runs else 0.6
    known = Toy(tmp_path, git, names, playing(KERNEL, "bug", fix, rate))
    result = known.bisect("bug", "j", find_fix=True, runs=runs)
    assert known.culprit(result) == fix, result.reason
    assert result.checks["parent_broken"] is True
    before = known.boots.total()
    assert known.culprit(known.bisect("bug", "j", find_fix=True, runs=runs)) == fix
    assert known.boots.total() == before


@pytest.mark.parametrize("runs", [1, None])
def test_a_fix_on_a_branch_of_its_own(tmp_path: Path, runs: int | None) -> None:
    history = {**MAIN, **OLD, "q1": "e", "fix": "q1", "q3": "fix", "m1": "f o11", "m2": "m1 q3", "tip": "m2"}
    git, names = lay(tmp_path / "tree", history)
    known = Toy(tmp_path, git, names, playing(history, "bug", "fix"))
    assert known.culprit(known.bisect("bug", "tip", find_fix=True, runs=runs)) == "fix"


def test_a_branch_that_never_had_it_can_bring_the_fix(tmp_path: Path) -> None:
    """What the merge brings in from before the regression ends it: the merge is named, and where it is from."""
    git, names = lay(tmp_path / "tree", KERNEL)
    known = Toy(tmp_path, git, names, playing(KERNEL, "bug", "m1"))
    result = known.bisect("bug", "j", find_fix=True)
    assert known.culprit(result) == "m1"
    assert any("forked before the regression" in note for note in result.notes)


def test_a_branch_whose_merge_base_cannot_be_tried_says_nothing(tmp_path: Path) -> None:
    git, names = lay(tmp_path / "tree", KERNEL)
    known = Toy(tmp_path, git, names, playing(KERNEL, "bug", "fix"), broken=["a", "b"])
    result = known.bisect("bug", "j", find_fix=True)
    assert known.culprit(result) in ("fix", None)
    if result.status is not BisectStatus.CULPRIT:
        assert names["fix"] in result.candidates


@pytest.mark.parametrize("seed", range(8))
def test_never_another_fix_than_the_one(tmp_path: Path, seed: int) -> None:
    """Random histories: branches from everywhere, merged anywhere."""
    chance = random.Random(seed)
    history, tips = {"n0": ""}, ["n0"]
    for number in range(1, 40):
        name, at = f"n{number}", chance.randrange(len(tips))
        if len(tips) > 1 and chance.random() < 0.25:
            other = tips.pop(chance.choice([one for one in range(len(tips)) if one != at]))
            at = min(at, len(tips) - 1)
            history[name] = " ".join(dict.fromkeys((tips[at], other)))
            tips[at] = name
        elif chance.random() < 0.25:
            history[name] = chance.choice(list(history))
            tips.append(name)
        else:
            history[name] = tips[at]
            tips[at] = name
    history["tip"] = " ".join(tips)
    reach = {name: {other for other in history if name in descendants(history, other)} for name in history}
    pairs = [(bug, fix) for bug in history for fix in history if bug in reach[fix] - {fix} and fix != "tip"]
    bug, fix = chance.choice(pairs)
    git, names = lay(tmp_path / "tree", history)
    known = Toy(tmp_path, git, names, playing(history, bug, fix))
    result = known.bisect(bug, "tip", find_fix=True)
    assert known.culprit(result) == fix, (bug, fix, result.reason)
