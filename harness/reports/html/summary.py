"""A regression in a few lines, as the page of nights, a night's own page and the list have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.assessment import Document
from harness.reports import safe

Shown = dict[str, Any]
_REVERTS = {
    "good": "reverted on that day's head, it is gone",
    "bad": "reverted on that day's head, it is still there",
    "conflict": "it cannot be reverted on that day's head",
    "skip": "whether a revert helps could not be told",
}


def shown(one: Document, kind: str, hrefs: Mapping[str, str] | None = None) -> Shown:
    """A regression of a night.

    Args:
        one: an entry of `new`, `news`, `fixed`, `gone`, `still` or `flaky`.
        kind: which of them.
        hrefs: pages of regressions, by signature.
    """
    return {
        "kind": kind,
        "signature": safe.line(one["signature"]),
        "since": one["since"],
        "last_good": one.get("last_good"),
        "cells": [safe.line(cell, 100) for cell in one["cells"]],
        "reason": safe.line(one.get("reason")),
        "before": one.get("before") and safe.line(one["before"]),
        "known": bool(one.get("known")),
        "link": one.get("link"),
        "notes": [safe.line(note) for note in one.get("notes", ())],
        "href": (hrefs or {}).get(one["signature"]),
        **culprit(one.get("bisection"), one.get("before")),
    }


def culprit(found: Document | None, before: str | None = None) -> Shown:
    """What is known of the commit: `culprit` with what belongs to it, and `said` where there is none.

    Args:
        found: what the bisections found, as the night has it; None while they are open.
        before: the failure that hides this one.
    """
    if not found:
        hidden = "not bisected: the failure before it hides it" if before else "its commit has not been found yet"
        return {"culprit": None, "said": hidden}
    if not found["culprit"]:
        return {"culprit": None, "said": safe.line(f"no single commit can be named: {found['reason']}")}
    merge = found["merge"]
    return {
        "culprit": {
            "sha": found["culprit"],
            "subject": safe.line(found["subject"]),
            "tree": found["tree"] and safe.line(found["tree"]),
            "confidence": found["confidence"],
            "revert": _REVERTS.get(found["checks"].get("revert_on_bad")),
            "in_mainline": found["in_mainline"],
            "merge": merge and safe.line(merge["reason"]),
        },
        "said": None,
    }
