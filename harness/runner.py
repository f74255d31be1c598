"""The first loop: try a scenario on known commits, and say whether the regression shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Protocol

from harness.digest import conditions
from harness.errors import BuildError, InfrastructureError, KernelError
from harness.git import Commit
from harness.kernel import modules
from harness.kernel.build import Builder
from harness.kernel.fixups import Fixed
from harness.machine import Machine
from harness.model import Boot, Judgement, Kernel, Outcome, Scenario, Trial, Variant, Verdict
from harness.progress import Progress
from harness.trial import run_trial
from harness.turns import Cancelled, Crew, Room
from harness.verdict import judge

ATTEMPTS = 2
"""How often a trial is tried when the machine fails, before the work stops."""


class RunStatus(StrEnum):
    """The result of a run for the regression, or for the scenario's claim."""

    SHOWS = "shows"
    DOES_NOT_SHOW = "does not show"
    HOLDS = "holds"
    DOES_NOT_HOLD = "does not hold"
    INCONCLUSIVE = "inconclusive"
    INFRASTRUCTURE = "infrastructure"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Subject:
    """A commit to try, and its role in the scenario.

    Attributes:
        role: `good`, `bad`, `fixed`; `claim` if the scenario's claim should hold on it; or `commit` if nothing
            is known about it.
    """

    role: str
    commit: Commit

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.role} {self.commit.sha[:12]}"


@dataclass(frozen=True)
class Answer:
    """The outcome of one commit.

    Attributes:
        kernel: None if it did not build.
        folder: the folder of its artifacts.
        fixups: what was applied to make it build and boot.
    """

    subject: Subject
    kernel: Kernel | None
    trials: tuple[Trial, ...]
    judgement: Judgement
    folder: Path
    fixups: tuple[str, ...] = ()

    @property
    def as_expected(self) -> bool | None:
        """Whether the verdict is the one that the role of the commit calls for; None without a role or a verdict."""
        wanted = {"good": Verdict.GOOD, "bad": Verdict.BAD, "fixed": Verdict.GOOD, "claim": Verdict.GOOD}.get(
            self.subject.role
        )
        if wanted is None or self.judgement.verdict is Verdict.SKIP:
            return None
        return self.judgement.verdict is wanted


@dataclass(frozen=True)
class GuestImage:
    """What a kernel boots with in every variant; see `harness.model.Boot`."""

    initrd: Path
    append: tuple[str, ...]
    root: Path | None = None


def conclude(answers: Sequence[Answer], *, claim: bool = False) -> tuple[RunStatus, str]:
    """The result of all answers together.

    The regression shows if each known commit gave the expected verdict, or, for commits without a known
    verdict, if one of them is bad.  A claim holds if every commit is good.  A failed machine comes first,
    then an unexpected verdict; otherwise an inconclusive commit makes the whole inconclusive.
    """
    for answer in answers:
        if any(trial.outcome is Outcome.INFRASTRUCTURE for trial in answer.trials):
            return RunStatus.INFRASTRUCTURE, f"{answer.subject.name} is inconclusive: {answer.judgement.reason}"
    for answer in answers:
        if answer.as_expected is False:
            return RunStatus.DOES_NOT_HOLD if claim else RunStatus.DOES_NOT_SHOW, _seen(answer, claim=claim)
    unknown = [answer for answer in answers if answer.subject.role == "commit"]
    for answer in unknown:
        if answer.judgement.verdict is Verdict.BAD:
            return RunStatus.SHOWS, _seen(answer, claim=claim)
    for answer in answers:
        if answer.judgement.verdict is Verdict.SKIP:
            return RunStatus.INCONCLUSIVE, f"{answer.subject.name} is inconclusive: {answer.judgement.reason}"
    if unknown:
        return RunStatus.DOES_NOT_SHOW, _seen(unknown[0], claim=claim)
    return RunStatus.HOLDS if claim else RunStatus.SHOWS, "as expected on every commit"


