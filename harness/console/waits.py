"""Who waits for whom, as far as a report tells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from harness.console.crash import Wait
from harness.console.lines import printable

_MOST = 32
_KINDS = ("hung-task", "soft-lockup", "hard-lockup", "rcu-stall", "spinlock", "workqueue-lockup")
_BLOCKED = re.compile(
    r"INFO: task (?P<who>\S.{0,40}?:\d+)(?: <\w+>)? (?:is )?blocked on an? (?P<what>[\w-]+),?"
    r"(?: likely (?:owned|last held) by task (?P<on>\S.{0,40}?:\d+)(?=\.?\s*(?:<\w+>\s*)?$)"
    r"| but the (?:owner|last holder) is not found)"
)
_CALL = re.compile(
    r"csd: \w+ non-responsive CSD lock \(#\d+\) on CPU#(?P<who>\d+), waiting -?\d+ ns"
    r" for CPU#(?P<on>\d+) (?P<what>[\w.]+)"
)
_SPIN = re.compile(r"^\s*lock: .*\.owner: (?!<none>)(?P<on>\S.{0,40}?)/(?P<pid>\d+), \.owner_cpu: (?P<cpu>\d+)")
_STALLED = re.compile(r"INFO: (?P<who>rcu\w*) (?:self-)?detected (?:expedited )?stalls?")
_AT_ONCE = re.compile(r"stalls? on (?:CPUs?(?:/tasks)?|tasks):? ?\{(?P<all>[^}]{0,400})\}")
_CPU = re.compile(r"(?:^|rcu:)\s*(?P<cpu>\d+)-[\w.!?]{3,4}: \((?P<why>[^)]{1,40})\)")
_TASKS = re.compile(r"Tasks blocked on level-\d+ rcu_node \(CPUs [\d-]+\):(?P<all>(?: P\d+\S*)+)")
_LEFT = re.compile(r"\bP(?P<pid>\d+)|\b(?P<cpu>\d+)(?=-|\s|$)")
_CALLS = re.compile(r"smp_call_function\w*|stop_machine\w*|on_each_cpu\w*|csd_lock_wait\w*")


def waits(kind: str, texts: Sequence[str], task: str, cpu: int | None, functions: Iterable[str]) -> tuple[Wait, ...]:
    """Who waits for whom in a report.

    Args:
        kind: the kind of crash.
        texts: its lines.
        task: the one that it happened to, as `comm:pid`; "" where it is not told.
        cpu: where it happened.
        functions: those of its own trace, from the innermost outwards.
    """
    if kind not in _KINDS:
        return ()
    found = list(dict.fromkeys(_told(texts, _task(task) or "a task")))[:_MOST]
    if not found and cpu is not None:
        call = next(filter(_CALLS.fullmatch, functions), None)
        return (Wait(f"CPU {cpu}", "other CPUs", call),) if call else ()
    return tuple(found)


def _told(texts: Sequence[str], task: str) -> Iterator[Wait]:
    grace = ""
    for text in texts:
        if found := _BLOCKED.search(text):
            yield Wait(f"task {printable(found['who'])}", _task(found["on"]), found["what"])
        elif found := _CALL.search(text):
            yield Wait(f"CPU {int(found['who'])}", f"CPU {int(found['on'])}", found["what"])
        elif found := _SPIN.search(text):
            yield Wait(task, f"{_task(found['on'])}:{found['pid']} on CPU {found['cpu']}", "spinlock")
        elif found := _STALLED.search(text):
            grace = found["who"]
        if not grace:
            continue
        if found := _CPU.search(text):
            yield Wait(grace, f"CPU {found['cpu']}", found["why"])
        elif found := _TASKS.search(text) or _AT_ONCE.search(text):
            for left in _LEFT.finditer(found["all"]):
                yield Wait(grace, f"task {left['pid']}" if left["pid"] else f"CPU {left['cpu']}", "")


def _task(name: str | None) -> str:
    return f"task {printable(name)}" if name else ""
