"""What is known of the commits of a bisection; nothing counts until it is in the journal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.bisect.plan import Economy, Plan, Step
from harness.console import Crash, Expectation, match
from harness.model import Ignored, Judgement, Outcome, Trial, Verdict
from harness.record import Built, Earlier, Run, Tried
from harness.search import Evidence
from harness.verdict import judge, telling, weigh

TOLD = (Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED)
"""The outcomes that the guest itself reports of the kernel."""

UNLIKELY = 0.05
"""How probable it may be that hosts differ by chance, where they are told."""


@dataclass(frozen=True)
class Rates:
    """What a build and a boot take here, in seconds on average; None if there was none yet."""

    build: float | None
    boot: float | None


class EvidenceLog:
    """Trials and kernels by commit, as recorded in the journal.

    Args:
        run: the run in the journal; what it already holds is taken over.
        expected: the crash that means "bad".
        failure: whether the script's own "failed" means "bad" too.
        plan: what to find.
        share: commits with the same image share their trials.

    Attributes:
        ignore: crashes that are not news, as this bisection found out; trials that they decided do not count.
    """

    def __init__(
        self, run: Run, expected: Expectation | None, plan: Plan, *, share: bool, failure: bool | None = None
    ) -> None:
        self.run, self.expected, self.failure, self.plan, self.share = run, expected, failure, plan, share
        self.kernels: dict[str, Built] = run.kernels()
        self.trials: dict[str, list[Tried]] = {}
        self.order: list[str] = []
        self.log = dict(plan.log)
        self.ignore: list[Ignored] = []
        self.before = run.averages()
        # By commit: what other runs showed of its image.
        self.earlier: dict[str, tuple[Earlier, list[Trial]]] = {}
        for sha in self.kernels:
            self._mention(sha)
        for earlier in run.taken():
            self._keep(earlier)
        for tried in run.trials():
            self._take(tried)

    def _mention(self, sha: str) -> None:
        if sha not in self.order:
            self.order.append(sha)

    def _take(self, tried: Tried) -> None:
        if tried.trial.outcome is not Outcome.INFRASTRUCTURE:
            self._mention(tried.sha)
            self.trials.setdefault(tried.sha, []).append(tried)

    def _keep(self, earlier: Earlier) -> None:
        self.earlier[earlier.sha] = earlier, [self.run.tried_before(data) for data in earlier.trials]

    def past(self, sha: str) -> list[Mapping[str, Any]]:
        """The trials of a commit's image in other runs that may count for it; none if that image was seen here before.

        An image is looked up once, for the first commit that has it: a trial counts once.  Where a kernel was silent,
        the machine may have been at fault: only what it said counts.
        """
        kernel = self.kernels.get(sha)
        if Economy.EARLIER in self.plan.without or self.plan.accused or self.run.dropped or self.of(sha):
            return []  # an audit has fresh trials alone
        if kernel is None or kernel.signature is None:
            return []
        if any(built.signature == kernel.signature for other, built in self.kernels.items() if other != sha):
            return []
        return [data for data in self.run.past(kernel.signature) if data["outcome"] in TOLD or data["crash"]]

    def take(self, sha: str, role: str, asked: int, trials: Sequence[Mapping[str, Any]]) -> None:
        """Count trials of other runs for a commit; on return that is in the journal.

        Args:
            role: for what it was to be tried.
            asked: how many boots were to be made.
            trials: some of `past`.
        """
        image = self.kernels[sha].signature
        assert image is not None
        earlier = Earlier(sha, image, role, asked, tuple(trials))
        self.run.take(earlier)
        self._keep(earlier)

    def drop(self) -> bool:
        """Count no trials of other runs from now on; returns whether there were any."""
        if not self.earlier:
            return False
        self.run.drop()
        self.earlier.clear()
        return True

    def saved(self) -> list[str]:
        """What other runs and builds ahead saved, as notes."""
        return [*self._saved_boots(), *self._saved_builds()]

    def _saved_builds(self) -> list[str]:
        ahead = self.run.built_ahead()
        used = sum(seconds for sha, (seconds, _) in ahead.items() if sha in self.kernels)
        useless = sum(seconds for sha, (seconds, _) in ahead.items() if sha not in self.kernels)
        return [f"built ahead while others booted: {used:.0f} s of use, {useless:.0f} s useless"] if ahead else []

    def _saved_boots(self) -> list[str]:
        taken = [(earlier.asked, self._judged(trials)) for earlier, trials in self.earlier.values()]
        if not taken:
            return []
        boots = sum(min(asked, _to_the_first(Verdict.BAD, words)) for asked, words in taken)
        count = sum(len(words) for _, words in taken)
        return [f"{count} trials of the same images in earlier runs count: {boots} boots saved"]

    def _judged(self, trials: Sequence[Trial]) -> list[Verdict]:
        return [self._judge([trial]).verdict for trial in trials]

    def telling(self, sha: str, *roles: str) -> tuple[Trial, ...]:
        """The trials of a commit (in some roles) that decide its verdict; see `harness.verdict.telling`."""
        return telling(self.of(sha, *roles), self.expected, self.failure)

    def _judge(self, trials: Sequence[Trial]) -> Judgement:
        return judge(trials, self.expected, self.failure)

    def trial(self, sha: str, role: str, trial: Trial) -> None:
        """Record a finished trial; on return it is in the journal."""
        self.run.trial(sha, role, trial)
        self._take(Tried(sha, role, trial))

    def kernel(self, sha: str, built: Built) -> None:
        """Record a build, finished or failed."""
        self.run.kernel(sha, built)
        self.kernels.setdefault(sha, built)
        self._mention(sha)

    def of(self, sha: str, *roles: str) -> list[Trial]:
        """The trials of one commit that count: of earlier runs and made here, or only those made here in some roles."""
        before = self.earlier[sha][1] if sha in self.earlier and not roles else []
        return [*self._news(before), *self.made(sha, *roles)]

    def made(self, sha: str, *roles: str) -> list[Trial]:
        """Those made here, optionally only those in some roles."""
        return self._news(tried.trial for tried in self.trials.get(sha, ()) if not roles or tried.role in roles)

    def _news(self, trials: Iterable[Trial]) -> list[Trial]:
        return [trial for trial in trials if not self._ignored(trial)]

    def _ignored(self, trial: Trial) -> bool:
        return trial.crash is not None and any(match(one.crash, trial.crash).ok for one in self.ignore)

    def no_news(self, sha: str) -> Crash | None:
        """The crash of a commit that should be quiet, if it hides everything that the scenario would show there.

        That is an unexpected crash, the same in the first two trials.  If any crash is expected, it is one that
        the kernel survives, in the first trial.
        """
        trials = self.made(sha)
        least = 1 if self.expected and self.expected.any else 2
        crashes = [trial.crash for trial in trials[:least] if trial.crash is not None]
        if len(crashes) < least or len({crash.signature or crash.title for crash in crashes}) > 1:
            return None
        if least == 1 and crashes[0].fatal:
            return None
        bad = self._judge(trials[:least]).verdict is Verdict.BAD
        return crashes[0] if bad is (least == 1) else None

    def same_image(self, sha: str) -> list[str]:
        """Other commits that were tried and have an identical image."""
        kernel = self.kernels.get(sha)
        if not self.share or kernel is None or kernel.signature is None:
            return []
        same = (other for other, built in self.kernels.items() if built.signature == kernel.signature)
        return [other for other in same if other != sha and self.of(other)]

    def verdict(self, sha: str) -> Judgement | None:
        """What is known of a commit; None if it was not tried."""
        own = self._judge(trials) if (trials := self.telling(sha)) else None
        if own is not None and not self.made(sha):
            runs = ", ".join(dict.fromkeys(str(data["run"]) for data in self.earlier[sha][0].trials))
            own = replace(own, reason=f"same image in {runs}: {own.reason}")
        for other in self.same_image(sha) if own is None or own.verdict is not Verdict.BAD else ():
            told = self._judge(self.telling(other))
            if own is None or told.verdict is Verdict.BAD:
                own = Judgement(told.verdict, f"same image as {other[:12]}: {told.reason}", told.confidence)
        if own is None and sha in self.log:
            return Judgement(self.log[sha], "as the log says", 1.0)
        return own

    def evidence(self, sha: str) -> Evidence | None:
        """The same, counted: crashes and quiet trials."""
        trials = [*self.of(sha), *(trial for other in self.same_image(sha) for trial in self.of(other))]
        if trials:
            return self.weigh(trials)
        return self._from_log(self.log[sha]) if sha in self.log else None

    def weigh(self, trials: Sequence[Trial]) -> Evidence:
        """The evidence that some trials give; see `harness.verdict.weigh`."""
        return weigh(trials, self.expected, self.failure)

    def _from_log(self, word: Verdict) -> Evidence:
        """A verdict from a log counts as much as one found here."""
        runs = self.plan.runs or 1
        return {
            Verdict.BAD: Evidence(bad=1),
            Verdict.GOOD: Evidence(quiet=runs),
            Verdict.SKIP: Evidence(skip="skipped in the log"),
        }[word]

    @property
    def built(self) -> set[str]:
        """The commits that have an image."""
        return {sha for sha, kernel in self.kernels.items() if kernel.signature is not None}

    def first_crash(self, sha: str) -> Crash | None:
        """The expected crash of a commit, as its first bad trial showed it."""
        bad = (trial for trial in self.of(sha) if self._judge([trial]).verdict is Verdict.BAD)
        return next((trial.crash for trial in bad), None)

    def shown(self, shas: Sequence[str]) -> tuple[int, int]:
        """Crashes and quiet trials over some commits."""
        seen = [self.weigh(self.of(sha)) for sha in shas]
        return sum(one.bad for one in seen), sum(one.quiet for one in seen)

    def disagreements(self) -> list[str]:
        """Commits on which one host shows the crash and another does not: with `--runs auto`, if hardly by chance."""
        found, likely = [], UNLIKELY if self.plan.runs is None else 1.0
        for sha in self.trials:
            hosts: dict[str, list[Trial]] = {}
            for trial in self.of(sha):
                hosts.setdefault(trial.host, []).append(trial)
            seen = {host: self.weigh(trials) for host, trials in hosts.items()}
            bad = {host: one for host, one in seen.items() if one.bad and not one.quiet}
            quiet = {host: one for host, one in seen.items() if one.quiet and not one.bad}
            crashes, silences = sum(one.bad for one in bad.values()), sum(one.quiet for one in quiet.values())
            # By chance, all crashes would be on the one and all quiet trials on the other so often.
            if crashes and silences and 1 / math.comb(crashes + silences, crashes) <= likely:
                shows = ", ".join(f"{host} ({one.bad} of {one.bad})" for host, one in bad.items())
                not_ = ", ".join(f"{host} (0 of {one.quiet})" for host, one in quiet.items())
                found.append(
                    f"{sha[:12]} crashes on {shows}, and not on {not_}: the hardware, or an intermittent crash"
                )
        return found

    def _role(self, sha: str) -> str:
        """For what a commit was tried first."""
        if sha in self.earlier:
            return self.earlier[sha][0].role
        return next((tried.role for tried in self.trials.get(sha, ())), "commit")

    def crash(self, sha: str | None) -> Trial | None:
        """A trial that showed the expected crash: of this commit, or else of any."""
        here = [*self.made(sha or ""), *(trial for other in self.trials for trial in self.made(other))]
        trials = [*here, *(trial for other in self.earlier for trial in self.of(other))]
        return next((trial for trial in trials if self._judge([trial]).verdict is Verdict.BAD), None)

    def boots(self) -> int:
        """How many boots there were."""
        return sum(trial.outcome is not Outcome.BUILD_FAILED for sha in self.trials for trial in self.made(sha))

    def builds(self) -> int:
        """How many builds there were, failed ones included."""
        return sum(kernel.built or kernel.signature is None for kernel in self.kernels.values())

    def rates(self) -> Rates:
        """What builds and boots take: in this bisection, else in earlier runs of the scenario here."""
        builds = [kernel.seconds for kernel in self.kernels.values() if kernel.built]
        boots = [t.seconds for sha in self.trials for t in self.made(sha) if t.outcome is not Outcome.BUILD_FAILED]
        return Rates(
            *(sum(own) / len(own) if own else before for own, before in zip((builds, boots), self.before, strict=True))
        )

    def steps(self, subject: Callable[[str], str]) -> tuple[Step, ...]:
        """The outcome of each commit, in the order in which they were tried.

        Args:
            subject: returns a commit's subject line.
        """
        steps = []
        for sha in [*(sha for sha in self.log if sha not in self.order), *self.order]:
            judged = self.verdict(sha)
            if judged is None:
                continue
            kernel = self.kernels.get(sha, Built(None, 0.0, False))
            trials = [trial for trial in self.made(sha) if trial.outcome is not Outcome.BUILD_FAILED]
            seconds = kernel.seconds + sum(trial.seconds for trial in trials)
            steps.append(
                Step(
                    sha,
                    self._role(sha),
                    subject(sha),
                    judged.verdict,
                    judged.reason,
                    kernel.built and kernel.signature is not None,
                    len(trials),
                    round(seconds, 2),
                    kernel.fixups,
                )
            )
        return tuple(steps)


def _to_the_first(word: Verdict, words: Sequence[Verdict]) -> int:
    """How many there are up to the first of a kind: a crash ends the boots of a commit."""
    return words.index(word) + 1 if word in words else len(words)