def _seen(answer: Answer, *, claim: bool) -> str:
    """What a commit showed, in words."""
    name = answer.subject.name
    if answer.judgement.verdict is not Verdict.BAD:
        return f"{name} {'passes' if claim else 'does not crash'}"
    too = "" if claim or answer.subject.role == "commit" else " too"
    crashed = any(trial.crash for trial in answer.trials)
    return f"{name} crashes{too}" if crashed else f"{name} fails{too}: {answer.judgement.reason}"


class Elsewhere(Room, Protocol):
    """Tries kernels on other machines, as many at a time as there is room for."""

    def trial(self, kernel: Kernel, boot: Boot, scenario: Scenario, variant: str) -> Trial:
        """Try a kernel once.

        Args:
            boot: what to boot; its folder exists, and the trial's files go there.
            variant: which of the scenario's ways.

        Raises:
            InfrastructureError: no machine could do it.
            harness.turns.Cancelled: the result is no longer wanted.
        """


@dataclass(frozen=True)
class Runner:
    """Everything needed to try commits: builder, machine, guest and progress.

    Attributes:
        scenario: what to run.
        builder: builds kernels.
        machine: boots them; None if that happens elsewhere.
        guest: makes the guest in the folder of a commit.
        arch: the architecture.
        progress: shows what is going on.
        fix_up: the commit to build in place of one in a known broken stretch.
        elsewhere: tries kernels on other machines.
    """

    scenario: Scenario
    builder: Builder
    machine: Machine | None
    guest: Callable[[Path], GuestImage]
    arch: str
    progress: Progress
    fix_up: Callable[[Commit], Fixed] = Fixed
    elsewhere: Elsewhere | None = None

    def answer(self, subject: Subject, folder: Path, runs: int, finished: Callable[[Trial], None]) -> Answer:
        """Build a commit and try it.

        Args:
            subject: what to try.
            folder: for its artifacts; trials that are there already stay.
            runs: how many trials, unless one does not pass.
            finished: called with each trial as it ends.

        Raises:
            InfrastructureError: the build failed because of the machine.
        """
        fixed = self.fix_up(subject.commit)
        try:
            kernel = self.kernel(subject, folder, fixed)
        except KernelError as error:
            # It does not build, or lacks the options or the version that the scenario needs.
            outcome = Outcome.BUILD_FAILED if isinstance(error, BuildError) else Outcome.SKIPPED
            trial = Trial(outcome, str(error), 0.0, folder)
            finished(trial)
            return Answer(subject, None, (trial,), self.judge([trial]), folder, fixed.by)
        trials = self.trials(kernel, subject, folder, runs, finished)
        return Answer(subject, kernel, trials, self.judge(trials), folder, fixed.by)

    def kernel(self, subject: Subject, folder: Path, fixed: Fixed) -> Kernel:
        """Build a commit.

        Args:
            folder: for its artifacts.
            fixed: what to build instead.

        Raises:
            KernelError: it does not build, or lacks what the scenario needs, such as a module.
            InfrastructureError: the build failed because of the machine.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.progress.update(f"{subject.name}: building")
        kernel = self.builder.build(fixed.commit, folder)
        modules.assert_there(self.scenario.modules, folder / modules.FILE)
        return kernel

    def trials(
        self, kernel: Kernel, subject: Subject, folder: Path, runs: int, finished: Callable[[Trial], None]
    ) -> tuple[Trial, ...]:
        """Try a kernel `runs` times each way, or until one does not pass; see `answer`."""
        guest = self.guest(folder)
        if self.elsewhere is not None:
            return self._spread(self.elsewhere, kernel, guest, subject, folder, runs, finished)
        trials: list[Trial] = []
        for way in self.scenario.ways:
            for _ in range(runs):
                trial = self._trial(kernel, guest, way, folder, subject)
                finished(trial)
                trials.append(trial)
                if not _goes_on(trial):
                    break
        return tuple(trials)

    def _spread(
        self,
        elsewhere: Elsewhere,
        kernel: Kernel,
        guest: GuestImage,
        subject: Subject,
        folder: Path,
        runs: int,
        finished: Callable[[Trial], None],
    ) -> tuple[Trial, ...]:
        """The same with several trials at a time.

        One that was begun counts, whatever others show meanwhile: crashes come sooner than quiet ends, so to drop what
        is still running would make the crash seem more frequent than it is.
        """
        pending = [(way, number) for way in self.scenario.ways for number in range(runs)]
        trials: list[Trial] = []
        with Crew[tuple[str, int], Trial](elsewhere.turns) as crew:
            while pending or crew.running:
                while pending and len(crew.running) < elsewhere.width:
                    way, number = pending.pop(0)
                    task = partial(self._trial_elsewhere, elsewhere, kernel, guest, way, folder, subject)
                    crew.start((way.name, number), task)
                (name, _), trial = crew.next()
                if trial is None:
                    raise Cancelled
                finished(trial)
                trials.append(trial)
                if not _goes_on(trial):
                    pending = [(way, number) for way, number in pending if way.name != name]
        return tuple(trials)

    def _trial_elsewhere(
        self, elsewhere: Elsewhere, kernel: Kernel, guest: GuestImage, way: Variant, top: Path, subject: Subject
    ) -> Trial:
        boot = self._boot(kernel, guest, way, top)
        try:
            return elsewhere.trial(kernel, boot, self.scenario, way.name)
        except InfrastructureError as error:
            name = f"{subject.name}{f', {way.name}' if way.name else ''}"
            return Trial(Outcome.INFRASTRUCTURE, f"{name}: {error}", 0.0, boot.folder, variant=way.name)

    def conditions(self, folder: Path) -> tuple[str, ...]:
        """The conditions of trials here, one for each way (see `harness.model.Trial`); none where trials are elsewhere.

        Args:
            folder: of the commit, for the guest.
        """
        if self.machine is None or not self.machine.identity(self.arch):
            return ()
        guest = self.guest(folder)
        return tuple(self._conditions(guest, way) for way in self.scenario.ways)

    def _conditions(self, guest: GuestImage, way: Variant) -> str:
        machine = self.machine.identity(self.arch) if self.machine is not None else ""
        return conditions(self.scenario, way, self.arch, guest.initrd, machine)

    def judge(self, trials: Sequence[Trial]) -> Judgement:
        """The verdict of some trials of the scenario."""
        return judge(trials, self.scenario.expect, self.scenario.failure)

    def _boot(self, kernel: Kernel, guest: GuestImage, way: Variant, top: Path) -> Boot:
        """What to boot next, with its folder."""
        spec = self.scenario.machine
        top.mkdir(parents=True, exist_ok=True)
        # Also of one that was lost, such as `trial-2-lost-1`.
        taken = (int(path.name.split("-")[1]) for path in top.glob("trial-*"))
        folder = top / f"trial-{max(taken, default=0) + 1}"
        folder.mkdir()
        disk = folder / "disk.img" if self.scenario.image else None
        append = (*guest.append, *way.words)
        return Boot(kernel.image, self.arch, guest.initrd, append, spec.memory, spec.cpus, folder, disk, guest.root)

    def _trial(self, kernel: Kernel, guest: GuestImage, way: Variant, top: Path, subject: Subject) -> Trial:
        assert self.machine is not None
        boot = self._boot(kernel, guest, way, top)
        folder, disk = boot.folder, boot.disk
        name = f"{subject.name}{f', {way.name}' if way.name else ''}"
        for attempt in range(1, ATTEMPTS + 1):
            folder.mkdir(exist_ok=True)
            if disk is not None:
                with disk.open("xb") as image:
                    image.truncate((self.scenario.image or 0) << 20)
            trial = run_trial(
                *(self.machine, boot, self.scenario.machine.timeouts, self.scenario.expect),
                lambda t: self.progress.update(f"{name}: {t}"),
                self.scenario.ignore,
                self.scenario.tests,
            )
            if trial.outcome is not Outcome.INFRASTRUCTURE or attempt == ATTEMPTS:
                return replace(trial, variant=way.name, conditions=self._conditions(guest, way))
            self.progress.note(f"{name}: {trial.reason}; trying again")
            folder.rename(folder.with_name(f"{folder.name}-lost-{attempt}"))
        raise AssertionError("unreachable")


def _goes_on(trial: Trial) -> bool:
    """Whether further trials of the same kernel would tell more."""
    return trial.outcome in (Outcome.PASSED, Outcome.INFRASTRUCTURE)
