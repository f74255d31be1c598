"""The first loop: try a scenario on commits whose answer is known, and say whether it shows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from harness.errors import BuildError, KernelError
from harness.git import Commit
from harness.kernel.build import Builder
from harness.kernel.fixups import Fixed
from harness.machine import Machine
from harness.model import Boot, Judgement, Kernel, Outcome, Scenario, Trial, Variant, Verdict
from harness.progress import Progress
from harness.trial import run_trial
from harness.verdict import judge

ATTEMPTS = 2
"""How often a trial is made when the machine fails, before the work stops."""


class RunStatus(StrEnum):
    """What a run says of the regression, or of the scenario's claim."""

    SHOWS = "shows"
    DOES_NOT_SHOW = "does not show"
    HOLDS = "holds"
    DOES_NOT_HOLD = "does not hold"
    INCONCLUSIVE = "inconclusive"
    INFRASTRUCTURE = "infrastructure"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Subject:
    """A commit to try, and what it is in the scenario.

    Attributes:
        role: `good`, `bad`, `fixed`; `claim` where the scenario's claim ought to hold; or `commit`, of which nothing
            is known.
    """

    role: str
    commit: Commit

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.role} {self.commit.sha[:12]}"


@dataclass(frozen=True)
class Answer:
    """What came of one commit.

    Attributes:
        kernel: None where it did not build.
        folder: its artifacts.
        mended: what was applied to make it build and boot.
    """

    subject: Subject
    kernel: Kernel | None
    trials: tuple[Trial, ...]
    verdict: Judgement
    folder: Path
    mended: tuple[str, ...] = ()

    @property
    def as_expected(self) -> bool | None:
        """Whether the verdict is the one that the commit's role wants; None where it wants none or can't be told."""
        wanted = {"good": Verdict.GOOD, "bad": Verdict.BAD, "fixed": Verdict.GOOD, "claim": Verdict.GOOD}.get(
            self.subject.role
        )
        if wanted is None or self.verdict.word is Verdict.SKIP:
            return None
        return self.verdict.word is wanted


@dataclass(frozen=True)
class GuestImage:
    """What is booted around a kernel: the root file system and words for its command line, whatever the variant."""

    initrd: Path
    append: tuple[str, ...]


def conclude(answers: Sequence[Answer], *, claim: bool = False) -> tuple[RunStatus, str]:
    """What the answers say together.

    The regression shows when each known commit gave the verdict that it ought to give, or, of commits
    without a known answer, when one of them is bad.  A claim holds when every commit is good.  A machine
    that failed comes first, then what is not as it ought to be; otherwise a commit that could not be told
    leaves the whole open.
    """
    for answer in answers:
        if any(trial.outcome is Outcome.INFRASTRUCTURE for trial in answer.trials):
            return RunStatus.INFRASTRUCTURE, f"{answer.subject.name} cannot be told: {answer.verdict.reason}"
    for answer in answers:
        if answer.as_expected is False:
            return RunStatus.DOES_NOT_HOLD if claim else RunStatus.DOES_NOT_SHOW, _seen(answer, claim=claim)
    unknown = [answer for answer in answers if answer.subject.role == "commit"]
    for answer in unknown:
        if answer.verdict.word is Verdict.BAD:
            return RunStatus.SHOWS, _seen(answer, claim=claim)
    for answer in answers:
        if answer.verdict.word is Verdict.SKIP:
            return RunStatus.INCONCLUSIVE, f"{answer.subject.name} cannot be told: {answer.verdict.reason}"
    if unknown:
        return RunStatus.DOES_NOT_SHOW, _seen(unknown[0], claim=claim)
    return RunStatus.HOLDS if claim else RunStatus.SHOWS, "as expected on every commit"


def _seen(answer: Answer, *, claim: bool) -> str:
    """What a commit did."""
    name = answer.subject.name
    if answer.verdict.word is not Verdict.BAD:
        return f"{name} {'passes' if claim else 'does not crash'}"
    too = "" if claim or answer.subject.role == "commit" else " too"
    crashed = any(trial.crash for trial in answer.trials)
    return f"{name} crashes{too}" if crashed else f"{name} fails{too}: {answer.verdict.reason}"


