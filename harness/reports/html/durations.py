"""How long builds and boots take, night by night, as a drawing."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from harness.assessment import Document
from harness.reports import safe

Shown = dict[str, Any]
WIDTH, HEIGHT = 720, 160
"""Of a plot, in its own units."""

_SLOWER = 1.25
"""So much longer than before is pointed out."""


def shown(nights: Sequence[Document], cells: Mapping[str, Sequence[float | None]]) -> Shown:
    """What `durations.html` shows.

    Args:
        nights: the oldest first, each with `date`, `tag`, and `builds` and `boots` (`count`, `median`, `total`).
        cells: by name, the seconds of a boot on each of the last nights, the oldest first.
    """
    plots = [
        _plot("Boots, median of a night", "boots", "median", nights),
        _plot("Boots, all of a night", "boots", "total", nights),
        _plot("Builds, all of a night", "builds", "total", nights),
    ]
    rows = [_row(name, values) for name, values in cells.items() if any(value is not None for value in values)]
    rows.sort(key=lambda row: (-(row["ratio"] or 0), row["name"]))
    return {"plots": [plot for plot in plots if plot], "rows": rows}


def _plot(title: str, what: str, figure: str, nights: Sequence[Document]) -> Shown | None:
    told = [(number, one) for number, one in enumerate(nights) if one[what]["count"]]
    if not told:
        return None
    values = [one[what][figure] for _, one in told]
    top = _top(max(values))
    step = WIDTH / max(1, len(nights) - 1)
    points = [
        {
            "x": round(number * step, 1),
            "y": round(HEIGHT - HEIGHT * one[what][figure] / top, 1),
            "label": f"{one['tag'] or one['date']}: {one[what][figure]:.1f} s, {one[what]['count']} {what}",
        }
        for number, one in told
    ]
    return {
        "title": title,
        "top": top,
        "points": points,
        "line": " ".join(f"{point['x']},{point['y']}" for point in points),
        "first": nights[0]["date"],
        "last": nights[-1]["date"],
        "said": f"{title}: {values[0]:.1f} s on {told[0][1]['date']}, {values[-1]:.1f} s on {told[-1][1]['date']}, "
        f"at most {max(values):.1f} s",
    }


def _top(value: float) -> float:
    """The next round number."""
    scale = 0.001
    while scale * 10 < value:
        scale *= 10
    return next(scale * factor for factor in (1, 2, 5, 10) if scale * factor >= value)


def _row(name: str, values: Sequence[float | None]) -> Shown:
    told = [(number, value) for number, value in enumerate(values) if value is not None]
    top = max(value for _, value in told) or 1.0
    width = max(1, len(values) - 1)
    last = told[-1][1]
    before = [value for _, value in told[:-1]]
    ratio = last / statistics.median(before) if before and statistics.median(before) > 0 else None
    return {
        "name": safe.line(name, 100),
        "last": last,
        "median": statistics.median(before) if before else None,
        "ratio": ratio,
        "slower": bool(ratio and ratio >= _SLOWER and last - statistics.median(before) >= 1),
        "line": " ".join(f"{100 * number / width:.1f},{20 - 18 * value / top:.1f}" for number, value in told),
    }
