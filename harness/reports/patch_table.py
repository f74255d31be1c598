"""Patches by scenarios as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.matrix import Cell, Row, TryStatus
from harness.model import Outcome, Verdict
from harness.patches import Rejected
from harness.runner import Answer
from harness.thread.message import printable

_WORDS = {Verdict.GOOD: "passed", Verdict.BAD: "REPRODUCED", Verdict.SKIP: "cannot tell"}


def word(cell: Cell) -> str:
    """What a cell says: its verdict, and whether that is as expected."""
    if cell.answer is None:
        return "does not apply"
    if cell.broken:
        return "does not build"
    if cell.in_doubt:
        return "cannot tell"
    # By the script's own word, where there was no crash.
    failed = cell.answer.verdict.word is Verdict.BAD and not any(trial.crash for trial in cell.answer.trials)
    said = "FAILED" if failed else _WORDS[cell.answer.verdict.word]
    expected = {True: ", as expected", False: ", NOT as expected", None: ""}[cell.as_expected]
    return f"{said}{expected}"


def progress(cell: Cell) -> str:
    """One cell on a line of its own."""
    trials = cell.answer.trials if cell.answer else ()
    boots = f", {len(trials)} boots" if len(trials) > 1 else ""
    seconds = f"  {sum(trial.seconds for trial in trials):.1f} s{boots}" if trials else ""
    return f"  {cell.row.name} in {cell.scenario.id}: {word(cell)}{seconds}"


def render(cells: Sequence[Cell]) -> str:
    """The table, a row a patch, the base first; below it what needs more words than one."""
    rows = list(dict.fromkeys(cell.row.name for cell in cells))
    columns = list(dict.fromkeys(cell.scenario.id for cell in cells))
    at = {(cell.row.name, cell.scenario.id): word(cell) for cell in cells}
    first = max(map(len, rows), default=0)
    widths = {c: max([len(c), *(len(at.get((r, c), "")) for r in rows)]) for c in columns}
    lines = ["  ".join([" " * first, *(f"{c:{widths[c]}}" for c in columns)]).rstrip()]
    lines += [
        "  ".join([f"{r:{first}}", *(f"{at.get((r, c), ''):{widths[c]}}" for c in columns)]).rstrip() for r in rows
    ]
    return "\n".join([*lines, "", *_reasons(cells), *_rejects(cells)]).rstrip()


def _reasons(cells: Sequence[Cell]) -> list[str]:
    return [
        f"{cell.row.name} in {cell.scenario.id}: "
        f"{printable(cell.in_doubt or cell.answer.verdict.reason)}{_ways(cell.answer)}"
        for cell in cells
        if cell.answer and (cell.in_doubt or cell.answer.verdict.word is not Verdict.GOOD)
    ]


def _ways(answer: Answer) -> str:
    """Which of several ways to boot did not pass."""
    ways = [trial.variant for trial in answer.trials if trial.variant and trial.outcome is not Outcome.PASSED]
    return f"  ({', '.join(ways)}: {len(ways)} of {len(answer.trials)} boots)" if ways else ""


def _rejects(cells: Sequence[Cell]) -> list[str]:
    rows: dict[str, Row] = {cell.row.name: cell.row for cell in cells}
    lines: list[str] = []
    for row in rows.values():
        if isinstance(made := row.made, Rejected):
            lines.append(f"{row.name} does not apply ({printable(made.patch.subject)}): {made.reason}")
            lines += [f"    {printable_line(line)}" for line in (made.hunk or "").splitlines()]
    return lines


def printable_line(line: str) -> str:
    """A line of a patch with its tabs and spaces, and nothing else that a terminal would act on."""
    return "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in line)


def conclusion(standing: TryStatus, reason: str, folder: Path) -> str:
    """The last line: what it all says, and where the artifacts are."""
    said = {
        TryStatus.AS_EXPECTED: f"{reason[0].upper()}{reason[1:]}.",
        TryStatus.NOT_AS_EXPECTED: f"{reason[0].upper()}{reason[1:]}.",
        TryStatus.NOT_REPRODUCED: f"Not reproduced: {reason}.",
        TryStatus.INCONCLUSIVE: f"Inconclusive: {reason}.",
        TryStatus.INFRASTRUCTURE: f"Nothing can be said: {reason}.",
        TryStatus.INTERRUPTED: f"Interrupted: {reason}.",
    }[standing]
    return f"{said}   consoles, patches, JUnit: {folder}/"
