"""JUnit XML, as Jenkins, GitLab and junitparser read it."""

import re
import xml.etree.ElementTree as ET
from typing import Any

from junitparser import JUnitXml

from harness import assessment, reports
from harness.assessment import Document
from tests.reports.conftest import Results
from tests.reports.made import answer, run, trial

# Jenkins' junit-10.xsd: which children and attributes an element may have. flakyFailure is Surefire's, which Jenkins'
# own plugin reads.
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"testsuite", "properties", "testcase", "system-out", "system-err"},
    "testcase": {"skipped", "error", "failure", "rerunFailure", "flakyFailure", "system-out", "system-err"},
    "flakyFailure": {"stackTrace", "system-out", "system-err"},
    "rerunFailure": {"system-out", "system-err"},
}
ATTRIBUTES = {
    "testsuites": {"name", "time", "tests", "failures", "errors"},
    "testsuite": {"name", "tests", "failures", "errors", "time", "skipped", "timestamp", "hostname", "id"},
    "testcase": {"name", "classname", "time", "group", "file"},
    **{tag: {"type", "message"} for tag in ("failure", "error", "skipped", "rerunFailure", "flakyFailure")},
}


def check(text: str) -> ET.Element:
    """Read it as the strictest reader does."""
    root = ET.fromstring(text)
    assert root.tag == "testsuites"
    for element in root.iter():
        assert {child.tag for child in element} <= CHILDREN.get(element.tag, set())
        assert set(element.attrib) <= ATTRIBUTES.get(element.tag, set())
        assert re.fullmatch(r"\d+\.\d{3}", element.get("time", "0.000"))
    names = [(case.get("classname"), case.get("name")) for case in root.iter("testcase")]
    assert names
    assert len(set(names)) == len(names), "GitLab takes only the first case of a name"
    for suite in root.iter("testsuite"):
        for count, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            found = len(suite.findall("testcase" if tag == "testcase" else f"testcase/{tag}"))
            assert int(suite.get(count, "0")) == found
    for element in root.iter():
        if element.tag in ("failure", "error", "skipped"):
            assert element.get("message")
            assert (element.text or "").startswith(element.get("message", "-")), "GitLab shows only the text"
    return root


def test_readers_take_it(told: Document) -> None:
    text = reports.render("junit", told)
    assert text == reports.render("junit", told)
    root = check(text)
    failed = [e for e in root.iter() if e.tag in ("failure", "error", "skipped")]
    assert (assessment.of(told) is True) is (not failed)
    suites: Any = JUnitXml.fromstring(text.encode())
    cases = [case for suite in suites for case in suite]
    assert len(cases) == len(list(root.iter("testcase")))
    assert sum(len(case.result) for case in cases) == len(failed)


def test_what_a_case_tells(results: Results) -> None:
    told = results.document("by hand")
    bad, broken = check(reports.render("junit", told)).iter("testcase")
    [failure] = bad.findall("failure")
    assert failure.get("message", "").startswith("verdict bad: BUG: unable to handle kernel NULL pointer dereference")
    assert "RIP: 0010:toy_read+0x10/0x20" in (failure.text or "")
    out = bad.findtext("system-out") or ""
    [path] = [one for one in re.findall(r"\[\[ATTACHMENT\|(.*)\]\]", out) if one.endswith("console.log")]
    assert (results.folders["by hand"] / path).is_file()
    assert "no such thing" in (broken.findtext("skipped") or "")


def test_a_case_that_passed_after_all_is_flaky() -> None:
    quiet, crashed = trial("passed", "it ran"), trial("crashed", "BUG: boo", crash="boo")
    [case] = check(reports.render("junit", run(answer("bad", "bad", [quiet, crashed])))).iter("testcase")
    [flaky] = case.findall("flakyFailure")
    assert (flaky.get("message"), flaky.get("type")) == ("it ran", "passed")
    again = [trial("crashed", "BUG: boo", crash="boo"), trial("crashed", "BUG: boo", crash="boo")]
    [case] = check(reports.render("junit", run(answer("good", "bad", [quiet, *again])))).iter("testcase")
    assert (len(case.findall("failure")), len(case.findall("rerunFailure"))) == (1, 1)
    [case] = check(reports.render("junit", run(answer("bad", "bad", [crashed])))).iter("testcase")
    assert not case.findall("flakyFailure")


def test_a_cell_that_is_flaky_tonight_passed_after_all() -> None:
    """A night does not fail for it, so its case does not either; the failures stand in it."""
    told = answer(
        "commit", "skip", [trial("crashed", "BUG: boo", crash="boo"), trial("passed", "it ran")], "flaky: 1 of 2"
    )
    cell = {"cell": told["subject"], "state": "flaky"}
    [case] = check(reports.render("junit", run(told, night={"cells": [cell]}, status="nothing new"))).iter("testcase")
    assert [child.tag for child in case] == ["flakyFailure", "system-out"]
    assert case[0].get("message") == "BUG: boo"


def test_two_cases_of_one_name_are_told_apart() -> None:
    told = run(*[answer("commit", "good", [trial("passed", "it ran")])] * 2)
    assert len(list(check(reports.render("junit", told)).iter("testcase"))) == 2
