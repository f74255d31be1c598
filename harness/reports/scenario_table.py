"""Several scenarios on several commits as one table: how each boot ended, and whether that is as expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.git import Commit
from harness.model import Scenario, Trial, Verdict
from harness.runner import Answer, RunStatus

WORDS = {RunStatus.SHOWS: "yes", RunStatus.HOLDS: "yes", RunStatus.DOES_NOT_SHOW: "NO", RunStatus.DOES_NOT_HOLD: "NO"}
"""What stands under "as expected"; the status itself for all others."""


@dataclass(frozen=True)
class Entry:
    """What came of one scenario.

    Attributes:
        status: None where it was not tried.  reason: why that, or why not.
    """

    scenario: Scenario
    status: RunStatus | None
    reason: str
    answers: tuple[Answer, ...] = ()

    @property
    def expected(self) -> str:
        """Whether all was as expected, in a word; of a regression on unknown commits, whether it is there."""
        if self.status is None:
            return "not tried"
        unknown = self.scenario.claim is None and all(answer.subject.role == "commit" for answer in self.answers)
        if unknown and any(answer.verdict.word is Verdict.BAD for answer in self.answers):
            return "SHOWS"
        if unknown and self.status is RunStatus.DOES_NOT_SHOW:
            return "absent"
        return WORDS.get(self.status, str(self.status))

    @property
    def well(self) -> bool:
        """Whether there is nothing to look into."""
        return self.expected in ("yes", "absent")


def render(entries: Sequence[Entry]) -> str:
    """The table, the commits' subjects under it, and a line for each scenario that did not go as expected."""
    commits: dict[str, Commit] = {}
    for entry in entries:
        commits |= {answer.subject.commit.sha: answer.subject.commit for answer in entry.answers}
    grid = [["scenario", *(sha[:8] for sha in commits), "as expected"]]
    for entry in entries:
        by_sha = {answer.subject.commit.sha: answer.trials for answer in entry.answers}
        for number, name in enumerate(_ways(entry)):
            cells = [_cell([t for t in by_sha.get(sha, ()) if name in ("", t.variant)]) for sha in commits]
            label = f"{entry.scenario.id}:{name}" if name else entry.scenario.id
            grid.append([label, *cells, entry.expected if number == 0 else ""])
    widths = [max(len(row[column]) for row in grid) for column in range(len(grid[0]))]
    lines = ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in grid]
    lines.insert(1, "  ".join("-" * width for width in widths))
    lines += ["", *(f"{sha[:8]}  {commit.subject}" for sha, commit in commits.items())]
    lines += [f"{e.scenario.id}: {e.reason}" for e in entries if not e.well]
    trials = [trial for entry in entries for answer in entry.answers for trial in answer.trials]
    built = [a.kernel for e in entries for a in e.answers if a.kernel and a.kernel.built]
    lines.append(
        f"{len(trials)} boots in {sum(t.seconds for t in trials):.0f} s"
        f", {len(built)} builds in {sum(k.seconds for k in built):.0f} s"
    )
    return "\n".join(lines)


def _ways(entry: Entry) -> list[str]:
    """The names of a scenario's rows: one a variant, or one without a name where no variant was booted."""
    names = [way.name for way in entry.scenario.variants]
    return names if any(t.variant for a in entry.answers for t in a.trials) else [""]


def _cell(trials: Sequence[Trial]) -> str:
    """How the last of these trials ended (it is the one that decided), and seconds from power-on."""
    if not trials:
        return "-"
    times = f" x{len(trials)}" if len(trials) > 1 else ""
    return f"{trials[-1].outcome}{times} {trials[-1].seconds:.1f} s"
