"""How much hangs on single entries of the rules: what is right without each of them.

    python -m tests.console.leave_one_out [--idle] LABELLED.jsonl...

An entry is a rule, a pattern of names or an exception by name.  Each is taken out in turn, and the logs that it may
have to do with are read again.  A title that comes out right only by an entry which no other log needs says little
about logs that were not seen: it is counted as wrong.  With `--idle`, entries that no log needs are named too.

Each line of a file is a log with its titles: `{"name": ..., "log": ..., "titles": [...]}`.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from multiprocessing import Pool
from pathlib import Path
from unittest.mock import patch

from harness.console import analysis, blame, find_crashes
from harness.console.lines import read_line
from harness.console.places import NAMED, helpers
from harness.console.rules import RULES

NAMES = ("CERTAIN", "_DOUBT", "_NAMES", "_REPORTS", "_REPORT", "_COMMON", "DISPATCH", "_SCHEDULER")
"""Patterns of names in `blame`, made by `matcher`."""


@dataclass(frozen=True)
class Case:
    """A log, its titles, the words in it, and the numbers of the rules whose head it has."""

    name: str
    log: bytes
    titles: frozenset[str]
    words: frozenset[str]
    rules: frozenset[int]

    @property
    def source(self) -> str:
        """Where it comes from, the first part of its name."""
        return self.name.partition("/")[0]

    def right(self) -> bool:
        """Whether the first crash bears one of the titles."""
        crashes = find_crashes(self.log, notices=True)
        return bool(crashes) and not self.titles.isdisjoint((crashes[0].title, *crashes[0].alt_titles))


@dataclass(frozen=True)
class Entry:
    """Something that the rules could do without: its kind, how it is written, and the number of its rule."""

    kind: str
    text: str
    rule: int = -1

    def concerns(self, case: Case) -> bool:
        """Whether a log may be read in another way without it."""
        if self.kind.endswith("rule") and self.rule not in case.rules:
            return False
        return self.kind == "rule" or any(map(re.compile(self.text).fullmatch, case.words))


def words_of(made: re.Pattern[str] | None) -> list[str]:
    """The patterns that `matcher` made one of."""
    return made.pattern.removeprefix("(?:").removesuffix(")").split(")|(?:") if made else []


def less(made: re.Pattern[str] | None, word: str) -> re.Pattern[str]:
    """A pattern that `matcher` made, without one of its words."""
    return blame.matcher(" ".join(one for one in words_of(made) if one != word) or "(?!)")


def entries() -> list[Entry]:
    """All of them."""
    found = [Entry("pattern", word) for name in NAMES for word in words_of(getattr(blame, name))]
    found += [Entry("exception", name) for name in sorted(NAMED)]
    for number, rule in enumerate(RULES):
        found.append(Entry("rule", f"{rule.kind}: {rule.head.pattern}", number))
        found += [Entry("pattern of a rule", word, number) for word in words_of(rule.skip)]
    return list(dict.fromkeys(found))


def _forget() -> None:
    blame.serves.cache_clear()
    blame._sounds.cache_clear()


@contextmanager
def without(entry: Entry) -> Iterator[None]:
    """The rules without an entry."""
    if entry.kind == "pattern":
        change = patch.dict(vars(blame), {name: less(getattr(blame, name), entry.text) for name in NAMES})
    elif entry.kind == "exception":
        known = helpers() | {entry.text}
        change = patch.dict(vars(blame), {"helpers": lambda: known})
    else:
        rule, others = RULES[entry.rule], list(RULES)
        kept = [] if entry.kind == "rule" else [replace(rule, skip=less(rule.skip, entry.text))]
        change = patch.dict(vars(analysis), {"RULES": (*others[: entry.rule], *kept, *others[entry.rule + 1 :])})
    _forget()
    with change:
        yield
    _forget()


@cache
def cases(files: tuple[str, ...]) -> list[Case]:
    """The logs that have a title."""
    read = [json.loads(line) for file in files for line in Path(file).read_text("utf-8").splitlines()]
    return [
        Case(
            one["name"],
            one["log"].encode("utf-8", "surrogateescape"),
            frozenset(one["titles"]),
            frozenset(re.findall(r"[A-Za-z_]\w+", one["log"])),
            frozenset(_rules_in(one["log"])),
        )
        for one in read
        if one.get("titles")
    ]


def _rules_in(log: str) -> Iterator[int]:
    lines = [read_line(line.encode("utf-8", "surrogateescape"), 1).text for line in log.splitlines()]
    heads = [f"{line} {after}" for line, after in pairwise([*lines, ""]) if analysis.is_marked(line)]
    return (number for number, rule in enumerate(RULES) if any(map(rule.head.search, heads)))


def _right(job: tuple[tuple[str, ...], int]) -> bool:
    files, number = job
    return cases(files)[number].right()


def _changed(job: tuple[tuple[str, ...], frozenset[int], Entry]) -> tuple[list[int], list[int]]:
    """The cases that are only right with an entry, and those that are only right without it."""
    files, right, entry = job
    needed: list[int] = []
    hurt: list[int] = []
    with without(entry):
        for number, case in enumerate(cases(files)):
            if entry.concerns(case) and case.right() is not (number in right):
                (needed if number in right else hurt).append(number)
    return needed, hurt


def main(arguments: Iterable[str]) -> None:
    """Print what is right, and what is right without each entry that one log alone needs."""
    given = tuple(arguments)
    files = tuple(file for file in given if file != "--idle")
    every, known = entries(), cases(files)
    with Pool() as pool:
        answers = pool.map(_right, [(files, number) for number in range(len(known))])
        right = frozenset(number for number, answer in enumerate(answers) if answer)
        found = pool.map(_changed, [(files, right, entry) for entry in every], chunksize=1)
    lone: dict[str, set[int]] = {}
    for entry, (needed, hurt) in zip(every, found, strict=True):
        if len(needed) == 1:
            lone.setdefault(entry.kind, set()).update(needed)
            print(f"one log needs: {entry.kind} {entry.text}: {known[needed[0]].name}")
        if not needed and "--idle" in given:
            print(f"no log needs: {entry.kind} {entry.text}")
        for number in hurt:
            print(f"wrong by: {entry.kind} {entry.text}: {known[number].name}")
    kinds = Counter(entry.kind for entry in every)
    print("entries: " + ", ".join(f"{count} of kind {kind}" for kind, count in kinds.items()))
    names = set().union(*(cases for kind, cases in lone.items() if kind != "rule"))
    for source in sorted({case.source for case in known}):
        own = {number for number, case in enumerate(known) if case.source == source}
        kept, less_names = own & right, (own & right) - names
        both = less_names - lone.get("rule", set())
        print(f"{source}: {len(kept)} of {len(own)} right, {len(less_names)} without lone names, {len(both)} nor rules")


if __name__ == "__main__":
    main(sys.argv[1:])
