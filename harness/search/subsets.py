"""Delta debugging: which of many things make the difference.  Pure.

After Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 28(2), 2002: `minimise` is
their ddmin on things that come in groups, by complements alone; `isolate` is their dd.  Both ask an oracle, never twice
about the same set, and in an order that depends on its answers alone: asked again with the same answers, as after an
interruption, they ask the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def minimise(groups: Sequence[Sequence[T]], shows: Callable[[frozenset[T]], bool]) -> frozenset[T]:
    """A set that shows the failure, and no longer does without any one of its members.

    Whole groups are left out first, then halves of those that cannot be, down to single members; what was needed
    while others were there is tried again until nothing more can go.

    Args:
        groups: all things, each in one group, in the order in which to leave them out.
        shows: whether a set shows the failure.  All together must, and are not asked about.  A doubtful set does not.

    Returns:
        A subset of which every set with one member less was asked about, and does not show it.
    """
    kept = frozenset(one for group in groups for one in group)
    order = [one for group in groups for one in group]
    known: dict[frozenset[T], bool] = {kept: True}

    def asked(wanted: frozenset[T]) -> bool:
        if wanted not in known:
            known[wanted] = shows(wanted)
        return known[wanted]

    pending = [list(group) for group in reversed(groups)]
    while True:
        before = kept
        while pending:
            part = pending.pop()
            if not part:
                continue
            if asked(kept.difference(part)):
                kept = kept.difference(part)
            elif len(part) > 1:
                half = (len(part) + 1) // 2
                pending += [part[half:], part[:half]]
        if kept == before:
            return kept
        pending = [[one] for one in reversed(order) if one in kept]


def isolate(things: Sequence[T], shows: Callable[[frozenset[T]], bool | None]) -> tuple[frozenset[T], frozenset[T]]:
    """Two sets as near to each other as can be, of which one shows the failure and the other does not.

    Args:
        things: all of them.
        shows: whether a set shows the failure; None if that cannot be told.  None of the things must not, all of them
            must, and neither is asked about.

    Returns:
        The set that does not and the one that does, which contains it.  What is in the second alone makes the
        difference, and each member of that was tried: none can be added to the first or taken from the second with
        a conclusive outcome.
    """
    quiet, failing = frozenset[T](), frozenset(things)
    known: dict[frozenset[T], bool | None] = {quiet: False, failing: True}

    def asked(wanted: frozenset[T]) -> bool | None:
        if wanted not in known:
            known[wanted] = shows(wanted)
        return known[wanted]

    count = 2
    while len(failing) - len(quiet) > 1:
        between = [one for one in things if one in failing and one not in quiet]
        count = min(count, len(between))
        step = _step(quiet, failing, [frozenset(part) for part in _parts(between, count)], asked)
        if step is not None:
            quiet, failing, halve = step
            count = 2 if halve else max(count - 1, 2)
        elif count == len(between):
            break
        else:
            count *= 2
    return quiet, failing


def _step(
    quiet: frozenset[T],
    failing: frozenset[T],
    parts: Sequence[frozenset[T]],
    asked: Callable[[frozenset[T]], bool | None],
) -> tuple[frozenset[T], frozenset[T], bool] | None:
    """Bring the sets nearer by one of the parts of their difference; the flag says that only that part is left."""
    for part in parts:
        if asked(quiet | part) is True:
            return quiet, quiet | part, True
        if asked(failing - part) is False:
            return failing - part, failing, True
    for part in parts:
        if asked(quiet | part) is False:
            return quiet | part, failing, False
        if asked(failing - part) is True:
            return quiet, failing - part, False
    return None


def _parts(things: Sequence[T], count: int) -> Iterator[Sequence[T]]:
    """So many parts of nearly the same length, in order."""
    length, more = divmod(len(things), count)
    start = 0
    for number in range(count):
        end = start + length + (number < more)
        yield things[start:end]
        start = end
