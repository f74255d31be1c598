"""What hints weigh: which commits are tried sooner.  docs/search.md says what a wrong hint costs.  Pure.

Half of the weight is spread evenly over all commits, so that none is ever out of sight; the other half is shared
equally among the sets that something points to, and spread evenly over each.
"""

from __future__ import annotations

from harness.search import History
from harness.search.graph import Graph

WHOLE = 1 << 48
"""About what the weights of a history add up to: enough to tell apart a share in a million commits."""

Classes = tuple[tuple[int, int], ...]
"""Disjoint sets of commits, in the words of `harness.search.graph`, with the weight of each commit in them.

No two have the same weight.
"""


def even(graph: Graph) -> Classes:
    """All commits weigh the same."""
    return ((graph.everything, 1),)


def classes(history: History, graph: Graph) -> Classes:
    """The commits of a history by their weights, which are positive; all of them are in one of the sets."""
    pointed = [found for hint in history.hints if (found := graph.having(hint)) not in (0, graph.everything)]
    if not pointed:
        return even(graph)
    parts = {WHOLE // 2 // len(history.commits): graph.everything}
    for hint in pointed:
        more = WHOLE // 2 // len(pointed) // hint.bit_count()
        split: dict[int, int] = {}
        for each, commits in parts.items():
            for its, part in ((each + more, commits & hint), (each, commits & ~hint)):
                if part:
                    split[its] = split.get(its, 0) | part
        parts = split
    return tuple((commits, each) for each, commits in parts.items())


def weight(classes: Classes, commits: int) -> int:
    """The weight of a set of commits."""
    return sum((commits & part).bit_count() * each for part, each in classes)
