"""The results of the kernel's own tests, KUnit's and kselftest's, from the KTAP that they print.  Pure.

KTAP is described in the kernel's Documentation/dev-tools/ktap.rst.  What is nested in a test stands before the test's
own result, four spaces deeper; kselftest puts `# ` before it instead.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import islice

from harness.model import Outcome
from harness.status import status_line

PASSED, FAILED, SKIPPED, LOST = "passed", "failed", "skipped", "lost"

_RESULT = re.compile(r"(not )?ok\b(?: \d+)?(?: -)? ?(.*)")
_DIRECTIVE = re.compile(r"(.*?)\s*# ?(SKIP|TODO|XFAIL|TIMEOUT|ERROR|exit=)\b:?\s*(.*)", re.IGNORECASE)
_PLAN = re.compile(r"1\.\.(\d+)\b")
_NESTED = re.compile(r"# (?=(?:    |# )*(?:K?TAP version |1\.\.\d|ok \d|not ok \d|Bail out!|# ))")

MOST = 200_000
"""Lines of results that are read; a report that is longer says nothing."""

_SHOWN = 3
"""So many failures are named in a reason."""


@dataclass(frozen=True)
class Subtest:
    """One test that has no tests in it.

    Attributes:
        name: those of all that it is nested in, and its own: `list_sort.list_sort_test`.
        result: `passed`, `failed`, `skipped`, or `lost`: it has no result, or was ended for taking too long.  A failure
            that is expected (TODO, XFAIL) counts as skipped.
        reason: why it did not pass, on one line; "" if that is unknown.
    """

    name: str
    result: str
    reason: str = ""


@dataclass
class _Level:
    """What was read at one depth since its test began."""

    name: str = ""
    planned: int | None = None
    ended: int = 0
    inner: list[Subtest] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


def subtests(lines: Iterable[str]) -> tuple[Subtest, ...]:
    """The tests of a report.

    A test that has others in it is not told of itself, unless it failed and none of them did.

    Args:
        lines: KTAP, in any of the forms that KUnit and kselftest have had; other lines are ignored.
    """
    levels = [_Level()]
    for line in lines:
        depth, text = _depth(line)
        if text.startswith("# Subtest: "):
            _level(levels, depth).name = _name(text.removeprefix("# Subtest: "))
        elif plan := _PLAN.match(text):
            _level(levels, depth).planned = int(plan[1])
        elif text.startswith("Bail out!"):
            _level(levels, depth).inner.append(Subtest("bail out", FAILED, text.removeprefix("Bail out!").strip()))
        elif result := _RESULT.fullmatch(text):
            _ended(levels, depth, failed=bool(result[1]), rest=result[2])
        elif text.startswith("#") and depth < len(levels):
            levels[depth].said.append(" ".join(text.strip("# ").split()))
    while len(levels) > 1:
        # The one that these are in has no result.
        _fold(levels)
    top = levels[0]
    return tuple(_with_missing(top))


def lines_of(log: Iterable[str]) -> Iterator[str]:
    """The KTAP in the lines of a status log; see guest/README.md."""
    said = (status_line(line.rstrip("\r\n")) for line in log)
    return islice((one.text for one in said if one and one.mark == "ktap"), MOST)


def outcome(tests: Sequence[Subtest], wanted: Sequence[str] = ()) -> tuple[Outcome, str]:
    """How a trial ended whose script ran these tests to their end.

    Args:
        wanted: globs of the names that count, each of which has to be there; all tests count where there is none.

    Returns:
        The outcome, and a reason on one line.
    """
    for glob in wanted or ["*"]:
        if not any(fnmatchcase(one.name, glob) for one in tests):
            there = f"; there are {', '.join(one.name for one in tests[:_SHOWN])}" if tests else ""
            return Outcome.SKIPPED, f"no test {glob} has run{there}{', ...' if len(tests) > _SHOWN else ''}"
    chosen = [one for one in tests if any(fnmatchcase(one.name, glob) for glob in wanted or ["*"])]
    count = Counter(one.result for one in chosen)
    if count[FAILED]:
        failed = [f"{one.name}{f' ({one.reason})' if one.reason else ''}" for one in chosen if one.result == FAILED]
        more = f" and {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
        return Outcome.FAILED, f"{count[FAILED]} of {len(chosen)} tests failed: {', '.join(failed[:_SHOWN])}{more}"
    if count[LOST]:
        lost = next(one for one in chosen if one.result == LOST)
        return Outcome.ERROR, f"{count[LOST]} of {len(chosen)} tests were lost: {lost.name} ({lost.reason})"
    if not count[PASSED]:
        why = next((one.reason for one in chosen if one.reason), "")
        return Outcome.SKIPPED, f"all {len(chosen)} tests were skipped{f': {why}' if why else ''}"
    skipped = f", {count[SKIPPED]} were skipped" if count[SKIPPED] else ""
    return Outcome.PASSED, f"{count[PASSED]} of {len(chosen)} tests passed{skipped}"


def _depth(line: str) -> tuple[int, str]:
    text, depth = line.rstrip(), 0
    while True:
        if text.startswith("    "):
            text = text[4:]
        elif nested := _NESTED.match(text):
            text = text[nested.end() :]
        else:
            return depth, text.lstrip()
        depth += 1


def _level(levels: list[_Level], depth: int) -> _Level:
    """The level at a depth, with all above it; what is deeper is in a test that has no result."""
    while len(levels) > depth + 1:
        _fold(levels)
    while len(levels) <= depth:
        levels.append(_Level())
    return levels[depth]


def _ended(levels: list[_Level], depth: int, *, failed: bool, rest: str) -> None:
    """A test has its result."""
    while len(levels) > depth + 2:
        _fold(levels)
    below = levels.pop() if len(levels) > depth + 1 else None
    own = _level(levels, depth)
    own.ended += 1
    name, directive, reason = rest, "", ""
    if found := _DIRECTIVE.fullmatch(rest):
        name, directive, reason = found[1], found[2].upper(), found[3]
        reason = f"exit status {reason}" if directive == "EXIT=" else reason
    # What kselftest skips has its name where the reason stands: `ok 3 # SKIP CLOCK_TAI`.
    name = _name(name or (reason if directive == "SKIP" else ""))
    result = FAILED if failed else PASSED
    if failed and directive == "TIMEOUT":
        result = LOST
    if directive == "SKIP" or (failed and directive in ("TODO", "XFAIL")):
        result = SKIPPED
    inner = _with_missing(below) if below else []
    told = not inner or (result in (FAILED, LOST) and not any(one.result == result for one in inner))
    own.inner += [Subtest(f"{name}.{one.name}", one.result, one.reason) for one in inner]
    if told:
        said = " ".join(own.said[-2:]) if result == FAILED else "it took too long" if result == LOST else ""
        own.inner.append(Subtest(name, result, ", ".join(filter(None, (reason, said)))))
    own.said.clear()


def _fold(levels: list[_Level]) -> None:
    """The deepest level goes into the one above, under the name that was announced."""
    below = levels.pop()
    name = below.name or "unnamed"
    levels[-1].inner += [
        Subtest(f"{name}.{one.name}", one.result, one.reason)
        for one in (*_with_missing(below), Subtest("end", LOST, "it has no result"))
    ]
    levels[-1].ended += 1


def _with_missing(level: _Level) -> list[Subtest]:
    missing = (level.planned or 0) - level.ended
    lost = [Subtest("missing", LOST, f"{missing} of {level.planned} have no result")] if missing > 0 else []
    return [*level.inner, *lost]


def _name(text: str) -> str:
    """Kselftest names a program `selftests: timers: posix_timers`."""
    told = text.strip().removeprefix("selftests: ")
    return told.replace(": ", ".") or "unnamed"
