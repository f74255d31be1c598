"""From the lines of one crash to what is known of it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.console.crash import Crash
from harness.console.frames import base_name
from harness.console.guilt import canonical, first_at_fault, interrupted, looping, sleeping
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
    trace = report.trace
    corrupted = cut or rule.cut or (rule.trace and trace is None) or ("{f}" in rule.title and function is None)
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
        frames=tuple(trace.frames) if trace else (),
        null_ip=null_ip,
        workqueue=work,
        comm=told.comm,
        pid=told.pid,
        cpu=told.cpu,
        kernel=told.kernel,
        taint=told.taint,
        corrupted=corrupted,
        fatal=rule.fatal or told.panic is not None,
        signature=signature(rule.kind, function, report.functions(trace.at) if trace else []),
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
    names = report.functions()
    match rule.blame:
        case Blame.NONE:
            return None, null
        case Blame.NAMED:
            return named, null
        case Blame.LOOP:
            return looping(names, rule.skip), null
        case Blame.INTERRUPTED:
            return looping(interrupted(names), rule.skip), null
        case Blame.SLEEP:
            return sleeping(names), null
    found = first_at_fault([named, *names] if named else names, rule.skip)
    if null and report.trace:
        # The return address of the bad call lies on top of the stack: the first frame is the caller, whatever
        # the unwinder, which has no frame to start from, thinks of it.
        first = report.trace.frames[0]
        if not first.reliable and not any(frame.reliable for frame in report.trace.frames[:1]):
            found = first_at_fault([base_name(frame.function) for frame in report.trace.frames]) or found
    return found, null


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
