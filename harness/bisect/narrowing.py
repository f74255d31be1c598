"""How a range became smaller from step to step, to be drawn.  Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from harness.bisect.plan import Step
from harness.model import Verdict
from harness.search.graph import Graph

WIDTH = 60
"""Signs of a drawn range."""


def narrowing(graph: Graph, steps: Iterable[Step], sought: Verdict) -> list[dict[str, Any]]:
    """The range after each commit that was tried in it.

    Args:
        sought: the verdict of commits that have the commit that is looked for.

    Returns:
        For each, as JSON data, `commit`, `left` (how many may still be the one) and `bar`, the range with the oldest
        commit first: `=` where some may be the one, `-` where none may, and the commit itself as `G`, `B` or `S`.
    """
    suspects, count = graph.everything, len(graph.parents)
    found = []
    for step in steps:
        place = graph.place.get(step.commit)
        if step.role != "commit" or place is None:
            continue
        if step.verdict is sought:
            suspects &= graph.reach(place)
        elif step.verdict is not Verdict.SKIP:
            suspects &= ~graph.reach(place)
        width = min(WIDTH, count)
        edges = [cell * count // width for cell in range(width + 1)]
        bar = [
            "=" if suspects >> first & ((1 << last - first) - 1) else "-" for first, last in itertools.pairwise(edges)
        ]
        bar[next(cell for cell in range(width) if place < edges[cell + 1])] = step.verdict[0].upper()
        found.append({"commit": step.commit, "left": suspects.bit_count(), "bar": "".join(bar)})
    return found
