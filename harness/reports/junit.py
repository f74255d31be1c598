"""A run as JUnit XML: a test case a commit, a patch in a scenario, or a bisection.

A case that is well passes, one that is not fails, one that cannot be told is skipped, and a machine's fault is an
error; so all cases pass exactly where the exit status is 0.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from junit_xml import TestCase, TestSuite, to_xml_report_string

from harness import assessment
from harness.assessment import INFRASTRUCTURE, INTERRUPTED, RUNNING, Document


def render(document: Document) -> str:
    """The XML text."""
    kind = "bisect" if "steps" in document else "try" if "cells" in document else "run"
    cases = {"bisect": _bisection, "try": _table, "run": _commits}[kind](document)
    unfinished = kind != "bisect" and document["status"] in (INFRASTRUCTURE, INTERRUPTED, RUNNING)
    if unfinished and not any(case.is_error() for case in cases):
        cases.append(_case("(the run as a whole)", document["scenario"], "error", document["reason"]))
    suites: dict[str, list[TestCase]] = {}
    for case in cases:
        suites.setdefault(case.classname, []).append(case)
    return _plain(to_xml_report_string([TestSuite(name, own) for name, own in suites.items()], prettyprint=False))


def _commits(document: Document) -> list[TestCase]:
    cases = []
    for answer in document["commits"]:
        name = f"{answer['role']} {answer['commit'][:12]} {answer['subject']}"
        kind = _kind(assessment.of_answer(answer), lost=assessment.lost(answer))
        verdict = f"verdict {answer['verdict']}: " if kind == "failure" else ""
        cases.append(_case(name, document["scenario"], kind, f"{verdict}{answer['reason']}", seconds=_seconds(answer)))
    return cases


def _table(document: Document) -> list[TestCase]:
    subjects = {row["name"]: row["subject"] for row in document["rows"]}
    hunks = {row["name"]: row["rejected"] for row in document["rows"]}
    cases = []
    for cell in document["cells"]:
        answer, rejected = cell["answer"], hunks.get(cell["row"])
        name = " ".join(filter(None, (cell["row"], subjects.get(cell["row"]))))
        kind, text = _kind(assessment.of_cell(cell), lost=bool(answer) and assessment.lost(answer)), ""
        if answer is None:
            reason = f"does not apply: {rejected['reason'] if rejected else 'unknown'}"
            text = (rejected and rejected["hunk"]) or ""
        elif cell["broken"]:
            reason = f"does not build: {answer['reason']}"
        elif cell["in_doubt"]:
            reason = cell["in_doubt"]
        else:
            reason = f"verdict {answer['verdict']}: {answer['reason']}"
        cases.append(_case(name, cell["scenario"], kind, reason, text, seconds=_seconds(answer)))
    return cases


def _bisection(document: Document) -> list[TestCase]:
    lost = document["status"] in (INFRASTRUCTURE, INTERRUPTED, RUNNING)
    kind = _kind(assessment.of(document), lost=lost)
    seconds = sum(step["seconds"] for step in document["steps"])
    reason = f"{document['status']}: {document['reason']}"
    case = _case(f"bisect {document['title']}", document["scenario"], kind, reason, seconds=seconds)
    if document["culprit"]:
        case.stdout = _clean(f"{document['culprit']} {document['subject']}")
    return [case]


def _kind(well: bool | None, *, lost: bool) -> str:
    return "error" if lost else {True: "", False: "failure", None: "skipped"}[well]


def _case(name: str, suite: str, kind: str, reason: str, text: str = "", seconds: float = 0.0) -> TestCase:
    case = TestCase(_clean(name), suite, seconds)
    reason = _clean(reason)
    # Some readers show the message, others the text.
    told = f"{reason}\n{_clean(text)}".rstrip()
    if kind == "error":
        case.add_error_info(reason, told)
    elif kind == "failure":
        case.add_failure_info(reason, told)
    elif kind == "skipped":
        case.add_skipped_info(reason, told)
    return case


def _seconds(answer: Document | None) -> float:
    """What build and boots took."""
    if answer is None:
        return 0.0
    built: float = answer["kernel"]["seconds"] if answer["kernel"] else 0.0
    booted: float = sum(trial["seconds"] for trial in answer["trials"])
    return built + booted


def _clean(text: str) -> str:
    """Text without the bytes that were not UTF-8."""
    return text.encode("utf-8", "replace").decode()


def _plain(text: str) -> str:
    """The XML as stricter readers take it: without `disabled`, and with times of three decimals."""
    root = ET.fromstring(text)  # noqa: S314  our own
    for element in root.iter():
        element.attrib.pop("disabled", None)
        if "time" in element.attrib:
            element.set("time", f"{float(element.attrib['time']):.3f}")
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'
