"""What hints save and cost: `python -m bench.hints [--histories N]`.

Made-up histories in the shapes of kernel trees (`bench.histories`), each searched without a hint and with hints of
several kinds, by halving (`--runs 1`, where the crash comes each time) and by probabilities (`--runs auto`, with each
rate of the crash). A hint is three sets of commits, one in the other, like those that change the file of a crash's
function, the files of its trace, and their folders.

- right: the culprit is in the smallest set;
- near: it is only in the largest set;
- useless: the sets are drawn without regard to it;
- adverse: the sets are the commits that lie farthest from it in the history.

A build counts as 180 s, a boot as 15 s. More and less are commits tried, beside the same search of the same history
without a hint. "wrong" counts the searches that named a commit which is none of the culprits.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

from bench.common import machine, table
from bench.histories import Case
from bench.search import BOOT, BUILD, case_of
from harness.search import Culprit, History, Search
from harness.search.bayes import Bayes
from harness.search.halving import Halving
from harness.testing import play

SEARCHES: dict[str, Callable[[History], Search]] = {
    "--runs 1": Halving,
    "--runs auto": lambda history: Bayes(history, 0.99, BUILD, BOOT),
}
NONE = "none"
HINTS = (NONE, "right", "near", "useless", "adverse")
SHARES = (0.01, 0.04, 0.15)
"""How large the sets are, as parts of the history."""


@dataclass(frozen=True)
class Score:
    """What came of one search of one history.

    Attributes:
        number: the history's.
        plain: whether it is a line without hazards.
        word: right, wrong or open.
        tried: how many commits were tried.
    """

    number: int
    rate: float
    search: str
    hint: str
    plain: bool
    word: str
    tried: int
    seconds: float


def sets(kind: str, case: Case, chance: random.Random) -> tuple[frozenset[str], ...]:
    """The hint of a kind for a case."""
    commits = case.made_up.history.commits
    sizes = [max(1, round(len(commits) * share)) for share in SHARES]
    culprit = min(case.made_up.culprits, default=chance.choice(commits))
    others = [sha for sha in commits if sha != culprit]
    if kind == "adverse":
        at = commits.index(culprit)
        line = others[::-1] if at < len(commits) / 2 else others
    else:
        line = chance.sample(commits if kind == "useless" else others, len(others))
        if kind == "right":
            line.insert(0, culprit)
        elif kind == "near":
            line.insert(sizes[1], culprit)
    return tuple(frozenset(line[:size]) for size in sizes)


def scores(number: int, largest: int, seed: int) -> list[Score]:
    """All searches of a history."""
    case = case_of(number, largest, seed)
    made, found = case.made_up, []
    for search, make in SEARCHES.items():
        if search == "--runs 1" and made.rate < 1:
            continue
        for kind in HINTS:
            hints = () if kind == NONE else sets(kind, case, random.Random(f"{seed}/{number}/{kind}"))
            # Each search of a history meets the same luck.
            played = play(make(replace(made.history, hints=hints)), made, random.Random(f"{seed}/{number}"))
            word = "open"
            if isinstance(played.decision, Culprit):
                word = "right" if played.decision.commit in made.culprits else "wrong"
            seconds = played.builds * BUILD + played.boots * BOOT
            tried, plain = len(played.evidence), case.kind.plain
            found.append(Score(number, made.rate, search, kind, plain, word, tried, seconds))
    return found


def report(found: Iterable[Score]) -> None:
    """Print a table for each search and rate."""
    found = list(found)
    for search, rate in sorted({(one.search, one.rate) for one in found}, key=lambda key: (key[0], -key[1])):
        for plain in (False, True):
            here = [one for one in found if (one.search, one.rate) == (search, rate) and (one.plain or not plain)]
            base = {one.number: one for one in here if one.hint == NONE}
            rows = []
            for kind in HINTS:
                mine = [one for one in here if one.hint == kind]
                more = [one.tried - base[one.number].tried for one in mine]
                rows.append(
                    (
                        kind,
                        len(mine),
                        *(sum(one.word == word for one in mine) for word in ("right", "wrong", "open")),
                        f"{statistics.mean(one.tried for one in mine):.2f}",
                        f"{statistics.mean(more):+.2f}",
                        f"{min(more):+d}",
                        f"{max(more):+d}",
                        f"{statistics.mean(one.seconds for one in mine):.0f} s",
                    )
                )
            which = "lines without other hazards" if plain else "all histories"
            print(f"\n`{search}`, the crash comes with probability {rate:g}, {which}:\n")
            head = ("hint", "histories", "right", "wrong", "open", "commits", "beside none", "least", "most", "time")
            print(table(head, rows))


def main() -> None:
    """Search and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=2000, help="how many (default: 2000)")
    parser.add_argument("--largest", type=int, default=20_000, help="commits of the longest (default: 20000)")
    parser.add_argument("--seed", type=int, default=1, help="for other histories (default: 1)")
    options = parser.parse_args()
    count = options.histories
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        made = pool.map(scores, range(count), [options.largest] * count, [options.seed] * count, chunksize=4)
        found = [score for one in made for score in one]
    print(f"{count} histories; {machine()}")
    report(found)


if __name__ == "__main__":
    main()
