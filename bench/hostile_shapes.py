"""Hostile histories: the content of each commit, which commits are first bad, and whether that is decidable.

Nothing here uses the search's own model of a history: a commit is a set of files, its files make it bad, and the truth
follows from its parents.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

GOOD, BAD = "good", "bad"
DAY = 86400
EPOCH = 1_500_000_000


@dataclass
class Node:
    """One commit.

    Attributes:
        parents: as the commit object has them.
        files: what marks its tree: `crash`, `half-a`, `half-b`, `nobuild`, `elsewhere`, `lost`.
        date: committer date, in seconds.
        seen: its parents as git shows them, where history is grafted or cut; None where that is no different.
        cut: its parents are not there.
    """

    parents: tuple[int, ...]
    files: frozenset[str] = frozenset()
    date: int = EPOCH
    seen: tuple[int, ...] | None = None
    cut: bool = False

    @property
    def bad(self) -> bool:
        """Whether its kernel has the regression, whatever hides that."""
        return "crash" in self.files or {"half-a", "half-b"} <= self.files

    @property
    def testable(self) -> bool:
        """Whether a boot of it tells anything."""
        return not self.files & {"nobuild", "elsewhere", "lost"}


@dataclass
class Shape:
    """A history and a question about it.

    Attributes:
        nodes: parents before children.
        good, bad: the ends that the program is given; with `find_fix` the good end is the newer one.
        options: further words for the command line.
        rate: how probable the crash is at each boot of a bad commit.
        noise: how probable it is that a boot is lost, and that it crashes elsewhere, whatever the commit.
        tags: what is hostile about it.
    """

    nodes: list[Node] = field(default_factory=list)
    good: tuple[int, ...] = ()
    bad: int = 0
    options: list[str] = field(default_factory=list)
    find_fix: bool = False
    first_parent: bool = False
    rate: float = 1.0
    noise: tuple[float, float] = (0.0, 0.0)
    tags: set[str] = field(default_factory=set)

    def parents(self, number: int) -> tuple[int, ...]:
        """The parents that git shows; for --first-parent the first one."""
        node = self.nodes[number]
        shown = node.parents if node.seen is None else node.seen
        return shown[:1] if self.first_parent else shown

    def real_parents(self, number: int) -> tuple[int, ...]:
        """The same, those that were cut off too."""
        node = self.nodes[number]
        shown = node.parents if node.seen is None or node.cut else node.seen
        return shown[:1] if self.first_parent else shown

    def below(self, tips: Iterable[int]) -> set[int]:
        """The tips and all that git shows below them."""
        found: set[int] = set()
        todo = list(tips)
        while todo:
            number = todo.pop()
            if number not in found:
                found.add(number)
                todo += self.parents(number)
        return found

    def turns(self, number: int) -> bool:
        """Whether a commit is a right answer: unlike it, no real parent has the crash (or the fix)."""
        parents = self.real_parents(number)
        if self.find_fix:
            # A parent that forked before the bug is quiet too: it is none that was fixed.
            before = [one for one in parents if self.nodes[one].bad or self._had(one)]
            return not self.nodes[number].bad and bool(before) and all(self.nodes[one].bad for one in before)
        return self.nodes[number].bad and not any(self.nodes[one].bad for one in parents)

    def _had(self, number: int) -> bool:
        return any(self.nodes[one].bad for one in self.below([number]))

    def answers(self) -> set[int]:
        """The right answers in the range that is asked about."""
        new, old = (self.good, (self.bad,)) if self.find_fix else ((self.bad,), self.good)
        inside = self.below(new) - _all_below(self, old)
        return {number for number in inside if self.turns(number)}

    def sound(self) -> bool:
        """Whether the ends are what they are said to be, and can be seen to be."""
        ends = [(one, False) for one in self.good] + [(self.bad, True)]
        return all(self.nodes[one].bad is bad and self.nodes[one].testable for one, bad in ends)

    def decidable(self) -> set[int]:
        """The answers that somebody who tries every commit can name: all that their parents are is there to be seen."""
        if not self.sound():
            return set()
        return {
            number
            for number in self.answers()
            if self.nodes[number].testable
            and not self.nodes[number].cut
            and all(self.nodes[one].testable for one in self.real_parents(number))
        }


def _all_below(shape: Shape, tips: Iterable[int]) -> set[int]:
    """All below the tips, with every parent of merges: what is excluded is excluded as git does it."""
    first, shape.first_parent = shape.first_parent, False
    try:
        return shape.below(tips)
    finally:
        shape.first_parent = first


class Grower:
    """Grows one history from a random source."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.shape = Shape()
        self.tips: list[int] = []

    def grow(self) -> Shape:
        """A history, its regression, its hazards, and the question."""
        chance, shape = self.chance, self.shape
        self._graph(chance.choice((6, 12, 20, 35, 60)))
        self._regression()
        self._dates()
        self._hazards()
        self._views()
        self._rate()
        return shape

    def _add(self, *parents: int) -> int:
        self.shape.nodes.append(Node(tuple(dict.fromkeys(parents))))
        return len(self.shape.nodes) - 1

    def _graph(self, size: int) -> None:
        chance, nodes = self.chance, self.shape.nodes
        merging = chance.choice((0.0, 0.15, 0.3, 0.5))
        self.tips = [self._add()]
        while len(nodes) < size:
            dice = chance.random()
            if dice < merging and len(self.tips) > 1:
                self._merge()
            elif dice < merging + 0.03 and len(nodes) > 3:
                self.tips.append(self._add())
                self.shape.tags.add("unrelated root")
            elif dice < merging * 1.8 + 0.05:
                self.tips.append(self._add(chance.randrange(len(nodes))))
            else:
                place = chance.randrange(len(self.tips))
                self.tips[place] = self._add(self.tips[place])
        while len(self.tips) > 1 and chance.random() < 0.85:
            self._merge()
        for _ in range(chance.randint(0, 3)):
            self.tips[0] = self._add(self.tips[0])

    def _merge(self) -> None:
        chance = self.chance
        count = min(len(self.tips), chance.choice((2, 2, 2, 2, 3, 4, 6)))
        sides = chance.sample(self.tips, count)
        if count > 2:
            self.shape.tags.add("octopus")
        if chance.random() < 0.12:
            # Criss-cross: two merges of the same sides, which both go on.
            one, other = self._add(*sides), self._add(*reversed(sides))
            self.tips = [tip for tip in self.tips if tip not in sides]
            self.tips += [one, other]
            self.shape.tags.add("criss-cross")
            return
        merge = self._add(*sides)
        keep = {sides[-1]} if chance.random() < 0.2 else set()
        self.tips = [merge, *(tip for tip in self.tips if tip not in sides or tip in keep)]

    def _children(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {number: [] for number in range(len(self.shape.nodes))}
        for number, node in enumerate(self.shape.nodes):
            for parent in node.parents:
                found[parent].append(number)
        return found

    def _spread(self, marks: dict[int, tuple[set[str], set[str]]]) -> None:
        """Files come and go at commits, and merges bring them together; what one side removed stays removed."""
        removed: dict[int, set[str]] = {}
        for number, node in enumerate(self.shape.nodes):
            gone = set().union(*(removed[one] for one in node.parents), set())
            have = set().union(*(self.shape.nodes[one].files for one in node.parents), set()) - gone
            adds, takes = marks.get(number, (set(), set()))
            have, gone = (have | adds) - takes, gone | takes
            node.files, removed[number] = frozenset(have), gone

    def _regression(self) -> None:
        chance, shape = self.chance, self.shape
        shape.find_fix = chance.random() < 0.15
        for _ in range(200):
            marks, kind = self._marks()
            self._spread(marks)
            if self._ends():
                shape.tags.add(kind)
                if shape.find_fix:
                    shape.tags.add("find-fix")
                    shape.options.append("--find-fix")
                return
        # Nothing can be asked of this one: a line instead.
        shape.nodes = [Node((number - 1,) if number else ()) for number in range(8)]
        shape.find_fix = False
        shape.tags = {"line"}
        self._spread({5: ({"crash"}, set())})
        shape.good, shape.bad = (0,), 7

    def _marks(self) -> tuple[dict[int, tuple[set[str], set[str]]], str]:
        chance, size = self.chance, len(self.shape.nodes)
        merges = [number for number, node in enumerate(self.shape.nodes) if len(node.parents) > 1]
        first = chance.randrange(size)
        dice = chance.random()
        if self.shape.find_fix:
            fix = chance.randrange(first, size)
            return {first: ({"crash"}, set()), fix: (set(), {"crash"})}, "one fix"
        if dice < 0.12 and merges:
            return {chance.choice(merges): ({"crash"}, set())}, "evil merge"
        if dice < 0.24:
            return {first: ({"half-a"}, set()), chance.randrange(size): ({"half-b"}, set())}, "interaction"
        if dice < 0.36:
            return {first: ({"crash"}, set()), chance.randrange(size): (set(), {"crash"})}, "fixed on a branch"
        if dice < 0.42:
            return {first: ({"crash"}, set()), chance.randrange(size): ({"crash"}, set())}, "brought twice"
        return {first: ({"crash"}, set())}, "one change"

    def _ends(self) -> bool:
        chance, shape = self.chance, self.shape
        late = range(len(shape.nodes) // 2, len(shape.nodes))
        bads = [one for one in late if shape.nodes[one].bad]
        goods = [one for one in range(len(shape.nodes)) if not shape.nodes[one].bad]
        if shape.find_fix:
            bads = [one for one in range(len(shape.nodes)) if shape.nodes[one].bad]
            shape.good = (late[-1],)
            shape.bad = chance.choice(bads) if bads else 0
            return bool(bads) and late[-1] in goods and any(map(shape.turns, shape.below(shape.good)))
        if not bads or not goods:
            return False
        shape.bad = chance.choice((bads[-1], chance.choice(bads)))
        below = [one for one in goods if one in shape.below([shape.bad])]
        pool = below if below and chance.random() < 0.7 else goods
        shape.good = tuple(sorted({chance.choice(pool) for _ in range(chance.choice((1, 1, 1, 2, 3)))}))
        if chance.random() < 0.06:
            shape.tags.add("mislabelled")
            if chance.random() < 0.5:
                shape.good = (chance.choice(bads),)
            else:
                shape.bad = chance.choice(goods)
        return shape.bad not in shape.below(shape.good) and not set(shape.good) & {shape.bad}

    def _dates(self) -> None:
        chance, nodes = self.chance, self.shape.nodes
        how = chance.choice(("right", "right", "right", "equal", "shuffled", "backwards", "wild"))
        for number, node in enumerate(nodes):
            node.date = EPOCH + {"equal": 0, "backwards": -number * DAY}.get(how, number * DAY)
        if how == "shuffled":
            dates = [node.date for node in nodes]
            chance.shuffle(dates)
            for node, date in zip(nodes, dates, strict=True):
                node.date = date
        elif how == "wild":
            for node in chance.sample(nodes, 1 + len(nodes) // 6):
                node.date = chance.choice((0, 1, 99_999_999, 4_102_444_800, 5_000_000_000))
        if how != "right":
            self.shape.tags.add(f"dates {how}")

    def _hazards(self) -> None:
        chance, shape = self.chance, self.shape
        for name, odds in (("nobuild", 0.4), ("elsewhere", 0.3), ("lost", 0.12)):
            if chance.random() >= odds:
                continue
            shape.tags.add(name)
            if chance.random() < 0.25:
                marked = {number for number in range(len(shape.nodes)) if chance.random() < 0.5}
            else:
                marked = set(self._stretches())
            if chance.random() < 0.8:
                marked -= {*shape.good, shape.bad}
            for number in marked:
                shape.nodes[number].files |= {name}

    def _stretches(self) -> Iterator[int]:
        children = self._children()
        for _ in range(self.chance.randint(1, 3)):
            number = self.chance.randrange(len(self.shape.nodes))
            for _ in range(self.chance.randint(1, 1 + len(self.shape.nodes) // 4)):
                yield number
                if not children[number]:
                    break
                number = self.chance.choice(children[number])

    def _views(self) -> None:
        """Grafts and cuts: git shows other parents than the objects have."""
        chance, shape = self.chance, self.shape
        if chance.random() < 0.12:
            shape.tags.add("cut")
            # All ends are above the cut: one that is not there cannot be asked for.
            depth = chance.randint(1, max(1, *shape.good, shape.bad))
            depth = min(depth, *shape.good, shape.bad)
            for node in shape.nodes[depth:]:
                if any(parent < depth for parent in node.parents):
                    node.cut, node.seen = True, ()
        elif chance.random() < 0.08:
            shape.tags.add("graft")
            for number in chance.sample(range(len(shape.nodes)), 2):
                node = shape.nodes[number]
                if node.parents and chance.random() < 0.5:
                    node.seen = node.parents[: chance.randint(0, len(node.parents))]
                    node.cut = not node.seen
                elif number:
                    node.seen = tuple(dict.fromkeys((*node.parents, chance.randrange(number))))
            for node in shape.nodes:
                if node.seen == node.parents:
                    node.cut, node.seen = False, None
            newer, older = (shape.good, (shape.bad,)) if shape.find_fix else ((shape.bad,), shape.good)
            if any(one in shape.below(older) for one in newer):
                for node in shape.nodes:
                    node.cut, node.seen = False, None
                shape.tags.discard("graft")
        if not shape.find_fix and chance.random() < 0.08 and shape.bad in shape.below([shape.bad]):
            shape.first_parent = True
            shape.options.append("--first-parent")
            shape.tags.add("first parent")

    def _rate(self) -> None:
        chance, shape = self.chance, self.shape
        if chance.random() < 0.15:
            shape.rate = chance.choice((0.4, 0.6, 0.8, 0.95))
            confidence = chance.choice((0.9, 0.95, 0.99))
            shape.options += ["--runs", "auto", "--confidence", str(confidence)]
            shape.tags.add("sometimes")
        elif chance.random() < 0.1:
            shape.options += ["--runs", chance.choice(("auto", "2", "4"))]
            shape.tags.add("runs")
        if chance.random() < 0.15:
            shape.noise = (chance.choice((0.02, 0.1, 0.25)), chance.choice((0.0, 0.02, 0.1)))
            shape.tags.add("noise")
