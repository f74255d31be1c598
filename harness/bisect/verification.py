"""Whether a culprit is one: it again, its parents, it reverted; and of a merge, which sides' changes together.

What is made here (reverts, merges) are commits in the program's own repository.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.bisect.loop import Evaluator, RangeSearch, SearchFor, seek
from harness.bisect.plan import MergeInteraction
from harness.git import Conflict
from harness.model import Verdict
from harness.search import Culprit, Evidence, History, Probe
from harness.search.posterior import stays_quiet

CONFLICT = "conflict"
"""What a check says where the change does not apply."""

QUIET_RUNS = 5
"""Trials at least, in a verification, of what ought to be quiet: a parent quiet by chance makes a wrong culprit."""

CRASHES = 3
"""Crashes in a row, in a verification, of what ought to crash where one trial a commit was thought enough."""

MOST = 200
"""Trials that are enough in any case."""


def enough(bad: int, quiet: int, confidence: float) -> int:
    """How many quiet trials make it as improbable as asked for that a commit has the crash.

    Args:
        bad, quiet: how often commits that have it showed it, and did not.
    """
    return next((runs for runs in range(1, MOST) if stays_quiet(bad, quiet, runs) <= 1 - confidence), MOST)


@dataclass
class Verification:
    """The checks of one culprit.

    Args:
        evaluator: tries commits.  range_: where the culprit was found.
        culprit: its hash.

    Attributes:
        checks: as `harness.bisect.plan.Result` has them.
        parents: the verdict of each parent.
        notes: what a reader should know.
    """

    evaluator: Evaluator
    range_: RangeSearch
    culprit: str

    def __post_init__(self) -> None:
        self.plan, self.git, self.evidence_log = self.evaluator.plan, self.evaluator.git, self.evaluator.evidence_log
        self.new, self.old = self.plan.sought, Verdict.BAD if self.plan.find_fix else Verdict.GOOD
        self.checks: dict[str, bool | str | None] = {}
        self.parents: dict[str, Verdict] = {}
        self.notes: list[str] = []
        fix = self.plan.find_fix
        self.again_name, self.parent_name = ("fix_again", "parent_broken") if fix else ("culprit_again", "parent_good")
        self.revert_names = ("revert_on_fix", "revert_on_fixed") if fix else ("revert_on_culprit", "revert_on_bad")

    def _runs(self, expected: Verdict) -> int:
        """How many trials it takes here to believe that a commit is what it ought to be."""
        if self.plan.runs is not None:
            return max(self.plan.runs, QUIET_RUNS if expected is Verdict.GOOD else 1)
        tried = [sha for sha in self.evidence_log.trials if self.git.has(sha)]
        has = [sha for sha in tried if self.git.is_ancestor(self.culprit, sha) is not self.plan.find_fix]
        return enough(*self.evidence_log.shown(has), self.plan.confidence)

    def first(self) -> None:
        """Try the culprit and its parents once more; what they show is evidence like any other."""
        ends = ("broken_end", "fixed_end") if self.plan.find_fix else ("good_end", "bad_end")
        for name, end, word in (
            (ends[0], self.range_.history.old, self.old),
            (ends[1], (self.range_.history.new,), self.new),
        ):
            told = [self.evidence_log.verdict(sha) for sha in end]
            self.checks[name] = all(one is not None and one.word is word for one in told)
        crashes = CRASHES if self.plan.runs == 1 else 1
        again = self.evaluator.again(self.culprit, "again", self._runs(self.new), crashes).word
        self.checks[self.again_name] = None if again is Verdict.SKIP else again is self.new
        for parent in self.git.parents(self.culprit):
            runs = self._runs(self.old)
            if self.plan.runs is None and self.old is Verdict.GOOD:
                # Its quiet trials of the search count as well; one at least is made afresh.
                runs = max(1, runs - self.evidence_log.shown([parent])[1] + len(self.evidence_log.of(parent, "parent")))
            self.parents[parent] = self.evaluator.again(parent, "parent", runs, crashes).word
        words = list(self.parents.values())[: 1 if self.plan.first_parent else None]
        known = None if Verdict.SKIP in words else True
        self.checks[self.parent_name] = False if self.new in words else known

    def doubt(self) -> tuple[str, tuple[str, ...]] | None:
        """Why this is no culprit, with the commits that it may be; None where it is one."""
        name, new = self.culprit[:12], self.plan.terms[0]
        if (
            self.checks[self.again_name] is False
            and self.plan.runs is None
            and self.evidence_log.shown([self.culprit])[0]
        ):
            self.notes.append(f"{name} did not crash when it was tried again; that is counted in the confidence")
        elif not self.checks[self.again_name]:
            often = "one run a commit is" if self.plan.runs == 1 else f"{self.plan.runs} runs a commit are"
            remedy = f"; {often} too few: use --runs auto" if self.plan.runs else ""
            return f"{name} was tried again and was not {new}: the crash comes only sometimes{remedy}", (self.culprit,)
        for parent, word in self.parents.items():
            if self.plan.first_parent and parent != next(iter(self.parents)):
                if word is self.new:
                    self.notes.append(f"the branch that {name} merged is {new} by itself, at {parent[:12]}")
                continue
            if word is self.new:
                inside = tuple(self.git.history(parent, self.range_.history.old))
                where = f"does not change {' '.join(self.plan.paths)}" if self.plan.paths else "is older"
                return f"its parent {parent[:12]} is {new} too: the commit that is looked for {where}", inside[::-1]
            if word is Verdict.SKIP:
                if not any(self.git.is_ancestor(parent, end) for end in self.range_.history.old):
                    return f"its parent {parent[:12]} cannot be tried", (self.culprit, parent)
                self.notes.append(f"the parent {parent[:12]} cannot be tried; it is part of a {self.plan.terms[1]} end")
            mine, its = self.evidence_log.kernels.get(self.culprit), self.evidence_log.kernels.get(parent)
            if mine and its and mine.signature is not None and mine.signature == its.signature:
                return f"the image of {name} is that of its parent {parent[:12]}: it can't make the difference", ()
        return None

    def revert(self) -> None:
        """The culprit reverted where it stands, and on the new end."""
        where, on_end = self.revert_names
        parent, end = next(iter(self.parents), None), self.range_.history.new
        if parent is None:
            self.checks |= {where: None, on_end: None}
            return
        subject = self.git.commit(self.culprit).subject
        message = f'Revert "{subject}"\n\nThis reverts commit {self.culprit}.\n'
        # Reverted where it stands, what is left is its parent's source, which was just tried.
        self.checks[where] = str(self.parents[parent])
        if end == self.culprit:
            self.checks[on_end] = self.checks[where]
            return
        tree = self.git.picked_tree(end, parent, self.culprit)
        if isinstance(tree, Conflict):
            self.checks[on_end] = CONFLICT
            self.notes.append(f"it does not revert on {end[:12]}: conflicts in {tree}")
            return
        if tree == self.git.commit(end).tree:
            self.checks[on_end] = None
            self.notes.append(f"reverting it on {end[:12]} changes nothing: its change is no longer there")
            return
        made = self.git.make_commit(tree, [end], message)
        # Built in an earlier session, it may have the image of a commit that answers for it.
        known = self.evidence_log.verdict(made.sha) if self.evidence_log.identical_image(made.sha) else None
        verdict = known or self.evaluator.again(made.sha, "revert", self._runs(self.old))
        self.checks[on_end] = str(verdict.word)
        if verdict.word is Verdict.SKIP:
            self.notes.append(f"reverted on {end[:12]} it cannot be told: {verdict.reason}")
        elif verdict.word is self.new:
            self.notes.append(
                f"reverting it on {end[:12]} does not change what that does: something after it has the same effect"
            )


@dataclass
class InteractionSearch:
    """Finds out which change of the one side of a merge does it together with which of the other.

    Args:
        evaluator: tries commits.  search_for: makes searches.
        merge: a merge with the regression (or the fix), both of whose parents are without.
    """

    evaluator: Evaluator
    search_for: SearchFor
    merge: str
    parents: Mapping[str, Verdict]

    def __post_init__(self) -> None:
        self.git, self.plan = self.evaluator.git, self.evaluator.plan
        self.made: dict[str, str] = {}

    def find(self) -> MergeInteraction:
        """The result, as far as it can be told."""
        sides = tuple(self.parents)
        if len(sides) != 2:
            return self._said(
                f"a merge of {len(sides)}, each {self.plan.terms[1]}: which of them together was not tried"
            )
        tree = self.git.merged_tree(*sides)
        if isinstance(tree, Conflict):
            return self._said(f"both sides are {self.plan.terms[1]}; the merge settles conflicts by hand in {tree}")
        whole = self.merge
        if tree != self.git.commit(self.merge).tree:
            whole = self.git.make_commit(tree, sides, f"{sides[0][:12]} and {sides[1][:12]}, merged by git alone\n").sha
            self.evaluator.attempt(whole, self._runs(), "merge")
            verdict = self.evaluator.evidence_log.verdict(whole)
            assert verdict is not None
            if verdict.word is not self.plan.sought:
                told = "cannot be told" if verdict.word is Verdict.SKIP else f"is {self.plan.terms[1]}"
                return self._said(
                    f"both sides are {self.plan.terms[1]}, and git's own merge of them {told}: "
                    "what the merge changes beyond that brings it"
                )
        needs = [self._side(sides[0], sides[1], whole), self._side(sides[1], sides[0], whole)]
        found = tuple(one for one in needs if one is not None)
        if len(found) < 2:
            return self._said("both sides are needed; which change of each cannot be told", found)
        one, other = (f'{sha[:12]} ("{self.git.commit(sha).subject}")' for sha in found)
        return self._said(f"neither side does it alone: it takes {one} of the one and {other} of the other", found)

    def _runs(self) -> int:
        return self.plan.runs or enough(0, 0, self.plan.confidence)

    def _said(self, reason: str, needs: tuple[str, ...] = ()) -> MergeInteraction:
        return MergeInteraction(self.parents, needs, reason)

    def _side(self, fixed: str, side: str, whole: str) -> str | None:
        """The first commit of `side` that, merged into the tip of the other side, does it."""
        above = self.git.history(side, (fixed,))
        history = History(tuple(above), above, (fixed,))
        known: dict[str, Evidence] = {}
        evidence_log = self.evaluator.evidence_log
        for sha, stands_for in ((side, whole), (fixed, fixed)):
            if (evidence := evidence_log.evidence(stands_for)) is not None:
                known[sha] = evidence

        def attempt(test: Probe) -> None:
            sha = {side: whole, fixed: fixed}.get(test.commit) or self._merged(fixed, test.commit)
            if sha is None:
                known[test.commit] = Evidence(skip=f"it does not merge with {fixed[:12]}")
                return
            self.evaluator.attempt(sha, test.runs, "merge")
            if (evidence := evidence_log.evidence(sha)) is not None:
                known[test.commit] = evidence
            verdict = evidence_log.verdict(sha)
            assert verdict is not None
            self.evaluator.watcher.tried(self.git.commit(test.commit), "merged", verdict)

        found = seek(self.search_for(history), lambda: known, lambda: evidence_log.built, attempt)
        return found.commit if isinstance(found, Culprit) else None

    def _merged(self, one: str, other: str) -> str | None:
        tree = self.git.merged_tree(one, other)
        if isinstance(tree, Conflict):
            return None
        return self.git.make_commit(tree, [one, other], f"{one[:12]} and {other[:12]}, merged\n").sha
