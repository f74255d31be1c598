"""A bisection as the pages show it: what was found, and how the range narrowed."""

from __future__ import annotations

import itertools
from typing import Any

from harness.assessment import Document
from harness.reports import safe
from harness.reports.bisect import checks

_SIGNS = {"G": "good", "B": "bad", "S": "skip", "=": "open"}
_MOST = 100
"""Candidates that are listed."""

Shown = dict[str, Any]


def shown(document: Document) -> Shown:
    """A bisection.

    Args:
        document: its own.
    """
    commit = document["commit"] or {}
    found = document["culprit"] and {
        "sha": document["culprit"],
        "subject": safe.line(document["subject"]),
        "author": safe.line(commit.get("author")),
        "date": safe.line(commit.get("date")),
        "message": safe.block((commit.get("message") or document["subject"] or "").strip("\n"))[:200],
        "confidence": document["confidence"],
    }
    narrowed = {one["commit"]: one for one in document["narrowing"]}
    return {
        "found": found,
        "fix": document["sought"] == "fix",
        "status": safe.line(document["status"]),
        "reason": safe.line(document["reason"]),
        "checks": [] if not found else [safe.line(one) for one in checks(document)],
        "candidates": [] if found else _candidates(document),
        "more": 0 if found else max(0, len(document["candidates"]) - _MOST),
        "notes": [safe.line(note) for note in document["notes"]],
        "merge": _merge(document),
        "steps": [_step(one, narrowed.get(one["commit"])) for one in document["steps"]],
        "narrowed": bool(narrowed),
        "builds": document["builds"],
        "boots": document["boots"],
        "people": people(document),
        "log": document.get("log"),
    }


def people(document: Document) -> list[str]:
    """Who is to be told of the culprit; nobody of what a synthetic history has."""
    told = (document.get("commit") or {}).get("people") or ()
    return [] if document["synthetic"] else [safe.line(one) for one in told]


def _candidates(document: Document) -> list[Shown]:
    return [
        {
            "sha": sha,
            "subject": safe.line(document["candidate_subjects"].get(sha)),
            "reason": safe.line(document["candidate_reasons"].get(sha)),
        }
        for sha in document["candidates"][:_MOST]
    ]


def _merge(document: Document) -> Shown | None:
    merge = document["merge"]
    if not merge:
        return None
    subjects = {one["commit"]: one["subject"] for one in document["steps"]}
    return {
        "reason": safe.line(merge["reason"]),
        "commit": document["culprit"],
        "parents": [
            {"sha": sha, "verdict": verdict, "subject": safe.line(subjects.get(sha, ""))}
            for sha, verdict in merge["parents"].items()
        ],
        "needs": [{"sha": sha, "subject": safe.line(subjects.get(sha, ""))} for sha in merge["needs"]],
    }


def _step(step: Document, narrowed: Document | None) -> Shown:
    return {
        "sha": step["commit"],
        "verdict": step["verdict"],
        "role": "" if step["role"] == "commit" else safe.line(step["role"]),
        "subject": safe.line(step["subject"]),
        "reason": safe.line(step["reason"]),
        "seconds": step["seconds"],
        "trials": step["trials"],
        "left": narrowed and narrowed["left"],
        "bar": bar(narrowed["bar"]) if narrowed else [],
        "width": len(narrowed["bar"]) if narrowed else 0,
    }


def bar(signs: str) -> list[Shown]:
    """The range, the oldest commit first: stretches of one kind, with their place and width in commits."""
    place, found = 0, []
    for sign, run in itertools.groupby(signs):
        width = len(list(run))
        found.append({"at": place, "width": width, "css": _SIGNS.get(sign, "gone")})
        place += width
    return found
