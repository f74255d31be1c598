"""A night: each cell is tried once, what is news is tried again, and the commit that brought it is looked for.

What is most likely to tell something new comes first: cells that were not tried yet, by shared builds; then what takes
more trials; then bisections.  What there is no time for is carried over.  All that is found out is in the journal
before the work goes on, and a night that is taken up goes by that: nothing is done twice.
"""

from __future__ import annotations

import datetime
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from harness import assessment
from harness.errors import InfrastructureError, KernelError, UserError
from harness.git import Commit, Git
from harness.model import Outcome, Trial
from harness.nightly import day, history
from harness.nightly.classify import NOTHING, Missing, Sighting, Standing, State, missing, step
from harness.nightly.config import Cell, Known
from harness.nightly.history import CONTROL, Night, Regression
from harness.record import Built, Run
from harness.runner import Runner, Subject

ATTEMPTS = 3
"""So often, in one night, a bisection is gone on with where the machine fails."""

"""Statuses of a bisection that can go on."""


class Clock:
    """How long the night may take; it does not go by a clock that may be set."""

    def __init__(self, seconds: float | None) -> None:
        self.end = None if seconds is None else time.monotonic() + seconds

    def over(self) -> bool:
        """Whether the time is up."""
        return self.end is not None and time.monotonic() >= self.end


class Lab(Protocol):
    """What a night needs of the program around it."""

    def runner(self, cell: Cell) -> AbstractContextManager[Runner]:
        """All that is needed to try a cell.

        Raises:
            UserError, InfrastructureError: it cannot be tried here.
        """

    def bisect(self, cell: Cell, one: Regression, begun: Callable[[str], None]) -> Mapping[str, Any]:
        """Look for the commit of a regression, or go on with that.

        Args:
            begun: is given the name of the run before anything is tried in it.

        Returns:
            `run`, `status`, `reason`, `culprit`, and what else was found.
        """

    def note(self, text: str) -> None:
        """Tell a person."""


