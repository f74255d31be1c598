"""Cells by nights: what can be scanned in a second.  The newest night on the left, what is new on top."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.assessment import Document
from harness.reports import safe
from harness.reports.html import summary, words

Shown = dict[str, Any]
WAITING = "waiting"
_FAILING = ("new", "changed", "still", "flaky", "never worked", "fixed")
_FLAKY = ("flaky", "not run", WAITING)


@dataclass(frozen=True)
class Column:
    """A night in the grid.

    Attributes:
        run: its name.  date: the operator's day.  tag: None on a day without a new one.
        running: whether it is still going on.
        cells: as the night has them.
        href: its page.
        hrefs: pages of cells, by name; the others are a line of the night's page.
    """

    run: str
    date: str
    tag: str | None
    running: bool
    cells: Sequence[Document]
    href: str
    hrefs: Mapping[str, str]


def shown(columns: Sequence[Column], found: Mapping[str, Document], hrefs: Mapping[str, str]) -> Shown:
    """The grid.

    Args:
        columns: the newest first.
        found: regressions by signature, as nights tell them.
        hrefs: their pages, by signature.
    """
    names: dict[str, int] = {}
    for column in columns:
        for one in column.cells:
            names.setdefault(one["cell"], len(names))
    at = [{one["cell"]: (number, one) for number, one in enumerate(column.cells)} for column in columns]
    rows = [_row(name, [cells.get(name) for cells in at], columns, found, hrefs) for name in names]
    rows.sort(key=lambda row: (row["gone"], words.URGENCY[row["state"]], row["known"], row["order"], row["name"]))
    months = [
        (month, len(list(run))) for month, run in itertools.groupby(columns, key=lambda one: _day(one.date, "%B %Y"))
    ]
    return {"columns": [_head(column) for column in columns], "months": months, "rows": rows}


def _day(date: str, form: str) -> str:
    try:
        return datetime.date.fromisoformat(date).strftime(form)
    except ValueError:
        return safe.line(date, 20)


def _head(column: Column) -> Shown:
    number = sum(1 for one in column.cells if one["state"] == "new")
    told = f"{safe.line(column.tag)}, " if column.tag else "no new tag, "
    told += _day(column.date, "%A %-d %B")
    told += f": {number} new" if number else ""
    return {
        "day": _day(column.date, "%-d"),
        "label": told + (", running" if column.running else ""),
        "href": column.href,
        "running": column.running,
        "weekend": _day(column.date, "%u") in "67",
    }


def _row(
    name: str,
    cells: Sequence[tuple[int, Document] | None],
    columns: Sequence[Column],
    found: Mapping[str, Document],
    hrefs: Mapping[str, str],
) -> Shown:
    shown_ = [None if one is None else _cell(*one, column) for one, column in zip(cells, columns, strict=True)]
    told = [one[1] for one, cell in zip(cells, shown_, strict=True) if one and cell and cell["state"] != WAITING]
    tagged = [cells for cells, column in zip(cells, columns, strict=True) if column.tag]
    latest: Document | None = told[0] if told else None
    state = str(latest["state"]) if latest else WAITING
    signature = latest["signature"] if latest and state in _FAILING else None
    since = latest["since"] if latest and state in _FAILING else None
    one = found.get(signature or "")
    subject, _, rest = name.partition(" ")
    return {
        "name": safe.line(subject, 100),
        "rest": safe.line(rest, 60),
        "state": state,
        "known": bool(latest and latest["known"]),
        "order": "".join(chr(0x10FFFF - ord(c)) for c in since or ""),
        "gone": bool(tagged) and tagged[0] is None,
        "since": since,
        "signature": signature and safe.line(signature, 100),
        "href": hrefs.get(signature or ""),
        "culprit": summary.culprit(one["bisection"])["culprit"] if one and one.get("bisection") else None,
        "rate": _rate(told, state),
        "cells": shown_,
    }


def _rate(told: Sequence[Document], state: str) -> str | None:
    """How often a flaky one fails, over the nights that are shown and that it has been so."""
    if state != "flaky":
        return None
    nights = list(itertools.takewhile(lambda one: one["state"] in _FLAKY, told))
    failed, passed = sum(one["failed"] for one in nights), sum(one["passed"] for one in nights)
    whole = failed + passed
    return f"{100 * failed / whole:.0f} % of {whole} trials" if whole else None


def _cell(number: int, one: Document, column: Column) -> Shown:
    waiting = column.running and not one.get("tried", True)
    state = WAITING if waiting else one["state"]
    word = words.STATES[state]
    label = word.means if waiting else state
    if state != "passes" and not waiting:
        label = f"{state}: {safe.line(one['reason'], 200)}"
    return {
        "state": state,
        "css": word.css,
        "sign": word.sign,
        "label": label,
        "href": column.hrefs.get(one["cell"]) or f"{column.href}#c{number}",
    }
