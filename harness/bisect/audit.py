"""Checks a culprit that somebody else named, by the verification alone: nothing is searched for."""

from __future__ import annotations

from harness.bisect import Bisection
from harness.bisect.plan import BisectStatus, Result
from harness.bisect.verification import CRASHES, QUIET_RUNS, Verification
from harness.model import Verdict
from harness.search.posterior import posterior
from harness.workspace import HEAD

MOST_ROUNDS = 6
"""How often the trials of the parents are added to, each time by more."""


class Audit(Bisection):
    """The check of one commit: the ends, itself, its parents, their images, and its revert.

    The result is `confirmed`, `refuted` (the trials contradict it), or `inconclusive`.
    """

    def run(self) -> Result:
        """Check the commit.

        Raises:
            InfrastructureError: the machinery failed; what is known by then is in the evidence log.
        """
        plan, accused = self.evaluator.plan, self.evaluator.plan.accused
        assert accused is not None
        if open_ := self.range.ends():
            return self.result(BisectStatus.INCONCLUSIVE, open_.reason)
        if told := self._outside(accused):
            return self.result(*told)
        if why := self._no_parents(accused):
            return self.result(BisectStatus.INCONCLUSIVE, why)
        verification = Verification(self.evaluator, self.range, accused)
        verification.first()
        identical = [verification.identical(parent) for parent in verification.parents]
        verification.checks["image_differs"] = None if None in identical else not any(identical)
        if (doubt := verification.doubt()) is None:
            confidence = self._sure(verification)
            if confidence < plan.confidence and (plan.runs is None or self._mixed()):
                reason = f"the crash is intermittent, and the trials are too few ({confidence:.2f})"
                remedy = ": use --runs auto" if plan.runs is not None else ""
                return self._told(BisectStatus.INCONCLUSIVE, reason + remedy, verification)
            self._reverts(verification)
            what = "fixes it" if plan.find_fix else "introduced it"
            return self._told(BisectStatus.CONFIRMED, f"{accused[:12]} {what}", verification, confidence)
        if verification.again.verdict is verification.old:
            return self._quiet(verification, doubt[0])
        against = any(identical) or any(word is verification.new for word in verification.counting())
        return self._told(BisectStatus.REFUTED if against else BisectStatus.INCONCLUSIVE, doubt[0], verification)

    def _outside(self, accused: str) -> tuple[BisectStatus, str] | None:
        """Why a commit cannot be the culprit, whatever its trials show: by where it is in history."""
        history, git, (new, old) = self.range.history, self.evaluator.git, self.evaluator.plan.terms
        within = next((end for end in history.old if git.is_ancestor(accused, end)), None)
        if within is not None:
            end, why = within, f"is in the history of {history.name(within)}, which has it and is {old}"
        elif not git.is_ancestor(accused, history.new):
            end, why = history.new, f"is not in the history of {history.name(history.new)}, which is {new} without it"
        elif accused not in self.range.graph.place:
            return BisectStatus.INCONCLUSIVE, f"{accused[:12]} forked before the regression: it cannot be told"
        else:
            return None
        if end in history.quiet and self.evaluator.again(end, "end", self._enough()).verdict is not Verdict.GOOD:
            return BisectStatus.INCONCLUSIVE, f"{history.name(end)} crashed when it was tried again"
        return BisectStatus.REFUTED, f"{accused[:12]} {why}"

    def _enough(self) -> int:
        """How many quiet trials show that a commit does not crash."""
        return max(QUIET_RUNS, self.range.enough())

    def _sure(self, verification: Verification) -> float:
        """How probable it is; with `--runs auto`, the parents are tried until that is enough."""
        plan, accused = self.evaluator.plan, verification.culprit
        for more in range(1, MOST_ROUNDS):
            belief = posterior(self.range.history, self.range.graph, self.range.evidence())
            confidence = belief.of(self.range.graph.place[accused]) if belief else 0.0
            if plan.runs is not None or confidence >= plan.confidence or verification.doubt():
                break
            for parent in verification.parents:
                runs = len(self.evidence_log.of(parent, "parent")) + more * verification.runs(verification.old)
                verification.parents[parent] = self.evaluator.again(parent, "parent", runs).verdict
        return confidence

    def _mixed(self) -> bool:
        """Whether a commit crashed at some trials and not at others."""
        return any(seen.bad and seen.quiet for seen in self.range.evidence().values())

    def _quiet(self, verification: Verification, doubt: str) -> Result:
        """A commit that does not show the change: that refutes it if it is not by chance."""
        accused, plan, new = verification.culprit, self.evaluator.plan, self.range.history.new
        if plan.find_fix:
            return self._told(BisectStatus.REFUTED, f"{accused[:12]} still crashes", verification)
        self.evaluator.again(new, "end", 1, CRASHES)
        runs = self._enough()
        self.evaluator.again(accused, "again", runs)
        seen = self.evidence_log.evidence(accused)
        if seen is None or seen.bad or seen.quiet < runs or (plan.runs is not None and self._mixed()):
            return self._told(BisectStatus.INCONCLUSIVE, doubt, verification)
        crashes, quiet = self.evidence_log.shown([new])
        reason = (
            f"{accused[:12]} ran {seen.quiet} times without the crash, which came {crashes} of {crashes + quiet} times "
            f"on {self.range.history.name(new)}"
        )
        return self._told(BisectStatus.REFUTED, reason, verification)

    def _reverts(self, verification: Verification) -> None:
        """Revert it where it stands, on the new end, and on the newest commit of the tree."""
        verification.revert()
        git, plan, end = self.evaluator.git, self.evaluator.plan, self.range.history.new
        newest = git.sha(HEAD)
        parent = next(iter(verification.parents))
        if newest is None or plan.find_fix or newest == end or not git.is_ancestor(verification.culprit, newest):
            return
        shown = self.evaluator.again(newest, "newest", verification.runs(Verdict.GOOD))
        verification.checks["newest"] = str(shown.verdict)
        if shown.verdict is verification.new:
            verification.checks["revert_on_newest"] = verification.reverted_on(newest, parent)

    def _told(self, status: BisectStatus, reason: str, verification: Verification, confidence: float = 0.0) -> Result:
        return self.result(
            *(status, reason),
            culprit=verification.culprit if status is BisectStatus.CONFIRMED else None,
            confidence=confidence,
            checks=verification.checks,
            notes=verification.notes,
        )
