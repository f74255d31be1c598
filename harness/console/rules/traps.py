"""Faults that the processor raised, and the kernel's own BUG()."""

from __future__ import annotations

from harness.console.rules.rule import Blame, rule

_ACCESS = ("bad-access in {f}",)
_OVERFLOW = ("stack-overflow in {f}",)

RULES = (
    rule(
        "rust-panic",
        r"rust_kernel: panicked at (?P<place>\S+)\s*(?P<rest>.*)",
        "{message} in {f}",
        """\
rust_kernel: panicked at drivers/x/node.rs:71:13:
attempt to subtract with overflow
kernel BUG at rust/helpers/bug.c:7!
Oops: invalid opcode: 0000 [#1] SMP
RIP: 0010:rust_helper_BUG+0x8/0x10
Call Trace:
 rust_begin_unwind+0x15b/0x160
 node_update+0x20/0x60
""",
        "attempt to subtract with overflow in node_update",
        body=r"panicked at [^\n]*\n(?P<message>[^\n]+)",
    ),
    rule(
        "stack-overflow",
        r"BUG: (?:\S+ )?stack guard page was hit",
        "BUG: stack guard page was hit in {f}",
        """\
BUG: stack guard page was hit at ffffc900190cfff8 (stack is ffffc900190d0000..ffffc900190d7fff)
RIP: 0010:lower_next+0x8/0xb0
Call Trace:
 lower_stats+0x12d/0x2e0
 link_new+0x20/0x30
 do_syscall_64+0x3b/0x90
""",
        "BUG: stack guard page was hit in link_new",
        also=_OVERFLOW,
        blame=Blame.LOOP,
        trace=False,
    ),
    rule(
        "stack-overflow",
        r"Insufficient stack space to handle exception",
        "kernel stack overflow in {f}",
        """\
Insufficient stack space to handle exception!
pc : el1_sync+0x0/0xb0
lr : lower_stats+0x1c/0x20
Kernel panic - not syncing: kernel stack overflow
Call trace:
 dump_backtrace+0x0/0x1c0
 lower_stats+0x12d/0x2e0
 link_new+0x20/0x30
 el0_svc+0x20/0x30
""",
        "kernel stack overflow in link_new",
        also=_OVERFLOW,
        blame=Blame.LOOP,
    ),
    rule(
        "bug",
        r"kernel BUG at|Kernel (?:bug (?:detected|at)|BUG \[#\d)",
        "kernel BUG in {f}",
        """\
kernel BUG at mm/rmap.c:1306!
invalid opcode: 0000 [#1] SMP
RIP: 0010:rmap_remove+0x33/0xb3
Call Trace:
 unmap_one+0x53/0x6c
""",
        "kernel BUG in rmap_remove",
        joins=True,
    ),
    rule(
        "bug",
        r"Kernel BUG (?P<rest>at .*)",
        "kernel BUG {rest}",
        "Kernel BUG at unmap_one+0x12/0x20 [verbose debug info unavailable]\n",
        "kernel BUG at unmap_one [verbose debug info unavailable]",
        blame=Blame.NONE,
    ),
    rule(
        "gpf",
        r"general protection fault(?:,.*)?:|general protection fault\b.*\[#\d+\]",
        "general protection fault in {f}",
        """\
general protection fault, probably for non-canonical address 0xdffffc0000000003: 0000 [#1] PREEMPT SMP KASAN
KASAN: null-ptr-deref in range [0x0000000000000018-0x000000000000001f]
RIP: 0010:table_walk+0x33/0xb3
Call Trace:
 table_match+0x53/0x6c
""",
        "general protection fault in table_walk",
        also=_ACCESS,
        joins=True,
    ),
    rule(
        "double-fault",
        r"PANIC: double fault|double fault: [0-9a-f]{4}\b",
        "PANIC: double fault in {f}",
        """\
PANIC: double fault, error_code: 0x0
RIP: 0010:socket_ioctl+0xfea/0x103e
Call Trace:
 <#DF>
 dump_stack+0x71/0xab
""",
        "PANIC: double fault in socket_ioctl",
        joins=True,
    ),
    rule(
        "divide-error",
        r"divide[ _]error: ",
        "divide error in {f}",
        """\
divide error: 0000 [#1] SMP
RIP: 0010:window_select+0x6db/0x920
Call Trace:
 window_update+0x53/0x6c
""",
        "divide error in window_select",
    ),
    rule(
        "stack-segment",
        r"stack segment: ",
        "stack segment fault in {f}",
        """\
stack segment: 0000 [#1] SMP
RIP: 0010:init_first+0x11/0x20
Call Trace:
 ret_from_fork+0x22/0x30
""",
        "stack segment fault in init_first",
        joins=True,
    ),
    rule(
        "int3",
        r"\bint3: \d",
        "int3 in {f}",
        """\
Oops: int3: 0000 [#1] SMP
RIP: 0010:kmem_cache_alloc+0x83/0x3b0
Call Trace:
 table_alloc+0xbf/0x930
""",
        "int3 in table_alloc",
    ),
    rule(
        "invalid-opcode",
        r"invalid opcode: ",
        "invalid opcode in {f}",
        """\
invalid opcode: 0000 [#1] SMP
RIP: 0010:guest_enter+0x11/0x20
Call Trace:
 guest_run+0x22/0x30
""",
        "invalid opcode in guest_enter",
        joins=True,
    ),
    rule(
        "alignment",
        r"Alignment trap:|Unhandled fault: alignment exception",
        "Alignment trap in {f}",
        """\
Alignment trap: not handling instruction e1b32f9f at [<8028bd5c>]
Unhandled fault: alignment exception (0x001) at 0x000008ad
Internal error: : 1 [#1] SMP ARM
PC is at table_dup+0x154/0x39c
[<8028bc08>] (table_dup) from [<8028bd5c>] (files_dup+0x2c/0xa4)
""",
        "Alignment trap in table_dup",
        joins=True,
    ),
    rule(
        "unhandled-fault",
        r"Unhandled (?:fault|prefetch abort): .*\(0x[0-9a-f]+\) at ",
        "Unhandled fault in {f}",
        """\
Unhandled fault: page domain fault (0x01b) at 0x00000e30
Internal error: : 1b [#1] PREEMPT SMP ARM
PC is at word_read+0x4c/0x78
Backtrace:
[<802b3ffc>] (word_read) from [<802e1324>] (words_read+0x6c/0x120)
""",
        "Unhandled fault in word_read",
        also=_ACCESS,
    ),
    rule(
        "internal-error",
        r"Internal error: .*\[#\d+\]",
        "Internal error in {f}",
        """\
Internal error: synchronous external abort: 96000210 [#1] PREEMPT SMP
pc : port_init+0x84/0x90
Call trace:
 port_init+0x84/0x90
 do_one_initcall+0x5c/0x2a0
""",
        "Internal error in port_init",
        also=_ACCESS,
        joins=True,
    ),
    rule(
        "trap",
        r"(?:(?:^\s*|(?<=[\])>|:\d] ))(?:Oops: )?|\b\S{1,40}\(\d+\): )(?!Oops)(?P<what>#?[A-Za-z][\w ()/#'-]{2,60}?)"
        r"(?:(?:: [0-9a-f]{4}| \[SEGMENT|: sig: \d+)[^\[]{0,80}?)?\s?\[#\d+\](?::?\s*$| [A-Z])",
        "{what} in {f}",
        """\
illegal operation: 0001 ilc:1 [#1] SMP
CPU: 0 PID: 71 Comm: dd Not tainted 6.1.0 #1
Krnl PSW : 0704c00180000000 00000000001123f2 (queue_drop+0x2a/0x60)
Call Trace:
 [<00000000001123f2>] queue_drop+0x2a/0x60
""",
        "illegal operation in queue_drop",
        joins=True,
    ),
    rule(
        "oops",
        r"\bOops\b.*\[#\d+\]|\bOops: (?:[0-9a-f]{4}\b|\w.*, sig: \d)",
        "Oops in {f}",
        """\
Oops: 0002 [#44]
EIP: delay_one+0x3b/0xe0
Call Trace:
 delay_all+0x22/0x30
""",
        "Oops in delay_one",
        joins=True,
    ),
    rule(
        "machine-check",
        r"\bGot mcheck at ",  # MIPS
        "Machine check in {f}",
        """\
Got mcheck at 800104ec
CPU: 0 PID: 71 Comm: dd Not tainted 6.6.0 #1
epc   : 800104ec queue_drop+0xdc/0x108
ra    : 80017678 queue_all+0x24c/0x29c
Call Trace:
[<80008108>] do_mcheck+0x2c/0xa0
[<80003d34>] handle_mcheck_int+0x3c/0x48
""",
        "Machine check in queue_drop",
        skip=r"\w*mcheck\w*",
        joins=True,
    ),
    rule(
        "serror",
        r"(?P<what>SError Interrupt) on CPU ?\d+, code|(?P<mode>Bad mode in Error handler) detected on CPU",
        "{what}{mode} in {f}",
        """\
SError Interrupt on CPU7, code 0xbe000411 -- SError
CPU: 7 PID: 71 Comm: dd Not tainted 4.19.113 #1
pc : queue_drop+0x14c/0x1f4
lr : queue_all+0x20/0x30
Kernel panic - not syncing: Asynchronous SError Interrupt
CPU: 7 PID: 71 Comm: dd Not tainted 4.19.113 #1
Call trace:
 dump_backtrace+0x0/0x198
 el1_error+0x8c/0xec
 queue_drop+0x14c/0x1f4
 queue_all+0x20/0x30
""",
        "SError Interrupt in queue_drop",
        trace=False,
        joins=True,
    ),
    rule(
        "bus-error",
        r"(?P<what>(?:Data|Instruction) bus error), e(?:pc|ra) ==",  # MIPS, loongarch
        "{what} in {f}",
        """\
Data bus error, epc == 80123456, ra == 80123600
Oops[#1]:
CPU: 0 PID: 71 Comm: dd Not tainted 6.6.0 #1
epc   : 80123456 queue_drop+0x17/0x40
Call Trace:
[<80123456>] queue_drop+0x17/0x40
""",
        "Data bus error in queue_drop",
        joins=True,
    ),
    rule(
        "machine-check",
        r"Machine Check Exception",
        "Machine check exception",
        "CPU 0: Machine Check Exception: 0000000000000007\n",
        "Machine check exception",
        blame=Blame.NONE,
        joins=True,
    ),
    rule(
        "machine-check",
        r"\[Hardware Error\]: Machine check(?: events logged|:)|Machine check events logged",
        "Machine check events logged",
        "mce: [Hardware Error]: Machine check events logged\n",
        "Machine check events logged",
        blame=Blame.NONE,
        fatal=False,
        joins=True,
    ),
)
