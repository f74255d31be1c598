"""Finds crashes in console output, as it comes or all at once, in constant memory."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.console.crash import Crash, Frame
from harness.console.heads import HEADS, PANIC, Head

LONGEST = 400
"""Lines after which a crash that never ended counts as ended (and corrupted)."""

_NOISE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\x00")
# What stands before the kernel's own words: quotation, syslog, level, timestamp, caller.
_PREFIX = re.compile(
    r"^(?:[>:|] ?)*\s?(?:\w{3} [ \d]\d [\d:]{8} \S+ kernel: )?(?:<\d+>)?(?:\[ *\d+\.\d+\]\s?)?(?:\[ *[TC]\d+\] ?)?"
)
_FRAME = re.compile(
    r"^\s*(?:\[<[0-9a-f]+>\] )?(?P<mark>\? )?(?P<function>[A-Za-z_][\w.$]*)"
    r"\+0x(?P<offset>[0-9a-f]+)/0x(?P<size>[0-9a-f]+)"
    r"(?: \[(?P<module>[\w-]+)[^\]]*\])?\s*(?:\(.*\))?$"
)
_IP = re.compile(
    r"^\s*(?:[RE]?IP|pc|PC is at)\s*:?\s*(?:[0-9a-f]{4}:)?(?:\[<[0-9a-f]+>\] )?"
    r"(?:(?P<function>[A-Za-z_][\w.$]*)\+0x|(?P<null>\(null\)|0x0+\b(?!\w)))"
)
_TASK = re.compile(
    r"CPU: (?P<cpu>\d+) (?:UID: \d+ )?PID: (?P<pid>\d+) Comm: (?P<comm>.*?) "
    r"(?P<taint>Not tainted|Tainted: .*?) (?P<kernel>\d\S*)"
)
_WORKQUEUE = re.compile(r"^Workqueue: (?P<queue>\S+) (?P<function>[\w.$]+)")
_TRACE = re.compile(r"^\s*Call [Tt]race:")
_END = re.compile(r"---\[ end (?:trace|Kernel panic)")
_SUFFIX = re.compile(r"\.(?:isra|constprop|part|cold|llvm)\b.*$")

# What prints a crash or catches a fault is not at fault.
_MACHINERY = re.compile(
    r"^(?:dump_stack|dump_stack_lvl|show_stack|show_regs|print_\w+|__warn\w*|warn_slowpath\w*|report_bug|handle_bug"
    r"|die|__die\w*|oops_end|no_context|\w*page_fault\w*|kasan_\w+|__asan_\w+|panic|asm_exc_\w+|exc_\w+|do_error_trap"
    r"|do_trap|fixup_bug|___?might_sleep|__schedule|schedule\w*|__schedule_bug|io_schedule\w*)$"
)


@dataclass(frozen=True)
class Event:
    """Something about a crash: its head was seen, or (`complete`) its end.  `crash` is what is known by now."""

    crash: Crash
    complete: bool


@dataclass
class _Open:
    """A crash that has begun and not ended."""

    head: Head
    groups: tuple[str | None, ...]
    named: str | None
    start: int
    last: int
    frames: list[Frame] = field(default_factory=list)
    ip: str | None = None
    null_ip: bool = False
    workqueue: str | None = None
    task: dict[str, str] = field(default_factory=dict)
    in_trace: bool = False
    traces: int = 0

    def function(self) -> str | None:
        """The function at fault.

        When the instruction pointer is null, the return address of the bad call lies on top of the
        stack, so the first frame is the caller, whatever the unwinder thinks of it.
        """
        if self.null_ip:
            return next((frame.function for frame in self.frames), self.workqueue)
        if self.named or self.ip:
            return self.named or self.ip
        reliable = [f.function for f in self.frames if f.reliable] or [f.function for f in self.frames]
        return next((name for name in reliable if not _MACHINERY.match(name)), None)

    def crash(self, *, corrupted: bool) -> Crash:
        function = self.function()
        name = _SUFFIX.sub("", function) if function else None

        def titled(who: str | None) -> str:
            text = self.head.title
            if who is None:
                text = text.replace(" in {f}", "")
            return text.replace("{f}", who or "").replace("{1}", next((g for g in self.groups if g), "")).strip()

        also = [self.workqueue] if self.null_ip and self.workqueue not in (None, name) else []
        return Crash(
            title=titled(name),
            alt_titles=tuple(titled(who) for who in also),
            kind=self.head.kind,
            function=name,
            start_line=self.start,
            end_line=self.last,
            frames=tuple(self.frames),
            null_ip=self.null_ip,
            workqueue=self.workqueue,
            comm=self.task.get("comm"),
            pid=int(self.task["pid"]) if self.task else None,
            cpu=int(self.task["cpu"]) if self.task else None,
            kernel=self.task.get("kernel"),
            taint=self.task.get("taint", "").removeprefix("Not tainted").removeprefix("Tainted: ").replace(" ", ""),
            corrupted=corrupted or (function is None and "{f}" in self.head.title),
            fatal=self.head.fatal,
        )


class Follower:
    """Reads a console that is still being written.

    What it tells does not depend on how the stream is cut into pieces.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._number = 0
        self._open: _Open | None = None

    def feed(self, chunk: bytes) -> list[Event]:
        """Take what came; returns what is new."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > 65536:
            lines.append(self._rest)
            self._rest = b""
        return [event for line in lines for event in self._line(line)]

    def finish(self) -> list[Event]:
        """The stream has ended: returns what was still open."""
        events = list(self._line(self._rest)) if self._rest else []
        self._rest = b""
        return [*events, *self._close(corrupted=False)]

    def _close(self, *, corrupted: bool) -> list[Event]:
        ended, self._open = self._open, None
        return [Event(ended.crash(corrupted=corrupted), complete=True)] if ended else []

    def _line(self, raw: bytes) -> Iterable[Event]:
        self._number += 1
        text = _PREFIX.sub("", _NOISE.sub("", raw.decode("utf-8", "replace")))
        for head in HEADS:
            if found := head.pattern.search(text):
                if self._open and self._belongs(head):
                    break
                yield from self._close(corrupted=False)
                groups = found.groupdict()
                self._open = _Open(head, found.groups(), groups.get("f"), self._number, self._number)
                yield Event(self._open.crash(corrupted=False), complete=False)
                return
        if self._open is not None:
            yield from self._continue(self._open, text)

    def _belongs(self, head: Head) -> bool:
        """Whether a head belongs to the open crash: the trap's own line after its cause, or the panic after it."""
        assert self._open is not None
        early = not self._open.frames and self._number - self._open.start < 12
        return head.kind == "panic" or (early and head.kind in ("invalid-opcode", "gpf"))

    def _continue(self, crash: _Open, text: str) -> Iterable[Event]:
        if self._number - crash.start > LONGEST:
            yield from self._close(corrupted=True)
            return
        if found := _TASK.search(text):
            crash.task = crash.task or found.groupdict()
        elif found := _WORKQUEUE.match(text):
            crash.workqueue = crash.workqueue or _SUFFIX.sub("", found["function"])
        elif (found := _IP.match(text)) and crash.ip is None and not crash.null_ip and not crash.frames:
            crash.ip, crash.null_ip = found["function"], found["null"] is not None
        elif _TRACE.match(text):
            crash.traces += 1
            crash.in_trace = crash.traces == 1
        elif crash.in_trace and (found := _FRAME.match(text)):
            crash.frames.append(
                Frame(
                    *(found["function"], int(found["offset"], 16), int(found["size"], 16)),
                    *(found["module"], found["mark"] is None),
                )
            )
        elif crash.in_trace and crash.frames and not re.match(r"\s*</?\w+>|\s*\[<", text):
            crash.in_trace = False
        elif not text.strip():
            return
        crash.last = self._number
        if _END.search(text) or (PANIC.search(text) and crash.head.kind != "panic"):
            yield from self._close(corrupted=False)


def find_crashes(data: bytes | Iterable[bytes]) -> list[Crash]:
    """The crashes in a console log.

    Args:
        data: the log, whole or in pieces.

    Returns:
        The crashes, in the order in which they began.
    """
    follower = Follower()
    pieces = (data,) if isinstance(data, bytes) else data
    events = [event for piece in pieces for event in follower.feed(piece)] + follower.finish()
    return [event.crash for event in events if event.complete]
