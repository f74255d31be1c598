"""A run as one JSON document: `result.json`, and what `--json` prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.model import Trial
from harness.reproduce import Answer


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
        "folder": one.folder.name,
    }
