"""The second loop: which commit brought a regression, or ended it, and is it true.

    range -> search -> trials -> ... -> culprit -> verification -> result

The search decides, the evaluator tries, the evidence_log remembers; the verification asks again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.bisect.evidence import EvidenceLog
from harness.bisect.loop import Evaluator, RangeSearch, SearchFor, State, Watcher, search_for, seek
from harness.bisect.plan import BisectStatus, MergeInteraction, Plan, Result, Step
from harness.bisect.reverse import probability
from harness.bisect.verification import InteractionSearch, Verification
from harness.search import Culprit, Evidence, Inconclusive

__all__ = [
    "BisectStatus",
    "Bisection",
    "Evaluator",
    "EvidenceLog",
    "MergeInteraction",
    "Plan",
    "Result",
    "State",
    "Step",
    "Watcher",
    "search_for",
    "seek",
]


@dataclass
class Bisection:
    """One bisection, from its ends to a proven culprit.

    Args:
        evaluator: tries commits.  search_for: makes the search of a range.
    """

    evaluator: Evaluator
    search_for: SearchFor

    def __post_init__(self) -> None:
        self.range = RangeSearch(self.evaluator, self.search_for)
        self.evidence_log = self.evaluator.evidence_log

    def run(self) -> Result:
        """Find the culprit and prove it.

        Raises:
            InfrastructureError: the machinery failed; what was found out by then is in the evidence_log.
        """
        found = self.range.find()
        while isinstance(found, Culprit):
            verification = Verification(self.evaluator, self.range, found.commit)
            verification.first()
            # What the verification has shown is evidence too: it may speak for another commit.
            found = self.range.go_on()
            if isinstance(found, Culprit) and found.commit == verification.culprit:
                return self._proven(found, verification)
        return self._open(found)

    def _proven(self, found: Culprit, verification: Verification) -> Result:
        plan, seen = self.evaluator.plan, self.range.seen()
        confidence = found.confidence
        if plan.find_fix and plan.runs is not None:
            # The search was given verdicts turned round; how probable the fix is follows from the trials themselves.
            confidence = probability(self.range.history, seen, found.commit)
        if told := verification.doubt() or self._flaky(found.commit, seen, confidence):
            reason, candidates = told
            return self.result(
                *(BisectStatus.INCONCLUSIVE, reason),
                candidates={sha: self._why(sha) for sha in candidates},
                checks=verification.checks,
                notes=verification.notes,
            )
        self.range.write_log(found.commit)
        verification.revert()
        interaction = None
        if len(verification.parents) > 1 and not self.evaluator.plan.first_parent:
            interaction = InteractionSearch(self.evaluator, self.search_for, found.commit, verification.parents).find()
        what = "fixes it" if plan.find_fix else "brought it"
        return self.result(
            *(BisectStatus.CULPRIT, f"{found.commit[:12]} {what}"),
            culprit=found.commit,
            confidence=confidence,
            checks=verification.checks,
            notes=verification.notes,
            interaction=interaction,
        )

    def _flaky(self, sha: str, seen: Mapping[str, Evidence], confidence: float) -> tuple[str, tuple[str, ...]] | None:
        """Why so many runs are too few, where the crash was seen to come only sometimes; None where they are enough."""
        plan = self.evaluator.plan
        mixed = next((other for other, one in seen.items() if one.bad and one.quiet), None)
        if mixed is None or plan.runs is None or confidence >= plan.confidence:
            return None
        crashes, trials = seen[mixed].bad, seen[mixed].bad + seen[mixed].quiet
        return (
            f"{sha[:12]} is the likeliest ({confidence:.2f}), but the crash comes only sometimes "
            f"({crashes} of {trials} times on {mixed[:12]}): use --runs auto"
        ), (sha,)

    def _open(self, found: Inconclusive) -> Result:
        status = BisectStatus.NOT_REPRODUCED if found.not_reproduced else BisectStatus.INCONCLUSIVE
        return self.result(status, found.reason, candidates={sha: self._why(sha) for sha in found.candidates})

    def _why(self, sha: str) -> str:
        verdict = self.evidence_log.verdict(sha)
        return f"{verdict.word}: {verdict.reason}" if verdict else "not tried"

    def result(
        self,
        status: BisectStatus,
        reason: str,
        *,
        culprit: str | None = None,
        candidates: dict[str, str] | None = None,
        confidence: float = 0.0,
        checks: dict[str, bool | str | None] | None = None,
        notes: list[str] | None = None,
        interaction: MergeInteraction | None = None,
    ) -> Result:
        """A result with all that is known by now."""
        return Result(
            status=status,
            reason=reason,
            culprit=culprit,
            candidates=candidates or {},
            confidence=confidence,
            steps=self.evidence_log.steps(lambda sha: self.evaluator.commit(sha).subject),
            builds=self.evidence_log.builds(),
            boots=self.evidence_log.boots(),
            checks=checks or {},
            notes=(*self.range.notes, *(notes or [])),
            interaction=interaction,
            crash=self.evidence_log.crash(culprit),
        )
