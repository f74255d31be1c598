"""A run as one JSON document (`result.json`, and what `--json` prints), assembled from its events.  Pure.

The live program and `regress report` both use this, so that they agree.  What the loops find is converted to JSON
data (`answer`, `rows`, `cell`, `findings`), written to the journal, and read from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from harness import assessment
from harness.bisect import BisectStatus, Result, Step
from harness.git import Commit
from harness.journal import Event
from harness.matrix import Cell, Row
from harness.nightly.history import CONTROL
from harness.patches import Rejected
from harness.runner import Answer

Data = dict[str, Any]


def answer(one: Answer, top: Path) -> Data:
    """The outcome of one commit, without its trials, which are events of their own."""
    kernel = one.kernel
    return {
        "role": one.subject.role,
        "commit": one.subject.commit.sha,
        "subject": one.subject.commit.subject,
        "verdict": str(one.judgement.verdict),
        "reason": one.judgement.reason,
        "confidence": round(one.judgement.confidence, 3),
        "kernel": kernel
        and {
            "signature": kernel.signature,
            "compiler": kernel.compiler,
            "built": kernel.built,
            "seconds": kernel.seconds,
        },
        **({"mended": list(one.fixups)} if one.fixups else {}),
        "folder": str(one.folder.relative_to(top)),
    }


def rows(base: Commit, made: Sequence[Row]) -> Data:
    """The patches and their base, which has no patch."""
    return {"base": {"commit": base.sha, "subject": base.subject}, "rows": [_row(row) for row in made]}


def _row(one: Row) -> Data:
    made = one.made
    patches = one.change.patches if one.change else ()
    return {
        "name": one.name,
        "subject": one.change.subject if one.change else None,
        "patches": [{"subject": p.subject, "author": p.author, "notes": list(p.notes)} for p in patches],
        "patchset": one.change.patchset if one.change else None,
        "commit": made.sha if isinstance(made, Commit) else None,
        "rejected": {"patch": made.patch.subject, "reason": made.reason, "hunk": made.hunk}
        if isinstance(made, Rejected)
        else None,
    }


def cell(one: Cell, top: Path) -> Data:
    """A patch in a scenario, without its trials."""
    return {
        "row": one.row.name,
        "scenario": one.scenario.id,
        "as_expected": one.as_expected,
        "in_doubt": one.in_doubt,
        "broken": one.broken,
        "answer": answer(one.answer, top) if one.answer else None,
    }


def role(row: str, scenario: str) -> str:
    """The role of a patch trial in the journal."""
    return f"{row} in {scenario}"


def findings(result: Result, subject: Callable[[str], str]) -> Data:
    """The findings of a bisection.

    Args:
        subject: returns a commit's subject line.
    """
    merge = result.interaction
    return {
        "culprit": result.culprit,
        "subject": subject(result.culprit) if result.culprit else None,
        "candidates": list(result.candidates),
        "candidate_reasons": dict(result.candidates),
        "candidate_subjects": {sha: subject(sha) for sha in result.candidates},
        "confidence": round(result.confidence, 4),
        "steps": [_step(step) for step in result.steps],
        "builds": result.builds,
        "boots": result.boots,
        "checks": dict(result.checks),
        "merge": merge
        and {
            "parents": {sha: str(word) for sha, word in merge.parents.items()},
            "needs": list(merge.needs),
            "reason": merge.reason,
        },
        "notes": list(result.notes),
        "narrowing": [],
        **dict.fromkeys(("crash", "commit", "log", "mainline")),
    }


def _step(step: Step) -> Data:
    return {
        "commit": step.commit,
        "role": step.role,
        "subject": step.subject,
        "verdict": str(step.verdict),
        "reason": step.reason,
        "built": step.built,
        "trials": step.trials,
        "seconds": step.seconds,
        **({"mended": list(step.fixups)} if step.fixups else {}),
    }


def of(events: Iterable[Event], folder: Path) -> Data:
    """A run as its events describe it.

    Args:
        events: those of one run, in order.
        folder: the folder of its files.

    Returns:
        The document; for a run that has not ended, or was killed, with status `running` and what is known.
    """
    told = list(events)
    head: Data = dict(next(event.data for event in told if event.kind == "start"))
    kind = head.get("kind", "run")
    last = next(event for event in reversed(told) if event.kind in ("start", "resume", "end"))
    end: Data = dict(last.data) if last.kind == "end" else {"status": assessment.RUNNING, "reason": "it has not ended"}
    status, reason, hosts = end.pop("status"), end.pop("reason"), end.pop("hosts", None)
    makers = {"bisect": _bisection, "try": _table, "nightly": _night, "kconfig": _configurations}
    parts = makers.get(kind, _run)(told, end)
    known = {"scenario": head["scenario"], **{name: head.get(name) for name in ("title", "name", "tree", "arch")}}
    known |= {
        "links": head.get("links", []),
        "synthetic": head.get("synthetic", False),
        "repository": head.get("repository"),
        "programs": head.get("programs"),
        "configuration": head.get("configuration"),
    }
    known["started"] = next(event.utc for event in told if event.kind == "start")
    document = {
        "status": status,
        "reason": reason,
        "well": None,
        "kind": kind,
        **(parts if kind == "bisect" else {}),
        **known,
        **({"plan": _plan(told)} if kind == "bisect" else {}),
        "command": head.get("command", []),
        **({} if kind == "bisect" else parts),
        **({"hosts": hosts} if hosts else {}),
        "folder": str(folder),
    }
    return {**document, "well": assessment.of(document)}


def _run(events: Sequence[Event], _end: Data) -> Data:
    return {"commits": [_with_trials(data, trials) for kind, data, trials in _answers(events) if kind == "answer"]}


def _table(events: Sequence[Event], _end: Data) -> Data:
    cells = []
    for kind, data, trials in _answers(events):
        if kind == "cell":
            one = data["answer"]
            cells.append({**data, "answer": _with_trials(one, trials) if one else None})
    made: Data = next((dict(event.data) for event in events if event.kind == "rows"), {"base": None, "rows": []})
    return {**made, "cells": cells}


def _bisection(events: Sequence[Event], end: Data) -> Data:
    nothing = findings(Result(BisectStatus.INTERRUPTED, ""), str)
    found = {**nothing, **end}
    crash = found["crash"]
    return {
        "sought": "fix" if _plan(events).get("find_fix") else "regression",
        **found,
        "crash": crash and _trial(crash),
    }


def _configurations(events: Sequence[Event], end: Data) -> Data:
    """A search among options: the configurations tried, the first as a commit's answers, and the verification."""
    question: Data = next((dict(event.data) for event in events if event.kind == "question"), {})
    tried = [dict(event.data) for event in events if event.kind == "configuration"]
    whole = [
        {
            "role": role,
            "commit": question["bad"],
            "subject": question["subject"],
            "confidence": 1.0,
            **{name: one[name] for name in ("verdict", "reason", "folder")},
            "kernel": one["kernel"] and {"compiler": "", **one["kernel"]},
            "trials": [_trial(trial) for trial in one["trials"]],
        }
        for role, one in zip(("good", "bad") if question.get("between") else ("bad",), tried, strict=False)
    ]
    found: Data = dict(end.get("kconfig", {}))
    return {"commits": [*whole, *_run(events, end)["commits"]], "kconfig": {**question, "tried": tried, **found}}


