"""A run, a trial of patches or a bisection as a page."""

from __future__ import annotations

from typing import Any

from harness.assessment import Document
from harness.reports import cases, parts, patch_table, safe
from harness.reports.html import bisection, trials, words

Shown = dict[str, Any]
_ORDER = (cases.ERROR, cases.FAILURE, cases.SKIPPED, cases.PASS)


def shown(document: Document) -> Shown:
    """What `result.html` shows."""
    bisected = "steps" in document
    told = cases.of(document)
    kind = next(kind for kind in _ORDER if any(case.kind == kind for case in told))
    trial = parts.crash(document)
    return {
        "title": f"{safe.line(document['status'])}: {parts.title(document)}",
        "heading": safe.line(document["title"]),
        "word": words.RESULTS[kind],
        "said": {cases.PASS: "found", cases.FAILURE: "not found"}.get(kind) if bisected else None,
        "status": safe.line(document["status"]),
        "reason": safe.line(document["reason"]),
        "facts": facts(document),
        "links": parts.links(document),
        "bisections": [bisection.shown(document)] if bisected else [],
        "patches": patches(document) if "cells" in document else None,
        "trial": trial and trials.shown(document, trial, "the trial that shows it"),
        "cases": [] if bisected else [_case(document, one) for one in told],
        "people": bisection.people(document),
        "reproduction": reproduction(document),
    }


def facts(document: Document) -> list[tuple[str, str]]:
    """What the run was about."""
    return [
        ("Scenario", safe.line(document["name"])),
        ("Tree", safe.line(f"{document['tree']}, {document['arch']}")),
        ("Started", safe.line(document["started"])),
    ]


def patches(document: Document) -> Shown:
    """The table of a trial of patches: a row a patch, a column a scenario."""
    cells = document["cells"]
    subjects = {row["name"]: row["subject"] for row in document["rows"]}
    columns = list(dict.fromkeys(cell["scenario"] for cell in cells))
    at = {(cell["row"], cell["scenario"]): cell for cell in cells}
    rows = [
        {
            "name": safe.line(row),
            "subject": safe.line(subjects.get(row) or ""),
            "cells": [_patch_cell(at.get((row, column))) for column in columns],
        }
        for row in dict.fromkeys(cell["row"] for cell in cells)
    ]
    base = document["base"]
    return {
        "base": base and {"sha": base["commit"], "subject": safe.line(base["subject"])},
        "columns": [safe.line(column) for column in columns],
        "rows": rows,
        "run": parts.name(document),
    }


def _patch_cell(cell: Document | None) -> Shown | None:
    if cell is None:
        return None
    css = {True: "good", False: "bad", None: "skip"}[cell["as_expected"] if cell["answer"] else False]
    if cell["in_doubt"]:
        css = "skip"
    answer = cell["answer"]
    reason = cell["in_doubt"] or (answer["reason"] if answer else "")
    return {"word": safe.line(patch_table.word(cell)), "css": css, "reason": safe.line(reason)}


def _case(document: Document, case: cases.Case) -> Shown:
    return {
        "word": words.RESULTS[case.kind],
        "name": case.name,
        "suite": case.suite,
        "seconds": case.seconds,
        "reason": case.reason,
        "trials": trials.named(document, case.trials),
        "lines": [] if case.trials else case.lines,
    }


def reproduction(document: Document) -> list[str]:
    """How to reproduce it without this program; nothing where no commit is known to show it."""
    tried = [answer["commit"] for _, answer in parts.answers(document) if answer["verdict"] == "bad"]
    sha = document.get("culprit") if document.get("sought") != "fix" else (document["plan"].get("bad") or [None])[0]
    sha = sha or next(iter(tried), None)
    return parts.reproduction(document, sha) if sha else []
