"""What does not go on, and what sleeps where it must not."""

from __future__ import annotations

from harness.console.rules.rule import Blame, rule

_STALL = ("stall in {f}",)
_HANG = ("hang in {f}",)

RULES = (
    rule(
        "soft-lockup",
        r"BUG: soft lockup",
        "BUG: soft lockup in {f}",
        """\
watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [dd:71]
CPU: 0 PID: 71 Comm: dd Not tainted 6.1.0 #1
RIP: 0010:delay_tsc+0x3b/0xe0
Call Trace:
 sound_drain+0x20/0x80
 sound_write+0x2a/0x40
 vfs_write+0xca/0x420
 do_syscall_64+0x3b/0x90
""",
        "BUG: soft lockup in sound_write",
        also=_STALL,
        blame=Blame.LOOP,
    ),
    rule(
        "hard-lockup",
        r"(?:[Ww]atchdog detected (?:hard )?LOCKUP|CPU \d+ (?:(?:self-)?detected hard|Hard) LOCKUP"
        r"|CPU\d+: Watchdog CPU:? ?\d+ (?:Hard|became unstuck))",
        "BUG: hard lockup in {f}",
        """\
Watchdog detected hard LOCKUP on cpu 0
CPU: 0 PID: 71 Comm: dd Not tainted 6.1.0 #1
RIP: 0010:native_queued_spin_lock_slowpath+0x69/0x2a0
Call Trace:
 _raw_spin_lock+0x29/0x30
 queue_take+0x20/0x80
 vfs_write+0xca/0x420
 do_syscall_64+0x3b/0x90
""",
        "BUG: hard lockup in queue_take",
        also=(*_STALL, "kernel panic: Hard LOCKUP"),
        blame=Blame.LOOP,
        joins=True,
    ),
    rule(
        "rcu-stall",
        r"INFO: rcu_?\w* (?:self-)?detected (?:expedited )?stalls?",
        "INFO: rcu detected stall in {f}",
        """\
rcu: INFO: rcu_sched self-detected stall on CPU
rcu: \t0-....: (105000 ticks this GP) idle=2f6/1/0x4000000000000002
NMI backtrace for cpu 0
Call Trace:
 <IRQ>
 dump_stack+0x71/0xab
 rcu_dump_cpu_stacks+0x175/0x1c2
 update_process_times+0x2d/0x70
 smp_apic_timer_interrupt+0x8e/0x130
 apic_timer_interrupt+0xf/0x20
 </IRQ>
RIP: 0010:timer_read+0x11/0x20
 sequence_write+0x2a/0x40
 vfs_write+0xca/0x420
""",
        "INFO: rcu detected stall in sequence_write",
        also=_STALL,
        blame=Blame.INTERRUPTED,
        skip=r"\w*rcu\w*",
    ),
    rule(
        "hung-task",
        r"INFO: task .* blocked (?:in I/O wait )?for more than \d+ seconds",
        "INFO: task hung in {f}",
        """\
INFO: task umount:71 blocked for more than 120 seconds.
      Not tainted 6.1.0 #1
task:umount          state:D stack:0     pid:71    ppid:1      flags:0x00000004
Call Trace:
 __schedule+0x351/0x8d0
 schedule+0x5e/0xd0
 io_schedule+0x42/0x70
 folio_wait_bit+0x13a/0x320
 folio_read+0x64/0x90
""",
        "INFO: task hung in folio_read",
        also=_HANG,
        blame=Blame.SLEEP,
    ),
    rule(
        "hung-task",
        r"INFO: task .* can't die for more than \d+ seconds",
        "INFO: task can't die in {f}",
        """\
INFO: task dd:71 can't die for more than 143 seconds.
task:dd              state:R  running task
Call Trace:
 __schedule+0x351/0x8d0
 answer_get+0x64/0x90
""",
        "INFO: task can't die in answer_get",
        also=_HANG,
        skip=r"\w*schedule\w*",
    ),
    rule(
        "workqueue-lockup",
        r"BUG: workqueue lockup",
        "BUG: workqueue lockup",
        "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 38s!\n",
        "BUG: workqueue lockup",
        blame=Blame.NONE,
    ),
    rule(
        "sleeping",
        r"BUG: sleeping function called from invalid context",
        "BUG: sleeping function called from invalid context in {f}",
        """\
BUG: sleeping function called from invalid context at kernel/irq/manage.c:110
in_atomic(): 1, irqs_disabled(): 1, pid: 71, name: dd
Call Trace:
 dump_stack+0x71/0xab
 ___might_sleep+0x13f/0x160
 port_shutdown+0x12/0x60
""",
        "BUG: sleeping function called from invalid context in port_shutdown",
        fatal=False,
    ),
    rule(
        "atomic",
        r"BUG: scheduling (?:while atomic|in a non-blocking section)",
        "BUG: scheduling while atomic in {f}",
        """\
BUG: scheduling while atomic: dd/71/0x00000002
Call Trace:
 dump_stack+0x71/0xab
 __schedule_bug+0x55/0x70
 __schedule+0x6b1/0x8d0
 schedule+0x5e/0xd0
 SyS_pause+0x12/0x20
""",
        "BUG: scheduling while atomic in pause",
        also=("BUG: scheduling while atomic in {f}",),
        skip=r"\w*schedule\w* \w*usleep\w* wait_\w+ do_wait_\w+ do_nanosleep",
        fatal=False,
    ),
    rule(
        "preemptible",
        r"BUG: using (?P<what>\w+)\(\) in preemptible",
        "BUG: using {what}() in preemptible code in {f}",
        """\
BUG: using __this_cpu_read() in preemptible [00000000] code: dd/71
caller is state_init+0x1c/0x20
Call Trace:
 dump_stack+0x71/0xab
 check_preemption_disabled+0xd3/0x100
 state_init+0x1c/0x20
""",
        "BUG: using __this_cpu_read() in preemptible code in state_init",
        fatal=False,
    ),
    rule(
        "netdev-unregister",
        r"unregister_netdevice: waiting for .* to become free",
        "unregister_netdevice: waiting for DEV to become free",
        "unregister_netdevice: waiting for lo to become free. Usage count = 6\n",
        "unregister_netdevice: waiting for DEV to become free",
        blame=Blame.NONE,
        fatal=False,
        joins=True,
    ),
)
