"""Finds crashes in console output, as it comes or all at once, in constant memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from harness.console.analysis import analyse, head_rules
from harness.console.crash import Crash
from harness.console.frames import is_inlined, read_frame, read_pointer
from harness.console.lines import LONGEST, USER, Line, read_line
from harness.console.parts import BOOT, END, LAST, NMI, OTHER_TRACE, PART, REPLAY, REPORTED
from harness.console.rules import Blame, Rule
from harness.console.scan import marks_in, next_mark

MOST_LINES = 1500
"""Lines that a crash may have; what is longer is cut there."""
PATIENCE = 60
"""Lines in a row that are no part of a crash, after which it is over."""
AT_ONCE = 8
"""Crashes that may be open at the same time, of different callers."""
EARLY = 16
"""Lines after its head in which a trap's own line still belongs to the crash."""
HEAD = 2
"""Lines of a report in which another one begins and has the trace of both, where lines do not tell their caller."""
NEAR = 5
"""Lines between two reports of one task of which the second follows from the first."""


_AROUND = "+"
_CALLER = re.compile(r"[TC]\d+$")
_CPU = re.compile(r"C\d+$")


@dataclass(frozen=True)
class Event:
    """Something about a crash: its head was seen, or (`complete`) its end.  `crash` is what is known by now.

    A crash whose end was told may still get longer (a panic that follows): then it is told again, complete, with
    the same `start_line`.
    """

    crash: Crash
    complete: bool


@dataclass
class _Open:
    """A crash that has begun.

    Attributes:
        rule: the first that its head fits.  lines: what is kept of it.
        last: how many of `lines` are known to be its own; what follows may be noise.
        framed: a frame was seen.  nmi: other processors are made to show their traces too.
        ended: its end was told.
        mixed: something else is printed into it, which cannot be told apart.
        within: the first line of the crash during whose report it began.
    """

    rule: Rule
    lines: list[Line]
    last: int = 1
    framed: bool = False
    nmi: bool = False
    ended: bool = False
    mixed: bool = False
    within: int | None = None

    @property
    def start(self) -> int:
        """The number of its first line."""
        return self.lines[0].number


