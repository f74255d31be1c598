"""What lockdep and its relatives report."""

from __future__ import annotations

from harness.console.frames import ADDRESS
from harness.console.rules.rule import AT, Blame, rule

_AT_ANY = rf"at: (?:{ADDRESS} )?(?P<f1>[\w$]+)(?:\.[\w.]+)?\+0x"
_TAKES = (
    rf"(?:is trying to acquire|just changed the state of lock|takes)\b[^\n]*\n(?:[^\n]*\n){{0,3}}?[^\n]*{_AT_ANY}"
    rf"(?:[^\n]*\n(?:[^\n]*\n){{0,8}}?[^\n]*is already holding[^\n]*\n(?:[^\n]*\n){{0,3}}?"
    rf"[^\n]*{_AT_ANY.replace('f1', 'f2')})?"
)
_EXAMPLE = """\
======================================================
[ INFO: possible circular locking dependency detected ]
4.10.0 #1 Not tainted
------------------------------------------------------
dd/71 is trying to acquire lock:
 (&buf->lock){+.+...}, at: [<ffffffff9edb41bb>] buffer_flush+0xbb/0x3a0
but task is already holding lock:
 (&tty->lock){++++..}, at: [<ffffffff9eda4961>] flush_all+0xa1/0x4d0
stack backtrace:
Call Trace:
 dump_stack+0x71/0xab
"""

