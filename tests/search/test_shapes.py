"""The searches on histories in the shapes of kernel trees, as the benchmark makes them up."""

from __future__ import annotations

import random

import pytest

from bench.histories import SHAPES, make
from harness.search import Culprit
from harness.search.bayes import Bayes
from harness.search.graph import Graph
from harness.search.halving import Halving
from harness.testing import play


@pytest.mark.parametrize("shape", SHAPES)
def test_a_made_up_history_is_one(shape: str) -> None:
    case = make(shape, 200, 1.0, random.Random(shape))
    history = case.made_up.history
    assert Graph(history).reach(-1) == Graph(history).everything
    assert set(case.first_parents) <= set(history.commits)
    assert case.first_parents[-1] == history.new
    assert history.new not in case.made_up.broken | case.made_up.elsewhere
    merged = [parents for parents in history.parents.values() if len(parents) > 1]
    assert bool(merged) is (shape != "linear")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("search", [Halving, Bayes])
def test_no_wrong_culprit_and_none_missed_where_the_crash_always_comes(
    shape: str, search: type[Halving] | type[Bayes]
) -> None:
    for seed in range(12):
        case = make(shape, 120, 1.0, random.Random(f"{shape} {seed}"))
        end = play(search(case.made_up.history), case.made_up, random.Random(seed)).decision
        if isinstance(end, Culprit):
            assert end.commit in case.made_up.culprits
        elif case.made_up.culprits:
            assert not end.not_reproduced
            assert not case.kind.tellable
            assert case.made_up.culprits & set(end.candidates)
        else:
            assert end.not_reproduced
