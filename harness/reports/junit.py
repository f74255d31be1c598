"""A run as JUnit XML, one test case a commit."""

from __future__ import annotations

from collections.abc import Sequence

from junit_xml import TestCase, TestSuite, to_xml_report_string

from harness.matrix import Cell
from harness.model import Outcome, Verdict
from harness.patches import Rejected
from harness.runner import Answer


def render(suite: str, answers: Sequence[Answer]) -> str:
    """The XML text.

    A commit that gave its expected verdict passes, one that gave the opposite fails, one that
    could not be told is skipped, and a machine's fault is an error.

    Args:
        suite: the name of the test suite.
    """
    cases = [
        _case(f"{answer.subject.role} {answer.subject.commit.sha[:12]} {answer.subject.commit.subject}", suite, answer)
        for answer in answers
    ]
    return str(to_xml_report_string([TestSuite(suite, cases)]))


def render_table(cells: Sequence[Cell]) -> str:
    """The XML text of patches by scenarios: a suite a scenario, a test case a patch; see `render`."""
    suites: dict[str, list[TestCase]] = {}
    for cell in cells:
        name = f"{cell.row.name} {cell.row.change.subject}" if cell.row.change else cell.row.name
        if cell.answer is not None and not cell.broken:
            case = _case(name, cell.scenario.id, cell.answer)
            if cell.in_doubt and not case.is_error():
                case.skipped = []
                case.add_skipped_info(cell.in_doubt)
        elif cell.answer is not None:
            case = TestCase(name, cell.scenario.id)
            case.add_failure_info(f"does not build: {cell.answer.verdict.reason}")
        else:
            case = TestCase(name, cell.scenario.id)
            assert isinstance(cell.row.made, Rejected)
            case.add_failure_info(f"does not apply: {cell.row.made.reason}", cell.row.made.hunk)
        suites.setdefault(cell.scenario.id, []).append(case)
    return str(to_xml_report_string([TestSuite(name, cases) for name, cases in suites.items()]))


def _case(name: str, suite: str, answer: Answer) -> TestCase:
    seconds = sum(trial.seconds for trial in answer.trials) + (answer.kernel.seconds if answer.kernel else 0.0)
    case = TestCase(name, suite, seconds)
    if any(trial.outcome is Outcome.INFRASTRUCTURE for trial in answer.trials):
        case.add_error_info(answer.verdict.reason)
    elif answer.verdict.word is Verdict.SKIP:
        case.add_skipped_info(answer.verdict.reason)
    elif answer.as_expected is False or (answer.as_expected is None and answer.verdict.word is Verdict.GOOD):
        case.add_failure_info(f"verdict {answer.verdict.word}: {answer.verdict.reason}")
    return case
