"""A run as KTAP, the kernel's own format of test results, as `kunit.py parse` takes it.

A scenario is a suite, a commit or patch a test, a variant a test in that; what a test case is, `harness.reports.cases`
says.  A reader goes by `#` and by some words of the console, so that no name has the one and no quoted line the other.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.assessment import Document
from harness.reports import cases
from harness.reports.cases import Case

_ENDS = {
    "List of all partitions:": "List of all partitions :",
    "Kernel panic - not syncing: VFS:": "Kernel panic - not syncing: VFS :",
    "reboot: System halted": "reboot : System halted",
}
"""What ends a reader's work wherever it stands, and what is written instead."""


def render(document: Document) -> str:
    """The text."""
    suites: dict[str, list[Case]] = {}
    for case in cases.of(document):
        suites.setdefault(case.suite, []).append(case)
    lines = ["KTAP version 1", f"1..{len(suites)}"]
    for number, (name, own) in enumerate(suites.items(), 1):
        inner = [line for place, case in enumerate(own, 1) for line in _case(place, case)]
        kinds = [case.kind for case in own]
        worst = next((kind for kind in (cases.ERROR, cases.FAILURE) if kind in kinds), cases.PASS)
        if worst == cases.PASS and set(kinds) == {cases.SKIPPED}:
            worst = cases.SKIPPED
        lines += [*_nested(name, len(own), inner), _result(number, name, worst)]
    return "\n".join(lines) + "\n"


def _case(number: int, case: Case) -> list[str]:
    ways = [_result(place, name, kind, reason) for place, (name, kind, reason) in enumerate(case.ways, 1)]
    said = [case.reason, *case.notes, *case.lines]
    return [
        *(_nested(case.name, len(ways), ways) if ways else ()),
        *(f"#  {_quoted(line)}".rstrip() for line in said),
        _result(number, case.name, case.kind, case.reason),
    ]


def _nested(name: str, count: int, lines: Sequence[str]) -> list[str]:
    return [f"    {line}" for line in ("KTAP version 1", f"# Subtest: {_name(name)}", f"1..{count}", *lines)]


def _result(number: int, name: str, kind: str, reason: str = "") -> str:
    """A line with a test's result.  A lost machine is not ok, as nothing was shown; the directive says whose fault."""
    word = "ok" if kind in (cases.PASS, cases.SKIPPED) else "not ok"
    directive = {cases.SKIPPED: " # SKIP", cases.ERROR: " # ERROR"}.get(kind, "")
    why = f" {_name(reason)}" if directive and reason else ""
    return f"{word} {number} {_name(name)}{directive}{why}"


def _name(text: str) -> str:
    return _quoted(text).replace("#", "-").removeprefix("- ").strip() or "unnamed"


def _quoted(text: str) -> str:
    for word, instead in _ENDS.items():
        text = text.replace(word, instead)
    return text
