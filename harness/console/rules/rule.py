"""What a rule is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from harness.console.blame import matcher
from harness.console.frames import ADDRESS, PLACE, SYMBOL

FUNCTION = rf"(?P<f>{SYMBOL})(?:\+0x| {PLACE})"
"""In a rule's patterns: a function with an offset, or with its place."""
AT = rf"at: (?:{ADDRESS} )?(?P<f>[\w$]+)(?:\.[\w.]+)?\+0x"
"""In a rule's patterns: where a lock was taken, as lockdep says it."""


class Blame(Enum):
    """How the function at fault is found."""

    FIRST = "the first function that may be at fault: of the head, the instruction pointer, then the trace"
    NAMED = "the function that the text names"
    LOOP = "the function that represents a loop"
    INTERRUPTED = "the same, in what ran before the interrupt that found it"
    SLEEP = "the function that a task sleeps in"
    NONE = "none"


@dataclass(frozen=True)
class Rule:
    """A kind of crash.

    Attributes:
        kind: its short name.
        head: what its first line holds.  Groups `f`, `f1`, `f2` are functions that the text names, the first at fault.
        title: by syzbot's convention; `{f}` is the function at fault, other names are groups of `head` and `body`.
        also: other titles that mean the same.
        body: what the rest must hold for this rule; where it does not, a later rule with such a head is taken.
        blame: how the function at fault is found.
        since: a line of the report from which on the function is sought, where that is not its first.
        skip: functions that, in this kind, are not at fault either.
        trace: whether it is cut short without a call trace.
        cut: whether it is cut short in any case: what this rule matches is only a part of a crash.
        fatal: whether the kernel (or at least the task) does not go on.
        joins: whether the same line may be a part of the crash before it, which then goes on.
        example: a log.  expect: the title that it gives.
    """

    kind: str
    head: re.Pattern[str]
    title: str
    also: tuple[str, ...]
    body: re.Pattern[str] | None
    blame: Blame
    since: re.Pattern[str] | None
    skip: re.Pattern[str] | None
    trace: bool
    cut: bool
    fatal: bool
    joins: bool
    example: str
    expect: str

    @property
    def notice(self) -> bool:
        """Whether it takes a single line of any text that only begins like a report."""
        return self.title in ("WARNING: {rest}", "INFO: {rest}")

    @property
    def catch_all(self) -> bool:
        """Whether it takes any text after a word such as `BUG:`."""
        return self.title in ("BUG: {rest}", "WARNING: {rest}", "INFO: {rest}", "BUG: unable to handle kernel")


def rule(
    kind: str,
    head: str,
    title: str,
    example: str,
    expect: str,
    *,
    also: tuple[str, ...] = (),
    body: str | None = None,
    blame: Blame = Blame.FIRST,
    since: str | None = None,
    skip: str = "",
    trace: bool = True,
    cut: bool = False,
    fatal: bool = True,
    joins: bool = False,
) -> Rule:
    """A rule; `skip` is a list of patterns for whole names, apart by white space.  See `Rule`."""
    return Rule(
        kind,
        re.compile(head),
        title,
        also,
        re.compile(body) if body else None,
        blame,
        re.compile(since) if since else None,
        matcher(skip) if skip else None,
        trace and blame is not Blame.NONE,
        cut,
        fatal,
        joins,
        example,
        expect,
    )
