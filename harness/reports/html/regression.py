"""A regression as a page of its own: what, since when, on what, by which commit, whom to tell, how to reproduce it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.assessment import Document
from harness.reports import parts, safe
from harness.reports.html import bisection, result, summary, trials

Shown = dict[str, Any]


def shown(
    one: Document,
    standing: Document,
    bisections: Sequence[Document],
    tables: Sequence[Document],
    trial: tuple[Document, Document] | None,
    cells: Sequence[tuple[str, str | None]],
) -> Shown:
    """What `regression.html` shows.

    Args:
        one: the regression, as nights tell it.
        standing: `state` and `said`: whether it is there.
        bisections: the documents of the runs that looked for its commit, in order.
        tables: trials of patches that showed it.
        trial: one that shows it, with the document of its run.
        cells: what it is on, with the page of each.
    """
    told = next((document for document in bisections if document.get("crash")), None)
    first = trials.shown(*trial, "the trial that shows it") if trial else None
    if first is None and told is not None:
        first = trials.shown(told, told["crash"], "the trial that shows it")
    crash = first and first["crash"]
    last = bisections[-1] if bisections else None
    return {
        "title": crash["title"] if crash else safe.line(one["signature"]),
        "one": summary.shown(one, "new"),
        "standing": standing,
        "cells": [(safe.line(name, 100), href) for name, href in cells],
        "trial": first,
        "bisections": [(parts.name(document), bisection.shown(document)) for document in bisections],
        "tables": [result.patches(document) for document in tables],
        "people": bisection.people(last) if last else [],
        "reproduction": _reproduction(one, last, trial),
        "links": parts.links(last) if last else [],
    }


def _reproduction(one: Document, last: Document | None, trial: tuple[Document, Document] | None) -> list[str]:
    if last is not None:
        return result.reproduction({**last, "culprit": last["culprit"] or one["commit"]})
    return parts.reproduction(trial[0], one["commit"]) if trial else []
