"""Which range to search: from the ends that were given, their merge bases, or release tags."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from harness.bisect import gitlog, unread
from harness.bisect.evaluator import Evaluator
from harness.bisect.hint import Pointer
from harness.bisect.loop import SearchFor, State, nothing_learned, seek
from harness.console import Expectation
from harness.files import write_atomically
from harness.model import Ignored, Verdict
from harness.search import Culprit, Decision, Evidence, History, Inconclusive, Probe, Search
from harness.search.graph import Graph, members, only
from harness.search.outlook import outlook
from harness.search.posterior import enough, posterior


class RangeSearch:
    """Finds the range to search, and searches it.

    Args:
        evaluator: tries commits.
        search_for: makes the search of a range.

    Attributes:
        history: the range that was searched last.
        search: its search.
        paths: only commits that change these are suspected.
        suspects: only these commits are suspected; none: all.
        relevant: the commits that may alter the image; None if that is not known.
        untried_bases: merge bases that cannot be tested.
        notes: what was found along the way.
    """

    def __init__(self, evaluator: Evaluator, search_for: SearchFor) -> None:
        self.evaluator, self.search_for = evaluator, search_for
        self.plan, self.git, self.evidence_log = evaluator.plan, evaluator.git, evaluator.evidence_log
        self.paths, self.suspects = self.plan.paths, frozenset(self.plan.suspects)
        self.relevant: frozenset[str] | None = None
        self._compared = False
        self._pointer = Pointer(evaluator, self.note)
        self.untried_bases: list[str] = []
        self.notes: list[str] = []
        # Branches that forked before the regression: quiet, and without the fix.
        self._never: list[str] = []
        self.history = History((), {}, ())

    def note(self, text: str) -> None:
        """Add a note to the result."""
        if text not in self.notes:
            self.notes.append(text)
            self.evaluator.watcher.note(text)

    def find(self) -> Culprit | Inconclusive:
        """Search; where a range turns out not to have the culprit, go on with the next."""
        new = self._new_end()
        if self.plan.old:
            return self._between(new, self.plan.old)
        return self._from_releases(new)

    def ends(self) -> Inconclusive | None:
        """Try the ends and nothing between; why they rule out any culprit, or None."""
        new = self._new_end()
        self._lay(new, self.plan.old)
        while isinstance(decision := self._decision(), Probe) and decision.commit in (new, *self.plan.old):
            if not self._attempt(decision):
                return nothing_learned(decision.commit)
        return decision if isinstance(decision, Inconclusive) else None

    def _decision(self) -> Decision:
        self._set_aside()
        return self.search.decide(self.evidence(), self.evidence_log.built)

    def _new_end(self) -> str:
        """The oldest of the new ends: the culprit is in all of them, so it is in that one."""
        ends = list(dict.fromkeys(self.plan.new))
        oldest = [a for a in ends if not any(a != b and self.git.is_ancestor(b, a) for b in ends)]
        for extra in oldest[1:]:
            self.note(f"{extra[:12]} is left out: neither it nor {oldest[0][:12]} is an ancestor of the other")
        return oldest[0]

    def _from_releases(self, new: str) -> Culprit | Inconclusive:
        """Go back over release tags until one does not show the regression: the newest, then in wider steps."""
        wider = self._releases(new)
        for tag, sha in wider:
            self.evaluator.watcher.note(f"is {tag} good?")
            found = self._between(new, (sha,))
            judged = self.evaluator.evidence_log.verdict(sha)
            if judged is None:  # the bad end ended it
                return found
            if judged.verdict is Verdict.GOOD:
                return found
            self.note(f"{tag} is not a good end: {judged.reason}")
            if judged.verdict is Verdict.BAD:
                new = sha
        return Inconclusive("no release before the bad end is good; name an older commit with --good")

    def _releases(self, new: str) -> Iterator[tuple[str, str]]:
        # The program's own repository has the objects, the user's has the names.
        tags = [(tag, sha) for tag, sha in self.git.releases(new) if sha != new]
        at, step = 0, 1
        while at < len(tags):
            yield tags[at]
            at, step = (at + step, step * 2) if at + step < len(tags) or at == len(tags) - 1 else (len(tags) - 1, 1)

    def _between(self, new: str, old: Sequence[str]) -> Culprit | Inconclusive:
        """Search the range between ends; the merge base with an old end that is not an ancestor is an old end too."""
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
                # git, too, goes on without it: the culprit is verified only if its parent is.
                self.note(f"the merge base {base[:12]} cannot be tested; going on without it")
                self.untried_bases.append(base)
                del bases[base]
                continue
            return self._base_is_new(base, bases[base], new)
        for base, end in bases.items():
            if self._word(base) is self._old_word:
                what, side = ("fix", "fixed") if self.plan.find_fix else ("regression", "bad")
                self.note(
                    f"{end[:12]} is not an ancestor of {new[:12]}; their merge base {base[:12]} is "
                    f"{self.plan.terms[1]}, so the {what} is on the {side} side of it"
                )
        return found

    def _word(self, sha: str) -> Verdict | None:
        judged = self.evaluator.evidence_log.verdict(sha)
        return judged.verdict if judged else None

    @property
    def _old_word(self) -> Verdict:
        return Verdict.BAD if self.plan.find_fix else Verdict.GOOD

    def _base_is_new(self, base: str, old: str, new: str) -> Inconclusive:
        if self.plan.find_fix:
            what = (
                f"the merge base {base[:12]} is fixed already: nothing between it and {new[:12]} is a fix; "
                f"what broke {old[:12]} is on its own side: find it with --good {base[:12]} --bad {old[:12]}"
            )
        else:
            what = (
                f"the merge base {base[:12]} is bad too: the regression is older, and {old[:12]} has a fix that "
                f"{new[:12]} lacks: find it with --find-fix --bad {base[:12]} --good {old[:12]}"
            )
        return Inconclusive(what)

    def _search(self, new: str, old: tuple[str, ...]) -> Culprit | Inconclusive:
        self.relevant, self._compared = None, False
        self._lay(new, old)
        return self.go_on()

    def _lay(self, new: str, old: tuple[str, ...]) -> None:
        """Make this the range to search."""
        above = self.git.history(new, (*old, *self._never), self.paths, first_parent=self.plan.first_parent)
        if self.suspects:
            above = only(above, self.suspects | {new})
        if self.relevant is not None:
            # What is known already stays in.
            above = only(above, self.relevant | {new} | set(self.evidence_log.log))
        self.history = History(tuple(above), above, old, self.plan.find_fix)
        self.graph: Graph = Graph(self.history)
        self.search: Search = self.search_for(self.history)

    @property
    def narrowed(self) -> str:
        """By what the suspects are fewer than all commits of the range; empty where they are not."""
        given = " ".join(self.paths) or ("the suspects" if self.suspects else "")
        return given or ("what the build reads" if self.relevant is not None else "")

    def widen(self) -> Culprit | Inconclusive:
        """Search on outside of `narrowed`: the culprit lies between two of those commits."""
        if self.paths or self.suspects:
            self.paths, self.suspects = (), frozenset()
        else:
            self.relevant = None
        self._lay(self.history.new, self.history.old)
        return self.go_on()

    def _narrow(self) -> Search:
        """The search; once the ends are as they should be, only of commits that may alter the image.

        Once the crash is known, those commits come sooner that it points to.
        """
        history = self.history
        expected = {history.new: self.plan.sought, **dict.fromkeys(history.old, self._old_word)}
        if not self._compared and all(self._word(end) is word for end, word in expected.items()):
            self._compared = True
            self.relevant = unread.suspects(self.evaluator, history)
            if self.relevant is not None:
                self._lay(history.new, history.old)
                before, now = len(history.commits), len(self.history.commits)
                if now < before:
                    idle = f"{before - now} change nothing that the build reads"
                    self.note(f"of {before} commits, {idle}: {now} are suspected")
        hinted = self._pointer.hinted(self.history)
        if hinted != self.history:
            self.history, self.search = hinted, self.search_for(hinted)
        return self.search

    def go_on(self) -> Culprit | Inconclusive:
        """Search the range with what is known so far."""
        self._set_aside()
        self._leave_out(*self._tried())
        elsewhere = self.evaluator.runner.elsewhere
        found = seek(self._narrow, self.evidence, lambda: self.evidence_log.built, self._attempt, elsewhere)
        if isinstance(found, Inconclusive) and found.candidates and self.untried_bases:
            bases = ", ".join(base[:12] for base in self.untried_bases)
            return replace(
                found, reason=f"{found.reason}; it may also be older: the merge base {bases} cannot be tested"
            )
        return found

    def evidence(self) -> dict[str, Evidence]:
        """What is known of the range and its ends."""
        told = {sha: seen for sha in self._tried() if (seen := self.evidence_log.evidence(sha)) is not None}
        if self.plan.find_fix:
            # A quiet commit may be fixed, or never have had the crash.
            quiet = [sha for sha, seen in told.items() if seen.quiet and not seen.bad]
            for sha in (sha for sha in quiet if sha in self.history.parents):
                had = self._had_the_crash(sha)
                if isinstance(had, str):
                    told[sha] = Evidence(skip=had)
                elif not had:
                    del told[sha]
        return told

    def _had_the_crash(self, sha: str) -> bool | str | None:
        """Whether a quiet commit has a broken one in its history.

        If it has none, its merge bases with a broken end do not have the regression either.

        Returns:
            None if a merge base has yet to be tried; the reason if one cannot be tested.
        """
        seen = self.evidence_log.evidence
        known = (*self.evidence_log.log, *self.evidence_log.order)
        broken = [one for one in known if (its := seen(one)) is not None and its.bad]
        if sha == self.history.new or any(self.evaluator.is_ancestor(one, sha) for one in broken):
            return True
        bases = self._bases(sha)
        told = {base: seen(base) or Evidence() for base in bases}
        for base, its in told.items():
            if its.skip is not None and its.untold != 1:
                return f"its merge base {base[:12]} with the broken end cannot be tested: {its.skip}"
        return False if all(its.quiet >= self.enough() for its in told.values()) else None

    def never_had_it(self, sha: str) -> bool:
        """Whether a quiet commit forked before the regression; tries what it takes to know."""
        self._try_bases(sha)
        return self._had_the_crash(sha) is False

    def _bases(self, sha: str) -> Sequence[str]:
        """The merge bases of a commit and a broken end."""
        return self.evaluator.merge_bases(sha, self.history.old[0])

    def enough(self) -> int:
        """How many quiet trials show that a merge base never had the crash."""
        if self.plan.runs is not None:
            return self.plan.runs
        seen = [one for sha in self.evidence_log.order if (one := self.evidence_log.evidence(sha)) and one.bad]
        return enough(sum(one.bad for one in seen), sum(one.quiet for one in seen), self.plan.confidence)

    def _leave_out(self, *shas: str) -> None:
        """Leave commits that never had the crash, and their ancestors, out of the range: none of them is the fix."""
        if not self.plan.find_fix:
            return
        never = []
        for sha in shas:
            seen = self.evidence_log.evidence(sha)
            if seen is None or not seen.quiet or seen.bad or sha not in self.history.parents:
                continue
            if self._had_the_crash(sha) is False:
                never.append(sha)
                self.note(f"{sha[:12]} forked before the regression: it is quiet, but not fixed")
        if never:
            self._never += never
            self._lay(self.history.new, self.history.old)

    def _set_aside(self) -> None:
        """Ignore a crash that the end without the regression shows too: it is not news."""
        for end in self.history.quiet:
            if crash := self.evidence_log.no_news(end):
                name = self.history.name(end)
                told = glob.escape(crash.signature or crash.title)
                pattern = Expectation(signature=told) if crash.signature else Expectation(title=told)
                self.evaluator.ignore(Ignored(pattern, f"{name} shows it too"))
                self.note(f"{name} shows {crash.title!r} too: that crash is ignored in this bisection")

    def _tried(self) -> list[str]:
        here = {*self.history.commits, *self.history.old}
        return [sha for sha in dict.fromkeys((*self.evidence_log.log, *self.evidence_log.order)) if sha in here]

    def tried(self) -> list[str]:
        """The commits of the range and its ends that were tried."""
        return [sha for sha in self._tried() if self.evidence_log.of(sha)]

    def _suspects(self, words: Mapping[str, Verdict]) -> frozenset[str]:
        """The commits that are in all commits that have the culprit, and in none that do not."""
        suspects = self.graph.everything
        for sha, word in words.items():
            if sha in self.graph.place and word is not Verdict.SKIP:
                reach = self.graph.reach(self.graph.place[sha])
                suspects &= reach if word is self.plan.sought else ~reach
        return frozenset(self.history.commits[place] for place in members(suspects))

    def _likely(self) -> tuple[tuple[str, float], ...]:
        """The likeliest commits, the first few."""
        if self.plan.runs is not None:
            return ()
        belief = posterior(self.history, self.graph, self.evidence())
        if belief is None or not belief.bad:
            return ()
        return tuple((self.history.commits[place], belief.of(place)) for place in belief.likeliest(0.9)[:5])

    def _attempt(self, test: Probe) -> bool:
        """Try a commit; return whether anything was learned."""
        evaluator, history, sha = self.evaluator, self.history, test.commit
        before, known = self.evidence(), sum(map(len, self.evidence_log.trials.values()))
        told = {one: judged.verdict for one in before if (judged := self.evidence_log.verdict(one))}
        state = State(
            history.commits,
            self._suspects(told),
            evaluator.commit(sha),
            test.runs,
            test.left,
            told,
            self._likely(),
            self.evidence_log.rates(),
        )
        evaluator.watcher.state(state)
        seen = self.evidence_log.evidence(sha)
        if sha in before or seen is None or not seen.quiet:
            self._try(sha, test.runs, "commit", self._next(test))
        if self.plan.find_fix and sha in history.parents:
            self._try_bases(sha)
        self._set_aside()
        self._leave_out(sha)
        self.write_log()
        return self.evidence() != before or sum(map(len, self.evidence_log.trials.values())) != known

    def _next(self, test: Probe) -> list[str]:
        """The commits that may come after this one; none if nothing builds them meanwhile."""
        if self.evaluator.ahead is None:
            return []
        return outlook(self.search, self.history, self.graph, self.evidence(), self.evidence_log.built, test)

    def _try(self, sha: str, runs: int, role: str, then: Sequence[str] = ()) -> None:
        self.evaluator.attempt(sha, runs, role, then=then)
        if judged := self.evidence_log.verdict(sha):
            self.evaluator.watcher.tried(self.evaluator.commit(sha), role, judged)

    def _try_bases(self, sha: str) -> None:
        """Find out whether a quiet commit ever had the crash."""
        seen = self.evidence_log.evidence(sha)
        if seen is None or seen.bad or not seen.quiet or self._had_the_crash(sha) is not None:
            return
        for base in self._bases(sha):
            its = self.evidence_log.evidence(base) or Evidence()
            if (missing := self.enough() - its.quiet) > 0 and not its.bad:
                self._try(base, missing, "base")

    def write_log(self, culprit: str | None = None) -> None:
        """Write what is known so far, as `git bisect log` would."""
        history = self.history
        steps = self.evidence_log.steps(lambda sha: self.evaluator.commit(sha).subject)
        if self.plan.runs is None:
            steps = tuple(step for step in steps if step.verdict is not Verdict.GOOD or self._surely_quiet(step.commit))
        steps = tuple(
            step for step in steps if not any(self.evaluator.is_ancestor(step.commit, q) for q in self._never)
        )
        plan = replace(self.plan, paths=self.paths)
        text = gitlog.render(plan, history.new, history.old, steps, culprit)
        write_atomically(self.evidence_log.run.folder / "bisect.log", text)

    def _surely_quiet(self, sha: str) -> bool:
        """Whether a commit was quiet often enough to say that it does not have the crash."""
        if sha not in self.graph.place:
            return sha in self.history.old
        belief = posterior(self.history, self.graph, self.evidence())
        under = belief.under(self.graph, self.graph.place[sha]) if belief and belief.bad else [(1.0, 0)]
        return sum(mass for mass, _ in under) <= 1 - self.plan.confidence
