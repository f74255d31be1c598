"""Documents made by hand, for what no command gives at once."""

from typing import Any

from harness import assessment

SHA = "0123456789abcdef0123456789abcdef01234567"


def crash(title: str) -> dict[str, Any]:
    return {
        "title": title,
        "signature": f"sig {title}",
        "kernel": "6.1.0",
        "taint": "W",
        "function": "f",
        "kind": "bug",
    }


def trial(outcome: str, reason: str, *, variant: str = "", **more: Any) -> dict[str, Any]:
    title = more.get("crash")
    lines = ["before", *(["BUG: boo"] if title else []), "after"]
    return {
        **({"variant": variant} if variant else {}),
        "outcome": outcome,
        "reason": reason,
        "seconds": 1.0,
        "phases": [],
        "crash": title and crash(title),
        "excerpt": {"first": 7, "lines": lines, "crash": [8, 8] if title else None},
        "files": ["x-1/trial-1/console.log", "x-1/config"],
        "folder": "x-1/trial-1",
    }


def answer(role: str, verdict: str, trials: list[dict[str, Any]], reason: str | None = None) -> dict[str, Any]:
    telling = [one for one in trials if one["crash"] or one["outcome"] != "passed"] or trials
    return {
        "role": role,
        "commit": SHA,
        "subject": "toy: do less",
        "verdict": verdict,
        "reason": telling[0]["reason"] if reason is None else reason,
        "confidence": 1.0,
        "kernel": {"signature": "a" * 64, "compiler": "gcc 12", "built": True, "seconds": 2.0},
        "trials": trials,
        "folder": "x-1",
    }


def run(*answers: dict[str, Any], **more: Any) -> dict[str, Any]:
    document = {
        "status": "shows",
        "reason": "as expected on every commit",
        "kind": "run",
        "scenario": "toy",
        "title": "the toy crashes",
        "name": "lr#toy",
        "tree": "tree",
        "arch": "x86_64",
        "links": [],
        "synthetic": False,
        "programs": None,
        "started": "2026-01-02T03:04:05.000+00:00",
        "command": ["regress"],
        "commits": list(answers),
        "folder": "/results/2026-01-02-030405-toy",
        **more,
    }
    return {**document, "well": assessment.of(document)}
