"""A history as numbers, also where it is long."""

from __future__ import annotations

import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.search import Evidence, History, Probe, Search
from harness.search.bayes import Bayes
from harness.search.graph import Graph, as_set, members
from harness.search.halving import Halving
from tests.search.conftest import Parents, graphs, history


@given(graphs(), st.data())
def test_a_sweep_finds_what_each_commit_reaches(parents: Parents, data: st.DataObject) -> None:
    graph = Graph(history(parents))
    places = st.sampled_from(members(graph.everything))
    within = as_set(data.draw(st.lists(places)))
    swept = dict(graph.sweep(graph.everything, within))
    assert swept == {place: graph.reach(place) & within for place in members(graph.everything)}
    # What is between two ends: all that one reaches, and another does not.
    pool = graph.reach(data.draw(places)) & ~graph.reach(data.draw(places))
    assert dict(graph.sweep(pool, pool)) == {place: graph.reach(place) & pool for place in members(pool)}


@pytest.mark.parametrize("search", [Halving, Bayes])
def test_a_long_history_takes_little_memory(search: type[Search]) -> None:
    """All sets of ancestors together would take 100 MiB."""
    chance, count = random.Random(5), 40_000
    names = [f"{place:040x}" for place in range(count)]
    tips = [0]
    parents: dict[str, tuple[str, ...]] = {names[0]: ()}
    for place in range(1, count):
        at = chance.randrange(len(tips))
        other = tips.pop() if len(tips) > 1 and (chance.random() < 0.1 or place > count - 30) else tips[at % len(tips)]
        at = min(at, len(tips) - 1)
        parents[names[place]] = tuple(names[one] for one in dict.fromkeys((tips[at], other)))
        if len(tips) < 20 and place < count - 30 and chance.random() < 0.2:
            tips.append(place)
        else:
            tips[at] = place
    range_ = History(tuple(names), parents, ("f" * 40,))
    seen = {range_.new: Evidence(bad=3), range_.old[0]: Evidence(quiet=20)}
    tracemalloc.start()
    decision = search(range_).decide(seen)  # type: ignore[call-arg]
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(decision, Probe)
    assert most < 50 << 20
