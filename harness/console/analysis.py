"""From the lines of one crash to what is known of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import dropwhile

from harness.console.blame import (
    first_at_fault,
    is_common,
    is_interrupt_entry,
    looping,
    names_in_titles,
    other_names,
    reports,
    serves,
    sleeping,
)
from harness.console.crash import Crash, Frame
from harness.console.frames import Pointer, base_name
from harness.console.lines import Line, printable
from harness.console.places import HELPER_FILES, NAMED
from harness.console.report import Report, facts, read_report
from harness.console.rules import MARKS, NO_CRASH, NO_HEAD, RULES, Blame, Rule
from harness.console.said import merged, said_within
from harness.console.signature import signature
from harness.console.waits import waits

# What changes from one crash to the next of the same kind, in titles made of free text.
_VARIABLE = (
    (re.compile(r"\b([\w.]+)\+0x[0-9a-f]+/0x[0-9a-f]+"), r"\1"),
    (re.compile(r"(?<![A-Za-z0-9])(?:0x[0-9a-f]+|(?=[a-f]*\d)[0-9a-f]{6,16})(?![A-Za-z0-9])"), "ADDR"),
    (re.compile(r"\b(syz-executor|syzkaller)[.\d]*(?:[/:]\d+)*"), r"\1"),
    (re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])"), "IP"),
    (re.compile(r"(\bkworker/\w+):\d+"), r"\1:NUM"),
    (re.compile(r"(?<=[\w\])])(?::\d+)+\b"), ":LINE"),
    (re.compile(r"\bCPU#\d+"), "CPU"),
    (re.compile(r"(?<![A-Za-z0-9_])\d+(?![A-Za-z0-9_])"), "NUM"),
)
_NO_CODE = re.compile(r"supervisor instruction fetch|NX-protected|execut(?:e|ion) (?:of user|from non-execut)")
# Not of sanitizers, accesses and stalls, which go by the same title in all wordings, nor of what a function warned of.
_OWN_WORDS = re.compile(
    r"\b(?:BUG|INFO|WARNING): (?!K[A-Z]{3,5}: |(?:TASK |IRQ )?stack guard|[Kk]ernel |[Uu]nable |task "
    r"|soft lockup|rcu|\w+-safe|(?:possible|suspicious|inconsistent) |.*\w:\d+ (?:at )?[\w.]+\+0x)[^{}]+"
)
_DIED = re.compile(r"\[#\d+\]")
_LONGEST_TITLE = 120
_LONGEST_HEAD = 600
_MARKED = re.compile("|".join(re.escape(mark.decode()) for mark in MARKS))


def head_rules(text: str) -> list[Rule]:
    """The rules whose head a line is, in order; [] where it opens no crash."""
    text = text[:_LONGEST_HEAD]
    if not is_marked(text) or NO_CRASH.search(text):
        return []
    rules = [rule for rule in RULES if rule.head.search(text)]
    return [rule for rule in rules if not rule.catch_all] if NO_HEAD.search(text) else rules


def is_marked(text: str) -> bool:
    """Whether a line has a word that heads have."""
    return _MARKED.search(text) is not None


def before_head(text: str, rule: Rule) -> str:
    """What stands before a head in its own line."""
    found = rule.head.search(text[:_LONGEST_HEAD])
    assert found is not None
    start = found.start()
    while start < found.end() and not (text[start].isalnum() or text[start] == "<"):
        start += 1
    return text[:start]


def analyse(lines: Sequence[Line], said: Sequence[str] = (), *, cut: bool = False) -> Crash:
    """What is known of a crash.

    Args:
        lines: those of the crash, the first being its head.
        said: what belongs to it of the lines before.
        cut: something else was printed into it, or it never ended.
    """
    report = read_report(lines)
    rule, groups = _classify(report)
    blamed = _blame(report, rule, groups)
    told = facts(report)
    function = blamed.function
    # The head of a report whose rest is missing: only a rule that takes any text has taken it.
    rest_missing = rule.catch_all and head_rules(report.lines[report.head].text)[:1] not in ([], [rule])
    corrupted = cut or rule.cut or rest_missing or _is_cut(report, rule) or ("{f}" in rule.title and function is None)
    names = names_in_titles(function) if function else ["corrupted"]
    names += blamed.others
    if blamed.null_ip and told.workqueue:
        names.append(told.workqueue)
    # syzbot takes a trace without its heading, as 32-bit arm may print it, for the rest of one that was cut.
    if (corrupted or not any(trace.headed for trace in report.traces)) and "{f}" in rule.title:
        names.append("corrupted")
    known = {"f", *groups}
    patterns = [rule.title, *(also for also in rule.also if set(re.findall(r"\{(\w+)\}", also)) <= known)]
    titles = [_titled(pattern, name, groups) for pattern in patterns for name in names]
    if own := _OWN_WORDS.search(_head(report, rule)):
        titles.append(_titled(own[0], "", {}))  # who does not know a wording, new or old, goes by the words themselves
    titles = list(dict.fromkeys(titles))
    return Crash(
        title=titles[0],
        alt_titles=tuple(titles[1:]),
        kind=rule.kind,
        function=function,
        doubt=_doubt(report, rule, function, corrupted=corrupted),
        start_line=lines[0].number,
        end_line=lines[-1].number,
        frames=tuple(report.frames),
        null_ip=blamed.null_ip,
        workqueue=told.workqueue,
        comm=told.comm,
        pid=told.pid,
        cpu=told.cpu,
        kernel=told.kernel,
        taint=told.taint,
        corrupted=corrupted,
        fatal=rule.fatal or told.panic is not None,
        notice=rule.notice and not rest_missing,
        signature=signature(
            rule.kind,
            function,
            blamed.names or report.outwards(function),
            titles[0] if rule.blame is Blame.NONE else "",
        ),
        panic=told.panic,
        hardware=told.hardware,
        modules=told.modules,
        registers=told.registers,
        said=merged(said, said_within([_head(report, rule), *(line.text for line in report.lines[report.head + 1 :])])),
        waits=waits(
            rule.kind,
            [line.text for line in report.lines],
            f"{told.comm}:{told.pid}" if told.comm and told.pid is not None else "",
            told.cpu,
            report.functions(),
        ),
        time=lines[0].time,
    )


def _head(report: Report, rule: Rule) -> str:
    """The first line without what stands before the kernel's words."""
    text = report.lines[report.head].text[:_LONGEST_HEAD]
    found = rule.head.search(text)
    return text[found.start() :] if found else text


