"""What counts as proof, and what is not given up for one boot gone wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.bisect import BisectStatus
from harness.bisect.interaction import MOST_BOOTS
from harness.bisect.verification import QUIET_RUNS
from harness.console import Expectation
from harness.git import Commit, Git
from harness.model import Kernel
from tests.support.toy import Images, Toy, descendants, lay

LINE = {"a": "", "b": "a", "c": "b", "d": "c", "e": "d", "f": "e", "g": "f", "h": "g"}


def crashing(history: dict[str, str], *names: str) -> Callable[[str, int], str]:
    """The commits that have one of these in their history crash."""
    bad = set().union(*(descendants(history, name) for name in names))
    return lambda name, boot: "bad" if name in bad else "good"


def toy(tmp_path: Path, history: dict[str, str], play: Callable[[str, int], str], **more: object) -> Toy:
    git, names = lay(tmp_path / "tree", history)
    return Toy(tmp_path, git, names, play, **more)  # type: ignore[arg-type]


# ---- history that ends


def shallow(tmp_path: Path, history: dict[str, str], tip: str, depth: int) -> tuple[Git, dict[str, str]]:
    git, names = lay(tmp_path / "upstream", history)
    git.run("clone", "--quiet", f"--depth={depth}", f"--branch={tip}", f"file://{git.path}", str(tmp_path / "tree"))
    here = Git(tmp_path / "tree")
    return here, {name: sha for name, sha in names.items() if here.has(sha)}


def test_a_commit_at_a_cut_is_not_blamed(tmp_path: Path) -> None:
    history = {"base": "", "topic": "base", "t2": "topic", "t3": "t2", "t4": "t3", "m1": "base", "m2": "m1"}
    history |= {"merge": "m2 t4", "tip": "merge"}
    git, names = shallow(tmp_path, history, "tip", 4)
    assert "topic" not in names
    known = Toy(tmp_path, git, names, crashing(history, "topic"))
    result = known.bisect("m2", "tip")
    assert (result.status, result.culprit) == (BisectStatus.INCONCLUSIVE, None)
    assert "history is cut at" in result.reason
    assert "git fetch --unshallow" in result.reason
    assert not {"again", "parent"} & {step.role for step in result.steps}


def test_a_cut_below_the_culprit_does_not_matter(tmp_path: Path) -> None:
    git, names = shallow(tmp_path, LINE, "h", 6)
    known = Toy(tmp_path, git, names, crashing(LINE, "f"))
    assert known.culprit(known.bisect("c", "h")) == "f"


def test_a_root_is_not_blamed(tmp_path: Path) -> None:
    history = {"a": "", "b": "a", "x": "", "y": "x", "merge": "b y", "tip": "merge"}
    known = toy(tmp_path, history, crashing(history, "x"))
    result = known.bisect("a", "tip")
    assert (result.status, result.culprit) == (BisectStatus.INCONCLUSIVE, None)
    assert "has no parent" in result.reason


def test_a_merge_of_unrelated_histories_is_blamed(tmp_path: Path) -> None:
    history = {"a": "", "b": "a", "x": "", "y": "x", "merge": "b y", "tip": "merge"}
    known = toy(tmp_path, history, crashing(history, "merge"))
    assert known.culprit(known.bisect("a", "tip")) == "merge"


# ---- a merge base that cannot be tested

FORK = {"a": "", "b": "a", "base": "b", "m1": "base", "m2": "m1", "m3": "m2", "m4": "m3", "s1": "base", "s2": "s1"}


def test_an_innocent_commit_after_an_untried_merge_base_is_not_blamed(tmp_path: Path) -> None:
    def play(name: str, boot: int) -> str:
        return "good" if name in ("a", "s2") else "bad"

    known = toy(tmp_path, FORK, play, broken=["base", "s1"])
    result = known.bisect("s2", "m4")
    assert (result.status, result.culprit) == (BisectStatus.INCONCLUSIVE, None)
    assert f"the merge base {known.names['base'][:12]} cannot be tested" in result.reason


def test_a_stretch_after_an_untried_merge_base_may_hide_an_older_culprit(tmp_path: Path) -> None:
    def play(name: str, boot: int) -> str:
        return "good" if name in ("a", "s2") else "bad"

    known = toy(tmp_path, FORK, play, broken=["base", "m1", "m2", "s1"])
    result = known.bisect("s2", "m4")
    assert (result.status, result.culprit) == (BisectStatus.INCONCLUSIVE, None)
    assert "it may also be older" in result.reason


def test_a_good_commit_after_the_merge_base_is_proof_enough(tmp_path: Path) -> None:
    known = toy(tmp_path, FORK, crashing(FORK, "m3"), broken=["base"])
    assert known.culprit(known.bisect("s2", "m4")) == "m3"


# ---- fresh trials of the very image


def test_the_parent_is_booted_although_its_image_was_quiet_once(tmp_path: Path) -> None:
    """The image of `p` and of the commits beside it was quiet once by chance."""
    history = {"g": "", "g2": "g", "p": "g2", "x1": "p", "x2": "x1", "x3": "x2", "x4": "x3"}
    history |= {"q1": "p", "q2": "q1", "q3": "q2", "q4": "q3", "m": "x4 q4", "b": "m"}
    plain = crashing(history, "p")

    def play(name: str, boot: int) -> str:
        return "good" if name[0] == "q" and boot == 0 else plain(name, boot)

    same = dict.fromkeys(("p", "q1", "q2", "q3", "q4"), "the same")
    known = toy(tmp_path, history, play, images=same)
    result = known.bisect("g", "b")
    assert known.culprit(result) in ("p", None)
    assert known.boots["p"] > 0


# ---- one boot gone wrong


@pytest.mark.parametrize("what", ["other", "lost"])
@pytest.mark.parametrize(("who", "when"), [("a", 0), ("h", 0), ("e", 1), ("d", 1), ("d", 3), ("e", 0), ("d", 0)])
@pytest.mark.parametrize("runs", [1, None])
def test_one_foreign_crash_anywhere_is_tried_once_more(
    tmp_path: Path, what: str, who: str, when: int, runs: int | None
) -> None:
    plain = crashing(LINE, "e")
    known = toy(tmp_path, LINE, lambda name, boot: what if (name, boot) == (who, when) else plain(name, boot))
    assert known.culprit(known.bisect("a", "h", runs=runs)) == "e"


def test_an_end_that_is_quiet_once_and_then_crashes_elsewhere(tmp_path: Path) -> None:
    plain = crashing(LINE, "h")
    known = toy(tmp_path, LINE, lambda name, boot: ("other" if boot else "good") if name == "h" else plain(name, boot))
    result = known.bisect("a", "h", runs=3)
    assert result.status is BisectStatus.INCONCLUSIVE
    assert f"the bad end {known.names['h'][:12]} cannot be tested" in result.reason
    assert known.boots["h"] < 8


@pytest.mark.parametrize("gone", [{1}, {1, 2}, {1, 2, 3, 4, 5, 6}])
@pytest.mark.parametrize("what", ["other", "lost"])
def test_auto_goes_on_where_the_bad_end_crashes_elsewhere_later(tmp_path: Path, gone: set[int], what: str) -> None:
    plain = crashing(LINE, "h")
    known = toy(tmp_path, LINE, lambda name, boot: what if name == "h" and boot in gone else plain(name, boot))
    assert known.culprit(known.bisect("a", "h", runs=None)) in ("h", *([None] if len(gone) > 2 else []))


def test_auto_tries_a_commit_again_that_was_lost_twice(tmp_path: Path) -> None:
    """What is known of `b` is not enough, and the trials of the culprit tell next to nothing."""

    def play(name: str, boot: int) -> str:
        if name == "b":
            return "lost" if 9 <= boot < 11 else "good"
        return "bad" if name == "c" and boot % 10 in (1, 5, 8) else "good"

    known = toy(tmp_path, {"a": "", "b": "a", "c": "b"}, play)
    assert known.culprit(known.bisect("a", "c", runs=None)) == "c"
    assert known.boots["c"] < 100


def test_auto_ends_where_a_commit_stays_lost(tmp_path: Path) -> None:
    def play(name: str, boot: int) -> str:
        if name == "b":
            return "lost" if boot >= 9 else "good"
        return "bad" if name == "c" and boot % 10 in (1, 5, 8) else "good"

    known = toy(tmp_path, {"a": "", "b": "a", "c": "b"}, play)
    result = known.bisect("a", "c", runs=None)
    assert result.status is BisectStatus.INCONCLUSIVE
    assert set(result.candidates) == {known.names["b"], known.names["c"]}
    assert sum(known.boots.values()) < 300


def test_what_crashes_at_its_first_boot_only_blames_nobody_by_one_run(tmp_path: Path) -> None:
    bad = descendants(LINE, "e")
    known = toy(tmp_path, LINE, lambda name, boot: "bad" if name in bad and not boot else "good")
    result = known.bisect("a", "h")
    assert result.status is BisectStatus.INCONCLUSIVE
    assert "--runs auto" in result.reason


# ---- resumed


def test_a_finished_bisection_costs_no_boots_when_it_is_resumed(tmp_path: Path) -> None:
    history = {
        "a": "",
        "b": "a",
        "one": "b",
        "c": "one",
        "x": "b",
        "two": "x",
        "y": "two",
        "merge": "c y",
        "tip": "merge",
    }
    bad = descendants(history, "merge")

    def play(name: str, boot: int) -> str:
        if name in known.names:
            return "bad" if name in bad and (runs is not None or boot % 3 != 2) else "good"
        files = known.git.text("ls-tree", "--name-only", name).split()
        return "bad" if {"one", "two"} <= set(files) else "good"

    for runs in (1, 3, None):
        top = tmp_path / str(runs)
        git, names = lay(top / "tree", history)
        known = Toy(top, git, names, play)
        first = known.bisect("a", "tip", runs=runs)
        assert known.culprit(first) == "merge"
        assert first.interaction is not None
        assert {known.name(sha) for sha in first.interaction.needs} == {"one", "two"}
        before = known.boots.total()
        again = known.bisect("a", "tip", runs=runs)
        assert known.boots.total() == before
        assert (again.culprit, again.interaction, again.checks) == (first.culprit, first.interaction, first.checks)


def test_the_search_for_which_changes_of_a_merge_is_bounded(tmp_path: Path) -> None:
    side = {f"s{n}": f"s{n - 1}" if n else "a" for n in range(12)}
    main = {f"m{n}": f"m{n - 1}" if n else "a" for n in range(12)}
    history = {"a": "", **side, **main, "merge": "m11 s11", "tip": "merge"}
    bad = descendants(history, "merge")

    def play(name: str, boot: int) -> str:
        if name in known.names:
            return "bad" if name in bad and boot % 10 in (1, 5, 8) else "good"
        files = known.git.text("ls-tree", "--name-only", name).split()
        return "bad" if {"s6", "m6"} <= set(files) and boot % 10 in (1, 5, 8) else "good"

    known = toy(tmp_path, history, play)
    result = known.bisect("a", "tip", runs=None)
    assert known.culprit(result) == "merge"
    merged = sum(count for name, count in known.boots.items() if name not in known.names)
    assert merged <= MOST_BOOTS + 60
    assert result.interaction is not None
    assert len(result.interaction.needs) == 2 or "boots" in result.interaction.reason


# ---- outside of the path


def test_a_culprit_between_two_commits_of_the_path_is_found(tmp_path: Path) -> None:
    known = toy(tmp_path, LINE, crashing(LINE, "e"))
    result = known.bisect("a", "h", paths=("c", "g"))
    assert known.culprit(result) == "e"
    assert any("outside of c g" in note for note in result.notes)
    before = known.boots.total()
    assert known.culprit(known.bisect("a", "h", paths=("c", "g"))) == "e"
    assert known.boots.total() == before
    log = (result.crash.folder.parent.parent if result.crash else tmp_path) / "bisect.log"
    assert " -- " not in log.read_text()


# ---- crashes that are no news


def test_a_crash_of_the_good_end_is_set_aside(tmp_path: Path) -> None:
    bad = descendants(LINE, "e")
    known = toy(tmp_path, LINE, lambda name, boot: "noisy bad" if name in bad else "noisy")
    result = known.bisect("a", "h")
    assert known.culprit(result) == "e"
    assert any("is ignored" in note for note in result.notes)
    before = known.boots.total()
    assert known.culprit(known.bisect("a", "h")) == "e"
    assert known.boots.total() == before


def test_a_crash_of_the_good_end_that_hides_everything(tmp_path: Path) -> None:
    known = toy(tmp_path, LINE, lambda name, boot: "other")
    result = known.bisect("a", "h")
    assert result.status is BisectStatus.INCONCLUSIVE
    assert result.culprit is None


def test_a_crash_that_comes_everywhere_is_not_the_regression_of_any_crash(tmp_path: Path) -> None:
    known = toy(tmp_path, LINE, lambda name, boot: "bad", expect=Expectation(any=True))
    assert known.bisect("a", "h").status is BisectStatus.NOT_REPRODUCED


# ---- git's log


def test_the_log_calls_no_commit_good_that_was_quiet_once(tmp_path: Path) -> None:
    bad = descendants(LINE, "e")
    known = toy(tmp_path, LINE, lambda name, boot: "bad" if name in bad and boot % 3 else "good")
    result = known.bisect("a", "h", runs=None, confidence=0.95)
    assert known.culprit(result) == "e"
    log = (known.run.folder / "bisect.log").read_text()
    names = {line.split()[-1] for line in log.splitlines() if line.startswith("git bisect good")}
    assert not {known.names[name] for name in bad} & names
    assert known.names["d"] in names


# ---- the revert


@pytest.mark.parametrize(("same", "boots"), [(True, 1), (False, QUIET_RUNS)])
def test_a_revert_that_is_the_parents_image_is_booted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, same: bool, boots: int
) -> None:
    """Its image was quiet often enough as the parent's; without that it is tried as often."""
    known = toy(tmp_path, LINE, crashing(LINE, "f"), images={name: f"image of {name}" for name in LINE})
    build = Images.build

    def reverted(self: Images, commit: Commit, folder: Path) -> Kernel:
        kernel = build(self, commit, folder)
        return kernel if commit.sha in self.images or not same else replace(kernel, signature="image of e")

    monkeypatch.setattr(Images, "build", reverted)
    result = known.bisect("a", "h")
    assert known.culprit(result) == "f"
    assert result.checks["revert_on_bad"] == "good"
    [revert] = (step for step in result.steps if step.role == "revert")
    assert revert.trials == boots
    assert known.boots["e"] >= QUIET_RUNS
