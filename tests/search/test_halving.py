from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.git import Git
from harness.search import Culprit, Evidence, History, Inconclusive
from harness.search import Probe as Try
from harness.search.halving import Halving, steps
from harness.testing import MadeUp, play
from tests.search.conftest import Parents, graphs, history, line

Lay = Callable[[Parents], tuple[Git, History]]
BAD, QUIET = Evidence(bad=1), Evidence(quiet=1)
SKIP = Evidence(skip="does not build")


def ends(range_: History) -> dict[str, Evidence]:
    return {range_.new: BAD, **dict.fromkeys(range_.old, QUIET)}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graphs(), st.randoms(use_true_random=False), st.sampled_from((0.0, 0.0, 0.3, 0.7)))
def test_each_choice_is_the_one_of_git_bisect(in_git: Lay, parents: Parents, random: object, share: float) -> None:
    git, range_ = in_git(parents)
    draw = random.random  # type: ignore[attr-defined]
    seen = ends(range_)
    git.run("bisect", "start", "--no-checkout", range_.new, *range_.old)
    while True:
        decision = Halving(range_).decide(seen)
        done = git.run("rev-parse", "--verify", "--quiet", "BISECT_HEAD", check=False).stdout.strip()
        if not isinstance(decision, Try):
            break
        assert decision.commit == done
        word, seen[done] = ("skip", SKIP) if draw() < share else ("bad", BAD) if draw() < 0.5 else ("good", QUIET)
        out = git.run("bisect", word, check=False)
        last = out.stdout
    if len(seen) == len(ends(range_)):  # one commit in the range
        assert isinstance(decision, Culprit)
        assert decision.commit == range_.new
    elif isinstance(decision, Culprit):
        assert f"{decision.commit} is the first bad commit" in last
    else:
        assert "There are only 'skip'ped commits left to test" in last
        assert set(decision.candidates) == {word for word in last.split() if len(word) == 40}
    git.run("bisect", "reset", check=False)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graphs(most=60))
def test_the_choice_halves_as_well_as_any_that_git_knows(in_git: Lay, parents: Parents) -> None:
    git, range_ = in_git(parents)
    decision = Halving(range_).decide(ends(range_))
    best, *_ = git.text("rev-list", "--bisect-all", f"{range_.old[0]}..{range_.new}").splitlines()
    if isinstance(decision, Try):
        listed = git.text("rev-list", "--bisect-all", f"{range_.old[0]}..{range_.new}").splitlines()
        distance = {row.split()[0]: int(row.split("dist=")[1].split(",")[0].rstrip(")")) for row in listed}
        assert distance[decision.commit] == distance[best.split()[0]]
        assert decision.left == int(
            next(
                row
                for row in git.text("rev-list", "--bisect-vars", f"{range_.old[0]}..{range_.new}").splitlines()
                if row.startswith("bisect_steps=")
            ).split("=")[1]
        )


@settings(deadline=None)
@given(graphs(), st.data())
def test_never_a_wrong_culprit(parents: Parents, data: st.DataObject) -> None:
    range_ = history(parents)
    culprit = data.draw(st.sampled_from(range_.commits))
    broken = data.draw(st.frozensets(st.sampled_from(range_.commits)))
    made_up = MadeUp(range_, frozenset({culprit}), broken=broken - {range_.new})
    end = play(Halving(range_), made_up, random.Random(0)).decision
    if isinstance(end, Culprit):
        assert end.commit == culprit
    else:
        assert culprit in end.candidates
        assert made_up.broken & set(end.candidates)


def test_a_long_history_takes_its_logarithm() -> None:
    range_ = line(20_000)
    seen: dict[str, Evidence] = {}
    search = Halving(range_)
    while isinstance(decision := search.decide(seen), Try):
        seen[decision.commit] = BAD if int(decision.commit[:12], 16) >= 12_345 else QUIET
    assert isinstance(decision, Culprit)
    assert int(decision.commit[:12], 16) == 12_345
    assert len(seen) <= 2 + 15


def test_both_ends_come_first() -> None:
    range_ = line(9)
    assert Halving(range_).decide({}) == Try(range_.new, 1, 1 + steps(9))
    assert Halving(range_).decide({range_.new: BAD}) == Try(range_.old[0], 1, steps(9))


def test_a_quiet_bad_end_is_no_regression() -> None:
    range_ = line(9)
    end = Halving(range_, runs=3).decide({range_.new: Evidence(quiet=3), range_.old[0]: Evidence(quiet=3)})
    assert isinstance(end, Inconclusive)
    assert end.not_reproduced
    assert "3 times without the crash" in end.reason


