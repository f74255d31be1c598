"""Tries commits and records what they show."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from harness.bisect.evidence import EvidenceLog
from harness.bisect.loop import Watcher
from harness.bisect.plan import Plan
from harness.errors import InfrastructureError, KernelError
from harness.kernel import inputs
from harness.kernel.ahead import Ahead
from harness.kernel.inputs import Inputs
from harness.kernel.tree import Tree
from harness.model import Ignored, Judgement, Kernel, Outcome, Trial
from harness.record import Built
from harness.runner import Runner, Subject

TWICE = 2
"""A commit without a verdict is tried once more: an overloaded machine fails good kernels too."""


class Evaluator:
    """Tries commits and records what they show.

    Args:
        plan: what to find.
        tree: the tree of the commits.
        runner: builds and tries them.
        evidence_log: records what is found.
        watcher: is notified.
        ahead: builds while others boot; None for nothing.
    """

    def __init__(
        self,
        plan: Plan,
        tree: Tree,
        runner: Runner,
        evidence_log: EvidenceLog,
        watcher: Watcher,
        ahead: Ahead | None = None,
    ) -> None:
        self.ahead = ahead
        self.plan, self.tree, self.runner, self.evidence_log, self.watcher = plan, tree, runner, evidence_log, watcher
        # Has the user's objects and those made here.
        self.git = tree.workspace
        self.commit = functools.cache(self.git.commit)
        self.is_ancestor = functools.cache(self.git.is_ancestor)
        self.merge_bases = functools.cache(self.git.merge_bases)

    def attempt(
        self, sha: str, runs: int, role: str = "commit", *, fresh: bool = False, then: Sequence[str] = ()
    ) -> None:
        """Build a commit and try it up to `runs` times; the outcome is in the evidence log.

        An inconclusive commit is tried once more.  A commit whose image was tried before, as that of another commit
        or in another run, is not booted: that is the outcome.

        Args:
            fresh: boot it anyway.
            then: the commits that may come next, the likeliest first.

        Raises:
            InfrastructureError: nothing can be said of the commit.
        """
        evidence_log = self.evidence_log
        subject, folder, known = Subject(role, self.commit(sha)), self._folder(sha), evidence_log.same_image(sha)
        kernel = self._build(sha, role)
        if kernel is None:
            return
        if not fresh and not known and not evidence_log.of(sha) and evidence_log.same_image(sha):
            return
        if not fresh and self._take(sha, role, runs, folder):
            return
        finished, untold, missing = functools.partial(evidence_log.trial, sha, role), 0, runs
        while missing > 0 and untold < TWICE:
            with self._building(then):
                trials = self.runner.trials(kernel, subject, folder, missing, finished)
            if trials[-1].outcome is Outcome.INFRASTRUCTURE:
                raise InfrastructureError(f"{sha[:12]} is inconclusive: {trials[-1].reason}")
            seen = evidence_log.weigh(trials)
            if not seen.untold:
                break
            untold, missing = (1 if seen.quiet else untold + 1), missing - seen.quiet

    def _build(self, sha: str, role: str) -> Kernel | None:
        """The kernel of a commit; None if it does not build, which is its outcome then."""
        evidence_log, commit, folder = self.evidence_log, self.commit(sha), self._folder(sha)
        fixed, began = self.runner.fix_up(commit), time.monotonic()
        try:
            kernel = self.runner.kernel(Subject(role, commit), folder, fixed)
        except KernelError as error:
            evidence_log.kernel(sha, Built(None, round(time.monotonic() - began, 2), True, fixed.by))
            evidence_log.trial(sha, role, Trial(Outcome.BUILD_FAILED, str(error), 0.0, folder))
            return None
        seconds, made = evidence_log.run.built_ahead().get(sha, (0.0, False))
        evidence_log.kernel(
            sha, Built(kernel.signature, round(kernel.seconds + seconds, 2), kernel.built or made, fixed.by)
        )
        return kernel

    def same_as(self, sha: str, role: str, other: str) -> bool:
        """Whether a commit, which is built for it, has the image of another one that was tried."""
        log = self.evidence_log
        return log.share and self._build(sha, role) is not None and other in log.same_image(sha)

    def _folder(self, sha: str) -> Path:
        return self.evidence_log.run.folder / f"commit-{sha[:12]}"

    def inputs(self, sha: str) -> Inputs | None:
        """What the build of a commit read; None if it was not built here or cannot tell."""
        return inputs.load(self._folder(sha) / inputs.FILE)

    @contextlib.contextmanager
    def _building(self, then: Sequence[str]) -> Iterator[None]:
        """Build what may come next during the block."""
        wanted = [sha for sha in then if sha not in self.evidence_log.kernels]
        if self.ahead is None or not wanted:
            yield
            return
        with self.ahead.building([(sha, self.runner.fix_up(self.commit(sha)).commit) for sha in wanted]):
            yield

    def _take(self, sha: str, role: str, runs: int, folder: Path) -> bool:
        """Count what other runs showed of the image of a commit, if anything."""
        past = self.evidence_log.past(sha)
        same = self.runner.conditions(folder) if past else ()
        trials = [data for data in past if data.get("conditions") in same]
        if trials:
            self.evidence_log.take(sha, role, runs, trials)
        return bool(trials)

    def again(self, sha: str, role: str, runs: int, crashes: int = 1, then: Sequence[str] = ()) -> Judgement:
        """Try a commit afresh: the verdict counts only trials in this role, those of an earlier session included.

        Args:
            runs: how many quiet trials are enough.
            crashes: how many crashes are enough, where each trial crashes.
            then: see `attempt`.
        """
        while missing := self._missing(done := self.evidence_log.of(sha, role), runs, crashes):
            self.attempt(sha, missing, role, fresh=True, then=then)
            if len(self.evidence_log.of(sha, role)) == len(done):
                break
        verdict = self.runner.judge(self.evidence_log.telling(sha, role))
        self.watcher.tried(self.commit(sha), role, verdict)
        return verdict

    def _missing(self, done: Sequence[Trial], runs: int, crashes: int) -> int:
        """How many more trials are needed after these."""
        seen = self.evidence_log.weigh(done)
        if seen.bad:
            return 0 if seen.quiet or seen.untold else max(0, crashes - seen.bad)
        if seen.skip is not None and (seen.hopeless or (not seen.quiet and seen.untold >= TWICE)):
            return 0
        return max(0, runs - seen.quiet)

    def ignore(self, one: Ignored) -> None:
        """Ignore a crash from now on; trials that it decided do not count."""
        self.evidence_log.ignore.append(one)
        scenario = replace(self.runner.scenario, ignore=(*self.runner.scenario.ignore, one))
        self.runner = replace(self.runner, scenario=scenario)
