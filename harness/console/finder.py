"""Finds crashes in console output, as it comes or all at once, in constant memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from harness.console.analysis import analyse, before_head, head_rules, is_marked
from harness.console.crash import Crash
from harness.console.frames import is_inlined, read_frame, read_pointer
from harness.console.lead import Lead, without_own
from harness.console.lines import LONGEST, USER, Line, behind_date, lead_before, read_line, when
from harness.console.opened import EARLY, NEAR, Death, Open, joins
from harness.console.parts import BOOT, DIED, END, LAST, NMI, OTHER_TRACE, PART, REPLAY, REPORTED, SHOWN, TALK
from harness.console.records import Record, lines_in, longest, read_record
from harness.console.rules import Blame, Rule
from harness.console.said import Past, said_before
from harness.console.scan import marks_in, next_mark
from harness.console.wrapped import indented, is_part, joined

MOST_LINES = 1500
"""Lines that a crash may have; what is longer is cut there."""
PATIENCE = 60
"""Lines in a row that are no part of a crash, after which it is over."""
AT_ONCE = 8
"""Crashes that may be open at the same time, of different callers."""
HEAD = 2
"""Lines of a report in which another one begins and has the trace of both, where lines do not tell their caller."""


_AROUND = "+"
_CALLER = re.compile(r"[TC]\d+$")
_CPU = re.compile(r"C\d+$")


@dataclass(frozen=True)
class Event:
    """Something about a crash: its head was seen, or (`complete`) its end.  `crash` is what is known by now.

    A crash whose end was told may still get longer (a panic that follows): then it is told again, complete, with
    the same `start_line`.  One that is `alone` has only its head, without anything that marks a console's line.
    """

    crash: Crash
    complete: bool
    alone: bool = False


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
    _past: Past = field(default_factory=Past)
    _number: int = 0
    _open: dict[str, Open] = field(default_factory=dict)
    _died: Death | None = None
    _tail: Line | None = None
    _consoles: bool = False
    _before: Crash | None = None
    _before_ended: bool = False
    _quoted: dict[str, int] = field(default_factory=dict)

    def feed(self, chunk: bytes) -> list[Event]:
        """Take what came; returns what is new."""
        data = self._rest + chunk if self._rest else chunk
        end = data.rfind(b"\n") + 1
        events = list(self._block(data[:end])) if end else []
        self._rest = data[end:]
        while len(self._rest) > (LONGEST if self._past.in_line else longest(self._rest)):
            events += self._line(self._rest[:LONGEST], self._number + 1)
            self._past.piece(self._rest[:LONGEST])
            self._rest = self._rest[LONGEST:]
        return events

    def finish(self) -> list[Event]:
        """The stream has ended, or one text in it: returns what was still open.

        What is fed from here on is another machine's, with its lines counted on.
        """
        events = list(self._block(self._rest + b"\n")) if self._rest else []
        self._rest, self._past = b"", Past()
        events += self._close_all()
        self._died = self._before = self._tail = None
        self._consoles = False
        return events

    def _close_all(self) -> Iterator[Event]:
        for context in sorted(self._open, key=lambda context: self._open[context].start):
            yield from self._close(context)

    def _block(self, block: bytes) -> Iterator[Event]:
        """Whole lines."""
        places = marks_in(block)
        self._past.block, at = block, 0
        while at < len(block):
            if not self._open and self._tail is None:
                mark = next_mark(places, at)
                start = len(block) if mark is None else max(at, block.rfind(b"\n", at, mark) + 1)
                self._number += block.count(b"\n", at, start)
                at = start
                if mark is None:
                    break
            end = block.index(b"\n", at)
            self._number += 1
            self._past.at = at
            if not self._past.in_line and (record := read_record(block[at:end])):
                for text in record.lines:
                    yield from self._line(text[:LONGEST], self._number, record)
            else:
                for piece in range(at, max(end, at + 1), LONGEST):
                    yield from self._line(block[piece : min(end, piece + LONGEST)], self._number)
            at = end + 1
        self._past.read()

    def _line(self, raw: bytes, number: int, record: Record | None = None) -> Iterator[Event]:
        leads = [crash.lead for crash in self._open.values() if crash.lead]
        line = read_line(raw, number, leads)
        if record:
            line = replace(line, prefixed=True, time=line.time or record.time)
        tail, self._tail = self._tail, None
        date = ""
        if line.context == USER:
            date, line = self._kernels_own(raw, line)
            if line.context == USER:
                return
        elif tail and (whole := joined(tail, line)) and self._is_one(tail, whole, line):
            yield from self._lengthened(tail, whole)
            self._tail = whole if self._open else None
            return
        elif tail and tail.context in self._open and (further := indented(tail, line)):
            line = further
        if self._open or is_marked(line.text):
            self._tail = line
        yield from self._said(line, date)

    def _kernels_own(self, raw: bytes, line: Line) -> tuple[str, Line]:
        """A line of a program as the kernel's own, where what looked like the program's name begins a head.

        Returns:
            What stands before it, and the line.
        """
        if REPORTED.search(line.text):
            self.reported = line.number
        if is_marked(raw.decode("utf-8", "replace")):
            date, told, whole = behind_date(raw, line.number)
            rules = head_rules(whole.text)
            if rules and len(without_own(before_head(whole.text, rules[0]))) < told:
                return date, whole
        return "", line

    def _is_one(self, tail: Line, whole: Line, line: Line) -> bool:
        """Whether a line that may be the second part of one is not a head by itself, or not one without the first."""
        alone, both = self._heads(line.text), self._heads(whole.text)
        return not alone or (tail.prefixed and bool(both) and not self._heads(tail.text) and both[0] is not alone[0])

    def _lengthened(self, tail: Line, whole: Line) -> Iterator[Event]:
        """A line turns out to be the first part of one."""
        crash = self._open.get(self._owner(tail.context))
        begins = self._heads(whole.text)
        if begins:
            whole = replace(whole, number=tail.number)
        if crash is None or crash.lines[-1].text != tail.text:
            if crash is None and begins and not self._heads(tail.text):
                yield from self._said(whole)
        elif len(crash.lines) > 1:
            crash.lines.pop()
            crash.last = min(crash.last, len(crash.lines))
            yield from self._said(whole)
        elif rules := head_rules(whole.text):
            crash.rule, crash.lines[0] = rules[0], replace(whole, number=crash.start)

    def _owner(self, context: str) -> str:
        """The context of the crash that lines of a context belong to: a processor may show its trace for another."""
        if context not in self._open and _CPU.search(context):
            return next((key for key, crash in self._open.items() if crash.nmi), context)
        return context

    def _said(self, line: Line, date: str = "") -> Iterator[Event]:
        if self._open and REPLAY.search(line.text):
            # A head that was cut comes again, whole.
            self._open = {context: crash for context, crash in self._open.items() if len(crash.lines) > 1}
            return
        if BOOT.search(line.text):
            yield from self._close_all()
            self._died = self._before = None
            return
        rules = self._heads(line.text)
        lead = None
        if rules:
            before = date + before_head(line.text, rules[0])
            line = replace(line, time=line.time or when(before))
            lead, caller = (None, "") if TALK.search(before) else lead_before(before)
            if caller:
                line = replace(line, context=line.context.removesuffix("stamped") + caller)
        if line.prefixed and line.context not in self._open and (not rules or rules[0].joins):
            self._adopt(line, part=bool(rules))
        context = line.context
        crash = self._open.get(context)
        if rules and rules[0].notice and crash:
            rules = []  # it neither ends a crash nor belongs to it
        if rules and crash and is_inlined(line.text) and not all(is_inlined(line.text) for line in crash.lines):
            rules = []  # the line of the kernel's, which follows, tells whether a crash begins
        opens = bool(rules) and not (crash and joins(rules[0], crash, line))
        if opens:
            if crash is not None:
                yield from self._make_way(context, crash)
            yield from self._begin(rules[0], line, lead)
        owner = context if opens else self._owner(context)
        if owner in self._open and not opens:
            yield from self._continue(owner, line, part=bool(rules))
        if context + _AROUND in self._open:
            yield from self._continue(context + _AROUND, line, part=False)

    def _heads(self, text: str) -> list[Rule]:
        """The rules whose head a line is, without notices where nobody wants them."""
        rules = head_rules(text)
        return [] if rules and rules[0].notice and not self.notices else rules

    def _adopt(self, line: Line, *, part: bool) -> None:
        """Give a line to the crash whose head lost its prefix, or has another, where there is one."""
        quote = line.context[: line.quoted]
        crash = self._open.get(quote)
        near = crash is not None and crash.alone and line.number - crash.start < EARLY
        if crash and near and not _is_talk(crash) and (part or (line.text.strip() and is_part(line.text))):
            crash.lines[0] = replace(crash.lines[0], prefixed=True)
            self._open[line.context] = self._open.pop(quote)

    def _make_way(self, context: str, crash: Open) -> Iterator[Event]:
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

    def _begin(self, rule: Rule, line: Line, lead: Lead | None) -> Iterator[Event]:
        for context, crash in list(self._open.items()):
            # People told of it before they showed it.
            if crash.alone and (line.prefixed or crash.lines[0].text.strip() == line.text.strip()):
                del self._open[context]
        if len(self._open) >= AT_ONCE:
            yield from self._close(min(self._open, key=lambda context: self._open[context].start), cut=True)
        around = self._open.get(line.context + _AROUND)
        said = said_before(line, self._earlier(line, lead))
        within = around.start if around else None
        crash = self._open[line.context] = Open(rule, [line], within=within, lead=lead, said=said)
        self._consoles |= line.prefixed
        yield Event(self._analysed(crash), complete=False)

    def _earlier(self, head: Line, lead: Lead | None) -> list[Line]:
        """The lines before a head, as far as they are still there."""
        raw = self._past.lines()
        first = self._number - len(raw)
        lines = [
            read_line(text, first + number, [lead] if lead else [])
            for number, one in enumerate(raw)
            for text in lines_in(one)
        ]
        return [line for line in lines if line.number < head.number]

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
        if part and crash.rule.blame is Blame.NONE and not crash.framed:
            del crash.lines[crash.last :]  # the same message once more: what was between is not its own
        crash.lines.append(line)
        crash.framed |= frame
        crash.shown |= frame or line.prefixed or bool(SHOWN.search(text)) or read_pointer(text) is not None
        crash.nmi |= bool(NMI.search(text))
        if text.strip():
            crash.last = len(crash.lines)
        if LAST.search(text) or len(crash.lines) >= MOST_LINES:
            yield from self._close(context)
        elif END.search(text) and not crash.ended:
            crash.ended = True
            yield Event(self._analysed(crash), complete=True)

    def _analysed(self, crash: Open, *, cut: bool = False) -> Crash:
        found = analyse(crash.lines[: crash.last], crash.said, cut=cut or crash.mixed)
        died = self._died
        if died is not None and died.is_another(found.kernel, crash.lines[0].seconds):
            return found
        if died is not None and died.line < found.start_line and self._same_kernel(died, crash, found):
            return replace(found, follows=died.line)
        if crash.within is not None and crash.within < found.start_line:
            return replace(found, follows=crash.within)
        if self._right_after(found):
            return replace(found, follows=self._before.start_line)  # type: ignore[union-attr]
        return found

    def _same_kernel(self, died: Death, crash: Open, found: Crash) -> bool:
        """Whether a crash may be one of the kernel that died, by its taint."""
        text = "\n".join(line.text for line in crash.lines[: crash.last])
        return "D" in found.taint or not (found.taint or (died.tainted and "Not tainted" in text))

    def _right_after(self, found: Crash) -> bool:
        """Whether a crash is told by the same task right after the one before it."""
        before = self._before
        near = before is not None and 0 < found.start_line - before.end_line <= NEAR
        return before is not None and near and found.pid is not None and found.pid == before.pid

    def _close(self, context: str, *, cut: bool = False) -> Iterator[Event]:
        crash = self._open.pop(context)
        if self._is_quotation(crash) or (crash.alone and (self._consoles or _is_talk(crash))):
            return
        found = self._analysed(crash, cut=cut)
        if found.fatal and self._died is None and not crash.alone:
            tainted = any(DIED.search(line.text) for line in crash.lines[: crash.last])
            self._died = Death(found.start_line, found.kernel, crash.lines[0].seconds, tainted)
        before = self._before
        again = before is not None and before.signature == found.signature
        if before and self._right_after(found) and not self._before_ended and not again:
            # Another report of the same task right after: its frames are frames of the first one's cause too.
            heading = crash.lines[0].text.strip()
            more = tuple(replace(frame, trace=frame.trace or heading) for frame in found.frames)
            yield Event(replace(before, frames=before.frames + more), complete=True)
        self._before, self._before_ended = found, crash.ended
        yield Event(found, complete=True, alone=crash.alone)

    def _is_quotation(self, crash: Open) -> bool:
        """Whether a crash is the quotation, in a mail, of one that the mail before it told."""
        depth = crash.lines[0].quoted
        if not depth:
            return False
        text = "\n".join(line.text.strip() for line in crash.lines[: crash.last])
        first = self._quoted.setdefault(text, depth)
        if len(self._quoted) > AT_ONCE:
            del self._quoted[next(iter(self._quoted))]
        return depth > first


def _is_talk(crash: Open) -> bool:
    """Whether the head of a crash is a part of a sentence."""
    return TALK.search(before_head(crash.lines[0].text, crash.rule)) is not None


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
    told: dict[int, Event] = {}
    for piece in (data,) if isinstance(data, bytes) else data:
        told.update((event.crash.start_line, event) for event in follower.feed(piece) if event.complete)
    told.update((event.crash.start_line, event) for event in follower.finish())
    return complete(told.values(), follower.reported)


def complete(events: Iterable[Event], reported: int = 0) -> list[Crash]:
    """The crashes that the last events about them tell, in order; notices only where there is no crash.

    Args:
        reported: number of a line up to which crashes are left out.
    """
    told = sorted(events, key=lambda event: event.crash.start_line)
    # What is only named is left out where something is shown.
    shown = any(not event.alone for event in told)
    found = [event.crash for event in told if event.crash.start_line > reported and not (shown and event.alone)]
    return [crash for crash in found if not crash.notice] or found
