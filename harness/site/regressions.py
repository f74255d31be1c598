"""The pages of the regressions, and their list."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.model import Outcome
from harness.nightly import history, told
from harness.nightly.history import Regression
from harness.reports.html import regression as page
from harness.reports.html import summary
from harness.site import reading, summaries
from harness.site.names import Names
from harness.site.reading import Head
from harness.site.summaries import Summaries
from harness.site.writer import Writer

Data = dict[str, Any]


@dataclass(frozen=True)
class Pages:
    """Writes those of a tree.

    Args:
        results: the folder of all results.  database: the journal.
        known: what the nights came to.
        tables: trials of patches by the signature of the failure that was seen in them.
    """

    results: Path
    database: sqlite3.Connection
    known: Summaries
    writer: Writer
    names: Names
    tables: Mapping[str, Sequence[str]]

    def write(self, own: Sequence[Head], found: Sequence[Regression], touched: Collection[str]) -> list[Data]:
        """Write the pages of which something has changed.

        Args:
            own: the nights of the tree.  found: its regressions.
            touched: runs that have new events.

        Returns:
            A line for the list of each regression, the latest first.
        """
        heads = {one.run: one for one in own}
        lines = []
        for number, one in enumerate(found):
            over = next((later.night for later in found[number + 1 :] if later.signature == one.signature), None)
            other = next((later.since for later in found[number + 1 :] if later.change == one.signature), None)
            standing = summaries.standing(one.signature, one.night, self.known.nights, list(heads), over)
            if standing["state"] == "not run" and other is not None:
                standing = {"state": "changed", "said": f"it fails in another way since {other}"}
            path, runs = self.names.regression(one), {one.night, *one.runs, *self.tables.get(one.signature, ())}
            said = json.dumps(standing)
            if runs & set(touched) or self.known.standings.get(path) != said or not self.writer.there(path):
                self._page(path, one, heads[one.night], standing)
                self.known.standings[path] = said
            line = summary.shown(told.regression(one), "new")
            lines.append({**line, "href": path, "standing": standing})
        return lines[::-1]

    def _page(self, path: str, one: Regression, head: Head, standing: Data) -> None:
        night = {**reading.night(self.results, head), "base_url": "../.."}
        cells = self.names.cells(head.run, night["night"].get("cells", ()))
        self.writer.page(
            path,
            "regression.html",
            **page.shown(
                told.regression(one),
                standing,
                self._documents(one.runs),
                self._documents(self.tables.get(one.signature, ())),
                _showing(night, one.signature),
                [(name, f"../nights/{cells[name]}" if name in cells else None) for name in one.cells],
            ),
        )

    def _documents(self, runs: Sequence[str]) -> list[Data]:
        found = (reading.run(self.results, name) for name in dict.fromkeys(runs))
        return [{**one, "base_url": "../.."} for one in found if one]


def _showing(night: Data, signature: str) -> tuple[Data, Data] | None:
    """A trial of the night that failed in this way, with the night's document."""
    for answer in night["commits"]:
        for trial in answer["trials"]:
            crash = trial["crash"] or {}
            how = (crash.get("signature"), crash.get("title"))
            if history.failure(Outcome(trial["outcome"]), trial["reason"], *how) == signature:
                return night, trial
    return None
