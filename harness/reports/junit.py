"""A run as JUnit XML; what a test case is, `harness.reports.cases` says."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable

from junit_xml import TestCase, TestSuite, to_xml_report_string

from harness.assessment import Document
from harness.reports import cases, parts, safe
from harness.reports.cases import Case


def render(document: Document) -> str:
    """The XML text."""
    suites: dict[str, list[Case]] = {}
    for case in cases.of(document):
        suites.setdefault(case.suite, []).append(case)
    made = [TestSuite(name, [_case(one) for one in own]) for name, own in suites.items()]
    again = [[_again(case, trial) for trial in case.again] for own in suites.values() for case in own]
    return _mended(to_xml_report_string(made, prettyprint=False), again)


def _case(one: Case) -> TestCase:
    case = TestCase(one.name, one.suite, one.seconds, stdout="\n".join([*one.notes, *_attachments(one.trials)]))
    # Some readers show the message, others the text.
    told = "\n".join([one.reason, *one.lines])
    if one.kind == cases.ERROR:
        case.add_error_info(one.reason, told)
    elif one.kind == cases.FAILURE:
        case.add_failure_info(one.reason, told)
    elif one.kind == cases.SKIPPED:
        case.add_skipped_info(one.reason, told)
    return case


def _again(case: Case, trial: Document) -> ET.Element:
    """A failure that is not the case's last word, which the library does not know."""
    flaky, reason = case.kind == cases.PASS, safe.line(trial["reason"])
    element = ET.Element(
        "flakyFailure" if flaky else "rerunFailure", {"message": reason, "type": safe.line(trial["outcome"])}
    )
    where = ET.SubElement(element, "stackTrace") if flaky else element
    where.text = "\n".join([reason, *parts.oops(trial)])
    return element


def _attachments(trials: Iterable[Document]) -> list[str]:
    """The files of trials as GitLab and Jenkins look for them, by paths from the folder of the run."""
    paths = dict.fromkeys(path for trial in trials for path in trial.get("files", ()))
    return [f"[[ATTACHMENT|{safe.line(path)}]]" for path in paths if path.endswith((".log", "/config"))]


def _mended(text: str, again: list[list[ET.Element]]) -> str:
    """The XML as stricter readers take it: no `disabled`, each name once in its suite, times of three decimals."""
    root = ET.fromstring(text)  # noqa: S314  our own
    for element in root.iter():
        element.attrib.pop("disabled", None)
        if "time" in element.attrib:
            element.set("time", f"{float(element.attrib['time']):.3f}")
    seen: dict[tuple[str | None, str | None], int] = {}
    for case, more in zip(root.iter("testcase"), again, strict=True):
        key = case.get("classname"), case.get("name")
        seen[key] = seen.get(key, 0) + 1
        if seen[key] > 1:
            case.set("name", f"{key[1]} ({seen[key]})")
        # Failures come before what was printed.
        place = sum(child.tag in ("error", "failure", "skipped") for child in case)
        for number, element in enumerate(more):
            case.insert(place + number, element)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'
