"""Writes the pages that have changed since the site was written last."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import assessment, journal
from harness.files import locked
from harness.nightly.history import Regression
from harness.progress import SILENT
from harness.reports.html import night
from harness.site import reading, summaries
from harness.site.names import Names
from harness.site.reading import Head
from harness.site.regressions import Pages
from harness.site.summaries import Summaries
from harness.site.tops import Tops, Tree
from harness.site.writer import Writer

FOLDER = "site"
"""Of the pages, in the folder of results."""

INDEX = "index.html"

Data = dict[str, Any]


def update(results: Path) -> Path | None:
    """Write what is new; the pages of nights that have not changed stay as they are.

    Args:
        results: the folder of all results.

    Returns:
        The first page; None where there is no journal.

    Raises:
        InfrastructureError, UserError: the journal cannot be read.
        OSError: a page cannot be written.
    """
    index, folder = results / "index.sqlite", results / FOLDER
    if not index.exists():
        return None
    with locked(folder / ".lock", SILENT), journal.reading(index) as database, journal.whole(index):
        _Update(results, database, summaries.load(folder), Writer(folder)).work()
    return folder / INDEX


@dataclass
class _Update:
    """One go at it.

    Args:
        results: the folder of all results.  database: the journal.
        known: what the nights came to until now.

    Attributes:
        trees: those that were looked through.
        working: whether a night goes on right now.
    """

    results: Path
    database: sqlite3.Connection
    known: Summaries
    writer: Writer
    trees: list[Tree] = field(default_factory=list)
    working: bool = False

    def work(self) -> None:
        """Write the pages that have changed, then what they say."""
        last, touched = reading.changed(self.database, self.known.last)
        heads = reading.heads(self.database)
        tables = reading.tables(self.database)
        self.working = reading.working(self.results)
        self.writer.assets()
        for number, tree in enumerate(dict.fromkeys(head.tree for head in heads)):
            own = [one for one in heads if one.tree == tree]
            fresh = {one.run for one in own if one.run in touched or one.run not in self.known.nights}
            found = reading.regressions(self.results, own)
            names = Names(tree, found, number)
            self._nights(own, fresh, names)
            pages = Pages(self.results, self.database, self.known, self.writer, names, tables)
            lines = pages.write(own, found, touched)
            self.trees.append(Tree(own, names, found, lines, _months(own, fresh, found, touched)))
        Tops(self.results, self.database, self.known, self.writer, self.working).write(self.trees)
        self.known.last = last
        summaries.keep(self.writer.folder, self.known)

    def _nights(self, own: Sequence[Head], fresh: Collection[str], names: Names) -> None:
        """The pages of the nights that have changed, and of those before them, which lead to them."""
        before = {earlier.run for earlier, one in itertools.pairwise(own) if one.run in fresh}
        until: set[str] = set()
        for number, head in enumerate(own):
            until.add(head.run)
            if head.run not in fresh and head.run not in before:
                continue
            told = reading.night(self.results, head)
            earlier, later = (own[at] if 0 <= at < len(own) else None for at in (number - 1, number + 1))
            self._night(head, told, (earlier, later), names, until)
            if head.run in fresh:
                self.known.nights[head.run] = summaries.of(told, reading.figures(self.database, head.run))

    def _night(
        self, head: Head, told: Data, around: Sequence[Head | None], names: Names, until: Collection[str]
    ) -> None:
        """A night's page, and those of its cells that have something to tell."""
        cells = names.cells(head.run, told["night"].get("cells", ()))
        earlier, later = ((one.tag or one.date, f"{one.run}.html") if one else None for one in around)
        running = self.working and head.status == assessment.RUNNING
        links = night.Links(names.hrefs("../", until), cells, earlier, later, alone=False, running=running)
        document = {**told, "base_url": "../.."}
        self.writer.page(f"nights/{head.run}.html", "night.html", **night.shown(document, links))
        document["base_url"] = "../../.."
        inner = night.Links(names.hrefs("../../", until), cells, alone=False)
        written = set()
        for name, path in cells.items():
            shown = night.cell(document, name, inner)
            written.add(self.writer.page(f"nights/{path}", "cell.html", night_href=f"../{head.run}.html", **shown))
        self.writer.only(f"nights/{head.run}", written)


def _months(
    own: Sequence[Head], fresh: Collection[str], found: Sequence[Regression], touched: Collection[str]
) -> set[str]:
    """The months of which something has changed: a night, or what is known of a regression since it began."""
    dates = {one.run: one.date[:7] for one in own}
    months = {dates[run] for run in fresh}
    for one in found:
        if set(one.runs) & set(touched):
            months |= {month for month in dates.values() if month >= dates[one.night]}
    return months
