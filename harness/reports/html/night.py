"""A night as a page: what is new, then where every cell stands, then the trials of those that did not simply pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness import assessment
from harness.assessment import Document
from harness.reports import safe
from harness.reports.html import summary, trials, words

Shown = dict[str, Any]
KINDS = {
    "new": "New",
    "news": "Culprit found",
    "fixed": "Fixed",
    "gone": "Known ones that are gone",
    "still": "Still there",
    "flaky": "Flaky",
}
"""What a night finds, and its heading."""

ENDS = {
    assessment.INTERRUPTED: "it was interrupted",
    assessment.INFRASTRUCTURE: "the machinery failed",
    assessment.RUNNING: "it has not ended, or was killed",
}


@dataclass(frozen=True)
class Links:
    """Where a night's page leads.

    Attributes:
        regressions: by signature.  cells: pages of cells, by name.
        earlier, later: the nights before and after.
        alone: there are no other pages: all trials are on this one.
        running: the night goes on right now.
    """

    regressions: Mapping[str, str] = field(default_factory=dict)
    cells: Mapping[str, str] = field(default_factory=dict)
    earlier: tuple[str, str] | None = None
    later: tuple[str, str] | None = None
    alone: bool = True
    running: bool = False


ALONE = Links()


def shown(document: Document, links: Links = ALONE) -> Shown:
    """What `night.html` shows.

    Args:
        document: the night's.
        links: its own page within a site; a page that stands alone has all trials on it.
    """
    told = document["night"]
    cells = told.get("cells", [])
    return {
        "title": f"{safe.line(told.get('tag') or 'no new tag')}: {safe.line(document['reason'])}",
        "tag": told.get("tag"),
        "date": document["date"],
        "tree": safe.line(document["tree"]),
        "commit": told.get("commit") or told.get("sha"),
        "started": document["started"],
        "ended": "it goes on" if links.running else ENDS.get(document["status"]),
        "status": document["status"],
        "reason": safe.line(document["reason"]),
        "running": links.running,
        "counts": counts(Counter(one["state"] for one in cells)),
        "found": findings(told, links.regressions),
        "carried": [safe.line(one) for one in told.get("carried", ())],
        "cells": sorted(
            (_row(document, one, number, links) for number, one in enumerate(cells)),
            key=lambda row: words.URGENCY[row["state"]],
        ),
        "told": [] if not links.alone else [cell(document, one["cell"], links) for one in cells if is_told(one)],
        "earlier": links.earlier,
        "later": links.later,
    }


def is_told(one: Document) -> bool:
    """Whether a cell has something to tell beside that it passes."""
    return bool(one["state"] != "passes" and one.get("tried", True))


def counts(found: Mapping[str, int]) -> list[tuple[str, int]]:
    """How many cells are in each state, the most urgent first."""
    return sorted(found.items(), key=lambda pair: words.URGENCY[pair[0]])


def findings(told: Document, hrefs: Mapping[str, str]) -> list[tuple[str, str, list[Shown]]]:
    """What a night found: kind, heading, and the regressions."""
    return [
        (key, title, [summary.shown(one, key, hrefs) for one in told[key]])
        for key, title in KINDS.items()
        if told.get(key)
    ]


def _row(document: Document, one: Document, number: int, links: Links) -> Shown:
    tried = _trials(document, one["cell"])
    return {
        "anchor": f"c{number}",
        "name": safe.line(one["cell"], 100),
        "state": one["state"],
        "reason": safe.line(one["reason"]),
        "since": one["since"],
        "failed": one["failed"],
        "passed": one["passed"],
        "seconds": sum(trial["seconds"] for trial in tried),
        "phases": trials.phases(tried[-1]) if tried else [],
        "files": trials.files(document, tried[-1]) if tried else [],
        "href": links.cells.get(one["cell"]) or (f"#t{number}" if is_told(one) and links.alone else None),
    }


def cell(document: Document, name: str, links: Links = ALONE) -> Shown:
    """A cell on one night with its trials: what `cell.html` shows."""
    told = document["night"]
    number, one = next((n, one) for n, one in enumerate(told["cells"]) if one["cell"] == name)
    controls = (told.get("controls") or {}).get(name, [])
    return {
        "title": f"{safe.line(name, 100)}: {one['state']} on {safe.line(told.get('tag') or document['date'])}",
        "anchor": f"t{number}",
        "name": safe.line(name, 100),
        "state": one["state"],
        "reason": safe.line(one["reason"]),
        "signature": one["signature"] and safe.line(one["signature"]),
        "regression": links.regressions.get(one["signature"] or ""),
        "since": one["since"],
        "last_good": one["last_good"],
        "known": one["known"],
        "tag": told.get("tag"),
        "date": document["date"],
        "commit": told.get("commit") or "",
        "trials": trials.named(document, _trials(document, name)),
        "controls": trials.named(document, controls),
    }


def _trials(document: Document, name: str) -> list[Document]:
    return next((list(one["trials"]) for one in document["commits"] if one["subject"] == name), [])
