"""The second loop: which commit brought the regression, or ended it."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from harness.bisect import gitlog
from harness.bisect.evidence import EvidenceLog, Rates
from harness.bisect.plan import Plan
from harness.bisect.reverse import Reversed, in_words_of_a_fix
from harness.errors import InfrastructureError, KernelError
from harness.files import write_atomically
from harness.git import Commit, Git
from harness.kernel.tree import Tree
from harness.model import Judgement, Outcome, Trial, Verdict
from harness.runner import Runner, Subject
from harness.search import Culprit, Evidence, History, Inconclusive, Probe, Search
from harness.search.bayes import Bayes
from harness.search.graph import Graph
from harness.search.halving import Halving
from harness.search.posterior import posterior
from harness.store import Built

UNSURE = (Outcome.BOOT_FAILED, Outcome.HUNG, Outcome.LOST)
"""What a machine that is short of time does to a good kernel too (its timers fail, limits pass): two in a row count."""

SearchFor = Callable[[History], Search]
"""Makes a search of a history."""


def search_for(plan: Plan, rates: Callable[[], Rates]) -> SearchFor:
    """What makes the search that a plan asks for.

    Args:
        rates: gives what builds and boots take here.
    """

    def make(history: History) -> Search:
        if plan.runs is not None:
            return Halving(history, plan.runs)
        costs = {f"{name}_seconds": value for name, value in asdict(rates()).items() if value}

        def bayes(history: History) -> Search:
            return Bayes(history, plan.confidence, **costs)

        return Reversed(history, bayes) if plan.find_fix else bayes(history)

    return make


@dataclass(frozen=True)
class State:
    """Where a bisection is, for whoever watches it.

    Attributes:
        commits: the range from the old ends to the new one, oldest first.
        suspects: those of them that may still be the one.
        in_hand: what is tried now, and how often it will be.
        left: about how many more commits will be tried.
        words: the verdicts so far.
        likely: the likeliest ones with their probabilities, where those are what is searched by.
        rates: what builds and boots take here.
    """

    commits: tuple[str, ...]
    suspects: frozenset[str]
    in_hand: Commit
    runs: int
    left: int
    words: Mapping[str, Verdict]
    likely: tuple[tuple[str, float], ...]
    rates: Rates


class Watcher(Protocol):
    """Is told where a bisection is."""

    def state(self, state: State) -> None:
        """A commit is about to be tried."""

    def tried(self, commit: Commit, role: str, verdict: Judgement) -> None:
        """A commit was tried; `role` says why."""

    def note(self, text: str) -> None:
        """Something that a reader should know."""


def seek(
    search: Search,
    evidence: Callable[[], Mapping[str, Evidence]],
    built: Callable[[], Set[str]],
    attempt: Callable[[Probe], None],
) -> Culprit | Inconclusive:
    """Ask a search and try what it wants, until it has an answer.

    Args:
        evidence: gives all that is known by now.  built: gives the commits that have an image by now.
        attempt: tries a commit; afterwards there is more evidence about it.
    """
    while isinstance(wanted := search.decide(evidence(), built()), Probe):
        before = evidence().get(wanted.commit)
        attempt(wanted)
        if evidence().get(wanted.commit) == before:
            raise AssertionError(f"nothing was learned of {wanted.commit}: the search would ask for ever")
    return wanted


class Evaluator:
    """Tries commits and writes down what they show.

    Args:
        tree: whose commits are tried.  runner: how.
        evidence_log: takes what is found out.  watcher: is told.
    """

    def __init__(self, plan: Plan, tree: Tree, runner: Runner, evidence_log: EvidenceLog, watcher: Watcher) -> None:
        self.plan, self.tree, self.runner, self.evidence_log, self.watcher = plan, tree, runner, evidence_log, watcher
        # Has the user's objects and those that are made here.
        self.git = Git(tree.worktree)
        self.commit = functools.cache(self.git.commit)

    def attempt(self, sha: str, runs: int, role: str = "commit") -> None:
        """Build a commit and try it up to `runs` times; what comes of it is in the evidence_log.

        A commit that turns out to have the image of one that was tried is not booted.

        Raises:
            InfrastructureError: nothing can be said of the commit.
        """
        commit, evidence_log = self.commit(sha), self.evidence_log
        subject = Subject(role, commit)
        folder = evidence_log.run.folder / f"commit-{sha[:12]}"
        mended = self.runner.mend(commit)
        known, began = evidence_log.identical_image(sha), time.monotonic()
        try:
            kernel = self.runner.kernel(subject, folder, mended)
        except KernelError as error:
            evidence_log.kernel(sha, Built(None, round(time.monotonic() - began, 2), True, mended.by))
            evidence_log.trial(sha, role, Trial(Outcome.BUILD_FAILED, str(error), 0.0, folder))
            return
        evidence_log.kernel(sha, Built(kernel.signature, kernel.seconds, kernel.built, mended.by))
        if known is None and evidence_log.identical_image(sha) is not None:
            return
        finished, lost, wanted = functools.partial(evidence_log.trial, sha, role), 0, runs
        while wanted > 0 and lost < 2:
            trials = self.runner.trials(kernel, subject, folder, wanted, finished)
            quiet = sum(trial.outcome is Outcome.PASSED for trial in trials)
            if trials[-1].outcome not in UNSURE:
                break
            lost, wanted = (1 if quiet else lost + 1), wanted - quiet
        if trials[-1].outcome is Outcome.INFRASTRUCTURE:
            raise InfrastructureError(f"{sha[:12]} cannot be told: {trials[-1].reason}")

    def again(self, sha: str, role: str, runs: int, crashes: int = 1) -> Judgement:
        """Try a commit afresh: the verdict counts only the trials in this role, also those of an earlier session.

        Args:
            runs: how many quiet trials are enough.
            crashes: how many crashes are, where one comes at each trial.
        """
        done = self.evidence_log.telling(sha, role)
        while wanted := self._wanted(done, runs, crashes):
            self.attempt(sha, wanted, role)
            before, done = done, self.evidence_log.telling(sha, role)
            if done == before:
                break  # it has the image of another commit, which answers for it
        verdict = self.runner.judge(done) if done else self.evidence_log.verdict(sha)
        assert verdict is not None
        self.watcher.tried(self.commit(sha), role, verdict)
        return verdict

    def _wanted(self, done: Sequence[Trial], runs: int, crashes: int) -> int:
        """How many more trials are wanted after these."""
        words = {self.runner.judge([trial]).word for trial in done}
        if words <= {Verdict.GOOD}:
            return max(0, runs - len(done))
        return int(words == {Verdict.BAD} and len(done) < crashes)


class RangeSearch:
    """Finds the range to search: from the ends that were given, their merge bases, or release tags.

    Args:
        evaluator: tries commits.  search_for: makes the search of a range.

    Attributes:
        history: the range that was searched last.  search: its search.
        notes: what was found out on the way.
    """

    def __init__(self, evaluator: Evaluator, search_for: SearchFor) -> None:
        self.evaluator, self.search_for = evaluator, search_for
        self.plan, self.git = evaluator.plan, evaluator.git
        self.notes: list[str] = []
        self.history = History((), {}, ())
        self.search: Search | None = None

    def note(self, text: str) -> None:
        """Something that the result has to say too."""
        if text not in self.notes:
            self.notes.append(text)
            self.evaluator.watcher.note(text)

    def find(self) -> Culprit | Inconclusive:
        """Search, in one range after the other where the first turns out not to hold what is looked for."""
        new = self._new_end()
        if self.plan.old:
            return self._between(new, self.plan.old)
        return self._from_releases(new)

    def _new_end(self) -> str:
        """The oldest of the new ends: what brought the regression is in all of them, so it is in that one."""
        ends = list(dict.fromkeys(self.plan.new))
        oldest = [a for a in ends if not any(a != b and self.git.is_ancestor(b, a) for b in ends)]
        for extra in oldest[1:]:
            self.note(f"{extra[:12]} is left aside: it does not lie on one line with {oldest[0][:12]}")
        return oldest[0]

    def _from_releases(self, new: str) -> Culprit | Inconclusive:
        """Go back over release tags until one does not show the regression: the newest, then in wider steps."""
        wider = self._releases(new)
        for tag, sha in wider:
            self.evaluator.watcher.note(f"is {tag} good?")
            found = self._between(new, (sha,))
            verdict = self.evaluator.evidence_log.verdict(sha)
            if verdict is None:  # the bad end ended it
                return found
            if verdict.word is Verdict.GOOD:
                return found
            self.note(f"{tag} is no good end: {verdict.reason}")
            if verdict.word is Verdict.BAD:
                new = sha
        return Inconclusive("no release before the bad end is good; name an older commit with --good")

    def _releases(self, new: str) -> Iterator[tuple[str, str]]:
        # The program's own repository has the objects, the user's has the names.
        tags = [(tag, sha) for tag, sha in self.evaluator.tree.repository.releases(new) if sha != new]
        at, step = 0, 1
        while at < len(tags):
            yield tags[at]
            at, step = (at + step, step * 2) if at + step < len(tags) or at == len(tags) - 1 else (len(tags) - 1, 1)

    def _between(self, new: str, old: Sequence[str]) -> Culprit | Inconclusive:
        """Search the range between ends; where an old end is not an ancestor, the merge base is an old end too."""
        bases = {
            base: end
            for end in old
            if not self.git.is_ancestor(end, new)
            for base in self.git.merge_bases(end, new)
            if base not in old
        }
        for end in old:
            if not self.git.merge_bases(end, new):
                self.note(
                    f"{end[:12]} and {new[:12]} have no common ancestor here: the whole history of {new[:12]} counts"
                )
        while True:
            found = self._search(new, (*old, *bases))
            base = next((b for b in bases if self._word(b) not in (None, self._old_word)), None)
            if base is None or isinstance(found, Culprit):
                break
            if self._word(base) is Verdict.SKIP:
                # git, too, goes on without: what is found is checked against its parent in any case.
                self.note(f"the merge base {base[:12]} cannot be tried; going on without it")
                del bases[base]
                continue
            return self._base_is_new(base, bases[base], new)
        for base, end in bases.items():
            if self._word(base) is self._old_word:
                side = "fixed" if self.plan.find_fix else "bad"
                self.note(
                    f"{end[:12]} is no ancestor of {new[:12]}; their merge base {base[:12]} is "
                    f"{self.plan.terms[1]}, so what is looked for lies on the {side} side of it"
                )
        return found

    def _word(self, sha: str) -> Verdict | None:
        verdict = self.evaluator.evidence_log.verdict(sha)
        return verdict.word if verdict else None

    @property
    def _old_word(self) -> Verdict:
        return Verdict.BAD if self.plan.find_fix else Verdict.GOOD

    def _base_is_new(self, base: str, old: str, new: str) -> Inconclusive:
        if self.plan.find_fix:
            what = (
                f"the merge base {base[:12]} is fixed already: nothing between it and {new[:12]} is a fix; "
                f"what broke {old[:12]} lies on its own side: look for it with --good {base[:12]} --bad {old[:12]}"
            )
        else:
            what = (
                f"the merge base {base[:12]} is bad too: the regression is older, and {old[:12]} has a fix that "
                f"{new[:12]} lacks: look for it with --find-fix --bad {base[:12]} --good {old[:12]}"
            )
        return Inconclusive(what)

    def _search(self, new: str, old: tuple[str, ...]) -> Culprit | Inconclusive:
        above = self.git.history(new, old, self.plan.paths, first_parent=self.plan.first_parent)
        self.history = History(tuple(above), above, old)
        self.search = self.search_for(self.history)
        return self.go_on()

    def go_on(self) -> Culprit | Inconclusive:
        """Search the range with all that is known by now."""
        assert self.search is not None
        found = seek(self.search, self.evidence, lambda: self.evaluator.evidence_log.built, self._attempt)
        turned = self.plan.find_fix and self.plan.runs is not None
        return replace(found, reason=self._fix_reason(found)) if turned and isinstance(found, Inconclusive) else found

    def _fix_reason(self, found: Inconclusive) -> str:
        """Why no fix is named: the search, which is given verdicts turned round, has other words for it."""
        new, old = self.history.new, self.history.old
        if found.not_reproduced:
            fixed = [sha for sha in old if self._word(sha) is self.plan.sought]
            return (
                f"the broken end {fixed[0][:12]} does not show the crash"
                if fixed
                else f"the fixed end {new[:12]} shows the crash"
            )
        if found.candidates or Verdict.SKIP in (self._word(sha) for sha in (new, *old)):
            return in_words_of_a_fix(found.reason)
        return "a commit is broken that has a fixed one in its history: the crash comes only sometimes, or came back"

    def evidence(self) -> dict[str, Evidence]:
        """What is known of the range and its ends."""
        told = ((sha, self.evaluator.evidence_log.evidence(sha)) for sha in self._tried())
        return {sha: evidence for sha, evidence in told if evidence is not None}

    def seen(self) -> dict[str, Evidence]:
        """The same in crashes and quiet trials, whatever is looked for."""
        told = ((sha, self.evaluator.evidence_log.seen(sha)) for sha in self._tried())
        return {sha: seen for sha, seen in told if seen is not None}

    def _tried(self) -> list[str]:
        here = {*self.history.commits, *self.history.old}
        evidence_log = self.evaluator.evidence_log
        return [sha for sha in dict.fromkeys((*evidence_log.log, *evidence_log.order)) if sha in here]

    def _suspects(self, words: Mapping[str, Verdict]) -> set[str]:
        """The commits that are in all that have what is looked for, and in none that have not."""
        parents = self.history.parents
        suspects = set(self.history.commits)

        def reach(sha: str) -> set[str]:
            found, todo = set[str](), [sha]
            while todo:
                if (one := todo.pop()) not in found:
                    found.add(one)
                    todo += parents[one]
            return found

        for sha, word in words.items():
            if sha in parents and word is not Verdict.SKIP:
                suspects = suspects & reach(sha) if word is self.plan.sought else suspects - reach(sha)
        return suspects

    def _likely(self) -> tuple[tuple[str, float], ...]:
        """The likeliest commits, the first few."""
        if self.plan.runs is not None or self.plan.find_fix:
            return ()
        graph, evidence = Graph(self.history), self.evidence()
        belief = posterior(self.history, graph, evidence)
        if belief is None or not belief.bad:
            return ()
        return tuple((self.history.commits[place], belief.of(place)) for place in belief.likeliest(0.9)[:5])

    def _attempt(self, test: Probe) -> None:
        evaluator, history = self.evaluator, self.history
        commit = evaluator.commit(test.commit)
        told = {sha: verdict.word for sha in self._tried() if (verdict := evaluator.evidence_log.verdict(sha))}
        suspects = frozenset(self._suspects(told))
        evaluator.watcher.state(
            State(
                history.commits,
                suspects,
                commit,
                test.runs,
                test.left,
                told,
                self._likely(),
                evaluator.evidence_log.rates(),
            )
        )
        evaluator.attempt(test.commit, test.runs)
        verdict = evaluator.evidence_log.verdict(test.commit)
        assert verdict is not None
        evaluator.watcher.tried(commit, "commit", verdict)
        self.write_log()

    def write_log(self, culprit: str | None = None) -> None:
        """Write what is known by now as `git bisect log` would."""
        evaluator, history = self.evaluator, self.history
        steps = evaluator.evidence_log.steps(lambda sha: evaluator.commit(sha).subject)
        text = gitlog.render(self.plan, history.new, history.old, steps, culprit)
        write_atomically(evaluator.evidence_log.run.folder / "bisect.log", text)
