"""Lines that are a part of a crash, beside frames and instruction pointers."""

from __future__ import annotations

import re

PART = re.compile(
    r"""
    ^\s*$
    # headings and markers
    |^\s*(?:Call\ [Tt]race|Backtrace|stack\ backtrace|backtrace|</?[#A-Z]\w*>|Stack:|Exception\ stack|---\[|[-=]{8,})
    # task, machine, modules
    |CPU:\s*\d|Pid:\ \d|(?:Not\ t|T)ainted
    |^\s*(?:Hardware\ name|Modules\ linked\ in|task|Workqueue|Process|Thread|comm)\b
    |^\s*(?:Code|Kernel\ Offset|Dumping\ ftrace|Rebooting\ in|Krnl|last\ sysfs\ file|Oops|\#PF|in_atomic|caller\ is)\b
    |\(ftrace\ buffer\ empty\)|last\ function:
    |^note:\ .*exited\ with|Preemption\ disabled|"echo\ 0\ >|not\ syncing|\.{3}\ the\ code\ is\ fine
    # registers and memory
    |\b(?:[RE][A-Z][A-Z0-9]|R\d\d|[CD]R\d|[CDEFGS]S|PGD|PUD|PMD|P4D|pgd|x\d+\ ?|r\d+\ ?|s[0-9p]\ *|pc|lr|psr|pstate
        |epc|ra|gp|tp|a\d|t\d|status|badaddr|cause|GPR\d\d|CFAR|MSR|NIP|LR|CTR)\s*[:=]
    |^\s*(?:[0-9a-f]{8,16}[:\s]|[0-9a-f]{4}:\s|>?[0-9a-f]{8}\s[0-9a-f]{8})|\[<?[0-9a-f]{8,16}>?\]|^\*pd[pe]|^Control:|^Flags:
    # arm's and riscv's aborts
    |^\s*(?:ESR|EC|SET|EA|ISV|CM|FSC|Mem\ abort|Data\ abort|Exception\ class|user\ pgtable|swapper\ pgtable)\b
    # lockdep
    |locks?\ held|^\ ?\#\d+:\ |^\s*->\ \#|^\s+lock\(|\*\*\*\ DEADLOCK|^\s+CPU0|^\s+----|<Interrupt>
    |irqs?\ last\ |irq\ event\ stamp
    |(?:is|are)\ (?:trying\ to|leaving|freeing|at:)|already\ hold|depend|other\ info|unsafe\ locking|lock\ nesting
    |just\ changed|state\ was\ registered|takes:|\{[-.?+\w]{4,}\}|which\ (?:became|lock)|no\ more\ locks
    |debug_locks|usage!?$
    # sanitizers, slab, pages
    |^\s*(?:[Rr]ead|[Ww]rite|Free|Invalid\ free|Corrupted)\s(?:of|to|at)\b
    |by\ (?:task|interrupt)|^\s*(?:Allocated|Freed|Object\b)
    |buggy\ address|belongs\ to|Memory\ state|bytes\ (?:inside|to\ the)|is\ located|stack\ is\ not\ available
    |^\s*\^\s*$|^\s*>
    |^\s*(?:page|flags|raw|head|memcg|Padding|Redzone|Bytes|Bytes\ b4|PID\ =|Uninit|Local\ variable|kfence)\b
    |unreferenced|hex\ dump|first\ \d+\ bytes|page_owner|age=\d|objects=\d|value\ changed|stored\ to|created\ at
    # stalls
    |rcu:|rcu_|\bt=\d+\ jiffies|NMI\ (?:backtrace|watchdog)|Sending\ NMI|blocked|state:|running\ task|ticks\ this\ GP
    """,
    re.VERBOSE,
)
END = re.compile(r"---\[ end (?:trace|Kernel panic)")
"""The kernel's own word that a crash is told."""
LAST = re.compile(r"---\[ end Kernel panic|Rebooting in \d+ seconds")
"""After this the kernel says nothing."""
NMI = re.compile(r"Sending NMI from CPU|NMI backtrace for")
"""Other processors are made to show their traces."""
OTHER_TRACE = re.compile(
    r"vmalloc(?:: allocation failure| error: size)|FAULT_INJECTION: forcing a failure|FAULT_FLAG_ALLOW_RETRY missing"
    r"|invoked oom-killer: |percpu: allocation failed|cannot create duplicate filename|genirq: Flags mismatch irq"
    r"|hw csum failure|access invalid blkaddr"
)
"""A message with a trace of its own that is no crash: it ends what was before."""
REPLAY = re.compile(r"replaying previous printk message")
"""A head that was cut comes again, whole."""
SHOWN = re.compile(
    r"\bCPU: *\d+ |\bPid: \d+, comm|Call [Tt]race:|^Hardware name: |^Modules linked in: "
    r"|\b[A-Z][A-Z0-9]{1,3}: [0-9a-f]{8}|^Code: [0-9a-f<]{2,8} |0x[0-9a-f]{8}|[0-9a-f]{16}|---\[ "
)
"""What a console prints and no person writes."""
DIED = re.compile(r"---\[ end trace|\[#\d+\]")
"""The kernel counts this crash as its death: from then on it is tainted `D`."""
TALK = re.compile(
    r"(?:^|\s)[a-z']{2,} +[a-z']{2,} +\S*$|(?:^|\s)[`'\"“][\w:-]*\s*$"
    r"|(?:^|\s)(?:a|the|an|this|of|in|with|was|see) \S* *$"
)
"""What stands before the name of a crash in a sentence about it."""
BOOT = re.compile(r"^(?:Linux version \d|Booting Linux on|Decompressing Linux\.\.\.|Booting the kernel\.)")
"""A kernel begins."""
REPORTED = re.compile(r"Kerneloops: Reported \d+ kernel oops")
"""What abrt logs when it has reported the crashes before."""
