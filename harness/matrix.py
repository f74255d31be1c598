"""The loop of `regress try`: patches by scenarios, all on one commit, which comes first without a patch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness.git import Commit
from harness.model import Outcome, Scenario, Trial, Verdict
from harness.patches import Change, Rejected
from harness.runner import Answer, Runner, Subject
from harness.turns import each


class TryStatus(StrEnum):
    """The result of a patch table."""

    AS_EXPECTED = "as expected"
    NOT_AS_EXPECTED = "not as expected"
    NOT_REPRODUCED = "not reproduced"
    INCONCLUSIVE = "inconclusive"
    INFRASTRUCTURE = "infrastructure"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Row:
    """A change on the base commit, or (`change` None) the base itself.

    Attributes:
        made: the commit to try, or why the change was rejected.
    """

    change: Change | None
    made: Commit | Rejected

    @property
    def name(self) -> str:
        """For people."""
        return self.change.name if self.change else "(no patch)"


@dataclass(frozen=True)
class Cell:
    """A row in one scenario.

    Attributes:
        answer: None if the change did not apply.
        base: the answer of the base in this scenario; None in the base's own cell.
    """

    row: Row
    scenario: Scenario
    answer: Answer | None
    base: Answer | None = None

    @property
    def broken(self) -> bool:
        """Whether the change broke the build: the base has a kernel, and this has none."""
        return bool(self.answer and self.base and self.base.kernel and not self.answer.kernel)

    @property
    def in_doubt(self) -> str | None:
        """Why the cell is inconclusive; None if it is not.

        An identical image cannot be better: if it passes now, the crash is intermittent.
        """
        if self.answer is None or self.broken:
            return None
        if self.answer.judgement.verdict is Verdict.SKIP:
            return self.answer.judgement.reason
        mine, other = self.answer.kernel, self.base and self.base.kernel
        if (
            mine
            and other
            and mine.signature == other.signature
            and self.base
            and self.base.judgement.verdict is not self.answer.judgement.verdict
        ):
            return "its image is identical to the base's, yet the outcomes differ: the crash is intermittent"
        return None

    @property
    def as_expected(self) -> bool | None:
        """Whether it is as hoped; None if there is no expectation, or it is inconclusive."""
        if self.in_doubt is not None:
            return None
        return self.answer.as_expected if self.answer and not self.broken else False


def try_all(
    rows: Sequence[Row],
    scenarios: Sequence[tuple[Scenario, str, AbstractContextManager[Runner]]],
    folder: Path,
    runs: int,
    finished: Callable[[Row, Scenario, Trial], None],
    told: Callable[[Cell], None],
) -> None:
    """Try each row in each scenario, scenario by scenario, so that each builds in its own object folder.

    Args:
        rows: the base first.
        scenarios: each with the base's role in it, and its runner.
        folder: artifacts go to `SCENARIO/NUMBER-NAME` in it.
        finished: called with each trial as it ends.
        told: called with each cell as it is known.

    Raises:
        InfrastructureError: the machine failed.
    """
    for scenario, role, made in scenarios:
        base = None
        with made as runner:
            tasks = (
                _task(runner, row, scenario, role, folder / scenario.id, number, runs, finished)
                for number, row in enumerate(rows)
            )
            for row, answer in zip(rows, each(tasks, runner.elsewhere), strict=True):
                told(Cell(row, scenario, answer, base))
                base = base or answer


def _task(
    runner: Runner,
    row: Row,
    scenario: Scenario,
    role: str,
    top: Path,
    number: int,
    runs: int,
    finished: Callable[[Row, Scenario, Trial], None],
) -> Callable[[], Answer | None]:
    """What tries a row; for a rejected change, nothing."""
    made = row.made
    if isinstance(made, Rejected):
        return lambda: None
    # With a patch the scenario should give what it gives on a fixed commit.
    subject = Subject("fixed" if row.change else role, made)
    keep = functools.partial(finished, row, scenario)
    return lambda: runner.answer(subject, top / f"{number}-{made.sha[:12]}", runs, keep)


def conclude(cells: Sequence[Cell]) -> tuple[TryStatus, str]:
    """The result of a table as a whole.

    If the first cell, the base in the scenario in question, does not show the regression, passing patches prove
    nothing.  A cell that is not as expected outweighs an inconclusive one.
    """
    for cell in cells:
        if cell.answer and any(trial.outcome is Outcome.INFRASTRUCTURE for trial in cell.answer.trials):
            return TryStatus.INFRASTRUCTURE, f"{cell.row.name} in {cell.scenario.id}: {cell.answer.judgement.reason}"
    if cells and cells[0].as_expected is False:
        return (
            TryStatus.NOT_REPRODUCED,
            "the regression does not show without a patch, so passing patches prove nothing",
        )
    wrong = [cell for cell in cells if cell.as_expected is False]
    if wrong:
        names = ", ".join(dict.fromkeys(cell.row.name for cell in wrong))
        return TryStatus.NOT_AS_EXPECTED, f"{len(wrong)} of {len(cells)} cells are not as expected: {names}"
    for cell in cells:
        if cell.in_doubt:
            return TryStatus.INCONCLUSIVE, f"{cell.row.name} in {cell.scenario.id} is inconclusive: {cell.in_doubt}"
    return TryStatus.AS_EXPECTED, "every cell is as expected"
