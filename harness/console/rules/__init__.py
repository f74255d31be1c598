"""The kinds of crash: data.  Adding a kind is adding an entry, with an example log and the title that it gives.

A line is compared with the rules in order; the first whose head fits and whose body (if it has one) is found wins.
"""

from __future__ import annotations

import re

from harness.console.rules import locks, memory, panics, sanitizers, stalls, traps, warnings
from harness.console.rules.rule import Blame, Rule

RULES = (
    *(sanitizers.RULES + memory.RULES + locks.RULES + stalls.RULES + traps.RULES + panics.RULES),
    *warnings.RULES,  # it has the rules that take any text
)

MARKS = (
    b"BUG",
    b"WARNING:",
    b"INFO:",
    b"UBSAN:",
    b"Kernel panic",
    b"kernel NULL",
    b"o handle kernel",
    b"protection fault",
    b"double fault",
    b"divide",
    b"stack segment",
    b"int3:",
    b"invalid opcode",
    b"Insufficient stack",
    b"Alignment trap",
    b"Unhandled ",
    b"Internal error",
    b"Oops",
    b"Machine ",
    b"Got mcheck",
    b"SError Interrupt",
    b"Bad mode in",
    b" bus error, ",
    b": Code=",
    b"Spinlock was trashed",
    b"LOCKUP",
    b"page allocation failure",
    b"nobody cared",
    b"unregister_netdevice",
    b"VFS: ",
    b"rust_kernel:",
    b"Kernel bug",
    b"Badness at",
    b" [#",
    b"[#1]",
    b"Linux version ",
    b'"MESSAGE":[',  # journald gives the bytes of a text that is not printable
)
"""What a head, or the first line of another boot, must hold one of: for a first pass over much text.

None is shorter than three bytes: one of two bytes makes that pass take two and a half times as long.
"""

# Messages that begin like a crash and are none.
NO_CRASH = re.compile(
    r"---\[ end |INFO: (?:lockdep is turned off|(?:Expedited s|S)tall ended|NMI handler|recovery required on"
    r"|task .* (?:is )?blocked on an? |.*took too long|Slab 0x|Object 0x|0x"
    r"|.*is not present in /proc/kallsyms|NMI watchdog|rcu_.*kthread)"
    r"|WARNING: (?:[`'].*|[Tt]he mand mount option|workqueue cpumask|/etc/ssh/moduli|fbcon: Driver|Unsupported flag"
    r"|.*(?:is deprecated|will be removed|mitigation|data leaks possible|data leak\b)"
    r"|(?:See http|kernel not compiled with|Unprivileged eBPF|Spectre ))"
    r"|(?:[Ff]irmware|FIRMWARE|BIOS|HW) BUG:|BUG: (?:no syscalls|.* messages suppressed)|FAULT_INJECTION"
    # What a user gave, and the kernel only repeats: mount options, audit records, a command line.
    r"|^(?:[^:'\"]{1,40}: )?(?:audit: type=\d|(?:Kernel c|C)ommand line: "
    r"|(?:Unknown parameter|Bad value for|[Uu]nrecognized mount option) ['\"])"
)

# What stands before the words of a rule that takes any text, where they are no head.
NO_HEAD = re.compile(r"[\w:](?:DEBUG|BUG|INFO|WARNING):|DEBUG:")

__all__ = ["MARKS", "NO_CRASH", "NO_HEAD", "RULES", "Blame", "Rule"]
