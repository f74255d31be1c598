"""The commits of a range that may alter the image, from what the kernels of its ends were built of."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Iterator, Mapping, Sequence, Set

from harness.bisect.evaluator import Evaluator
from harness.bisect.plan import Economy
from harness.bisect.relevance import Watch, relevant
from harness.kernel.inputs import MAKEFILE, SOURCE
from harness.search import History
from harness.search.graph import Graph, as_set
from harness.workspace import Workspace

# The lines of sources and Kconfig files that bring in other files.
_TELLING = re.compile(r"[ \t]*#[ \t]*(?:include|if|elif)\b|[ \t]*o?source[ \t]")


def suspects(evaluator: Evaluator, history: History) -> frozenset[str] | None:
    """The commits of a range that may alter the image; None if that cannot be told.

    Args:
        evaluator: has built the ends.
        history: the range.
    """
    git, plan = evaluator.git, evaluator.plan
    # A fixup alters the files of a commit by what its place in history is. A partial clone would fetch every version.
    if Economy.INPUTS in plan.without or evaluator.runner.scenario.fixups or git.transport:
        return None
    ends = (history.new, *history.old)
    read = [evaluator.inputs(end) for end in ends]
    known = [one for one in read if one is not None]
    if len(known) < len(read):
        return None
    evaluator.runner.progress.update("comparing the range with what the build reads")
    watch = Watch(functools.reduce(operator.or_, known))
    above = git.history(history.new, history.old, first_parent=plan.first_parent)
    return Commits(git, ends, above, first_parent=plan.first_parent).suspects(watch)


class Commits:
    """The commits of a range.

    Args:
        git: has them.
        ends: the commits whose files are at hand.
        above: of each commit its parents in the range, parents first.
        first_parent: a merge counts as one commit.
    """

    def __init__(
        self, git: Workspace, ends: tuple[str, ...], above: Mapping[str, Sequence[str]], *, first_parent: bool
    ) -> None:
        self.git, self.ends, self.above, self.first_parent = git, ends, above, first_parent
        told = git.text("rev-list", "--parents", ends[0], *(f"^{end}" for end in ends[1:])).splitlines()
        self.parents = {sha: tuple(parents) for sha, *parents in map(str.split, told)}
        self._patches: list[tuple[str, str, list[str]]] = []
        self._shown: set[str] = set()
        self._told: set[str] = set()

    def suspects(self, watch: Watch) -> frozenset[str]:
        """The commits that may alter the image, given what is watched."""
        changes = dict(self.git.changes(map(self._pair, self._single())))
        self._told = set(watch.files)
        files = frozenset[str]().union(*map(self.git.files, self.ends))
        found = relevant(changes, watch, self._lines, lambda now: self._texts(now, files))
        return frozenset(found | self._merges(found, watch))

    def _single(self) -> list[str]:
        """The commits that are compared with one parent."""
        return [sha for sha in self.above if self.first_parent or len(self.parents[sha]) < 2]

    def _pair(self, sha: str) -> tuple[str, ...]:
        return (sha, *self.parents[sha][:1])

    def _lines(self, shas: Set[str]) -> list[tuple[str, str, list[str]]]:
        for sha, path, lines in self.git.patches(map(self._pair, sorted(shas - self._shown))):
            told = lines if MAKEFILE.search(path) else [line for line in lines if _TELLING.match(line)]
            if told:
                self._patches.append((sha, path, told))
        self._shown |= shas
        return self._patches

    def _texts(self, watch: Watch, files: Set[str]) -> Iterator[tuple[str, str]]:
        """What has come under watch and is at an end: it may bring in more."""
        fresh = {path for path in files - self._told if watch.follows(path)}
        self._told |= fresh
        asked = sorted(path for path in fresh if SOURCE.search(path) or MAKEFILE.search(path))
        for end in self.ends if asked else ():
            yield from self.git.texts(end, asked)

    def _merges(self, single: Set[str], watch: Watch) -> set[str]:
        """The merges that differ from each of their parents in what is watched."""
        merges = set(self.above).difference(self._single())
        if not merges:
            return set()
        history = History(tuple(self.above), {sha: tuple(one) for sha, one in self.above.items()}, self.ends[1:])
        graph = Graph(history)
        counted = as_set(graph.place[sha] for sha in single)
        reached = {place: bits.bit_count() for place, bits in graph.sweep(graph.everything, counted)}
        # Only a parent that has all that counts may be the same; the others would differ in thousands of files.
        pairs = [
            (sha, parent)
            for sha in merges
            for parent in self.parents[sha]
            if reached[graph.place[sha]] == (reached[graph.place[parent]] if parent in graph.place else 0)
        ]
        for sha, parent in pairs:
            changed = next((found for _, found in self.git.changes([(sha, parent)])), [])
            if sha in merges and all(watch.why(one) is None for one in changed):
                merges.remove(sha)
        return merges
