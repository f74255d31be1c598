"""The pages that are about many nights: the first one, one a month, the durations, the list of regressions."""

from __future__ import annotations

import datetime
import re
import sqlite3
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import assessment
from harness.nightly import told
from harness.nightly.history import Regression
from harness.reports import safe
from harness.reports.html import durations, grid, night
from harness.site import reading
from harness.site.names import Names
from harness.site.reading import Head
from harness.site.summaries import Summaries
from harness.site.writer import Writer

SHOWN = 28
"""Nights on the first page."""

DRAWN = 90
"""Nights on the page of durations."""

NEWS = ("new", "news", "fixed", "gone")

Data = dict[str, Any]


@dataclass(frozen=True)
class Tree:
    """A tree with what is known of it.

    Attributes:
        nights: in the order in which they were begun.
        found: its regressions.  lines: the same for the list.
        months: those of which something has changed.
    """

    nights: Sequence[Head]
    names: Names
    found: Sequence[Regression]
    lines: Sequence[Data]
    months: Collection[str]


@dataclass(frozen=True)
class Tops:
    """Writes them.

    Args:
        results: the folder of all results.  database: the journal.
        known: what the nights came to.
        working: whether a night goes on right now.
    """

    results: Path
    database: sqlite3.Connection
    known: Summaries
    writer: Writer
    working: bool

    def write(self, trees: Sequence[Tree]) -> None:
        """Write them; of the months only those that have changed."""
        several = len(trees) > 1
        newest = sorted(trees, key=lambda tree: tree.nights[-1].run, reverse=True)
        self.writer.page("index.html", "nights.html", title="Nights", trees=[self._tree(tree) for tree in newest])
        for tree in trees:
            for month in sorted(tree.months):
                nights = [one for one in tree.nights if one.date[:7] == month]
                title = f"{_month(month)}, {_short(tree.names.tree)}" if several else _month(month)
                shown: Data = {"heading": title, "title": "All nights", "latest": None, "running": False, "months": []}
                shown["grid"] = self._grid(tree, nights, "../")
                self.writer.page(tree.names.month(month), "nights.html", title=title, trees=[shown])
        rows = sorted((line for tree in trees for line in tree.lines), key=_latest, reverse=True)
        self.writer.page("regressions.html", "regressions.html", rows=rows)
        self.writer.page("durations.html", "durations.html", trees=[self._durations(tree) for tree in newest])

    def _tree(self, tree: Tree) -> Data:
        nights = tree.nights[-SHOWN:]
        last = nights[-1]
        running = self.working and last.status == assessment.RUNNING
        return {
            "heading": safe.line(_short(tree.names.tree), 100),
            "title": f"The last {len(nights)} nights" if len(nights) > 1 else "The first night",
            "latest": self._latest(tree, last, running),
            "running": running,
            "grid": self._grid(tree, nights, ""),
            "months": self._months(tree),
        }

    def _latest(self, tree: Tree, head: Head, running: bool) -> Data:
        found = reading.findings(self.database, self.results, head)
        cells = found.get("cells", [])
        counts = Counter(one["state"] for one in cells)
        if not cells:  # a day without a new tag
            nights = [self.known.nights[one.run] for one in reversed(tree.nights) if one.run in self.known.nights]
            counts = next((Counter(one["counts"]) for one in nights if one["counts"]), counts)
        reason = safe.line(found.get("reason") or "nothing is known of it yet")
        reason = re.sub(r"; \d+ tasks are carried over$", "", reason)  # they have a place of their own
        said = f"{reason[:1].upper()}{reason[1:]}"
        tried = sum(1 for one in cells if one.get("tried", True))
        return {
            "said": f"{said} so far in" if running else f"{said} in" if head.tag else f"{said};",
            "tag": head.tag,
            "date": head.date,
            "href": f"nights/{head.run}.html",
            "news": bool(found.get("new")),
            "ended": None if running else night.ENDS.get(head.status),
            "progress": f"{tried} of {len(cells)} cells",
            "counts": night.counts(counts),
            "carried": len(found.get("carried", ())),
            "found": [
                one for one in night.findings(found, tree.names.hrefs("", self._until(tree, head))) if one[0] in NEWS
            ],
        }

    def _grid(self, tree: Tree, nights: Sequence[Head], top: str) -> Data:
        columns = []
        for head in reversed(nights):
            cells = reading.findings(self.database, self.results, head).get("cells", [])
            hrefs = {name: f"{top}nights/{path}" for name, path in tree.names.cells(head.run, cells).items()}
            running = self.working and head.status == assessment.RUNNING
            columns.append(
                grid.Column(head.run, head.date, head.tag, running, cells, f"{top}nights/{head.run}.html", hrefs)
            )
        runs = self._until(tree, nights[-1])
        found = {one.signature: told.regression(one) for one in tree.names.until(runs)}
        return grid.shown(columns, found, tree.names.hrefs(top, runs))

    def _until(self, tree: Tree, last: Head) -> set[str]:
        return {one.run for one in tree.nights[: tree.nights.index(last) + 1]}

    def _months(self, tree: Tree) -> list[Data]:
        months: dict[str, list[Data]] = {}
        for head in reversed(tree.nights):
            months.setdefault(head.date[:7], []).append(self.known.nights.get(head.run) or {"counts": {}})
        return [
            {
                "name": _month(month),
                "href": tree.names.month(month),
                "nights": len(nights),
                "new": sum(one["counts"].get("new", 0) for one in nights),
            }
            for month, nights in months.items()
        ]

    def _durations(self, tree: Tree) -> Data:
        nights = [self.known.nights[one.run] for one in tree.nights[-DRAWN:] if one.run in self.known.nights]
        last = [reading.seconds(self.database, one.run) for one in tree.nights[-SHOWN:] if one.tag]
        names = dict.fromkeys(name for one in last for name in one if not name.startswith("last good: "))
        cells = {name: [one.get(name) for one in last] for name in names}
        return {"name": safe.line(_short(tree.names.tree), 100), **durations.shown(nights, cells)}


def _latest(line: Data) -> str:
    return str(line["since"])


def _short(tree: str) -> str:
    """A tree for people: the last part of a path or an address."""
    return tree.rstrip("/").rpartition("/")[2].removesuffix(".git") or tree


def _month(month: str) -> str:
    try:
        return datetime.date.fromisoformat(f"{month}-01").strftime("%B %Y")
    except ValueError:
        return safe.line(month, 20)