def _doubt(report: Report, rule: Rule, function: str | None, *, corrupted: bool) -> str:
    """Why the function at fault is a guess; "" where it is none."""
    if function is None:
        return ""
    if corrupted:
        return "the report is cut short or mixed with other output"
    if rule.blame in (Blame.LOOP, Blame.INTERRUPTED):
        return "a stalled processor is caught anywhere in its loop"
    if rule.blame is not Blame.FIRST:
        return ""
    if not report.pointers and _DIED.search(report.text):
        return "the instruction pointer is not told: it is the first function of the trace"
    frames = [frame for frame in report.frames if base_name(frame.function) == function]
    if frames and not any(frame.reliable for frame in frames):
        return "the unwinder does not trust the frame"
    return "it is of common code: its caller may be at fault" if is_common(function) else ""


def _classify(report: Report) -> tuple[Rule, dict[str, str]]:
    """The rule for a report, and what its patterns captured."""
    text = report.lines[report.head].text[:_LONGEST_HEAD]
    rules = head_rules(text)
    if not rules:  # the head is cut: only what a symbolizer put before it is there
        text = report.lines[0].text[:_LONGEST_HEAD]
        rules = head_rules(text)
    if rules[0].catch_all and len(report.lines) > report.head + 1:
        # A head may be cut in two, by a printk() in two parts or by a new line in a task's name.
        whole = f"{text} {report.lines[report.head + 1].text}"[:_LONGEST_HEAD]
        if (joined := head_rules(whole)) and not joined[0].catch_all:
            text, rules = whole, joined
    for rule in rules:
        head, body = rule.head.search(text), rule.body and rule.body.search(report.text)
        assert head is not None
        if rule.body is None or body is not None:
            found = head.groupdict() | (body.groupdict() if body else {})
            return rule, {name: value for name, value in found.items() if value}
    return rules[0], {}


@dataclass(frozen=True)
class _Blamed:
    """The function at fault, whether the instruction pointer was null, other names that it may go by, its callers."""

    function: str | None
    null_ip: bool
    others: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def _skipped(report: Report, rule: Rule) -> re.Pattern[str] | None:
    """What is not at fault in this kind of crash, nor by the files that a symbolized report names.

    The latter are functions that the tables do not know, of other versions than theirs.
    """
    placed = {base_name(frame.function) for frame in report.frames if frame.source and HELPER_FILES.match(frame.source)}
    unknown = sorted(re.escape(name) for name in placed - NAMED if not serves(name))
    if not unknown:
        return rule.skip
    return re.compile("|".join([*([rule.skip.pattern] if rule.skip else []), *unknown]))


