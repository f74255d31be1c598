"""Which commits a search may want next, while the one at hand is being tried.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Set

from harness.search import Evidence, History, Probe, Search
from harness.search.graph import Graph
from harness.search.posterior import NOTHING, crashes, posterior


def outlook(
    search: Search, history: History, graph: Graph, evidence: Mapping[str, Evidence], built: Set[str], probe: Probe
) -> list[str]:
    """The commits without an image that may come next, those first that come with the likelier outcome.

    What a build ahead saves is the time that it gets, so what it costs does not change the order.

    Args:
        search: decides.
        history: its range.
        graph: the same as numbers.
        evidence: what is known so far.
        built: the commits that have an image.
        probe: what is being tried.
    """
    seen = evidence.get(probe.commit, NOTHING)
    chance = crashes(history, graph, posterior(history, graph, evidence), probe.commit, probe.runs)
    outcomes = [
        (chance, Evidence(seen.bad + 1, seen.quiet)),
        (1 - chance, Evidence(seen.bad, seen.quiet + probe.runs)),
    ]
    found = []
    for likely, supposed in sorted(outcomes, key=lambda outcome: -outcome[0]):
        decision = search.decide({**evidence, probe.commit: supposed}, built | {probe.commit}) if likely else None
        if isinstance(decision, Probe) and decision.commit not in {*built, probe.commit}:
            found.append(decision.commit)
    return list(dict.fromkeys(found))