_TOLD = {"passes": "good", "fixed": "good", "new": "bad", "changed": "bad", "still": "bad", "never worked": "bad"}
"""The verdict on a night's commit, by the state of a cell."""


def _night(events: Sequence[Event], end: Data) -> Data:
    """A night: what it found, and each cell as a commit's answer, for those who know these."""
    head = next(event.data for event in events if event.kind == "start")
    tonight: Data = next((dict(event.data) for event in events if event.kind == "tonight"), {})
    trials: dict[str, list[Data]] = {}
    for event in events:
        if event.kind == "trial":
            trials.setdefault(event.data["role"], []).append(_trial(dict(event.data)))
    commits = [
        {
            "role": "commit",
            "commit": end.get("commit") or "",
            "subject": cell["cell"],
            "verdict": _TOLD.get(cell["state"], "skip"),
            "reason": f"{cell['state']}: {cell['reason']}",
            "confidence": 0.0,
            "kernel": None,
            "trials": trials.get(cell["cell"], []),
            "folder": ".",
        }
        for cell in end.get("cells", [])
    ]
    controls = {name.removeprefix(CONTROL): tried for name, tried in trials.items() if name.startswith(CONTROL)}
    return {"date": head["date"], "night": {**tonight, **end, "controls": controls}, "commits": commits}


def _plan(events: Sequence[Event]) -> Data:
    return dict(next((event.data for event in events if event.kind == "plan"), {}))


def _answers(events: Sequence[Event]) -> Iterable[tuple[str, Data, list[Data]]]:
    """Answers and cells, each with the trials that it is based on."""
    trials: dict[tuple[str, str], list[Data]] = {}
    for event in events:
        data = dict(event.data)
        if event.kind == "trial":
            trials.setdefault((data["sha"], data["role"]), []).append(_trial(data))
        elif event.kind == "answer":
            yield "answer", data, trials.pop((data["commit"], data["role"]), [])
        elif event.kind == "cell":
            sha = data["answer"]["commit"] if data["answer"] else ""
            yield "cell", data, trials.pop((sha, role(data["row"], data["scenario"])), [])


def _with_trials(one: Data, trials: list[Data]) -> Data:
    return {**{name: value for name, value in one.items() if name != "folder"}, "trials": trials} | {
        "folder": one["folder"]
    }


def _trial(data: Data) -> Data:
    return {
        **({"variant": data["variant"]} if data["variant"] else {}),
        **({"host": data["host"]} if data.get("host") else {}),
        "outcome": data["outcome"],
        "reason": data["reason"],
        "seconds": round(data["seconds"], 2),
        "phases": [{"name": name, "at": round(at, 2)} for name, at in data["phases"]],
        "crash": data["crash"],
        **({"tests": data["tests"]} if data.get("tests") else {}),
        **({"excerpt": data["excerpt"]} if data.get("excerpt") else {}),
        **({"files": data["files"]} if data.get("files") else {}),
        "folder": data["folder"],
    }
