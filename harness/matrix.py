"""The loop of `regress try`: patches by scenarios, all on one commit, the commit itself first."""

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


class TryStatus(StrEnum):
    """What a table says."""

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
        made: the commit to try, or why there is none.
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
        answer: None where the change did not apply.
        base: what the base said in this scenario; None in the base's own cell.
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
        """Why nothing can be said; None where something can.

        The same image cannot be better than itself: where it passes now, the crash comes only sometimes.
        """
        if self.answer is None or self.broken:
            return None
        if self.answer.verdict.word is Verdict.SKIP:
            return self.answer.verdict.reason
        mine, other = self.answer.kernel, self.base and self.base.kernel
        if (
            mine
            and other
            and mine.signature == other.signature
            and self.base
            and self.base.verdict.word is not self.answer.verdict.word
        ):
            return "its image is the base's, byte for byte, and yet the two differ: it depends on chance"
        return None

    @property
    def as_expected(self) -> bool | None:
        """Whether it is what is hoped for; None where nothing is known to expect, or it could not be told."""
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
    """Try each row in each scenario, scenario after scenario, so that each builds in objects of its own.

    Args:
        rows: the base first.
        scenarios: with the base's role in each, and its runner.
        folder: artifacts go to `SCENARIO/NUMBER-NAME` in it.
        finished: is given each trial as it ends.  told: is given each cell as it is known.

    Raises:
        InfrastructureError: the machine failed.
    """
    for scenario, role, made in scenarios:
        base = None
        with made as runner:
            for number, row in enumerate(rows):
                if isinstance(row.made, Rejected):
                    told(Cell(row, scenario, None))
                    continue
                # With a patch the scenario is to give what it gives on a commit that is fixed.
                subject = Subject("fixed" if row.change else role, row.made)
                place = folder / scenario.id / f"{number}-{row.made.sha[:12]}"
                keep = functools.partial(finished, row, scenario)
                answer = runner.answer(subject, place, runs, keep)
                told(Cell(row, scenario, answer, base))
                base = base or answer


def conclude(cells: Sequence[Cell]) -> tuple[TryStatus, str]:
    """What a table says as a whole.

    Where the first cell, the base in the scenario that is asked about, does not show the regression, that
    patches pass says nothing.  A cell that is not as expected outweighs one that cannot be told.
    """
    for cell in cells:
        if cell.answer and any(trial.outcome is Outcome.INFRASTRUCTURE for trial in cell.answer.trials):
            return TryStatus.INFRASTRUCTURE, f"{cell.row.name} in {cell.scenario.id}: {cell.answer.verdict.reason}"
    if cells and cells[0].as_expected is False:
        return TryStatus.NOT_REPRODUCED, "the regression does not show without a patch, so what passes proves nothing"
    wrong = [cell for cell in cells if cell.as_expected is False]
    if wrong:
        names = ", ".join(dict.fromkeys(cell.row.name for cell in wrong))
        return TryStatus.NOT_AS_EXPECTED, f"{len(wrong)} of {len(cells)} cells are not as expected: {names}"
    for cell in cells:
        if cell.in_doubt:
            return TryStatus.INCONCLUSIVE, f"{cell.row.name} in {cell.scenario.id} cannot be told: {cell.in_doubt}"
    return TryStatus.AS_EXPECTED, "every cell is as expected"
