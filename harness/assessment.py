"""Whether a result is well: one answer for tables, exit statuses, JSON and JUnit.  Pure: documents in, words out.

A document is a run as JSON data (`result.json`).  Well means:

- a commit whose verdict is known: it gave that verdict;
- a commit named by hand: the regression does not show on it, or the claim holds;
- a patch: the scenario passes with it;
- a bisection: a culprit was found and verified; an audit: the culprit was confirmed;
- a search among options: what is left was built from nothing, and shows the regression where the whole does;
- a night: nothing is new.

True, False, or None where it is unknown.  The exit status is 0 if and only if all is well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Document = Mapping[str, Any]

INFRASTRUCTURE = "infrastructure"
INTERRUPTED = "interrupted"
RUNNING = "running"
"""The status of a run that has not ended, or that was killed."""

OPEN = (RUNNING, INTERRUPTED, INFRASTRUCTURE)
"""Statuses of runs that can go on."""

_WANTED = {"good": "good", "bad": "bad", "fixed": "good", "claim": "good", "commit": "good"}
"""The verdict that is well, by the role of the commit in the scenario."""

_BISECTED = {"culprit": True, "confirmed": True, "refuted": False, "not-reproduced": False}

_MINIMISED = {"minimal": True, "isolated": True, "not reproduced": False, "not verified": False}

_NIGHTS = {"nothing new": True, "something new": False}


def lost(answer: Document) -> bool:
    """Whether the machine failed, so that nothing can be said of this commit."""
    return any(trial["outcome"] == INFRASTRUCTURE for trial in answer["trials"])


def of_answer(answer: Document) -> bool | None:
    """Whether a commit is well."""
    if answer["verdict"] == "skip" or lost(answer):
        return None
    return bool(answer["verdict"] == _WANTED[answer["role"]])


def of_cell(cell: Document) -> bool | None:
    """Whether a patch in a scenario is well; a base without an expectation is."""
    if cell["in_doubt"] or (cell["answer"] and lost(cell["answer"])):
        return None
    return cell["as_expected"] is not False


def of(document: Document) -> bool | None:
    """Whether a run is well as a whole.  A part that is not outweighs parts that are unknown."""
    if "night" in document:
        return _NIGHTS.get(document["status"])
    if "steps" in document:
        return _BISECTED.get(document["status"])
    if "kconfig" in document:
        return _MINIMISED.get(document["status"])
    if "cells" in document:
        told = _together(of_cell(cell) for cell in document["cells"])
    else:
        told = _together(of_answer(answer) for answer in document["commits"])
    unfinished = document["status"] in OPEN
    return None if unfinished and told else told


def of_all(documents: Iterable[Document]) -> bool | None:
    """Whether several runs are well; one that could not be tried (status None) does not count."""
    return _together(of(document) for document in documents if document["status"] is not None)


def _together(parts: Iterable[bool | None]) -> bool | None:
    told = list(parts)
    if False in told:
        return False
    return None if None in told or not told else True


def exit_status(document: Document) -> int:
    """0 if all is well, 3 if the machinery failed, 130 if it was interrupted, else 1."""
    failed = {INFRASTRUCTURE: 3, INTERRUPTED: 130}.get(document["status"])
    return failed or (0 if of(document) else 1)