@dataclass
class Follower:
    """Reads a console that is still being written.

    What it tells does not depend on how the stream is cut into pieces.

    Args:
        notices: tell lines that begin like a report and are none (`Crash.notice`) too.

    Attributes:
        reported: the number of the last line in which abrt, a crash reporter, logged that it had reported all
            crashes before it; 0 where there is none.
    """

    notices: bool = False
    reported: int = 0
    _rest: bytes = b""
    _number: int = 0
    _open: dict[str, _Open] = field(default_factory=dict)
    _died: int | None = None
    _before: Crash | None = None
    _before_ended: bool = False
    _quoted: dict[str, int] = field(default_factory=dict)

    def feed(self, chunk: bytes) -> list[Event]:
        """Take what came; returns what is new."""
        data = self._rest + chunk if self._rest else chunk
        end = data.rfind(b"\n") + 1
        events = list(self._block(data[:end])) if end else []
        self._rest = data[end:]
        while len(self._rest) > LONGEST:
            events += self._line(self._rest[:LONGEST], self._number + 1)
            self._rest = self._rest[LONGEST:]
        return events

    def finish(self) -> list[Event]:
        """The stream has ended: returns what was still open."""
        events = list(self._block(self._rest + b"\n")) if self._rest else []
        self._rest = b""
        for context in sorted(self._open, key=lambda context: self._open[context].start):
            events += self._close(context)
        return events

    def _block(self, block: bytes) -> Iterator[Event]:
        """Whole lines."""
        places = marks_in(block)
        at = 0
        while at < len(block):
            if not self._open:
                mark = next_mark(places, at)
                start = len(block) if mark is None else max(at, block.rfind(b"\n", at, mark) + 1)
                self._number += block.count(b"\n", at, start)
                at = start
                if mark is None:
                    return
            end = block.index(b"\n", at)
            self._number += 1
            for piece in range(at, max(end, at + 1), LONGEST):
                yield from self._line(block[piece : min(end, piece + LONGEST)], self._number)
            at = end + 1

    def _line(self, raw: bytes, number: int) -> Iterator[Event]:
        line = read_line(raw, number)
        if line.context == USER:
            if REPORTED.search(line.text):
                self.reported = number
            return
        if self._open and REPLAY.search(line.text):
            # A head that was cut comes again, whole.
            self._open = {context: crash for context, crash in self._open.items() if len(crash.lines) > 1}
            return
        if BOOT.search(line.text):
            for context in sorted(self._open, key=lambda context: self._open[context].start):
                yield from self._close(context)
            self._died = self._before = None
            return
        context = line.context
        crash = self._open.get(context)
        rules = head_rules(line.text)
        if rules and rules[0].notice and (crash or not self.notices):
            rules = []  # it neither ends a crash nor belongs to it
        if rules and crash and is_inlined(line.text) and not all(is_inlined(line.text) for line in crash.lines):
            rules = []  # the line of the kernel's, which follows, tells whether a crash begins
        opens = bool(rules) and not (crash and _joins(rules[0], crash, line))
        if opens:
            if crash is not None:
                yield from self._make_way(context, crash)
            yield from self._begin(rules[0], line)
        if crash is None and not opens and _CPU.search(context):
            context = next((key for key, crash in self._open.items() if crash.nmi), context)
        if context in self._open and not opens:
            yield from self._continue(context, line, part=bool(rules))
        if context + _AROUND in self._open:
            yield from self._continue(context + _AROUND, line, part=False)

    def _make_way(self, context: str, crash: _Open) -> Iterator[Event]:
        """Another crash begins where one is open."""
        # The trace that another processor is made to show would not come from this caller.
        alone = crash.framed or crash.ended or crash.nmi or crash.rule.notice
        same = _CALLER.search(context) or crash.last <= HEAD
        if alone or not same or context + _AROUND in self._open:
            yield from self._close(context, cut=not crash.framed)
        else:
            # It began while the kernel was about to print the trace of the first: the trace is that of both.
            crash.mixed = not _CALLER.search(context)
            self._open[context + _AROUND] = self._open.pop(context)

    def _begin(self, rule: Rule, line: Line) -> Iterator[Event]:
        if len(self._open) >= AT_ONCE:
            yield from self._close(min(self._open, key=lambda context: self._open[context].start), cut=True)
        around = self._open.get(line.context + _AROUND)
        crash = self._open[line.context] = _Open(rule, [line], within=around.start if around else None)
        yield Event(self._analysed(crash), complete=False)

    def _continue(self, context: str, line: Line, *, part: bool) -> Iterator[Event]:
        crash = self._open[context]
        text = line.text[:1000]
        if OTHER_TRACE.search(text):
            yield from self._close(context, cut=not crash.framed)
            return
        frame = read_frame(text) is not None
        if not part and not frame and not read_pointer(text) and not PART.search(text):
            if crash.ended or len(crash.lines) - crash.last >= PATIENCE:
                yield from self._close(context)
            else:
                crash.lines.append(line)
            return
        crash.lines.append(line)
        crash.framed |= frame
        crash.nmi |= bool(NMI.search(text))
        if text.strip():
            crash.last = len(crash.lines)
        if LAST.search(text) or len(crash.lines) >= MOST_LINES:
            yield from self._close(context)
        elif END.search(text) and not crash.ended:
            crash.ended = True
            yield Event(self._analysed(crash), complete=True)

    def _analysed(self, crash: _Open, *, cut: bool = False) -> Crash:
        found = analyse(crash.lines[: crash.last], cut=cut or crash.mixed)
        died = self._died
        if died is not None and died < found.start_line and ("D" in found.taint or not found.taint):
            return replace(found, follows=died)
        if crash.within is not None and crash.within < found.start_line:
            return replace(found, follows=crash.within)
        if self._right_after(found):
            return replace(found, follows=self._before.start_line)  # type: ignore[union-attr]
        return found

    def _right_after(self, found: Crash) -> bool:
        """Whether a crash is told by the same task right after the one before it."""
        before = self._before
        near = before is not None and 0 < found.start_line - before.end_line <= NEAR
        return before is not None and near and found.pid is not None and found.pid == before.pid

    def _close(self, context: str, *, cut: bool = False) -> Iterator[Event]:
        crash = self._open.pop(context)
        if self._is_quotation(crash):
            return
        found = self._analysed(crash, cut=cut)
        if found.fatal and self._died is None:
            self._died = found.start_line
        before = self._before
        again = before is not None and before.signature == found.signature
        if before and self._right_after(found) and not self._before_ended and not again:
            # Another report of the same task right after: its frames are frames of the first one's cause too.
            heading = crash.lines[0].text.strip()
            more = tuple(replace(frame, trace=frame.trace or heading) for frame in found.frames)
            yield Event(replace(before, frames=before.frames + more), complete=True)
        self._before, self._before_ended = found, crash.ended
        yield Event(found, complete=True)

    def _is_quotation(self, crash: _Open) -> bool:
        """Whether a crash is the quotation, in a mail, of one that the mail before it told."""
        depth = crash.lines[0].quoted
        if not depth:
            return False
        text = "\n".join(line.text.strip() for line in crash.lines[: crash.last])
        first = self._quoted.setdefault(text, depth)
        if len(self._quoted) > AT_ONCE:
            del self._quoted[next(iter(self._quoted))]
        return depth > first


def _joins(rule: Rule, crash: _Open, line: Line) -> bool:
    """Whether a head is a line of the open crash: the trap's own line after its cause, or the panic after it."""
    if len(crash.lines) < EARLY and all(is_inlined(line.text) for line in crash.lines):
        return True  # the line of the kernel's, after what a symbolizer has made of it
    if rule is crash.rule and rule.blame is Blame.NONE and not crash.framed and line.text == crash.lines[0].text:
        return True  # the same message once more
    if not rule.joins or crash.rule.catch_all or (crash.ended and "panic" not in rule.title):
        return False
    if rule.kind in ("panic", "stack-corrupted", "netdev-unregister", "slub"):
        return rule.kind != crash.rule.kind or rule.kind in ("panic", "slub")
    # RHEL 5 puts where it was between the two; one frame is no trace yet.
    return (not crash.framed or crash.last <= NEAR) and len(crash.lines) < EARLY


def find_crashes(data: bytes | Iterable[bytes], *, notices: bool = False) -> list[Crash]:
    """The crashes in a console log.

    Args:
        data: the log, whole or in pieces.
        notices: tell lines that begin like a report and are none (`Crash.notice`) too.

    Returns:
        The crashes, in the order in which they began; in a system log, without those that abrt has reported already.
        Notices are told only where there is no crash.
    """
    follower = Follower(notices)
    crashes: dict[int, Crash] = {}
    for piece in (data,) if isinstance(data, bytes) else data:
        crashes.update((event.crash.start_line, event.crash) for event in follower.feed(piece) if event.complete)
    crashes.update((event.crash.start_line, event.crash) for event in follower.finish())
    found = [crashes[line] for line in sorted(crashes) if line > follower.reported]
    return [crash for crash in found if not crash.notice] or found
