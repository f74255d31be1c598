"""Verifies a culprit: tries it again, tries its parents, and reverts it.

The reverts are commits in the program's own repository.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.bisect.evaluator import Evaluator
from harness.bisect.ranges import RangeSearch
from harness.git import Commit, Conflict
from harness.model import Judgement, Verdict
from harness.search.posterior import enough

CONFLICT = "conflict"
"""The result of a check where the change does not apply."""

QUIET_RUNS = 5
"""Least number of trials of what should be quiet: a parent that is quiet by chance makes a wrong culprit."""

CRASHES = 3
"""Crashes in a row that verify what should crash, with one run per commit."""


@dataclass
class Verification:
    """The checks of one culprit.

    Args:
        evaluator: tries commits.
        range_: the range in which the culprit was found.
        culprit: its hash.

    Attributes:
        checks: as `harness.bisect.plan.Result` has them.
        again: the verdict of the culprit, tried again.
        parents: the verdict of each parent.
        never: the parents that are quiet and never had the regression that was fixed.
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
        self.never: list[str] = []
        self.again = Judgement(Verdict.SKIP, "not tried", 0.0)
        fix = self.plan.find_fix
        self.again_name, self.parent_name = ("fix_again", "parent_broken") if fix else ("culprit_again", "parent_good")
        self.revert_names = ("revert_on_fix", "revert_on_fixed") if fix else ("revert_on_culprit", "revert_on_bad")

    def runs(self, expected: Verdict) -> int:
        """How many trials it takes to believe that a commit is as expected."""
        if self.plan.runs is not None:
            return max(self.plan.runs, QUIET_RUNS if expected is Verdict.GOOD else 1)
        return enough(*self.evidence_log.shown(self._crashing()), self.plan.confidence)

    def _crashing(self) -> list[str]:
        """The commits of the range and its ends that crash if the culprit is right."""
        ancestor = self.evaluator.is_ancestor
        return [sha for sha in self.range_.tried() if ancestor(self.culprit, sha) is not self.plan.find_fix]

    def first(self) -> None:
        """Try the culprit and its parents again; what they show is evidence like any other."""
        ends = ("broken_end", "fixed_end") if self.plan.find_fix else ("good_end", "bad_end")
        for name, end, word in (
            (ends[0], self.range_.history.old, self.old),
            (ends[1], (self.range_.history.new,), self.new),
        ):
            told = [self.evidence_log.verdict(sha) for sha in end]
            self.checks[name] = all(one is not None and one.verdict is word for one in told)
        crashes = CRASHES if self.plan.runs == 1 else 1
        then = self._ahead()
        self.again = self.evaluator.again(self.culprit, "again", self.runs(self.new), crashes, then)
        again = self.again.verdict
        self.checks[self.again_name] = None if again is Verdict.SKIP else again is self.new
        for parent in self.git.parents(self.culprit):
            runs = self.runs(self.old)
            if self.plan.runs is None and self.old is Verdict.GOOD:
                # Its quiet trials from the search count too, but not those of earlier runs; at least one is fresh.
                quiet = self.evidence_log.weigh(self.evidence_log.made(parent)).quiet
                runs = max(1, runs - quiet + len(self.evidence_log.of(parent, "parent")))
            self.parents[parent] = self.evaluator.again(parent, "parent", runs, crashes, then).verdict
            if self.plan.find_fix and self.parents[parent] is self.new and self.range_.never_had_it(parent):
                self.never.append(parent)
        words = self.counting()
        known = None if Verdict.SKIP in words else True
        self.checks[self.parent_name] = False if self.new in words else known

    def _ahead(self) -> list[str]:
        """What is built after the culprit: its parents, and its revert."""
        if self.evaluator.ahead is None:
            return []
        parents, end = self.git.parents(self.culprit), self.range_.history.new
        made = self._reverted(end, parents[0]) if parents and end != self.culprit else None
        return [*parents, *([made.sha] if isinstance(made, Commit) else [])]

    def _reverted(self, end: str, parent: str) -> Commit | Conflict | None:
        """An end without the culprit; None if that changes nothing."""
        tree = self.git.picked_tree(end, parent, self.culprit)
        if isinstance(tree, Conflict):
            return tree
        if tree == self.git.commit(end).tree:
            return None
        subject = self.git.commit(self.culprit).subject
        message = f'Revert "{subject}"\n\nThis reverts commit {self.culprit}.\n'
        return self.git.make_commit(tree, [end], message)

    def counting(self) -> list[Verdict]:
        """The verdicts of the parents that count."""
        counting = list(self.parents)[: 1 if self.plan.first_parent else None]
        return [self.old if parent in self.never else self.parents[parent] for parent in counting]

    @property
    def outside(self) -> bool:
        """Whether the real culprit may be older, among commits that are not suspected."""
        return bool(self.range_.narrowed) and any(word is not self.old for word in self.counting())

    def doubt(self) -> tuple[str, tuple[str, ...]] | None:
        """Why this is not the culprit, with the commits that may be; None if it is."""
        name, new = self.culprit[:12], self.plan.terms[0]
        if (
            self.checks[self.again_name] is False
            and self.plan.runs is None
            and self.evidence_log.weigh(self.evidence_log.made(self.culprit)).bad
        ):
            self.notes.append(f"{name} did not crash when it was tried again; that is counted in the confidence")
        elif self.again.verdict is Verdict.SKIP:
            return f"{name} was inconclusive when it was tried again: {self.again.reason}", (self.culprit,)
        elif not self.checks[self.again_name]:
            often = "one run per commit is" if self.plan.runs == 1 else f"{self.plan.runs} runs per commit are"
            remedy = f"; {often} too few: use --runs auto" if self.plan.runs else ""
            return f"{name} was not {new} when it was tried again: the crash is intermittent{remedy}", (self.culprit,)
        for parent, word in self.parents.items():
            if self.plan.first_parent and parent != next(iter(self.parents)):
                if word is self.new:
                    self.notes.append(f"the branch that {name} merged is {new} by itself, at {parent[:12]}")
                continue
            if parent in self.never:
                self.notes.append(f"{name} merges {parent[:12]}, which forked before the regression and never had it")
                continue
            if word is self.new:
                inside = tuple(self.git.history(parent, self.range_.history.old))
                return f"its parent {parent[:12]} is {new} too: the culprit is older", inside[::-1]
            if self.identical(parent):
                return f"{name} and its parent {parent[:12]} have identical images: it cannot be the culprit", ()
            if word is Verdict.SKIP:
                if not self._surely_old(parent):
                    return self._untried(parent), (self.culprit, parent)
                self.notes.append(
                    f"the parent {parent[:12]} cannot be tested; it is part of a {self.plan.terms[1]} end"
                )
        return None

    def identical(self, parent: str) -> bool | None:
        """Whether the culprit and a parent have the same image; None if either has none."""
        mine, its = (self.evidence_log.kernels.get(sha) for sha in (self.culprit, parent))
        if mine is None or its is None or mine.signature is None or its.signature is None:
            return None
        return mine.signature == its.signature

    def _surely_old(self, parent: str) -> bool:
        """Whether an end shows that a commit that cannot be tested does not have the culprit.

        An end on another branch shows nothing: it may have a fix that the new end lacks.
        """
        ancestor, verdict = self.evaluator.is_ancestor, self.evidence_log.verdict
        history = self.range_.history
        ends = [end for end in history.old if (told := verdict(end)) is not None and told.verdict is self.old]
        return any(ancestor(parent, end) and ancestor(end, history.new) for end in ends)

    def _untried(self, parent: str) -> str:
        if parent in self.range_.untried_bases:
            return f"the merge base {parent[:12]} cannot be tested: the culprit may be {self.culprit[:12]} or older"
        return f"its parent {parent[:12]} cannot be tested"

    def revert(self) -> None:
        """Revert the culprit in place, and on the new end."""
        where, on_end = self.revert_names
        parent, end = next(iter(self.parents), None), self.range_.history.new
        if parent is None:
            self.checks |= {where: None, on_end: None}
            return
        # Reverting it in place gives its parent's source, which was just tried.
        self.checks[where] = str(self.parents[parent])
        self.checks[on_end] = self.checks[where] if end == self.culprit else self.reverted_on(end, parent)

    def reverted_on(self, end: str, parent: str) -> str | None:
        """Revert the culprit on a descendant and try that.

        Args:
            parent: the culprit's first parent.

        Returns:
            The verdict, or `CONFLICT`; None if the change is gone from there already.
        """
        made = self._reverted(end, parent)
        if isinstance(made, Conflict):
            self.notes.append(f"it does not revert on {end[:12]}: conflicts in {made}")
            return CONFLICT
        if made is None:
            self.notes.append(f"reverting it on {end[:12]} changes nothing: the change is already gone")
            return None
        # Where nothing after the culprit alters the image, this is its parent's, which was tried often enough.
        same = self.evaluator.same_as(made.sha, "revert", parent)
        judged = self.evaluator.again(made.sha, "revert", 1 if same else self.runs(self.old))
        if judged.verdict is Verdict.SKIP:
            self.notes.append(f"reverting it on {end[:12]} is inconclusive: {judged.reason}")
        elif judged.verdict is self.new:
            self.notes.append(f"reverting it on {end[:12]} does not help: something after it has the same effect")
        return str(judged.verdict)
