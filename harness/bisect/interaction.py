"""Which two changes, one on each side of a merge, cause a regression together.

The trial merges are commits in the program's own repository.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.bisect.evaluator import Evaluator
from harness.bisect.loop import SearchFor, seek
from harness.bisect.plan import MergeInteraction
from harness.git import Conflict
from harness.model import Verdict
from harness.search import Culprit, Evidence, History, Probe
from harness.search.posterior import enough

MOST_BOOTS = 200
"""With `--runs auto`, the search ends after so many boots: the culprit is known without it."""


@dataclass
class InteractionSearch:
    """Finds the two changes, one on each side of a merge, that cause it together.

    Args:
        evaluator: tries commits.
        search_for: makes searches.
        merge: a merge with the regression (or the fix), whose parents both lack it.
        parents: the verdicts of its parents.
    """

    evaluator: Evaluator
    search_for: SearchFor
    merge: str
    parents: Mapping[str, Verdict]

    def __post_init__(self) -> None:
        self.git, self.plan = self.evaluator.git, self.evaluator.plan
        self.made: dict[str, str] = {}

    def find(self) -> MergeInteraction:
        """The result, as far as it is known."""
        sides = tuple(self.parents)
        if len(sides) != 2:
            return self._said(f"a merge of {len(sides)}, each {self.plan.terms[1]}: their combinations were not tried")
        tree = self.git.merged_tree(*sides)
        if isinstance(tree, Conflict):
            return self._said(f"both sides are {self.plan.terms[1]}; the merge resolves conflicts by hand in {tree}")
        whole = self.merge
        if tree != self.git.commit(self.merge).tree:
            whole = self.git.make_commit(tree, sides, f"{sides[0][:12]} and {sides[1][:12]}, merged by git alone\n").sha
            judged = self.evaluator.again(whole, "merge", self._runs())
            if judged.verdict is not self.plan.sought:
                told = "is inconclusive" if judged.verdict is Verdict.SKIP else f"is {self.plan.terms[1]}"
                return self._said(
                    f"both sides are {self.plan.terms[1]}, and git's own merge of them {told}: "
                    "what the merge changes beyond that causes it"
                )
        needs = [self._side(sides[0], sides[1], whole), self._side(sides[1], sides[0], whole)]
        found = tuple(one for one in needs if one is not None)
        if len(found) < 2:
            why = f" is open after {self._boots()} boots" if self._too_dear() else " is unknown"
            return self._said(f"both sides are needed; which change of each{why}", found)
        one, other = (f'{sha[:12]} ("{self.git.commit(sha).subject}")' for sha in found)
        return self._said(f"neither side does it alone: it takes {one} from one side and {other} from the other", found)

    def _runs(self) -> int:
        return self.plan.runs or enough(0, 0, self.plan.confidence)

    def _boots(self) -> int:
        return sum(len(self.evaluator.evidence_log.of(sha, "merge")) for sha in self.evaluator.evidence_log.order)

    def _too_dear(self) -> bool:
        return self.plan.runs is None and self._boots() >= MOST_BOOTS

    def _said(self, reason: str, needs: tuple[str, ...] = ()) -> MergeInteraction:
        return MergeInteraction(self.parents, needs, reason)

    def _side(self, fixed: str, side: str, whole: str) -> str | None:
        """The first commit of `side` that causes it when merged into the tip of the other side."""
        above = self.git.history(side, (fixed,))
        history = History(tuple(above), above, (fixed,), self.plan.find_fix)
        evidence_log = self.evaluator.evidence_log
        known = {
            sha: evidence
            for sha, stands_for in ((side, whole), (fixed, fixed))
            if (evidence := evidence_log.evidence(stands_for)) is not None
        }

        def attempt(test: Probe) -> bool:
            sha = {side: whole, fixed: fixed}.get(test.commit) or self._merged(fixed, test.commit)
            if sha is None:
                known[test.commit] = Evidence(skip=f"it does not merge with {fixed[:12]}")
                return True
            before = known.get(test.commit)
            # What an earlier session found is taken as is.
            if before is not None or evidence_log.evidence(sha) is None:
                if self._too_dear():
                    return False
                self.evaluator.attempt(sha, test.runs, "merge")
            if (evidence := evidence_log.evidence(sha)) is not None:
                known[test.commit] = evidence
            if (verdict := evidence_log.verdict(sha)) is not None:
                self.evaluator.watcher.tried(self.git.commit(test.commit), "merged", verdict)
            return known.get(test.commit) != before

        search = self.search_for(history)
        found = seek(lambda: search, lambda: known, lambda: evidence_log.built, attempt)
        return found.commit if isinstance(found, Culprit) else None

    def _merged(self, one: str, other: str) -> str | None:
        tree = self.git.merged_tree(one, other)
        if isinstance(tree, Conflict):
            return None
        return self.git.make_commit(tree, [one, other], f"{one[:12]} and {other[:12]}, merged\n").sha
