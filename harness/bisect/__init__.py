"""The second loop: which commit brought a regression, or ended it, and is it true.

    range -> search -> trials -> ... -> culprit -> proof -> result

The search decides, the bench tries, the notebook remembers; the proof asks again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.bisect.loop import Bench, Range, SearchFor, State, Watcher, search_for, seek
from harness.bisect.notebook import Notebook
from harness.bisect.plan import Blend, Plan, Result, Status, Step
from harness.bisect.proof import Blending, Proof
from harness.bisect.turned import probability
from harness.search import Culprit, Evidence, Inconclusive

__all__ = [
    "Bench",
    "Bisection",
    "Blend",
    "Notebook",
    "Plan",
    "Result",
    "State",
    "Status",
    "Step",
    "Watcher",
    "search_for",
    "seek",
]


@dataclass
class Bisection:
    """One bisection, from its ends to a proven culprit.

    Args:
        bench: tries commits.  search_for: makes the search of a range.
    """

    bench: Bench
    search_for: SearchFor

    def __post_init__(self) -> None:
        self.range = Range(self.bench, self.search_for)
        self.notebook = self.bench.notebook

    def run(self) -> Result:
        """Find the culprit and prove it.

        Raises:
            InfrastructureError: the machinery failed; what was found out by then is in the notebook.
        """
        found = self.range.find()
        while isinstance(found, Culprit):
            proof = Proof(self.bench, self.range, found.commit)
            proof.first()
            # What the proof has shown is evidence too: it may speak for another commit.
            found = self.range.go_on()
            if isinstance(found, Culprit) and found.commit == proof.culprit:
                return self._proven(found, proof)
        return self._open(found)

    def _proven(self, found: Culprit, proof: Proof) -> Result:
        plan, seen = self.bench.plan, self.range.seen()
        confidence = found.confidence
        if plan.find_fix and plan.runs is not None:
            # The search was given verdicts turned round; how probable the fix is follows from the trials themselves.
            confidence = probability(self.range.history, seen, found.commit)
        if told := proof.doubt() or self._flaky(found.commit, seen, confidence):
            reason, candidates = told
            return self.result(
                *(Status.INCONCLUSIVE, reason),
                candidates={sha: self._why(sha) for sha in candidates},
                checks=proof.checks,
                notes=proof.notes,
            )
        self.range.write_log(found.commit)
        proof.revert()
        blend = None
        if len(proof.parents) > 1 and not self.bench.plan.first_parent:
            blend = Blending(self.bench, self.search_for, found.commit, proof.parents).find()
        what = "fixes it" if plan.find_fix else "brought it"
        return self.result(
            *(Status.CULPRIT, f"{found.commit[:12]} {what}"),
            culprit=found.commit,
            confidence=confidence,
            checks=proof.checks,
            notes=proof.notes,
            blend=blend,
        )

    def _flaky(self, sha: str, seen: Mapping[str, Evidence], confidence: float) -> tuple[str, tuple[str, ...]] | None:
        """Why so many runs are too few, where the crash was seen to come only sometimes; None where they are enough."""
        plan = self.bench.plan
        mixed = next((other for other, one in seen.items() if one.bad and one.quiet), None)
        if mixed is None or plan.runs is None or confidence >= plan.confidence:
            return None
        crashes, trials = seen[mixed].bad, seen[mixed].bad + seen[mixed].quiet
        return (
            f"{sha[:12]} is the likeliest ({confidence:.2f}), but the crash comes only sometimes "
            f"({crashes} of {trials} times on {mixed[:12]}): use --runs auto"
        ), (sha,)

    def _open(self, found: Inconclusive) -> Result:
        status = Status.NOT_REPRODUCED if found.not_reproduced else Status.INCONCLUSIVE
        return self.result(status, found.reason, candidates={sha: self._why(sha) for sha in found.candidates})

    def _why(self, sha: str) -> str:
        verdict = self.notebook.verdict(sha)
        return f"{verdict.word}: {verdict.reason}" if verdict else "not tried"

    def result(
        self,
        status: Status,
        reason: str,
        *,
        culprit: str | None = None,
        candidates: dict[str, str] | None = None,
        confidence: float = 0.0,
        checks: dict[str, bool | str | None] | None = None,
        notes: list[str] | None = None,
        blend: Blend | None = None,
    ) -> Result:
        """A result with all that is known by now."""
        return Result(
            status=status,
            reason=reason,
            culprit=culprit,
            candidates=candidates or {},
            confidence=confidence,
            steps=self.notebook.steps(lambda sha: self.bench.commit(sha).subject),
            builds=self.notebook.builds(),
            boots=self.notebook.boots(),
            checks=checks or {},
            notes=(*self.range.notes, *(notes or [])),
            blend=blend,
            crash=self.notebook.crash(culprit),
        )