@dataclass
class Loop:
    """A night's work.

    Args:
        lab: tries and bisects.  run: the night's, in the journal.  git: knows the day's commits.
        cells: what is tried, those that share a build together.
        night: the one in hand, with what was seen in it by now.
        before: the nights before.  found: the regressions until now.
        known: regressions that are not reported.  today: the operator's day.
        clock: says when the time is up.
        told: is called when something more is known.

    Attributes:
        commit: gives a commit by its hash.
        earlier: where each cell stood before tonight.
        told_before: the regressions whose commit an earlier night has told.
    """

    lab: Lab
    run: Run
    git: Git
    cells: Sequence[Cell]
    night: Night
    before: Sequence[Night]
    found: list[Regression]
    known: Sequence[Known]
    today: datetime.date
    clock: Clock
    told: Callable[[], None] = lambda: None
    commit: Callable[[str], Commit] = field(init=False, repr=False)
    earlier: dict[str, Standing] = field(init=False)
    told_before: frozenset[tuple[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        name = self.run.folder.name
        self.commit = functools.cache(self.git.commit)
        self.told_before = frozenset(one.key for one in self.found if one.found and one.found["night"] != name)
        self.earlier = history.standings(self.before)

    def work(self) -> None:
        """Do what is to be done, as far as there is time."""
        if self.night.tag is not None:
            for cell in self.cells:
                if cell.name not in self.night.cells:
                    self._in_time(cell, Missing(trials=1))
            for cell in self.cells:
                self._settle(cell)
            self._news()
        for one in self._waiting():
            if self.clock.over():
                break
            self._bisect(one)

    # Trials.

    def _in_time(self, cell: Cell, wanted: Missing) -> None:
        """Try a cell; where that is not possible, the journal has the reason."""
        if self.clock.over() or self.night.sha is None:
            return
        before = self.earlier.get(cell.name, NOTHING)
        control = wanted.controls > 0
        sha = (before.good_sha or "") if control else self.night.sha
        role = f"{CONTROL}{cell.name}" if control else cell.name
        folder = self.run.folder / f"{'last-good-' if control else ''}{cell.name.replace(' ', '_').replace(':', '_')}"
        try:
            commit = self.commit(sha)
            with self.lab.runner(cell) as runner:
                for _ in range(wanted.controls or wanted.trials):
                    if not self.clock.over():
                        self._trial(runner, Subject(role, commit), folder)
        except (UserError, KernelError) as error:
            outcome = Outcome.SKIPPED if isinstance(error, UserError) else Outcome.BUILD_FAILED
            self._take(sha, role, Trial(outcome, _line(error), 0.0, folder))
        except InfrastructureError as error:
            self.lab.note(f"{role}: {error}")
            self._take(sha, role, Trial(Outcome.INFRASTRUCTURE, _line(error), 0.0, folder))

    def _trial(self, runner: Runner, subject: Subject, folder: Path) -> None:
        fixed = runner.fix_up(subject.commit)
        kernel = runner.kernel(subject, folder, fixed)
        self.run.kernel(subject.commit.sha, Built(kernel.signature, kernel.seconds, kernel.built, fixed.by))
        runner.trials(kernel, subject, folder, 1, lambda trial: self._take(subject.commit.sha, subject.role, trial))

    def _take(self, sha: str, role: str, trial: Trial) -> None:
        self.run.trial(sha, role, trial)
        crash = trial.crash
        data = {"role": role, "outcome": str(trial.outcome), "reason": trial.reason}
        self.night.take({**data, "signature": crash and crash.signature, "title": crash and crash.title})
        self.told()

    def _settle(self, cell: Cell) -> None:
        """Try a cell until the night can tell what it is."""
        while not self.clock.over():
            seen = self._seen(cell)
            if not seen.bad and not seen.quiet:
                again = seen.untold_count < history.UNTOLD + seen.machine
                wanted = Missing(trials=1, why=f"{seen.untold}: again") if again else Missing()
            else:
                wanted = missing(self.earlier.get(cell.name, NOTHING), seen)
            if not wanted:
                return
            self.lab.note(f"{cell.name}: {wanted.why}")
            # One after the other: a trial that passes may settle it.
            self._in_time(cell, Missing(min(1, wanted.trials), min(1, wanted.controls)))
            if self._seen(cell) == seen or self._seen(cell).untold_count > history.UNTOLD:
                return  # nothing more is to be learned of it tonight

    def _seen(self, cell: Cell) -> Sighting:
        return self.night.cells.get(cell.name) or Sighting(self.night.tag or "", self.night.sha or "")

    def standing(self, cell: Cell) -> Standing:
        """Where a cell stands tonight."""
        return step(self.earlier.get(cell.name, NOTHING), self._seen(cell))

    # Regressions.

    def _news(self) -> None:
        """Write down what is new: failures with one signature are one regression.

        That a failure was there before does not matter where no night has written it down: the night that was to do
        so was killed, or somebody looked after it until now.
        """
        there: dict[str, list[tuple[Cell, Standing]]] = {}
        for cell in self.cells:
            at = self.standing(cell)
            if at.state in (State.NEW, State.CHANGED, State.STILL) and at.signature and at.good:
                there.setdefault(at.signature, []).append((cell, at))
        keys = {one.key for one in self.found}
        for signature, told in there.items():
            if self.is_known(signature) or any((signature, at.since) in keys for _, at in told):
                continue
            told.sort(key=lambda pair: pair[1].state is State.CHANGED)
            one = self._regression(signature, told)
            history.record(self.run, one)
            self.found.append(one)
            self.told()

    def _regression(self, signature: str, told: Sequence[tuple[Cell, Standing]]) -> Regression:
        first = told[0][1]
        assert first.good is not None
        assert first.good_sha is not None
        change, good, good_sha = None, first.good, first.good_sha
        if first.state is State.CHANGED:
            before = self.earlier[told[0][0].name]
            change, good, good_sha = before.signature, before.last_bad, before.last_bad_sha
        notes: tuple[str, ...] = ()
        if self.git.has(good_sha):
            old = day.day(self.git, good, good_sha)
            notes = (day.describe(day.changes(self.git, old, day.day(self.git, first.night, first.sha)), old),)
        cells = tuple(cell.name for cell, _ in told)
        ends = (first.since or first.night, first.sha, first.good, first.good_sha)
        return Regression(signature, *ends, cells, self.run.folder.name, change, notes)

    def is_known(self, signature: str) -> bool:
        """Whether somebody looks after a failure already."""
        return any(one.signature == signature and one.holds(self.today) for one in self.known)

    def _waiting(self) -> list[Regression]:
        """The regressions whose commit has to be looked for: tonight's first, then the others, the newest first."""
        there = {at.signature for cell in self.cells if (at := self.standing(cell)).since}
        waiting = [one for one in self.found if not one.change and one.found is None and one.signature in there]
        return sorted(waiting, key=lambda one: one.since, reverse=True)

    def _bisect(self, one: Regression) -> None:
        cell = next((cell for name in one.cells for cell in self.cells if cell.name == name), None)
        if cell is None:
            return  # it is not tried any more
        self.lab.note(f"{one.signature}: which commit brought it, between {one.good} and {one.since}?")
        key = {"signature": one.signature, "since": one.since}

        def begun(run: str) -> None:
            self.run.add("bisecting", {**key, "run": run})
            one.runs = (*one.runs, run)
            self.told()

        for _ in range(ATTEMPTS):
            if self.clock.over():
                return
            try:
                found = dict(self.lab.bisect(cell, one, begun))
            except (UserError, KernelError) as error:
                found = {"status": "inconclusive", "reason": _line(error), "culprit": None}
            except InfrastructureError as error:
                self.lab.note(f"{one.signature}: {error}")
                continue
            if found["status"] not in assessment.OPEN:
                one.found = {**key, **found, "night": self.run.folder.name}
                self.run.add("bisected", one.found)
                self.told()
                return

    def carried(self) -> list[str]:
        """What was not done, for people."""
        left = [f"{one.signature}: bisection" for one in self._waiting()]
        if self.night.tag is not None:
            for cell in self.cells:
                seen = self._seen(cell)
                if missing(self.earlier.get(cell.name, NOTHING), seen):
                    left.append(f"{cell.name}: more trials")
                elif not seen.bad and not seen.quiet and not seen.untold_count:
                    left.append(f"{cell.name}: not tried")
        return left


def _line(error: Exception) -> str:
    return "; ".join(str(error).splitlines())
