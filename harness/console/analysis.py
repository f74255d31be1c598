"""From the lines of one crash to what is known of it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.console.crash import Crash, Frame
from harness.console.frames import Pointer, base_name
from harness.console.guilt import canonical, first_at_fault, is_interrupt_entry, looping, sleeping
from harness.console.lines import Line
from harness.console.report import Report, facts, read_report
from harness.console.rules import NO_CRASH, RULES, Blame, Rule
from harness.console.signature import signature

# What changes from one crash to the next of the same kind, in titles made of free text.
_VARIABLE = (
    (re.compile(r"\b([\w.]+)\+0x[0-9a-f]+/0x[0-9a-f]+"), r"\1"),
    (re.compile(r"\b(syz-executor|syzkaller)[.\d]*(?:[/:]\d+)*"), r"\1"),
    (re.compile(r"(?<![A-Za-z0-9])(?:0x[0-9a-f]+|[0-9a-f]{8,16}\b)"), "ADDR"),
    (re.compile(r"(?<![A-Za-z0-9])\d+(?![A-Za-z])"), "NUM"),
)
_LONGEST_TITLE = 120


def head_rules(text: str) -> list[Rule]:
    """The rules whose head a line is, in order; [] where it opens no crash."""
    if NO_CRASH.search(text):
        return []
    return [rule for rule in RULES if rule.head.search(text)]


def analyse(lines: Sequence[Line], *, cut: bool = False) -> Crash:
    """What is known of a crash.

    Args:
        lines: those of the crash, the first being its head.
        cut: something else was printed into it, or it never ended.
    """
    report = read_report(lines)
    rule, groups = _classify(report)
    function, null_ip = _at_fault(report, rule, groups)
    told = facts(report)
    corrupted = cut or rule.cut or _is_cut(report, rule) or ("{f}" in rule.title and function is None)
    work = told.workqueue
    names = _names(function)
    titles = [_titled(pattern, name, groups) for pattern in (rule.title, *rule.also) for name in names]
    if null_ip and work and work != function:
        titles += [_titled(pattern, work, groups) for pattern in (rule.title, *rule.also)]
    if corrupted and "{f}" in rule.title:
        titles += [_titled(pattern, "corrupted", groups) for pattern in (rule.title, *rule.also)]
    titles = list(dict.fromkeys(titles))
    return Crash(
        title=titles[0],
        alt_titles=tuple(titles[1:]),
        kind=rule.kind,
        function=function,
        start_line=lines[0].number,
        end_line=lines[-1].number,
        frames=tuple(report.frames),
        null_ip=null_ip,
        workqueue=work,
        comm=told.comm,
        pid=told.pid,
        cpu=told.cpu,
        kernel=told.kernel,
        taint=told.taint,
        corrupted=corrupted,
        fatal=rule.fatal or told.panic is not None,
        signature=signature(rule.kind, function, report.functions()),
        panic=told.panic,
        hardware=told.hardware,
        modules=told.modules,
        registers=told.registers,
    )


def _classify(report: Report) -> tuple[Rule, dict[str, str]]:
    """The rule for a report, and what its patterns captured."""
    rules = head_rules(report.lines[0].text)
    for rule in rules:
        head = rule.head.search(report.lines[0].text)
        assert head is not None
        groups = {name: text for name, text in head.groupdict().items() if text}
        if rule.body is None:
            return rule, groups
        if body := rule.body.search(report.text):
            return rule, {**groups, **{name: text for name, text in body.groupdict().items() if text}}
    # No rule's body is there: the report is cut, and the first rule is the most exact.
    head = rules[0].head.search(report.lines[0].text)
    assert head is not None
    return rules[0], {name: text for name, text in head.groupdict().items() if text}


def _at_fault(report: Report, rule: Rule, groups: dict[str, str]) -> tuple[str | None, bool]:
    """The function at fault, and whether the instruction pointer was null."""
    named = base_name(groups["f"]) if "f" in groups else None
    null = bool(report.pointers) and report.pointers[0][1].null
    start: int | None = 0
    if rule.since:
        start = next((at for at, line in enumerate(report.lines) if at and rule.since.search(line.text)), None)
    elif rule.blame is Blame.INTERRUPTED:
        start = _interrupted(report)
    names = report.functions(start) if start is not None else []
    match rule.blame:
        case Blame.NONE:
            return None, null
        case Blame.NAMED:
            return named, null
        case Blame.LOOP | Blame.INTERRUPTED:
            return looping(names, rule.skip), null
        case Blame.SLEEP:
            return sleeping(names), null
    if null and report.frames and not report.frames[0].reliable:
        # The return address of the bad call lies on top of the stack: the first frame is the caller, whatever
        # the unwinder, which has no frame to start from, thinks of it.
        names = [base_name(report.frames[0].function), *names]
    return first_at_fault([named, *names] if named else names, rule.skip), null


def _interrupted(report: Report) -> int | None:
    """Where the trace of what an interrupt found begins: an index of a line."""
    entry = last = None
    for at, what in report.order:
        if isinstance(what, Frame) and is_interrupt_entry(base_name(what.function)):
            entry, last = (at if entry is None else entry), at
        elif isinstance(what, Pointer) and entry is not None:
            return at
        elif entry is not None and isinstance(what, Frame) and what.reliable and at > last + 8:  # type: ignore[operator]
            break
    if entry is None:
        return report.pointers[0][0] if report.pointers else None
    return last + 1  # type: ignore[operator]


def _is_cut(report: Report, rule: Rule) -> bool:
    """Whether the call trace that a report of this kind should have is missing, or mixed with another one."""
    names = [base_name(frame.function) for frame in report.frames if frame.reliable]
    if rule.blame is Blame.FIRST and "should_fail" in names:
        return True  # fault injection has printed a trace of its own
    return rule.trace and first_at_fault(names) is None


def _names(function: str | None) -> list[str]:
    """The names of a function in titles: the plain one first."""
    if function is None:
        return ["corrupted"]
    plain = canonical(function)
    return [plain] if plain == function else [f"sys_{plain}", plain, function] if function.startswith("__x64") else [plain, function]


def _titled(pattern: str, name: str, groups: dict[str, str]) -> str:
    title = pattern.replace("{f}", name)
    for key, text in groups.items():
        title = title.replace("{" + key + "}", text.strip())
    title = re.sub(r" ?\{\w+\}", "", title).strip()
    for changes, instead in _VARIABLE:
        title = changes.sub(instead, title)
    return title[:_LONGEST_TITLE].rstrip(" ]")
