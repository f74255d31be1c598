"""Searches that have several commits in hand."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.search import Culprit, Evidence, Inconclusive
from harness.search.bayes import Bayes
from harness.search.halving import Halving
from harness.testing import MadeUp, play, play_widely
from tests.search.conftest import Parents, graphs, history, line


@settings(max_examples=100, deadline=None)
@given(graphs(), st.integers(2, 9), st.integers(0, 2**32), st.sampled_from((0.0, 0.0, 0.3)))
def test_it_names_the_same_commit_as_one_at_a_time(parents: Parents, width: int, seed: int, share: float) -> None:
    range_, chance = history(parents), random.Random(seed)
    culprit = chance.choice(range_.commits)
    others = [sha for sha in range_.commits[:-1] if sha != culprit]
    broken = frozenset(sha for sha in others if chance.random() < share)
    made_up = MadeUp(range_, frozenset({culprit}), broken=broken)
    if range_.new not in made_up.bad:
        return
    decision, _ = play_widely(Halving(range_, deterministic=True), made_up, chance, width)
    if isinstance(decision, Culprit):
        assert decision.commit == culprit
    else:
        assert culprit in decision.candidates
        assert broken & set(decision.candidates)
    if isinstance(play(Halving(range_, deterministic=True), made_up, chance).decision, Culprit) and not broken:
        assert isinstance(decision, Culprit)


@pytest.mark.parametrize(("count", "width"), [(1000, 2), (1000, 4), (1000, 8), (20000, 16)])
def test_it_takes_as_few_rounds_as_theory_has_it(count: int, width: int) -> None:
    range_ = line(count)
    rounds = []
    for seed in range(20 if count < 5000 else 3):
        chance = random.Random(seed)
        made_up = MadeUp(range_, frozenset({chance.choice(range_.commits[: count // 2])}))
        decision, took = play_widely(Halving(range_, deterministic=True), made_up, chance, width)
        assert isinstance(decision, Culprit)
        rounds.append(took)
    # Theory divides by width + 1 each round; the ends take a round of their own at most.
    assert sum(rounds) / len(rounds) <= math.log(count, width + 1) / 0.85 + 1


def test_with_an_intermittent_crash_it_names_the_right_commit() -> None:
    right = wrong = 0
    for seed in range(20):
        chance, range_ = random.Random(seed), line(60)
        culprit = chance.choice(range_.commits)
        made_up = MadeUp(range_, frozenset({culprit}), rate=0.5)
        decision, _ = play_widely(Bayes(range_), made_up, chance, 4)
        right += isinstance(decision, Culprit) and decision.commit == culprit
        wrong += isinstance(decision, Culprit) and decision.commit != culprit
    assert wrong == 0
    assert right >= 18


def test_an_end_that_is_not_as_it_should_be_ends_it() -> None:
    range_ = line(30)
    decision, _ = play_widely(Halving(range_), MadeUp(range_, frozenset(), everywhere=True), random.Random(1), 4)
    assert isinstance(decision, Inconclusive)
    assert decision.not_reproduced


def test_a_commit_that_others_have_decided_is_moot() -> None:
    range_ = line(10)
    search, names = Halving(range_), range_.commits
    seen = {range_.new: Evidence(bad=1), range_.old[0]: Evidence(quiet=1), names[4]: Evidence(bad=1)}
    assert search.moot(seen, names[7])
    assert not search.moot(seen, names[2])
    # The range became smaller meanwhile.
    assert search.moot(seen, "of another range")
    assert not any(search.moot(seen, old) for old in search.history.old)
    assert search.ahead(seen, frozenset(), {names[2]: 1}) is not None
