"""The kernel stops on purpose."""

from __future__ import annotations

from harness.console.rules.rule import Blame, rule

_PANIC = r"Kernel panic - not syncing: "

RULES = (
    rule(
        "stack-corrupted",
        rf"{_PANIC}stack-protector: Kernel stack is corrupted in: (?P<f>(?![0-9a-f]{{8,}}\b)[a-zA-Z_]\w*)?",
        "kernel panic: stack is corrupted in {f}",
        """\
Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: ffffffff81234567
Call Trace:
 dump_stack+0x71/0xab
 panic+0x1e4/0x41c
 __stack_chk_fail+0x15/0x20
 bridge_send+0x71/0x80
""",
        "kernel panic: stack is corrupted in bridge_send",
        trace=False,
        joins=True,
    ),
    rule(
        "stack-overflow",
        rf"{_PANIC}corrupted stack end",
        "kernel panic: corrupted stack end in {f}",
        """\
Kernel panic - not syncing: corrupted stack end detected inside scheduler
Call Trace:
 dump_stack+0x71/0xab
 panic+0x1e4/0x41c
 schedule+0x5e/0xd0
 writeback_work+0x71/0x80
 process_one_work+0x1c7/0x5c0
""",
        "kernel panic: corrupted stack end in writeback_work",
        also=("stack-overflow in {f}",),
        blame=Blame.LOOP,
        skip=r"\w*schedule\w* retint_kernel",
        joins=True,
    ),
    rule(
        "panic",
        rf"{_PANIC}(?P<reason>Attempted to kill init!)",
        "kernel panic: {reason}",
        "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b\n",
        "kernel panic: Attempted to kill init!",
        blame=Blame.NONE,
        joins=True,
    ),
    rule(
        "panic",
        rf"{_PANIC}(?P<reason>Couldn't open N_TTY ldisc)",
        "kernel panic: {reason}",
        "Kernel panic - not syncing: Couldn't open N_TTY ldisc for ptm1 --- error -12.\n",
        "kernel panic: Couldn't open N_TTY ldisc",
        blame=Blame.NONE,
        joins=True,
    ),
    rule(
        "panic",
        rf"{_PANIC}(?:\w+: )?(?P<reason>Fatal exception|panic_on_\w+ set|hung_task: blocked tasks)",
        "kernel panic: {reason}",
        "Kernel panic - not syncing: Fatal exception in interrupt\n",
        "kernel panic: Fatal exception",
        blame=Blame.NONE,
        cut=True,
        joins=True,
    ),
    rule(
        "panic",
        r"Kernel panic - not syncing: ?(?P<reason>.*?)\s*(?:CPU: .*|\]---)?$|Kernel panic: (?P<old>.*)",
        "kernel panic: {reason}{old}",
        "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n",
        "kernel panic: VFS: Unable to mount root fs on unknown-block(NUM,NUM)",
        blame=Blame.NONE,
        joins=True,
    ),
)
