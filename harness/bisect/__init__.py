"""The second loop: which commit introduced a regression, or fixed it, and does that hold up.

    range -> search -> trials -> ... -> culprit -> verification -> result

The search decides, the evaluator tries, the evidence log remembers, the verification tries again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.bisect.evaluator import Evaluator
from harness.bisect.evidence import EvidenceLog
from harness.bisect.interaction import InteractionSearch
from harness.bisect.loop import SearchFor, State, Watcher, search_for, seek
from harness.bisect.plan import BisectStatus, Economy, MergeInteraction, Plan, Result, Step
from harness.bisect.ranges import RangeSearch
from harness.bisect.verification import Verification
from harness.search import Culprit, Evidence, Inconclusive

__all__ = [
    "BisectStatus",
    "Bisection",
    "Economy",
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
    """One bisection, from its ends to a verified culprit.

    Args:
        evaluator: tries commits.
        search_for: makes the search of a range.
    """

    evaluator: Evaluator
    search_for: SearchFor

    def __post_init__(self) -> None:
        self.range = RangeSearch(self.evaluator, self.search_for)
        self.evidence_log = self.evaluator.evidence_log

    def run(self) -> Result:
        """Find the culprit and verify it.

        Raises:
            InfrastructureError: the machinery failed; what is known by then is in the evidence log.
        """
        result = self._verified(self.range.find())
        if result.status is not BisectStatus.CULPRIT and self.evidence_log.drop():
            # What other runs showed may save boots on the way to a culprit, which fresh trials then verify.
            # No other answer rests on them.
            self.range = RangeSearch(self.evaluator, self.search_for)
            self.range.note(f"with the trials of earlier runs: {result.reason}; they do not count any more")
            result = self._verified(self.range.find())
        return result

    def _verified(self, found: Culprit | Inconclusive) -> Result:
        """The result of a search, with its culprit verified; where that shows otherwise, the search goes on."""
        while isinstance(found, Culprit):
            sha = found.commit
            if why := self._no_parents(sha):
                return self.result(BisectStatus.INCONCLUSIVE, why, candidates={sha: self._why(sha)})
            boots = self.evidence_log.boots()
            verification = Verification(self.evaluator, self.range, sha)
            verification.first()
            # What the verification showed is evidence too: it may point to another commit.
            found = self.range.go_on()
            if not isinstance(found, Culprit) or found.commit != sha:
                continue
            if verification.outside:
                what = self.range.narrowed
                self.range.note(
                    f"{sha[:12]} is not the culprit: its parent is no better; searching on outside of {what}"
                )
                found = self.range.widen()
            elif self.evidence_log.boots() == boots:
                # Nothing had to be tried, as in a resumed bisection.
                return self._proven(found, verification)
        return self._open(found)

    def _no_parents(self, sha: str) -> str | None:
        """Why a commit cannot be verified: history ends there."""
        git, new = self.evaluator.git, self.evaluator.plan.terms[0]
        if git.cut(sha):
            return (
                f"history is cut at {sha[:12]}, which is {new}: the culprit may be older; fetch more "
                "(git fetch --unshallow, or --deepen=1000) and start over"
            )
        if not git.parents(sha):
            return f"{sha[:12]} is {new} and has no parent: there is nothing to compare it with"
        return None

    def _proven(self, found: Culprit, verification: Verification) -> Result:
        plan, seen = self.evaluator.plan, self.range.evidence()
        confidence = found.confidence
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
        if len(verification.parents) > 1 and not plan.first_parent and not verification.never:
            interaction = InteractionSearch(self.evaluator, self.search_for, found.commit, verification.parents).find()
        what = "fixes it" if plan.find_fix else "introduced it"
        return self.result(
            *(BisectStatus.CULPRIT, f"{found.commit[:12]} {what}"),
            culprit=found.commit,
            confidence=confidence,
            checks=verification.checks,
            notes=verification.notes,
            interaction=interaction,
        )

    def _flaky(self, sha: str, seen: Mapping[str, Evidence], confidence: float) -> tuple[str, tuple[str, ...]] | None:
        """Why so many runs are too few for an intermittent crash; None if they are enough."""
        plan = self.evaluator.plan
        mixed = next((other for other, one in seen.items() if one.bad and one.quiet), None)
        if mixed is None or plan.runs is None or confidence >= plan.confidence:
            return None
        crashes, trials = seen[mixed].bad, seen[mixed].bad + seen[mixed].quiet
        return (
            f"{sha[:12]} is the likeliest ({confidence:.2f}), but the crash is intermittent "
            f"({crashes} of {trials} times on {mixed[:12]}): use --runs auto"
        ), (sha,)

    def _open(self, found: Inconclusive) -> Result:
        status = BisectStatus.NOT_REPRODUCED if found.not_reproduced else BisectStatus.INCONCLUSIVE
        candidates = {sha: self._why(sha) for sha in found.candidates}
        return self.result(status, f"{found.reason}{self._same_image()}", candidates=candidates)

    def _same_image(self) -> str:
        """That two ends have the same image, in words, where they do."""
        history, kernels = self.range.history, self.evidence_log.kernels
        new = kernels.get(history.new) if history.commits else None
        for old in history.old:
            if new and new.signature and (its := kernels.get(old)) and its.signature == new.signature:
                return (
                    f"; {old[:12]} and {history.new[:12]} have identical images: no commit between them made the "
                    "difference, so the crash is intermittent, or due to the machine"
                )
        return ""

    def _why(self, sha: str) -> str:
        judged = self.evidence_log.verdict(sha)
        return f"{judged.verdict}: {judged.reason}" if judged else "not tried"

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
        """A result with what is known so far."""
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
            notes=(*self.range.notes, *(notes or []), *self.evidence_log.disagreements(), *self.evidence_log.saved()),
            interaction=interaction,
            crash=self.evidence_log.crash(culprit),
        )
