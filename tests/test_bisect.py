"""`regress bisect` from end to end: real git histories, command builders and machines in place of kernels."""

import json
from pathlib import Path

import pytest

from tests.support.bisect import STATES, Lab, Repo, ends, lab, repo

__all__ = ["lab", "repo"]


def test_the_culprit_is_named_and_proven(repo: Repo, lab: Lab) -> None:
    shas = repo.line("good*6 bad*9")
    done = lab.bisect(repo, *ends(shas))
    assert done.status == 0, done.err
    assert (done["status"], done["culprit"], done["candidates"]) == ("culprit", shas[6], [])
    assert done["checks"] == {
        "good_end": True,
        "bad_end": True,
        "culprit_again": True,
        "parent_good": True,
        "revert_on_culprit": "good",
        "revert_on_bad": "good",
    }
    assert 0.5 < done["confidence"] <= 1
    first = [step["commit"] for step in done["steps"][:2]]
    assert sorted(first) == sorted([shas[0], shas[-1]])
    folder = Path(done["folder"])
    assert json.loads((folder / "result.json").read_text()) == done.json
    report = (folder / "report.txt").read_text()
    assert f"commit {shas[6]}" in report
    assert "toy_read" in report
    assert f"Last good: {shas[5][:12]}" in report
    assert "#regzbot introduced" in report


@pytest.mark.parametrize("hazard", ["unbuildable", "elsewhere", "lost"])
def test_through_stretches_that_cannot_be_told(repo: Repo, lab: Lab, hazard: str) -> None:
    shas = repo.line(f"good*4 {hazard}*5 good*2 bad*3 {hazard}*2 bad")
    done = lab.bisect(repo, *ends(shas))
    assert done["culprit"] == shas[11], done.err
    assert all(word == "skip" for sha, word in done.verdicts().items() if sha in (*shas[4:9], *shas[14:16]))


@pytest.mark.parametrize("hazard", ["unbuildable", "elsewhere", "lost"])
def test_only_skipped_commits_left_are_candidates_with_reasons(repo: Repo, lab: Lab, hazard: str) -> None:
    shas = repo.line(f"good*4 {hazard}*3 bad*4")
    done = lab.bisect(repo, *ends(shas))
    assert (done.status, done["status"], done["culprit"]) == (1, "inconclusive", None)
    assert set(done["candidates"]) == set(shas[4:8])
    assert all(done["candidate_reasons"][sha].startswith("skip: ") for sha in shas[4:7])


def test_a_boot_that_fails_once_is_tried_again(repo: Repo, lab: Lab) -> None:
    """A machine that is short of time fails now and then: every third boot is lost."""
    count = lab.top / "boots"
    (lab.folder / "boot.sh").write_text(
        f"echo >>{count}\ntest $(( $(wc -l <{count}) % 3 )) -ne 0 || exit 0\nexec sh console.sh\n"
    )
    text = (lab.folder / "scenario.yaml").read_text()
    (lab.folder / "scenario.yaml").write_text(text.replace("sh console.sh", f"sh {lab.folder}/boot.sh"))
    shas = repo.line("good*6 bad*7")
    done = lab.bisect(repo, *ends(shas))
    assert (done.status, done["culprit"]) == (0, shas[6]), done.err
    assert "skip" not in done.verdicts().values()
    assert done["checks"]["revert_on_bad"] == "good"


def test_mislabelled_ends_are_not_reproduced(repo: Repo, lab: Lab) -> None:
    shas = repo.line("good*3 bad*3 good*2")
    for good, bad in ((0, 7), (4, 5), (0, 2)):
        done = lab.bisect(repo, "--good", shas[good], "--bad", shas[bad])
        assert (done.status, done["status"], done["culprit"]) == (1, "not-reproduced", None)
        assert len(done["steps"]) <= 2


def test_a_commit_that_changes_nothing_is_no_culprit(repo: Repo, lab: Lab) -> None:
    """The machine counts its boots and crashes from the third on: what it blames is an empty commit."""
    count = lab.top / "boots"
    count.write_text("")
    machine = f"echo >>{count}; test $(wc -l <{count}) -gt 3 || exec sh good.sh\nexec sh bad.sh\n"
    state = {"build.sh": "true\n", "console.sh": machine}
    repo.commit({**state, "good.sh": STATES["good"]["console.sh"], "bad.sh": STATES["bad"]["console.sh"]})
    shas = [repo.git.text("rev-parse", "HEAD")]
    for number in range(4):
        repo.git.run("commit", "--quiet", "--allow-empty", "-m", f"empty {number}")
        shas.append(repo.git.text("rev-parse", "HEAD"))
    done = lab.bisect(repo, *ends(shas))
    assert done.status == 1
    assert done["culprit"] is None