def test_a_crash_on_a_good_end_is_no_regression() -> None:
    range_ = line(9)
    end = Halving(range_).decide({range_.new: BAD, range_.old[0]: BAD})
    assert end == Inconclusive(f"the good end {'0' * 12} shows the crash too", not_reproduced=True)


@pytest.mark.parametrize("which", ["bad", "good"])
def test_an_end_that_cannot_be_tried(which: str) -> None:
    range_ = line(9)
    end = range_.new if which == "bad" else range_.old[0]
    decision = Halving(range_).decide({**ends(range_), end: SKIP})
    assert isinstance(decision, Inconclusive)
    assert not decision.not_reproduced
    assert f"the {which} end {end[:12]} cannot be tested: does not build" in decision.reason


def test_contrary_evidence_names_nobody() -> None:
    range_ = line(9)
    decision = Halving(range_).decide({**ends(range_), range_.commits[2]: BAD, range_.commits[5]: QUIET})
    assert isinstance(decision, Inconclusive)
    assert not decision.candidates
    assert "shows the crash, but 000000000006, which descends from it, ran once without it" in decision.reason


def test_two_crashes_that_share_no_commit() -> None:
    names = ["a" * 40, "b" * 40, "c" * 40]
    range_ = History(tuple(names), {names[0]: (), names[1]: (), names[2]: (names[0], names[1])}, ("d" * 40,))
    decision = Halving(range_).decide({**ends(range_), names[0]: BAD, names[1]: BAD})
    assert isinstance(decision, Inconclusive)
    assert "no single commit explains it" in decision.reason


def test_a_common_ancestor_of_crashes_is_tried_before_it_is_blamed() -> None:
    root, left, right, top = (letter * 40 for letter in "abcd")
    range_ = History(
        (root, left, right, top), {root: (), left: (root,), right: (root,), top: (left, right)}, ("e" * 40,)
    )
    seen = {**ends(range_), left: BAD, right: BAD}
    assert Halving(range_).decide(seen) == Try(root, 1, 0)
    decision = Halving(range_).decide({**seen, root: SKIP})
    assert isinstance(decision, Inconclusive)
    assert decision.candidates == (root,)


def test_runs_that_are_still_owed() -> None:
    range_ = line(9)
    seen = {range_.new: BAD, range_.old[0]: Evidence(quiet=5)}
    first = Halving(range_, runs=5).decide(seen)
    assert isinstance(first, Try)
    assert first.runs == 5
    again = Halving(range_, runs=5).decide({**seen, first.commit: Evidence(quiet=3)})
    assert again == Try(first.commit, 2, first.left)


def test_a_crash_counts_though_another_trial_of_that_commit_failed_otherwise() -> None:
    range_ = line(2)
    decision = Halving(range_).decide({**ends(range_), range_.commits[0]: Evidence(bad=1, skip="did not boot")})
    assert isinstance(decision, Culprit)
    assert decision.commit == range_.commits[0]


def test_confidence_is_one_on_the_users_word_alone() -> None:
    range_ = line(2)
    seen = {**ends(range_), range_.commits[0]: QUIET}
    assert Halving(range_, deterministic=True).decide(seen) == Culprit(range_.new, 1.0)
    plain = Halving(range_).decide(seen)
    assert isinstance(plain, Culprit)
    assert 0.5 < plain.confidence < 1
    # The crash came at one trial in two: the word is not worth a thing.
    flaky = Halving(range_, deterministic=True).decide({**seen, range_.new: Evidence(bad=2, quiet=2)})
    assert isinstance(flaky, Culprit)
    assert flaky.confidence < plain.confidence


def test_more_quiet_runs_are_worth_more() -> None:
    range_ = line(2)
    confidences = []
    for runs in (1, 5, 10, 20):
        seen = {
            range_.new: Evidence(bad=2, quiet=8),
            **dict.fromkeys((*range_.old, range_.commits[0]), Evidence(quiet=runs)),
        }
        decision = Halving(range_, runs=runs).decide(seen)
        assert isinstance(decision, Culprit)
        confidences.append(decision.confidence)
    assert confidences == sorted(confidences)
    assert confidences[0] < 0.6
    assert confidences[-1] > 0.9


def test_a_history_out_of_order_is_refused() -> None:
    with pytest.raises(ValueError, match="does not come before"):
        Halving(History(("a", "b"), {"a": ("b",), "b": ()}, ("c",)))
