"""The lines that open a crash: data.  Adding a kind is adding an entry."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Head:
    """A kind of crash, by the line that opens it.

    Attributes:
        kind: its short name.
        pattern: what the line looks like; a group `f` is the function, where the line names it.
        title: with `{f}` for the function, by syzbot's convention.
        fatal: the kernel (or at least the task) does not go on.
        example: a line that it is for.
    """

    kind: str
    pattern: re.Pattern[str]
    title: str
    fatal: bool
    example: str


def _head(kind: str, pattern: str, title: str, example: str, *, fatal: bool = True) -> Head:
    return Head(kind, re.compile(pattern), title, fatal, example)


_NULL = "BUG: unable to handle kernel NULL pointer dereference in {f}"
_PAGE = "BUG: unable to handle kernel paging request in {f}"

HEADS = (
    _head("null-deref", r"BUG: unable to handle kernel NULL pointer dereference at ", _NULL,
          "BUG: unable to handle kernel NULL pointer dereference at   (null)"),
    _head("null-deref", r"BUG: kernel NULL pointer dereference, address: ", _NULL,
          "BUG: kernel NULL pointer dereference, address: 0000000000000000"),
    _head("null-deref", r"Unable to handle kernel NULL pointer dereference at virtual address ", _NULL,
          "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000"),
    _head("paging", r"BUG: unable to handle (?:kernel paging request at|page fault for address: )", _PAGE,
          "BUG: unable to handle page fault for address: ffffed1021400000"),
    _head("paging", r"Unable to handle kernel paging request at virtual address ", _PAGE,
          "Unable to handle kernel paging request at virtual address dfff800000000001"),
    _head("gpf", r"general protection fault[:,]", "general protection fault in {f}",
          "general protection fault: 0000 [#1] SMP"),
    _head("bug", r"kernel BUG at \S+!", "kernel BUG in {f}", "kernel BUG at block/bio.c:1786!"),
    _head("kasan", r"BUG: KASAN: ([\w-]+) (?:in (?P<f>\w+)\S*|on address)", "KASAN: {1} in {f}",
          "BUG: KASAN: use-after-free in bio_integrity_process+0x12/0x20"),
    _head("warning", r"WARNING: CPU: \d+ PID: \d+ at \S+ (?P<f>\w+)", "WARNING in {f}",
          "WARNING: CPU: 0 PID: 12 at block/bio.c:12 bio_put+0x10/0x20", fatal=False),
    _head("divide-error", r"divide error: ", "divide error in {f}", "divide error: 0000 [#1] SMP"),
    _head("invalid-opcode", r"invalid opcode: ", "invalid opcode in {f}", "invalid opcode: 0000 [#1] SMP"),
    _head("double-fault", r"(?:traps: )?double fault: ", "double fault in {f}", "double fault: 0000 [#1] SMP"),
    _head("sleeping", r"BUG: sleeping function called from invalid context", "BUG: sleeping function called from "
          "invalid context in {f}", "BUG: sleeping function called from invalid context at mm/slab.h:1", fatal=False),
    _head("atomic", r"BUG: scheduling while atomic: ", "BUG: scheduling while atomic in {f}",
          "BUG: scheduling while atomic: dd/71/0x00000002", fatal=False),
    _head("soft-lockup", r"BUG: soft lockup - CPU#\d+ stuck for", "BUG: soft lockup in {f}",
          "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [dd:71]"),
    _head("hung-task", r"INFO: task \S+:\d+ blocked for more than", "INFO: task hung in {f}",
          "INFO: task dd:71 blocked for more than 120 seconds."),
    _head("rcu-stall", r"INFO: rcu_\w+ (?:self-)?detected (?:expedited )?stall", "INFO: rcu detected stall in {f}",
          "rcu: INFO: rcu_sched self-detected stall on CPU"),
    _head("lockdep", r"WARNING: possible (?:circular locking dependency|recursive locking) detected",
          "possible deadlock in {f}", "WARNING: possible recursive locking detected", fatal=False),
    _head("panic", r"Kernel panic - not syncing: (?!Fatal exception|panic_on_warn)(.*?)(?: CPU:.*)?$",
          "kernel panic: {1}", "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"),
)  # fmt: skip

PANIC = re.compile(r"Kernel panic - not syncing: ")