RULES = (
    rule(
        "deadlock",
        r"(?:WARNING|INFO): (?:possible (?:circular locking dependency|recursive locking|irq lock inversion dependency)"
        r") detected",
        "possible deadlock in {f}",
        _EXAMPLE,
        "possible deadlock in buffer_flush",
        also=("possible deadlock in {f1}",),
        body=_TAKES,
        fatal=False,
    ),
    rule(
        "deadlock",
        r"(?:WARNING|INFO): [\w-]+-safe -> [\w-]+-unsafe lock order detected",
        "possible deadlock in {f}",
        """\
WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected
dd/71 [HC0[0]:SC0[0]:HE0:SE1] is trying to acquire:
0000 (user_lock){+.+.}, at: user_lock_it+0xb4/0x1a0
... which became HARDIRQ-irq-safe at:
  _raw_spin_lock_irqsave+0x47/0x60
  writeback_clear+0x1a8/0xcfb
""",
        "possible deadlock in writeback_clear",
        also=("possible deadlock in {taken}",),
        body=r"is trying to acquire\b[^\n]*\n[^\n]*at: (?:\S+\] )?(?P<taken>\w+)",
        since=r"which became \S+-safe at:",
        fatal=False,
    ),
    rule(
        "lock-state",
        r"(?:WARNING|INFO): inconsistent lock state",
        "inconsistent lock state in {f}",
        """\
WARNING: inconsistent lock state
inconsistent {SOFTIRQ-ON-W} -> {IN-SOFTIRQ-W} usage.
swapper/0/0 [HC0[0]:SC1[1]:HE1:SE0] takes:
ffff8880 (&data->lock){+.?.}-{2:2}, at: data_put+0x91/0xa7
stack backtrace:
Call Trace:
 dump_stack_lvl+0x34/0x44
""",
        "inconsistent lock state in data_put",
        also=("inconsistent lock state in {f1}",),
        body=_TAKES,
        fatal=False,
    ),
    rule(
        "rcu-usage",
        r"(?P<level>WARNING|INFO): suspicious (?:RCU|rcu_\w+\(\)) usage",
        "{level}: suspicious RCU usage in {f}",
        """\
WARNING: suspicious RCU usage
6.1.0 #1 Not tainted
-----------------------------
net/x.c:71 suspicious rcu_dereference_check() usage!
stack backtrace:
Call Trace:
 dump_stack_lvl+0x34/0x44
 lockdep_rcu_suspicious+0x150/0x1d0
 flow_label+0x25/0x40
""",
        "WARNING: suspicious RCU usage in flow_label",
        body=r"\n[\w./-]+\.[ch]:\d+ ",
        skip=r"\w*rcu\w*",
        fatal=False,
    ),
    rule(
        "unlock-balance",
        r"(?P<level>BUG|WARNING): bad (?P<what>unlock balance|contention) detected!",
        "{level}: bad {what} in {f}",
        """\
WARNING: bad unlock balance detected!
4.10.0 #1 Not tainted
-------------------------------------
dd/71 is trying to release lock (sk_lock-AF_INET) at:
[<ffffffff83f7ac8b>] message_send+0x2a3b/0x38a0
but there are no more locks to release!
Call Trace:
 dump_stack+0x71/0xab
""",
        "WARNING: bad unlock balance in message_send",
        body=r"is trying to (?:release|contend) lock[^\n]*\n[^\n]*?(?:\] |^|\n)(?P<f>\w+)(?:\.[\w.]+)?\+0x",
        fatal=False,
    ),
    rule(
        "unlock-balance",
        r"(?P<level>BUG|WARNING): bad (?P<what>unlock balance|contention) detected!",
        "{level}: bad {what} in {f}",
        "BUG: bad unlock balance detected!\n",
        "BUG: bad unlock balance in corrupted",
        fatal=False,
    ),
    rule(
        "lock-freed",
        r"(?P<level>BUG|WARNING): held lock freed!",
        "{level}: held lock freed in {f}",
        """\
WARNING: held lock freed!
4.15.0 #1 Not tainted
-------------------------
dd/71 is freeing memory ffff8801-ffff8802, with a lock still held there!
 (&sk->lock){+.+.}, at: [<00000000d9d5b4a1>] socket_wait+0x12/0x20
Call Trace:
 dump_stack+0x71/0xab
""",
        "WARNING: held lock freed in socket_wait",
        body=AT,
        blame=Blame.NAMED,
        fatal=False,
    ),
    rule(
        "lock-held",
        r"(?P<level>BUG|WARNING): (?P<what>lock held (?:when returning to user space|at task exit time))",
        "{level}: {what} in {f}",
        """\
WARNING: lock held when returning to user space!
4.9.112 #1 Not tainted
dd/71 is leaving the kernel with locks still held!
1 lock held by dd/71:
 #0:  (&fi->mutex){+.+.+.}, at: [<ffffffff81938722>] inode_lock_it+0xa2/0xd0
""",
        "WARNING: lock held when returning to user space in inode_lock_it",
        body=rf"still held(?:.*\n)+?.*{AT}",
        blame=Blame.NAMED,
        trace=False,
        fatal=False,
    ),
    rule(
        "lock-held",
        r"(?P<level>BUG|WARNING): .*still has locks held",
        "{level}: still has locks held in {f}",
        """\
[ BUG: dd/71 still has locks held! ]
1 lock held by dd/71:
 #0:  (&fi->mutex){+.+.+.}, at: [<ffffffff81938722>] inode_lock_it+0xa2/0xd0
Call Trace:
 dump_stack+0x71/0xab
""",
        "BUG: still has locks held in inode_lock_it",
        body=AT,
        blame=Blame.NAMED,
        fatal=False,
    ),
    rule(
        "lock-nested",
        r"(?P<level>BUG|WARNING): Nested lock was not taken",
        "{level}: nested lock was not taken in {f}",
        """\
WARNING: Nested lock was not taken
dd/71 is trying to lock:
ffff8880 (&x->lock){+.+.}-{3:3}, at: nested_take+0x12/0x20
Call Trace:
 dump_stack+0x71/0xab
""",
        "WARNING: nested lock was not taken in nested_take",
        body=AT,
        blame=Blame.NAMED,
        fatal=False,
    ),
    rule(
        "wait-context",
        r"BUG: Invalid wait context",
        "WARNING: locking bug in {f}",
        """\
[ BUG: Invalid wait context ]
6.1.0 #1 Not tainted
-----------------------------
dd/71 is trying to lock:
ffff8880 (&x->lock){....}-{3:3}, at: wrong_take+0x12/0x20
stack backtrace:
Call Trace:
 dump_stack_lvl+0x34/0x44
 __lock_acquire+0x5a4/0x14e0
 lock_acquire+0xd3/0x2f0
 wrong_take+0x12/0x20
""",
        "WARNING: locking bug in wrong_take",
        also=("BUG: Invalid wait context", "BUG: Invalid wait context in {f}"),
        fatal=False,
    ),
    rule(
        "lock-key",
        r"INFO: trying to register non-static key",
        "INFO: trying to register non-static key in {f}",
        """\
INFO: trying to register non-static key.
the code is fine but needs lockdep annotation.
turning off the locking correctness validator.
Call Trace:
 dump_stack+0x71/0xab
 register_lock_class+0x6d/0x520
 flow_clean+0x1a/0x40
""",
        "INFO: trying to register non-static key in flow_clean",
        skip=r"\w*stack\w* \w*lock\w* \w*IRQ\w*",
        fatal=False,
    ),
    rule(
        # parisc
        "spinlock",
        r"\(pid \d+\): Spinlock was trashed",
        "BUG: spinlock trashed in {f}",
        """\
dd (pid 71): Spinlock was trashed (code 1)
CPU: 0 PID: 71 Comm: dd Not tainted 6.6.0 #1
 IAOQ[0]: queue_drop+0x17/0x40
Backtrace:
 [<105c6408>] queue_all+0x20/0x30
""",
        "BUG: spinlock trashed in queue_drop",
    ),
    rule(
        "spinlock",
        r"BUG: (?P<what>(?:spinlock|rwlock) (?:lockup suspected|lockup|already unlocked|(?:cpu )?recursion"
        r"|bad magic|wrong owner|wrong CPU|trylock failure on UP))",
        "BUG: {what} in {f}",
        """\
BUG: spinlock bad magic on CPU#0, dd/71
 lock: 0xffff8800bb37e088, .magic: ffff8800, .owner: <none>/-1, .owner_cpu: 131071
Call Trace:
 dump_stack+0x71/0xab
 spin_dump+0x78/0xc0
 do_raw_spin_lock+0x96/0xb0
 address_drop+0x21/0x50
""",
        "BUG: spinlock bad magic in address_drop",
    ),
    rule(
        "locking",
        r"WARNING: .*kernel/locking/lockdep\.c.*lock",
        "WARNING: locking bug in {f}",
        """\
WARNING: CPU: 1 PID: 71 at kernel/locking/lockdep.c:895 register_lock_class+0x267/0xa10
RIP: 0010:register_lock_class+0x267/0xa10
Call Trace:
 lock_acquire+0xd3/0x220
 lock_sock_nested+0x3e/0x70
 option_set+0x3e/0x80
""",
        "WARNING: locking bug in option_set",
        skip=r"lock_sock\w* release_sock\w*",
        fatal=False,
    ),
    rule(
        "lockdep-limit",
        r"BUG: (?P<what>(?:MAX_\w+|[\w ]+) too (?:low|big|large)!)",
        "BUG: {what}",
        "BUG: MAX_LOCKDEP_CHAINS too low!\n",
        "BUG: MAX_LOCKDEP_CHAINS too low!",
        blame=Blame.NONE,
        fatal=False,
    ),
    rule(
        "work-leaks-lock",
        r"BUG: workqueue leaked (?P<what>lock or atomic|atomic, lock or RCU)",
        "BUG: workqueue leaked {what} in {f}",
        """\
BUG: workqueue leaked lock or atomic: kworker/0:1/0x00000000/71
     last function: address_check
""",
        "BUG: workqueue leaked lock or atomic in address_check",
        body=r"(?:last function: |workfn=)(?P<f>\w+)",
        blame=Blame.NAMED,
        trace=False,
        fatal=False,
    ),
)