@dataclass(frozen=True)
class Runner:
    """All that is needed to try commits: builder, machine, guest, and who is told.

    Attributes:
        scenario: what is run.  arch: for what.
        builder, machine: what makes kernels, what boots them.
        guest: makes the guest for a commit's folder.
        mend: gives the commit that is built in place of one in a known broken stretch.
    """

    scenario: Scenario
    builder: Builder
    machine: Machine
    guest: Callable[[Path], GuestImage]
    arch: str
    progress: Progress
    mend: Callable[[Commit], Fixed] = Fixed

    def answer(self, subject: Subject, folder: Path, runs: int, finished: Callable[[Trial], None]) -> Answer:
        """Build a commit and try it.

        Args:
            subject: what to try.
            folder: for its artifacts; trials that are there already stay.
            runs: how many trials, unless one ends otherwise than well.
            finished: is given each trial as it ends.

        Raises:
            InfrastructureError: building failed by the machine's fault.
        """
        mended = self.mend(subject.commit)
        try:
            kernel = self.kernel(subject, folder, mended)
        except KernelError as error:
            # What does not build, and what cannot have the options or the version that the scenario needs.
            outcome = Outcome.BUILD_FAILED if isinstance(error, BuildError) else Outcome.SKIPPED
            trial = Trial(outcome, str(error), 0.0, folder)
            finished(trial)
            return Answer(subject, None, (trial,), self.judge([trial]), folder, mended.by)
        trials = self.trials(kernel, subject, folder, runs, finished)
        return Answer(subject, kernel, trials, self.judge(trials), folder, mended.by)

    def kernel(self, subject: Subject, folder: Path, mended: Fixed) -> Kernel:
        """Build a commit.

        Args:
            folder: for its artifacts.
            mended: what is built in its place.

        Raises:
            KernelError: it does not build, or cannot have what the scenario needs.
            InfrastructureError: building failed by the machine's fault.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.progress.update(f"{subject.name}: building")
        return self.builder.build(mended.commit, folder)

    def trials(
        self, kernel: Kernel, subject: Subject, folder: Path, runs: int, finished: Callable[[Trial], None]
    ) -> tuple[Trial, ...]:
        """Try a kernel `runs` times each way, or until a trial of a way ends otherwise than well; see `answer`."""
        guest = self.guest(folder)
        trials: list[Trial] = []
        for way in self.scenario.ways:
            for _ in range(runs):
                trial = self._trial(kernel, guest, way, folder, subject)
                finished(trial)
                trials.append(trial)
                if trial.outcome not in (Outcome.PASSED, Outcome.INFRASTRUCTURE):
                    break
        return tuple(trials)

    def judge(self, trials: Sequence[Trial]) -> Judgement:
        """The verdict that some trials give of the scenario."""
        return judge(trials, self.scenario.expect, self.scenario.failure)

    def _trial(self, kernel: Kernel, guest: GuestImage, way: Variant, top: Path, subject: Subject) -> Trial:
        spec, expected = self.scenario.machine, self.scenario.expect
        number = next(number for number in itertools.count(1) if not any(top.glob(f"trial-{number}*")))
        folder = top / f"trial-{number}"
        disk = folder / "disk.img" if self.scenario.image else None
        append = (*guest.append, *way.words)
        boot = Boot(kernel.image, self.arch, guest.initrd, append, spec.memory, spec.cpus, folder, disk)
        name = f"{subject.name}{f', {way.name}' if way.name else ''}"
        for attempt in range(1, ATTEMPTS + 1):
            folder.mkdir(parents=True)
            if disk is not None:
                with disk.open("xb") as image:
                    image.truncate((self.scenario.image or 0) << 20)
            trial = run_trial(
                *(self.machine, boot, spec.timeouts, expected),
                lambda t: self.progress.update(f"{name}: {t}"),
                self.scenario.ignore,
            )
            if trial.outcome is not Outcome.INFRASTRUCTURE or attempt == ATTEMPTS:
                return replace(trial, variant=way.name)
            self.progress.note(f"{name}: {trial.reason}; trying again")
            folder.rename(folder.with_name(f"{folder.name}-lost-{attempt}"))
        raise AssertionError("unreachable")
