"""Hints: what they save, what they cost at most, and what they must not change."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.search import Culprit, Evidence, History, Probe
from harness.search.bayes import Bayes
from harness.search.graph import Graph, members
from harness.search.halving import DETOUR, Halving
from harness.search.hint import WHOLE, classes, weight
from harness.testing import MadeUp, play, play_widely
from tests.search.conftest import Parents, graphs, history, line


@st.composite
def hints(draw: st.DrawFn, commits: tuple[str, ...]) -> tuple[frozenset[str], ...]:
    return tuple(draw(st.lists(st.frozensets(st.sampled_from(commits), max_size=8), max_size=3)))


def trials(search: Halving | Bayes, made_up: MadeUp) -> int:
    """How many commits between the ends are tried until the culprit is named."""
    played = play(search, made_up, random.Random(1))
    assert isinstance(played.decision, Culprit)
    assert played.decision.commit in made_up.culprits
    return len(played.evidence) - 2


@given(st.integers(1, 80), st.data())
def test_a_wrong_hint_costs_at_most_two_trials(count: int, data: st.DataObject) -> None:
    one = line(count)
    made_up = MadeUp(one, frozenset([data.draw(st.sampled_from(one.commits))]))
    hinted = replace(one, hints=data.draw(hints(one.commits)))
    assert trials(Halving(hinted), made_up) <= (count - 1).bit_length() + DETOUR


@pytest.mark.parametrize("search", [Halving, Bayes])
@pytest.mark.parametrize("at", [0, 1, 300, 511, 512, 1021, 1022])
def test_a_right_hint_saves_trials(at: int, search: type[Halving] | type[Bayes]) -> None:
    one = line(1023)
    chance = random.Random(at)
    pointed = frozenset([one.commits[at], *chance.sample(one.commits, 5)])
    made_up = MadeUp(one, frozenset([one.commits[at]]))
    assert trials(search(replace(one, hints=(pointed,))), made_up) <= trials(search(one), made_up) - 3


@given(graphs(), st.data())
def test_no_wrong_culprit_whatever_the_hint(parents: Parents, data: st.DataObject) -> None:
    one = history(parents)
    made_up = MadeUp(one, frozenset([data.draw(st.sampled_from(one.commits))]))
    hinted = replace(one, hints=data.draw(hints(one.commits)))
    trials(Halving(hinted), made_up)
    trials(Bayes(hinted), made_up)
    decision, _ = play_widely(Halving(hinted), made_up, random.Random(2), 3)
    assert isinstance(decision, Culprit)
    assert decision.commit in made_up.culprits


@given(graphs(most=12), st.booleans(), st.data())
def test_who_is_named_and_how_surely_does_not_depend_on_hints(parents: Parents, fix: bool, data: st.DataObject) -> None:
    one = replace(history(parents), fix=fix)
    seen = st.builds(Evidence, bad=st.sampled_from((0, 0, 1, 3)), quiet=st.sampled_from((0, 1, 8)))
    evidence = data.draw(st.dictionaries(st.sampled_from((*one.commits, *one.old)), seen))
    evidence |= {end: Evidence(bad=3) for end in one.crashing} | {end: Evidence(quiet=5) for end in one.quiet}
    hinted = replace(one, hints=data.draw(hints(one.commits)))
    for search in (Halving, Bayes):
        plain, other = search(one).decide(evidence), search(hinted).decide(evidence)
        if isinstance(plain, Probe) or isinstance(other, Probe):
            assert isinstance(plain, Probe) is isinstance(other, Probe)
        else:
            assert plain == other


@given(graphs(), st.data())
def test_each_commit_has_its_share_and_none_is_out_of_sight(parents: Parents, data: st.DataObject) -> None:
    one = history(parents)
    pointed = data.draw(hints(one.commits))
    graph = Graph(one)
    parts = classes(replace(one, hints=pointed), graph)
    assert sum(part.bit_count() for part, _ in parts) == len(one.commits)
    own = {one.commits[place]: each for part, each in parts for place in members(part)}
    assert set(own) == set(one.commits)
    assert len({each for _, each in parts}) == len(parts)
    counted = [hint for hint in pointed if hint and len(hint) < len(one.commits)]
    if counted:
        assert min(own.values()) >= WHOLE // 2 // len(one.commits)
        assert weight(parts, graph.everything) == pytest.approx(WHOLE, rel=1e-6)
        for sha, each in own.items():
            share = 0.5 / len(own) + sum(0.5 / len(counted) / len(hint) for hint in counted if sha in hint)
            assert each / WHOLE == pytest.approx(share, rel=1e-6)


def test_what_cannot_be_tested_is_gone_round_as_without_a_hint() -> None:
    one = line(64)
    hinted = replace(one, hints=(frozenset(one.commits[40:44]),))
    evidence = {one.new: Evidence(bad=1), one.old[0]: Evidence(quiet=1), one.commits[31]: Evidence(skip="no")}
    assert Halving(hinted).decide(evidence) == Halving(one).decide(evidence)


def test_hints_outside_of_the_history_are_nothing() -> None:
    one = line(9)
    hinted = replace(one, hints=(frozenset(["f" * 40]), frozenset(), frozenset(one.commits)))
    assert classes(hinted, Graph(one)) == classes(one, Graph(one))
    assert Halving(History((), {}, (), hints=hinted.hints)) is not None