def test_a_crash_that_does_not_come_again_is_not_blamed(repo: Repo, lab: Lab) -> None:
    once = lab.top / "once"
    flaky = (
        f"test -e {once} && exec sh -c '{STATES['good']['console.sh']}'\ntouch {once}\n" + STATES["bad"]["console.sh"]
    )
    shas = repo.line("good*3")
    shas.append(repo.commit({"build.sh": "true\n", "console.sh": flaky}))
    done = lab.bisect(repo, *ends(shas))
    assert (done.status, done["status"]) == (1, "inconclusive")
    assert "--runs auto" in done["reason"]


def flaky(lab: Lab, percent: int, seed: int) -> str:
    """A console that crashes at so many boots in a hundred, the same ones for the same seed."""
    count = lab.top / "boots"
    return (
        f"echo >>{count}\nn=$(wc -l <{count})\n"
        f"test $(( (n * 7919 + {seed}) * 104729 / 64 % 100 )) -lt {percent} || exec sh good.sh\nexec sh bad.sh\n"
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_flaky_crash_is_found_by_as_many_runs_as_it_takes(repo: Repo, lab: Lab, seed: int) -> None:
    both = {"good.sh": STATES["good"]["console.sh"], "bad.sh": STATES["bad"]["console.sh"]}
    shas = [repo.commit({**both, **STATES["good"]})]
    shas += repo.line("good*9")
    shas.append(repo.commit({"console.sh": flaky(lab, 40, seed)}))
    shas += [repo.commit({"later": str(number)}) for number in range(8)]
    done = lab.bisect(repo, *ends(shas), "--runs", "auto", "--confidence", "0.97")
    assert done["culprit"] == shas[10], done.err
    assert done["confidence"] >= 0.97
    quiet = max(step["trials"] for step in done["steps"] if step["verdict"] == "good")
    assert quiet >= 5


@pytest.mark.parametrize("seed", range(4))
def test_one_run_a_commit_blames_nobody_for_a_flaky_crash(repo: Repo, lab: Lab, seed: int) -> None:
    """It finds out, sooner or later, that the crash comes only sometimes; or it is right."""
    both = {"good.sh": STATES["good"]["console.sh"], "bad.sh": STATES["bad"]["console.sh"]}
    shas = [repo.commit({**both, **STATES["good"]})]
    shas += repo.line("good*3")
    shas.append(repo.commit({"console.sh": flaky(lab, 60, seed)}))
    shas += [repo.commit({"later": str(number)}) for number in range(8)]
    done = lab.bisect(repo, *ends(shas))
    assert done["culprit"] in (None, shas[4])
    assert done["status"] in ("culprit", "inconclusive", "not-reproduced")


@pytest.mark.parametrize("seed", [1, 2])
def test_the_fix_of_a_flaky_crash(repo: Repo, lab: Lab, seed: int) -> None:
    both = {"good.sh": STATES["good"]["console.sh"], "bad.sh": STATES["bad"]["console.sh"]}
    shas = [repo.commit({**both, "build.sh": "true\n", "console.sh": flaky(lab, 50, seed)})]
    shas += [repo.commit({"later": str(number)}) for number in range(8)]
    shas += repo.line("good*7")
    done = lab.bisect(repo, "--find-fix", "--bad", shas[0], "--good", shas[-1], "--runs", "auto")
    assert done["culprit"] == shas[9], done.err
    assert done["checks"]["parent_broken"] is True
    assert done["confidence"] >= 0.95


def test_no_such_regression_where_the_crash_never_comes(repo: Repo, lab: Lab) -> None:
    shas = repo.line("good*3")
    done = lab.bisect(repo, *ends(shas), "--runs", "auto", "--confidence", "0.6")
    assert (done.status, done["status"]) == (1, "not-reproduced")


def test_a_revert_that_conflicts_is_said(repo: Repo, lab: Lab) -> None:
    shas = repo.line("good*3 bad")
    shas.append(repo.commit({"console.sh": "true\n" + STATES["bad"]["console.sh"]}))
    done = lab.bisect(repo, *ends(shas))
    assert done["culprit"] == shas[3]
    assert done["checks"]["revert_on_bad"] == "conflict"
    assert any("console.sh" in note for note in done["notes"])


def test_a_revert_that_does_not_help_is_said(repo: Repo, lab: Lab) -> None:
    """A second commit has the same effect by other means: the first is the culprit, and reverting it is not enough."""
    console = "if test -e a || test -e b; then exec sh bad.sh; fi\nexec sh good.sh\n"
    both = {"good.sh": STATES["good"]["console.sh"], "bad.sh": STATES["bad"]["console.sh"]}
    shas = [repo.commit({"build.sh": "true\n", "console.sh": console, **both})]
    shas += [repo.commit({name: ""}) for name in ("x", "a", "y", "b", "z")]
    done = lab.bisect(repo, *ends(shas))
    assert (done.status, done["culprit"]) == (0, shas[2]), done.err
    assert done["checks"]["revert_on_bad"] == "bad"
    assert any("something after it has the same effect" in note for note in done["notes"])


def test_history_with_merges(repo: Repo, lab: Lab) -> None:
    first = repo.line("good*2")
    repo.switch("side", first[-1])
    side = [repo.commit({"side": str(n)}) for n in range(4)]
    culprit = repo.commit(STATES["bad"])
    more = [repo.commit({"side2": str(n)}) for n in range(3)]
    repo.switch("main")
    main = [repo.commit({"main": str(n)}) for n in range(6)]
    merge = repo.merge("side")
    last = [repo.commit({"later": str(n)}) for n in range(3)]
    done = lab.bisect(repo, "--good", first[0], "--bad", last[-1])
    assert done["culprit"] == culprit, done.err
    assert done["merge"] is None
    assert done["checks"]["revert_on_bad"] == "good"
    done = lab.bisect(repo, "--good", first[0], "--bad", last[-1], "--first-parent")
    assert done["culprit"] == merge
    assert any("merged is bad by itself" in note for note in done["notes"])
    assert {step["commit"] for step in done["steps"]} <= {*first, *main, *last, merge, more[-1]} | {
        step["commit"] for step in done["steps"] if step["role"] != "commit"
    }
    assert side


TWO = "test -e one && test -e two && exec sh bad.sh\nexec sh good.sh\n"


def test_a_merge_of_two_good_sides_is_a_culprit_with_both_changes_named(repo: Repo, lab: Lab) -> None:
    start = repo.commit(
        {
            "build.sh": "true\n",
            "console.sh": TWO,
            "good.sh": STATES["good"]["console.sh"],
            "bad.sh": STATES["bad"]["console.sh"],
        }
    )
    repo.switch("side", start)
    repo.commit({"x": "1"})
    one = repo.commit({"one": ""}, "side: one")
    repo.commit({"x": "2"})
    repo.switch("main")
    repo.commit({"y": "1"})
    two = repo.commit({"two": ""}, "main: two")
    repo.commit({"y": "2"})
    merge = repo.merge("side")
    last = repo.commit({"y": "3"})
    done = lab.bisect(repo, "--good", start, "--bad", last)
    assert done["culprit"] == merge, done.err
    assert set(done["merge"]["needs"]) == {one, two}
    assert set(done["merge"]["parents"].values()) == {"good"}


def test_an_octopus_as_culprit(repo: Repo, lab: Lab) -> None:
    start = repo.commit(
        {
            "build.sh": "true\n",
            "console.sh": TWO,
            "good.sh": STATES["good"]["console.sh"],
            "bad.sh": STATES["bad"]["console.sh"],
        }
    )
    for branch, file in (("a", "one"), ("b", "two"), ("c", "three")):
        repo.switch(branch, start)
        repo.commit({file: ""})
    repo.switch("main")
    repo.commit({"four": ""})
    merge = repo.merge("a", "b", "c")
    last = repo.commit({"five": ""})
    done = lab.bisect(repo, "--good", start, "--bad", last)
    assert done["culprit"] == merge, done.err
    assert len(done["merge"]["parents"]) == 4
    assert set(done["merge"]["parents"].values()) == {"good"}


def test_a_merge_that_settles_a_conflict_by_hand(repo: Repo, lab: Lab) -> None:
    start = repo.commit({**STATES["good"], "x": "0"})
    repo.switch("side", start)
    repo.commit({"x": "1"})
    repo.switch("main")
    repo.commit({"x": "2"})
    repo.git.run("merge", "--quiet", "side", check=False)
    merge = repo.commit({**STATES["bad"], "x": "3"}, "Merge by hand")
    assert len(repo.git.parents(merge)) == 2
    done = lab.bisect(repo, "--good", start, "--bad", repo.commit({"y": ""}))
    assert done["culprit"] == merge, done.err
    assert "resolves conflicts by hand in x" in done["merge"]["reason"]


def test_what_a_merge_changes_by_itself_is_said(repo: Repo, lab: Lab) -> None:
    start = repo.line("good")[0]
    repo.switch("side", start)
    repo.commit({"x": "1"})
    repo.switch("main")
    repo.commit({"y": "1"})
    repo.merge("side")
    repo.write(STATES["bad"])
    repo.git.run("commit", "--quiet", "--all", "--amend", "--no-edit")
    merge = repo.git.text("rev-parse", "HEAD")
    last = repo.commit({"y": "3"})
    done = lab.bisect(repo, "--good", start, "--bad", last)
    assert done["culprit"] == merge, done.err
    assert "what the merge changes beyond that" in done["merge"]["reason"]


def test_find_fix(repo: Repo, lab: Lab) -> None:
    shas = repo.line("bad*5 unbuildable good*4")
    done = lab.bisect(repo, "--find-fix", "--bad", shas[0], "--good", shas[-1])
    assert done["status"] == "inconclusive"
    assert set(done["candidates"]) == {shas[5], shas[6]}
    shas = repo.line("bad*5 unbuildable bad good*4")
    done = lab.bisect(repo, "--find-fix", "--bad", shas[0], "--good", shas[-1])
    assert (done.status, done["culprit"], done["sought"]) == (0, shas[7], "fix"), done.err
    assert done["checks"] == {
        "broken_end": True,
        "fixed_end": True,
        "fix_again": True,
        "parent_broken": True,
        "revert_on_fix": "bad",
        "revert_on_fixed": "bad",
    }
    log = (Path(done["folder"]) / "bisect.log").read_text()
    assert "--term-new=fixed" in log
    assert f"# first fixed commit: [{shas[7]}]" in log


@pytest.mark.parametrize(
    ("states", "bad", "good", "status", "reason"),
    [
        ("good*2 bad good*2", 0, -1, "not-reproduced", "the broken end"),
        ("bad*5", 0, -1, "not-reproduced", "the fixed end"),
        ("bad*3 unbuildable", 0, -1, "inconclusive", "the fixed end"),
        ("unbuildable good*3", 0, -1, "inconclusive", "the broken end"),
        ("bad unbuildable*3 good", 0, -1, "inconclusive", "between broken and fixed"),
    ],
)
def test_why_no_fix_is_named(repo: Repo, lab: Lab, states: str, bad: int, good: int, status: str, reason: str) -> None:
    shas = repo.line(states)
    done = lab.bisect(repo, "--find-fix", "--bad", shas[bad], "--good", shas[good])
    assert (done.status, done["status"]) == (1, status)
    assert reason in done["reason"]
    for runs in ("auto", "2"):
        done = lab.bisect(repo, "--find-fix", "--bad", shas[bad], "--good", shas[good], "--runs", runs)
        assert done["status"] == status
        assert shas[bad][:12] in done["reason"] or shas[good][:12] in done["reason"] or done["candidates"]


def test_paths_limit_the_suspects(repo: Repo, lab: Lab) -> None:
    shas = [repo.commit("good")]
    for number in range(6):
        shas.append(repo.commit({f"doc/{number}": ""}))
        shas.append(repo.commit({f"src/{number}": ""}))
    shas.append(repo.commit({**STATES["bad"], "src/x": ""}))
    shas += [repo.commit({f"doc/{number}": "x"}) for number in range(3)]
    done = lab.bisect(repo, *ends(shas), "--path", "src", "--path", "console.sh")
    assert done["culprit"] == shas[13], done.err
    done = lab.bisect(repo, *ends(shas), "--path", "doc")
    assert done["culprit"] == shas[13], done.err
    assert any("searching on outside of doc" in note for note in done["notes"])
