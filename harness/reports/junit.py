"""A run as JUnit XML, one test case a commit."""

from __future__ import annotations

from collections.abc import Sequence

from junit_xml import TestCase, TestSuite, to_xml_report_string

from harness.model import Outcome, Word
from harness.reproduce import Answer


def render(suite: str, answers: Sequence[Answer]) -> str:
    """The XML text.

    A commit that gave its expected verdict passes, one that gave the opposite fails, one that
    could not be told is skipped, and a machine's fault is an error.

    Args:
        suite: the name of the test suite.
    """
    cases = []
    for answer in answers:
        commit, trials = answer.subject.commit, answer.trials
        seconds = sum(trial.seconds for trial in trials) + (answer.kernel.seconds if answer.kernel else 0.0)
        case = TestCase(f"{answer.subject.role} {commit.sha[:12]} {commit.subject}", suite, seconds)
        if any(trial.outcome is Outcome.INFRASTRUCTURE for trial in trials):
            case.add_error_info(answer.verdict.reason)
        elif answer.verdict.word is Word.SKIP:
            case.add_skipped_info(answer.verdict.reason)
        elif answer.as_expected is False or (answer.as_expected is None and answer.verdict.word is Word.GOOD):
            case.add_failure_info(f"verdict {answer.verdict.word}: {answer.verdict.reason}")
        cases.append(case)
    return str(to_xml_report_string([TestSuite(suite, cases)]))
