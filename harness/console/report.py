"""The lines of one crash, read: its traces, instruction pointers and facts."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import takewhile

from harness.console.crash import Frame
from harness.console.frames import (
    ADDRESS,
    SYMBOL,
    USER_SEGMENTS,
    Pointer,
    base_name,
    caller_in,
    is_inlined,
    read_address,
    read_frame,
    read_pointer,
)
from harness.console.lines import Line, printable

_TASK = re.compile(
    r"CPU: ?(?P<cpu>\d+) (?:UID: \d+ )?PID: (?P<pid>-?\d+) Comm: (?P<comm>.*?)(?: [A-Z]\w+: [\w ]{1,20}?)* "
    r"(?:Not tainted|Tainted: (?P<taint>[A-Z ]*[A-Z])(?:,? \[\w+\]=\w+)*)\s+(?P<kernel>\d\S*)"
)
_OLD_TASK = re.compile(
    r"Pid: (?P<pid>\d+), comm: +(?P<comm>.*?) (?:Not tainted|Tainted: (?P<taint>[A-Z ]*[A-Z])) +\(?(?P<kernel>\d\S*)"
)
_TAINT = re.compile(r"Tainted: (?P<taint>[A-Z](?:[A-Z ]*[A-Z])?)\b")
_LOCKDEP = re.compile(
    r"\b(?P<kernel>\d{1,4}\.\d{1,4}\S{0,80}) #\d\S* "
    r"(?:Not tainted|Tainted: (?P<taint>[A-Z](?:[A-Z ]*[A-Z])?))\b"
)
_HUNG = re.compile(
    r"^\s+(?:Not tainted|Tainted: (?P<taint>[A-Z](?:[A-Z ]*[A-Z])?)(?:,? \[\w+\]=\w+)*)\s+(?P<kernel>\d+\.\d+\S*) #"
)
# What kernels of the 2.6 series say: i386, then powerpc.
_RELEASE = re.compile(r"\bEFLAGS: [0-9a-f]{8}\s+\((?P<kernel>\d[^\s)]*)\)")
_REGS = re.compile(r"\bTRAP: [0-9a-f]+\s+(?:Not tainted|Tainted: (?P<taint>[A-Z ]*[A-Z]))\s+\((?P<kernel>\d[^\s)]*)")
_TASK_IS = re.compile(r"^TASK = \w+\[(?P<pid>\d+)\] '(?P<comm>[^']{1,40})'(?:.* CPU: (?P<cpu>\d+))?")
_CPU = re.compile(r"(?:CPU:? {0,6}#?|on cpu )(?P<cpu>\d+)\b")
# A task's name may have any sign in it: `kworker/u8:0`, `swapper/0`.
_BY_TASK = (
    re.compile(r"by task (?P<comm>\S.{0,40})/(?P<pid>\d+)(?![\w:/])"),
    re.compile(r"\bINFO: task (?P<comm>\S.{0,40}):(?P<pid>\d+) "),
    re.compile(r"\bProcess (?P<comm>\S.{0,40}?) \(pid: (?P<pid>\d+)"),
    re.compile(r"(?:^| )(?P<comm>[^\s()]{1,20})\((?P<pid>\d+)\): (?:Oops\b|[A-Z][\w ]+\[#\d)"),
)
_IN_TASK = re.compile(
    r"(?:^|code: |atomic: |, )(?P<comm>[^\s,].{0,30}?)/(?P<pid>\d{1,10})"
    r"(?: is (?:trying|leaving|freeing)| still has| \[HC|/0x[0-9a-f]{8}\b|$)"
)
_WORKQUEUE = re.compile(r"^Workqueue: (?:\S+ )?(?P<function>[A-Za-z_][\w.$]*)(?: \[[\w-]+\])?\s*(?:\(|$)")
_HARDWARE = re.compile(r"^Hardware name: (?P<name>.+)")
_MODULES = re.compile(r"^Modules linked in: ?(?P<names>.*)")
_REGISTER = re.compile(r"\b([A-Za-z][A-Za-z0-9_]{0,9}|GPR\d\d)\s?: ?([0-9a-f]{8,16})\b")
_REGISTER_LINE = re.compile(
    r"^\s*(?:(?:[RE][A-Z][A-Z0-9]|R\d\d|[CD]R\d|x\d+\s?|r\d+\s?|sp|pc|lr|ra|gp|fp|ip|[ast]\d+) ?:|GPR\d\d:|Krnl GPRS)"
)
_ANOTHERS = re.compile(r"hard LOCKUP on cpu \d")
_USERS_POINTER = re.compile(rf"\s*[RE]IP: (?:{'|'.join(USER_SEGMENTS)}):")
_PANIC = re.compile(r"Kernel panic - not syncing: (?P<reason>.*?)\s*(?:CPU:.*)?$")
_LINK = re.compile(rf"\s*(?:lr : |ra is at |epc\s*: .* ra : )(?:{ADDRESS} )?(?P<function>{SYMBOL})\+0x")
_HEADING = re.compile(
    r"^\s*(?:Call [Tt]race ?:|Backtrace ?:|stack backtrace:?|(?P<where>backtrace(?: \(crc \w+\))?|Allocated|Freed"
    r"|(?:Last p|P)otentially related work creation|(?:Allocated|Freed) by task \d+.*|Uninit was [\w ]+at"
    r"|Preemption disabled at|page (?:last )?(?:allocated|free).*"
    r"|(?:INFO: )?(?:Allocated|Freed) in .*|(?:Local variable|Bytes? \d).*|.* is located in stack.*"
    r"|(?:read|write).* to 0x.*|value changed.*"
    r"|(?:read|write)[ -].*by (?:task|interrupt).*"
    r"|kfence-#\d+.*|the existing dependency chain.*|the dependencies between.*"
    r"|-> #\d+.*|\.\.\. (?:acquired|key) +at:.*|(?:\(\w+\) )?(?:HARD|SOFT)IRQ-ON-W at.*"
    r"|\{?[\w -]+\}? state was registered at):?)\s*$"
)
# From 6.16 on, a hung task's report has the trace of the task that it waits for, too.
_OWNER = re.compile(
    r"INFO: task \S.{0,60} blocked on an? [\w-]{1,20} likely (?:owned|last held) by task (?P<owner>\S.{0,40}?:\d+)"
    r"\.?\s*(?:<\w+>\s*)?$"
)
# s390 names where it last branched from: no frame, and the last of a report.
_LAST_BRANCH = re.compile(r"^\s*Last Breaking-Event-Address")
# What cannot be within a trace: after it, frames belong to another one.
_BREAK = re.compile(r"^\s*(?:Sending NMI|NMI backtrace for|Kernel panic|---\[ end|Memory state|The buggy)")
_STACK = re.compile(
    r"<(?P<end>/)?(?P<name>IRQ|NMI|SOFTIRQ|TASK|EOI|EOE|#?DF|#?DB|#?MC|ENTRY_TRAMPOLINE|SYSENTER)[^>]*>"
)


@dataclass
class Trace:
    """A call trace.

    Attributes:
        at: index of its first line.  name: what its heading says, "" for the plain `Call Trace:`.
        headed: whether it has a heading.
        frames: from the innermost outwards.
    """

    at: int
    name: str
    headed: bool
    frames: list[Frame] = field(default_factory=list)


@dataclass
class Report:
    """What the lines of one crash say; see `read_report`.

    Attributes:
        order: frames and instruction pointers as printed, with the indices of their lines.
        link: a leaf function's caller, which the link register tells and no trace has.
        branch: the function that s390 last branched from.
    """

    lines: Sequence[Line]
    traces: list[Trace] = field(default_factory=list)
    pointers: list[tuple[int, Pointer]] = field(default_factory=list)
    order: list[tuple[int, Frame | Pointer]] = field(default_factory=list)
    link: str | None = None
    branch: str | None = None

    @cached_property
    def head(self) -> int:
        """The index of its first line, as the kernel printed it."""
        return next((at for at, line in enumerate(self.lines) if not is_inlined(line.text)), 0)

    @cached_property
    def text(self) -> str:
        """All lines as the kernel printed them, joined."""
        return "\n".join(line.text for line in self.lines[self.head :] if not is_inlined(line.text))

    @cached_property
    def frames(self) -> list[Frame]:
        """Where the fault was, if an instruction pointer tells it before any trace, and all frames as printed."""
        frames = [frame for trace in self.traces for frame in trace.frames]
        inlined = list(
            takewhile(lambda what: isinstance(what, Frame) and what.inlined, (what for _, what in self.order))
        )
        first = next((what for _, what in self.order[len(inlined) :]), None)
        if not isinstance(first, Pointer) or first.frame is None:
            return frames
        rest = frames[len(inlined) :]
        after = next((frame for frame in rest if not frame.inlined), None)
        again = after is not None and base_name(after.function) == first.function
        return frames if again else [*frames[: len(inlined)], first.frame, *rest]

    def functions(self, start: int | None = None) -> list[str]:
        """The functions of instruction pointers and reliable frames, in the order of printing.

        Frames of inlined functions are left out: whether there are any depends on how the log was symbolized.

        Args:
            start: index of the line from which on all traces count; without it, only the crash's own do.
        """
        return [base_name(what.function or "") for _, what in self._told(start)]

    def outwards(self, function: str | None) -> list[str]:
        """A function and those of the trace that it stands in, from it outwards; the first trace where none has it."""
        told = list(self._told(None))
        first = next((at for at, (_, what) in enumerate(told) if base_name(what.function or "") == function), 0)
        starts = [trace.at for trace in self.traces]
        frames = [(at, bisect_right(starts, at)) for at, what in told[first:] if isinstance(what, Frame)]
        own = {at for at, trace in frames if trace == frames[0][1]}
        same = [base_name(what.function or "") for at, what in told[first:] if at in own]
        return same if function is None else [function, *same]

    def _told(self, start: int | None) -> Iterator[tuple[int, Frame | Pointer]]:
        for at, what in self.order:
            own = at >= start if start is not None else isinstance(what, Pointer) or not what.trace
            sure = isinstance(what, Pointer) or (what.reliable and what.named and not what.inlined)
            if own and sure and what.function:
                yield at, what


def read_report(lines: Sequence[Line]) -> Report:
    """Read the lines of one crash."""
    report = Report(lines)
    current: Trace | None = None
    stack: str | None = None
    owed: tuple[int, Pointer] | None = None
    panic, owner, ended = "", "", False
    for at, line in enumerate(lines):
        text = line.text
        ended |= "---[ end trace" in text  # x86 prints the registers once more behind that
        if at and _PANIC.search(text):
            shown = any(trace.headed and not trace.name for trace in report.traces)
            if shown or _ANOTHERS.search(lines[0].text):
                panic = "Kernel panic"  # whoever found the crash panics because of it
        if found := _OWNER.search(text):
            owner = f"Lock held by task {found['owner']}"
        if _LAST_BRANCH.match(text):
            after = (read_frame(other.text) for other in lines[at + 1 :] if not is_inlined(other.text))
            from_ = next((frame for frame in after if frame is None or not frame.inlined), None)
            report.branch = base_name(from_.function) if from_ else None
            break
        if found := _HEADING.match(text):
            current = Trace(at, (found["where"] or owner or panic).strip(" :"), True)
            owner = ""
            report.traces.append(current)
            stack = None
            continue
        for mark in _STACK.finditer(text):
            name = mark["name"].strip("#")
            stack = None if mark["end"] or name in ("TASK", "EOI", "EOE") else name
        if pointer := read_pointer(text):
            if not (panic or ended):
                report.pointers.append((at, pointer))
                report.order.append((at, pointer))
        elif frame := read_frame(text, stack) or (read_address(text, stack) if current else None):
            if current is None:
                current = Trace(at, "", False)
                report.traces.append(current)
            frame = replace(frame, trace=current.name)
            # arm names the callee first: where the next line is not its caller, the caller stands only here.
            if owed is not None and owed[1].function != frame.function:
                report.order.append(owed)
            caller = caller_in(text)
            owed = (at, Pointer(caller, False)) if caller else None
            current.frames.append(frame)
            report.order.append((at, frame))
        elif _BREAK.match(text):
            current = None
    if owed is not None:
        report.order.append(owed)
    _add_leafs_caller(report)
    return report


def _add_leafs_caller(report: Report) -> None:
    """Put the function that the link register tells after the one that the instruction pointer does.

    A function that calls none has no frame, so that its caller is missing from the trace of arm64 and riscv.  In any
    other function the register points into itself, or to the caller that the trace has too.
    """
    link = next((found for line in report.lines if (found := _LINK.match(line.text))), None)
    if link is None or not report.pointers:
        return
    leaf = base_name(report.pointers[0][1].function or "")
    frames = [
        (at, base_name(what.function))
        for at, (_, what) in enumerate(report.order)
        if isinstance(what, Frame) and not what.inlined
    ]
    outer = next(((at, name) for at, name in frames if name != leaf and not name.startswith("0x")), None)
    # A trace that begins with what reports the crash has this function further down, and its caller there.
    if outer is None or (leaf and frames[0][1] != leaf):
        return
    caller = base_name(link["function"])
    if caller not in (leaf, outer[1]):
        report.link = caller
        report.order.insert(outer[0], (report.order[outer[0]][0], Pointer(caller, False)))


@dataclass(frozen=True)
class Facts:
    """What a report tells of the machine and the task; None, "" or () where it does not."""

    comm: str | None = None
    pid: int | None = None
    cpu: int | None = None
    kernel: str | None = None
    taint: str = ""
    workqueue: str | None = None
    hardware: str | None = None
    panic: str | None = None
    modules: tuple[str, ...] = ()
    registers: dict[str, str] = field(default_factory=dict)


def facts(report: Report) -> Facts:
    """The facts in a report; of each, the first that is told."""
    task: dict[str, str | None] = {}
    found: dict[str, str] = {}
    registers: dict[str, str] = {}
    closed = False
    anothers = _ANOTHERS.search(report.lines[0].text)
    for line in report.lines:
        text = line.text
        for pattern in (
            *(_TASK, _OLD_TASK, _LOCKDEP, _HUNG, _RELEASE, _REGS, _TASK_IS),
            *(*_BY_TASK, _IN_TASK, _CPU, _TAINT),
        ):
            if seen := pattern.search(text):
                for name, value in seen.groupdict().items():
                    who = name in ("comm", "pid", "cpu")
                    # The task that panics because of another's crash (khungtaskd) is not the one that crashed.
                    if value is None or (who and "panic" in found and ("comm" in task or anothers)):
                        continue
                    if name not in task or (who and pattern is _TASK):
                        task[name] = value
                if pattern in (_TASK, _OLD_TASK):
                    task.setdefault("taint", "")
                    break
        for name, pattern, group in (
            ("workqueue", _WORKQUEUE, "function"),
            ("hardware", _HARDWARE, "name"),
            ("panic", _PANIC, "reason"),
            ("modules", _MODULES, "names"),
        ):
            if name not in found and (seen := pattern.search(text)):
                found[name] = printable(seen[group]).strip()
        closed |= bool(_USERS_POINTER.match(text))
        if not closed and _REGISTER_LINE.match(text):
            registers.update({k: v for k, v in _REGISTER.findall(text) if k not in registers})
        elif registers and "Call " in text:
            closed = True
    comm = task.get("comm")
    return Facts(
        comm=None if comm is None else printable(comm),
        pid=int(task["pid"]) if task.get("pid") else None,  # type: ignore[arg-type]
        cpu=int(task["cpu"]) if task.get("cpu") else None,  # type: ignore[arg-type]
        kernel=task.get("kernel"),
        taint=(task.get("taint") or "").replace(" ", "").replace("G", ""),
        workqueue=base_name(found["workqueue"]) if "workqueue" in found else None,
        hardware=found.get("hardware"),
        panic=found.get("panic"),
        modules=tuple(re.sub(r"\(.*?\)", "", found.get("modules", "").partition("[last unloaded")[0]).split()),
        registers=registers,
    )
