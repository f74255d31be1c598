"""A run as test cases: a commit, a patch in a scenario, or a whole bisection.  Pure.

A case that is well passes, one that is not fails, one that cannot be told is skipped, and a machine's fault is an
error; so all cases pass exactly where the exit status is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness import assessment
from harness.assessment import OPEN, Document
from harness.reports import parts, safe

PASS, FAILURE, ERROR, SKIPPED = "pass", "failure", "error", "skipped"
_WELL = {True: PASS, False: FAILURE, None: SKIPPED}


@dataclass(frozen=True)
class Case:
    """A test case; all text is safe.

    Attributes:
        suite: the scenario.  kind: one of the words above.
        reason: on one line.  lines: what more is to be shown: the crash, or the hunk that does not apply.
        seconds: of build and boots.
        notes: what was done, a line each.
        answer: None for a bisection, and where nothing was tried.
        trials: those whose files belong to it.
        again: trials of the same thing that ended otherwise than the case.
        ways: the trials by variant, each with its kind, where there are variants.
    """

    suite: str
    name: str
    kind: str
    reason: str
    lines: Sequence[str] = ()
    seconds: float = 0.0
    notes: Sequence[str] = ()
    answer: Document | None = None
    trials: Sequence[Document] = ()
    again: Sequence[Document] = ()
    ways: Sequence[tuple[str, str, str]] = ()


def of(document: Document) -> list[Case]:
    """The cases of a run; there is at least one."""
    if "steps" in document:
        return [_bisection(document)]
    cases = list(_table(document) if "cells" in document else _commits(document))
    unfinished = document["status"] in OPEN or not cases
    if unfinished and not any(case.kind == ERROR for case in cases):
        reason = safe.line(document["reason"])
        cases.append(Case(safe.line(document["scenario"]), "(the run as a whole)", ERROR, reason))
    return cases


def _commits(document: Document) -> Sequence[Case]:
    cases = []
    states = {cell["cell"]: cell["state"] for cell in document.get("night", {}).get("cells", ())}
    for answer in document["commits"]:
        passed = [trial["outcome"] == "passed" for trial in answer["trials"]]
        if states.get(answer["subject"]) == "flaky" and any(passed):
            case = _tried(document["scenario"], f"commit {answer['commit'][:12]} {answer['subject']}", answer, "", None)
            failed = [trial for trial, good in zip(answer["trials"], passed, strict=True) if not good]
            reason = safe.line(answer["reason"])
            cases.append(replace(case, kind=PASS, reason=reason, lines=(), again=failed))
            continue
        name, well = f"{answer['role']} {answer['commit'][:12]} {answer['subject']}", assessment.of_answer(answer)
        verdict = f"verdict {answer['verdict']}: " if well is False else ""
        case = _tried(document["scenario"], name, answer, f"{verdict}{answer['reason']}", well)
        cases += [case, *_tests(case)]
    return cases


def _tests(case: Case) -> Sequence[Case]:
    """The kernel's own tests of a case, in a suite of their own.  They fail only where the case does."""
    told = next((one["tests"] for one in reversed(case.trials) if "tests" in one), ())
    suite = f"{case.suite}: {case.name}"
    return [Case(suite, safe.line(one["name"]), *_test(one, case.kind)) for one in told]


def _test(one: Document, kind: str) -> tuple[str, str]:
    reason = safe.line(one["reason"])
    if one["result"] == "passed":
        return PASS, reason
    if one["result"] == "failed":
        return FAILURE if kind == FAILURE else SKIPPED, f"failed: {reason}"
    return SKIPPED, f"{one['result']}: {reason}"


def _table(document: Document) -> Sequence[Case]:
    subjects = {row["name"]: row["subject"] for row in document["rows"]}
    hunks = {row["name"]: row["rejected"] for row in document["rows"]}
    cases = []
    for cell in document["cells"]:
        answer, rejected, well = cell["answer"], hunks.get(cell["row"]), assessment.of_cell(cell)
        name = " ".join(dict.fromkeys(filter(None, (cell["row"], subjects.get(cell["row"])))))
        if answer is None:
            reason = safe.line(f"does not apply: {rejected['reason'] if rejected else 'unknown'}")
            lines = safe.block((rejected and rejected["hunk"]) or "")
            cases.append(Case(safe.line(cell["scenario"]), safe.line(name), _WELL[well], reason, lines))
            continue
        if cell["broken"]:
            reason = f"does not build: {answer['reason']}"
        else:
            reason = cell["in_doubt"] or f"verdict {answer['verdict']}: {answer['reason']}"
        case = _tried(cell["scenario"], name, answer, reason, well)
        cases += [case, *_tests(case)]
    return cases


def _bisection(document: Document) -> Case:
    lost = document["status"] in OPEN
    trial = document.get("crash")
    notes = [f"{document['culprit']} {safe.line(document['subject'])}"] if document["culprit"] else []
    for step in document["steps"]:
        what = f"{step['verdict']:5}{step['commit'][:12]} {safe.line(step['subject'])}"
        notes.append(f"{what} ({step['role']}): {safe.line(step['reason'])}")
    return Case(
        *(safe.line(document["scenario"]), safe.line(f"bisect {document['title']}")),
        ERROR if lost else _WELL[assessment.of(document)],
        safe.line(f"{document['status']}: {document['reason']}"),
        parts.oops(trial) if trial else [],
        sum(step["seconds"] for step in document["steps"]),
        notes,
        trials=[trial] if trial else [],
    )


def _tried(suite: str, name: str, answer: Document, reason: str, well: bool | None) -> Case:
    trials = answer["trials"]
    kind = ERROR if assessment.lost(answer) else _WELL[well]
    telling = next((one for one in trials if one["reason"] == answer["reason"]), trials[-1] if trials else None)
    notes = [
        f"{safe.line(one.get('variant') or f'trial {number}')}: {one['outcome']}, {one['seconds']:.1f} s: "
        f"{safe.line(one['reason'])}"
        for number, one in enumerate(trials, 1)
    ]
    built = answer["kernel"]["seconds"] if answer["kernel"] else 0.0
    # A bad commit is to show the regression, each other one to be quiet.
    of_bad = (answer["verdict"] == "bad") is well
    wanted = [parts.shows(answer, one) if of_bad else one["outcome"] == "passed" for one in trials]
    told = well is not None and telling is not None
    return Case(
        *(safe.line(suite), safe.line(name), kind, safe.line(reason)),
        parts.oops(telling) if telling else [],
        built + sum(one["seconds"] for one in trials),
        notes,
        answer,
        trials,
        [
            one
            for one, good in zip(trials, wanted, strict=True)
            if told and one is not telling and not good and one.get("variant") == (telling or {}).get("variant")
        ],
        _ways(trials, wanted, kind),
    )


def _ways(trials: Sequence[Document], wanted: Sequence[bool], kind: str) -> list[tuple[str, str, str]]:
    """Each variant, with the kind of the case where its own trials are the cause."""
    found: dict[str, tuple[bool, str]] = {}
    for trial, good in zip(trials, wanted, strict=True):
        if "variant" in trial:
            before, reason = found.get(trial["variant"], (True, ""))
            found[trial["variant"]] = (before and good, reason if before and not good and reason else trial["reason"])
    ways = [(name, PASS if good or kind == PASS else kind, reason) for name, (good, reason) in found.items()]
    if kind != PASS and all(one == PASS for _, one, _ in ways):
        ways = [(name, kind, reason) for name, _, reason in ways]
    return [(safe.line(name), one, safe.line(reason)) for name, one, reason in ways]