def _blame(report: Report, rule: Rule, groups: dict[str, str]) -> _Blamed:
    named = [base_name(groups[key]) for key in ("f", "f1", "f2") if key in groups]
    null = bool(report.pointers) and report.pointers[0][1].null
    start: int | None = None
    others: tuple[str, ...] = ()
    names = report.functions()
    if rule.since:
        start = next((at for at, line in enumerate(report.lines) if at and rule.since.search(line.text)), None)
        names = report.functions(start)
        others = () if start is not None else ("corrupted",)
    elif rule.blame is Blame.INTERRUPTED:
        start, entered = _interrupted(report)
        names = report.functions(start) if start is not None else []
        others = () if entered else ("corrupted",)
    skip = _skipped(report, rule)
    match rule.blame:
        case Blame.NONE:
            return _Blamed(None, null)
        case Blame.NAMED:
            return _Blamed(named[0] if named else None, null)
        case Blame.LOOP | Blame.INTERRUPTED:
            loop = looping(names, skip)
            if not loop and not any(
                frame.reliable for trace in report.traces for frame in trace.frames if not frame.inlined
            ):
                loop = [*filter(None, [first_at_fault(names, skip)])]  # the unwinder was lost: all that is known
            return _Blamed(next(iter(loop), None), null, (*others, *loop[1:]))
        case Blame.SLEEP:
            slept = sleeping(names)
            found = next(iter(slept), None)
            return _Blamed(found, null, (*_public_name(found, names), *slept[1:]))
    jumped, top = _jump(report)
    if jumped:
        # What it jumped to is not at fault, where it has a name at all (data, for one) and the caller is known.
        target = base_name(report.pointers[0][1].function or "")
        callers = list(dropwhile(lambda name: name == target, names))
        if top:
            others = tuple(filter(None, [first_at_fault(callers, skip)]))
            callers.insert(0, top)
        names = callers or names
        named = []
    if named and named[0] in names:
        names = names[names.index(named[0]) :]  # what the trace has before that reports it
    found = first_at_fault([*named, *names], skip)
    # Some search for the place of the fault, helper or not, or for what only sometimes is a helper.
    place = [*named, *(pointer.function for _, pointer in report.pointers[:1] if pointer.function and not jumped)][:1]
    told = tuple(name for name in map(base_name, place) if not reports(name))
    if found is not None:
        told = tuple(name for name in (*told, *other_names([*named, *names], found, skip)) if name != found)
    if found is not None and found == report.link:
        # Who goes by the trace alone, as most do, does not know the leaf's caller.
        told += tuple(filter(None, [first_at_fault([name for name in names if name != found], skip)]))
    return _Blamed(found, null, (*(others or _public_name(found, names)), *told), tuple(names) if jumped else ())


def _jump(report: Report) -> tuple[bool, str | None]:
    """Whether the processor was made to run what is no code, and the caller, where the unwinder does not trust it.

    That is null, data, users' memory.  The return address of the call lies on top of the stack: the first frame is
    the caller, whatever the unwinder, which has no frame to start from, thinks of it.
    """
    pointer = report.pointers[0][1] if report.pointers else None
    if pointer is None or (pointer.function is not None and not _NO_CODE.search(report.text)):
        return False, None
    if pointer.null and report.branch:
        return True, report.branch
    first = next((frame for trace in report.traces for frame in trace.frames if not frame.inlined), None)
    return True, base_name(first.function) if first and first.named and not first.reliable else None


def _public_name(function: str | None, names: Sequence[str]) -> tuple[str, ...]:
    """The caller of a function that only wraps it: `read_it` of `do_read_it` or `__read_it`."""
    if function not in names:
        return ()
    caller = names[names.index(function) + 1 :][:1]
    return tuple(name for name in caller if function in (f"do_{name}", f"__{name}", f"_{name}"))


def _interrupted(report: Report) -> tuple[int | None, bool]:
    """Where the trace of what ran begins when a stall was found.

    Returns:
        An index of a line, and whether an interrupt's entry tells it; without one it is where another processor's
        instruction pointer was, if that is told.
    """
    last = None
    for at, what in report.order:
        if isinstance(what, Frame) and is_interrupt_entry(base_name(what.function)):
            last = at
        elif last is not None and (isinstance(what, Pointer) or at > last + 8):
            break
    if last is None:
        return (report.pointers[0][0] if report.pointers else None), False
    return next((at for at, _ in report.pointers if at > last), last + 1), True


def _is_cut(report: Report, rule: Rule) -> bool:
    """Whether the call trace that a report of this kind should have is missing, or mixed with another one."""
    names = [base_name(frame.function) for frame in report.frames if frame.reliable]
    if rule.blame is Blame.FIRST and "should_fail" in names:
        return True  # fault injection has printed a trace of its own
    return rule.trace and rule.blame is not Blame.SLEEP and first_at_fault(names) is None


def _titled(pattern: str, name: str, groups: dict[str, str]) -> str:
    title = pattern.replace("{f}", name)
    for key, text in groups.items():
        title = title.replace("{" + key + "}", text.strip())
    title = re.sub(r" ?\{\w+\}", "", title).strip()
    for changes, instead in _VARIABLE:
        title = changes.sub(instead, title)
    return " ".join(printable(title).split())[:_LONGEST_TITLE].removesuffix(" ]").rstrip()
