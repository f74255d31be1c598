"""Made-up histories in the shapes of kernel trees, with a regression and other hazards."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from harness.search import History
from harness.search.graph import Graph, as_set, members
from harness.testing import MadeUp

GOOD = 0


@dataclass
class Growth:
    """A history that grows: commits are numbers, 0 is the good end; parents below 0 lie out of the range."""

    parents: list[tuple[int, ...]] = field(default_factory=lambda: [()])

    def commit(self, *parents: int) -> int:
        """Add a commit."""
        self.parents.append(tuple(dict.fromkeys(parents)))
        return len(self.parents) - 1

    def strand(self, parent: int, count: int) -> int:
        """Add commits in a row; the last of them."""
        for _ in range(count):
            parent = self.commit(parent)
        return parent


def linear(size: int, chance: random.Random) -> Growth:  # noqa: ARG001  every shape is called alike
    """One commit after the other."""
    growth = Growth()
    growth.strand(GOOD, size)
    return growth


def merges(size: int, chance: random.Random, most: int = 1) -> Growth:
    """A mainline of merges; topic branches leave it some merges back, and have branches of their own now and then."""
    growth = Growth()
    line = [GOOD]
    while len(growth.parents) <= size - 1:
        tips = []
        for _ in range(chance.randint(1, most)):
            tip = chance.choice(line[-12:])
            for _ in range(chance.randint(1, 3)):
                before, tip = tip, growth.strand(tip, _length(chance, size))
                if chance.random() < 0.3:
                    tip = growth.commit(tip, growth.strand(before, _length(chance, size)))
            tips.append(tip)
        line.append(growth.commit(line[-1], *tips))
        if chance.random() < 0.3:
            line.append(growth.strand(line[-1], chance.randint(1, 3)))
    return growth


def octopus(size: int, chance: random.Random) -> Growth:
    """The same with merges of up to seven branches at once."""
    return merges(size, chance, most=7)


def rebased(size: int, chance: random.Random) -> Growth:
    """The like of linux-next: trees that forked before the good end are merged one after the other onto a mainline."""
    growth = merges(size // 2, chance)
    tip = len(growth.parents) - 1
    while len(growth.parents) <= size - 1:
        # Most of them fork from older releases, which are out of the range.
        fork = -1 if chance.random() < 0.8 else chance.randint(GOOD, tip)
        tip = growth.commit(tip, growth.strand(fork, 3 * _length(chance, size)))
    return growth


SHAPES: dict[str, Callable[[int, random.Random], Growth]] = {
    "linear": linear,
    "many merges": merges,
    "octopus": octopus,
    "linux-next": rebased,
}


def _length(chance: random.Random, size: int) -> int:
    return min(1 + int(chance.expovariate(0.15)), 1 + size // 8)


@dataclass(frozen=True)
class Kind:
    """What sort of case one is.

    Attributes:
        shape: its name in `SHAPES`.
        rate: how probable the crash is at each trial of a bad commit.
        sound: whether a commit of the range brings the crash.
        tellable: whether somebody with endless time could name the culprit, or see that there is none.
        plain: whether there is no hazard but the rate: a line, all of it testable, with sound ends.
    """

    shape: str
    rate: float
    sound: bool
    tellable: bool
    plain: bool


@dataclass(frozen=True)
class Case:
    """A made-up regression.

    Attributes:
        kind: what sort it is.
        made_up: the regression.
        first_parents: the commits of the range that a search along first parents sees, oldest first.
    """

    kind: Kind
    made_up: MadeUp
    first_parents: tuple[str, ...]


def make(shape: str, size: int, rate: float, chance: random.Random) -> Case:
    """Make up a case of about this many commits, all from `chance`.

    A third have broken stretches, up to a third of their commits; a fifth crash elsewhere in a stretch; of 33, one
    has a bad end that does not show the crash, and one a good end that does. In a linux-next, half of the culprits
    are there twice: in a tree, and rebased in another.
    """
    history, first_parents = grown(SHAPES[shape](size, chance))
    graph = Graph(history)
    commits = history.commits
    culprits = {chance.choice(commits)}
    if shape == "linux-next" and chance.random() < 0.5:
        other = chance.choice(commits)
        one = graph.place[next(iter(culprits))]
        if not graph.reach(one) >> graph.place[other] & 1 and not graph.reach(graph.place[other]) >> one & 1:
            culprits.add(other)
    fate = chance.random()
    everywhere = fate < 0.03
    if fate < 0.06:
        culprits = set()
    broken = _stretches(graph, commits, chance, 0.34 * chance.random()) if chance.random() < 0.33 else set()
    elsewhere = _stretches(graph, commits, chance, 0.1 * chance.random()) if chance.random() < 0.2 else set()
    made_up = MadeUp(history, frozenset(culprits), rate, everywhere, frozenset(broken), frozenset(elsewhere - broken))
    tellable = all(_tellable(graph, made_up, sha) for sha in culprits)
    plain = shape == "linear" and bool(culprits) and not broken and not elsewhere
    return Case(Kind(shape, rate, bool(culprits), tellable, plain), made_up, first_parents)


def grown(growth: Growth) -> tuple[History, tuple[str, ...]]:
    """The range from the good end to the last commit, which descends from all, and its first parents."""
    parents = growth.parents
    last = len(parents) - 1
    wanted = {last}
    for here in range(last, 0, -1):
        if here in wanted:
            wanted.update(parent for parent in parents[here] if parent > GOOD)
    kept = sorted(wanted)
    above = {_name(here): tuple(_name(p) for p in parents[here] if p > GOOD) for here in kept}
    line, here = [], last
    while here > GOOD:
        line.append(_name(here))
        here = parents[here][0]
    return History(tuple(map(_name, kept)), above, (_name(GOOD),)), tuple(reversed(line))


def _name(number: int) -> str:
    return f"{number:012x}{number * 2654435761 % 2**112:028x}"


def _stretches(graph: Graph, commits: Sequence[str], chance: random.Random, share: float) -> set[str]:
    """Broken stretches of commits, up to this share of all, and a few single ones."""
    whole = len(commits)
    last = graph.everything >> (whole - 1) << (whole - 1)
    found = 0
    for _ in range(20):
        first = chance.randrange(whole)
        length = max(1, int(whole * share * chance.random()))
        repaired = min(first + length, whole - 1)
        stretch = 0
        marked, unmarked = {first}, {repaired}
        for place in range(first, whole):
            parents = graph.parents[place]
            if not unmarked.isdisjoint(parents):
                unmarked.add(place)
            if place not in unmarked and (place == first or not marked.isdisjoint(parents)):
                marked.add(place)
        stretch = as_set(marked - unmarked)
        if (found | stretch).bit_count() <= share * whole:
            found |= stretch
    for _ in range(int(share * whole / 20)):
        found |= 1 << chance.randrange(whole)
    return {commits[place] for place in members(found & ~last)}


def _tellable(graph: Graph, made_up: MadeUp, culprit: str) -> bool:
    """Whether the commits that can be tried tell a culprit from each other commit."""
    untestable = made_up.broken | made_up.elsewhere
    place = graph.place[culprit]
    if culprit in untestable:
        return False
    like = graph.everything
    for here, sha in enumerate(made_up.history.commits):
        if sha not in untestable:
            like &= graph.reach(here) if graph.reach(here) >> place & 1 else ~graph.reach(here)
    return like == 1 << place
