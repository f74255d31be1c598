"""A run as one JSON document: `result.json`, and what `--json` prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.git import Commit
from harness.matrix import Cell, Row
from harness.model import Trial
from harness.patches import Rejected
from harness.runner import Answer


def trial(one: Trial, top: Path) -> dict[str, Any]:
    """A trial as JSON data; folders are relative to `top`."""
    return {
        **({"variant": one.variant} if one.variant else {}),
        "outcome": str(one.outcome),
        "reason": one.reason,
        "seconds": round(one.seconds, 2),
        "phases": [{"name": name, "at": round(at, 2)} for name, at in one.phases],
        "crash": one.crash.to_json() if one.crash else None,
        "folder": str(one.folder.relative_to(top)),
    }


def answer(one: Answer, top: Path) -> dict[str, Any]:
    """What came of one commit, as JSON data."""
    kernel = one.kernel
    return {
        "role": one.subject.role,
        "commit": one.subject.commit.sha,
        "subject": one.subject.commit.subject,
        "verdict": str(one.verdict.word),
        "reason": one.verdict.reason,
        "confidence": round(one.verdict.confidence, 3),
        "kernel": kernel
        and {
            "signature": kernel.signature,
            "compiler": kernel.compiler,
            "built": kernel.built,
            "seconds": kernel.seconds,
        },
        **({"mended": list(one.mended)} if one.mended else {}),
        "trials": [trial(t, top) for t in one.trials],
        "folder": str(one.folder.relative_to(top)),
    }


def row(one: Row) -> dict[str, Any]:
    """A row of patches by scenarios, as JSON data; the base has no patches."""
    made = one.made
    return {
        "name": one.name,
        "patches": [{"subject": p.subject, "author": p.author, "notes": list(p.notes)} for p in one.change.patches]
        if one.change
        else [],
        "commit": made.sha if isinstance(made, Commit) else None,
        "rejected": {"patch": made.patch.subject, "reason": made.reason, "hunk": made.hunk}
        if isinstance(made, Rejected)
        else None,
    }


def cell(one: Cell, top: Path) -> dict[str, Any]:
    """A cell of patches by scenarios, as JSON data."""
    return {
        "row": one.row.name,
        "scenario": one.scenario.id,
        "as_expected": one.as_expected,
        "in_doubt": one.in_doubt,
        "answer": answer(one.answer, top) if one.answer else None,
    }
