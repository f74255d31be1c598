"""The same few faults as kernels from 2.6.18 to 7.2 word them: made-up logs, each under the title that it gives.

What the words are is read from the kernels' own sources: a head is compared by what all versions of it share.
"""

import pytest

from harness.console import find_crashes

LOGS = r"""
@ BUG: unable to handle kernel NULL pointer dereference in queue_drop
CPU 0 Unable to handle kernel paging request at virtual address 00000010, epc == 80123456, ra == 80123600
Oops[#1]:
CPU: 0 PID: 71 Comm: dd Not tainted 6.6.0 #1
$ 0   : 0000000000000000 0000000000000001 0000000000000000 0000000000000000
$ 4   : 0000000000000000 0000000000000001 0000000000000000 0000000000000000
Hi    : 0000000000000000
epc   : ffffffff80123456 queue_drop+0x17/0x40
ra    : ffffffff80123600 queue_all+0x20/0x30
Status: 1400ffe3 KX SX UX KERNEL EXL IE
Cause : 00800008 (ExcCode 02)
BadVA : 0000000000000010
PrId  : 0001a000 (MIPS 64Kc)
Modules linked in:
Process dd (pid: 71, threadinfo=00000000, task=00000000, tls=00000000)
Stack : 00000000 00000000 00000000
Call Trace:
[<ffffffff80123456>] queue_drop+0x17/0x40
[<ffffffff80123600>] queue_all+0x20/0x30
Code: 00000000  8c820010
---[ end trace 0000000000000000 ]---
@ BUG: unable to handle kernel NULL pointer dereference in queue_drop
CPU 0 Unable to handle kernel paging request at virtual address 00000010, era == 90000000002234, ra == 90000000002236
Oops[#1]:
CPU: 0 PID: 71 Comm: dd Not tainted 6.6.0 #1
Hardware name: QEMU QEMU Virtual Machine, BIOS unknown 2/2/2022
pc 9000000000223456 ra 9000000000223600 tp 9000000101234000 sp 9000000101237a50
a0 0000000000000000 a1 0000000000000001 a2 0000000000000000 a3 0000000000000000
   ra: 9000000000223600 queue_all+0x20/0x30
  ERA: 9000000000223456 queue_drop+0x17/0x40
 CRMD: 000000b0 (PLV0 -IE -DA +PG DACF=CC DACM=CC -WE)
 PRMD: 00000004 (PPLV0 +PIE -PWE)
ESTAT: 00010000 [PIL] (IS= ECode=1 EsubCode=0)
 BADV: 0000000000000010
 PRID: 0014c010 (Loongson-64bit, Loongson-3A5000)
Modules linked in:
Process dd (pid: 71, threadinfo=0000000000000000, task=0000000000000000)
Stack : 0000000000000000 0000000000000000
Call Trace:
[<9000000000223456>] queue_drop+0x17/0x40
[<9000000000223600>] queue_all+0x20/0x30
Code: 00000000  28c0
---[ end trace 0000000000000000 ]---
@ Reserved instruction in kernel code in queue_drop
Reserved instruction in kernel code[#1]:
CPU: 0 PID: 71 Comm: dd Not tainted 6.6.0 #1
epc   : ffffffff80123456 queue_drop+0x17/0x40
Call Trace:
[<ffffffff80123456>] queue_drop+0x17/0x40
@ fixpoint divide exception in queue_drop
fixpoint divide exception: 0009 ilc:2 [#1] SMP
CPU: 0 PID: 71 Comm: dd Not tainted 6.6.0 #1
Krnl PSW : 0704c00180000000 0000000000123456 (queue_drop+0x16/0x40)
Call Trace:
 [<0000000000123456>] queue_drop+0x16/0x40
@ kernel BUG in queue_drop
------------[ cut here ]------------
kernel BUG at fs/x.c:71!
Kernel BUG [#1]
Modules linked in:
CPU: 0 PID: 71 Comm: dd Not tainted 6.6.0 #1
epc : queue_drop+0x17/0x40
 ra : queue_all+0x20/0x30
[<ffffffff80010a14>] queue_drop+0x17/0x40
@ kernel BUG in queue_drop
------------[ cut here ]------------
kernel BUG at fs/x.c:71!
Internal error: Oops - BUG: 00000000f2000800 [#1] PREEMPT SMP
pc : queue_drop+0x17/0x40
Call trace:
 queue_drop+0x17/0x40 (P)
 queue_all+0x20/0x30
@ kernel BUG in queue_drop
kernel BUG at fs/x.c:71!
Internal error: Oops - BUG: 0 [#1] SMP ARM
PC is at queue_drop+0x17/0x40
 queue_drop from queue_all+0x20/0x30
@ kernel BUG in queue_drop
kernel BUG at fs/x.c:71!
monitor event: 0040 ilc:2 [#1] SMP
Krnl PSW : 0704c00180000000 0000000000123456 (queue_drop+0x16/0x40)
Call Trace:
 [<0000000000123456>] queue_drop+0x16/0x40
@ kernel BUG in queue_drop
kernel BUG at fs/x.c:71!
Oops: Exception in kernel mode, sig: 5 [#1]
NIP [c000000000123456] queue_drop+0x17/0x40
@ kernel BUG in queue_drop
Kernel bug detected[#1]:
epc   : 80123456 queue_drop+0x17/0x40
Call Trace:
[<80123456>] queue_drop+0x17/0x40
@ kernel BUG in queue_drop
------------[ cut here ]------------
kernel BUG at fs/x.c:71!
Oops: invalid opcode: 0000 [#1] SMP KASAN NOPTI
RIP: 0010:queue_drop+0x17/0x40
Call Trace:
 <TASK>
 queue_all+0x20/0x30
@ WARNING in queue_drop
WARNING: [bio->bi_pool != 0] fs/x.c:71 at queue_drop+0x17/0x40, CPU#0: dd/71
RIP: 0010:queue_drop+0x17/0x40
Call Trace:
 queue_all+0x20/0x30
@ WARNING in queue_drop
------------[ cut here ]------------
bad state 7
WARNING: fs/x.c:71 at queue_drop+0x17/0x40, CPU#0: dd/71
RIP: 0010:queue_drop+0x17/0x40
Call Trace:
 queue_all+0x20/0x30
@ WARNING in queue_drop
WARNING: at fs/x.c:71 queue_drop+0x17/0x40 [x]()
Hardware name: Bochs
Pid: 71, comm: dd Not tainted 3.2.0 #1
Call Trace:
 [<ffffffff8106dd4f>] warn_slowpath_common+0x7f/0xc0
 [<ffffffff8106ddaa>] warn_slowpath_null+0x1a/0x20
 [<ffffffffa02a344e>] queue_drop+0x17/0x40 [x]
@ WARNING in queue_drop
Badness at fs/x.c:71
NIP: c000000000123456 LR: c000000000123600 CTR: 0000000000000000
NIP [c000000000123456] queue_drop+0x17/0x40
LR [c000000000123600] queue_all+0x20/0x30
Call Trace:
[c00000000b8f3cf0] [c000000000123456] queue_drop+0x17/0x40 (unreliable)
@ INFO: suspicious RCU usage in queue_drop
===================================================
[ INFO: suspicious rcu_dereference_check() usage. ]
---------------------------------------------------
kernel/x.c:71 invoked rcu_dereference_check() without protection!
stack backtrace:
Pid: 71, comm: dd Not tainted 2.6.34 #1
Call Trace:
 [<ffffffff8106dd4f>] lockdep_rcu_dereference+0xaa/0xb3
 [<ffffffff8106dd4f>] queue_drop+0x17/0x40
@ possible deadlock in queue_drop
======================================================
WARNING: SOFTIRQ-READ-safe -> SOFTIRQ-READ-unsafe lock order detected
------------------------------------------------------
dd/71 [HC0[0]:SC0[2]:HE1:SE0] is trying to acquire:
ffff8880 (&x->lock){+.+.}-{2:2}, at: queue_take+0x12/0x20
and this task is already holding:
ffff8880 (&y->lock){..-.}-{2:2}, at: queue_hold+0x12/0x20
which would create a new lock dependency:
 (&y->lock){..-.}-{2:2} -> (&x->lock){+.+.}-{2:2}
but this new dependency connects a SOFTIRQ-irq-safe lock:
 (&y->lock){..-.}-{2:2}
... which became SOFTIRQ-irq-safe at:
  lock_acquire+0x1ae/0x510
  _raw_spin_lock+0x2a/0x40
  queue_drop+0x17/0x40
@ BUG: hard lockup in queue_all
watchdog: CPU 7 self-detected hard LOCKUP @ queue_drop+0x17/0x40
watchdog: CPU 7 TB:53454, last heartbeat TB:43543 (10000ms ago)
Modules linked in:
CPU: 7 PID: 71 Comm: dd Not tainted 6.6.0 #1
NIP:  c000000000123456 LR: c000000000123600 CTR: 0000000000000000
NIP [c000000000123456] queue_drop+0x17/0x40
LR [c000000000123600] queue_all+0x20/0x30
Call Trace:
[c00000000b8f3cf0] [c000000000123456] queue_drop+0x17/0x40 (unreliable)
[c00000000b8f3d20] [c000000000123600] queue_all+0x20/0x30
[c00000000b8f3d50] [c00000000017a1a4] system_call_exception+0x1a4/0x1b0
@ INFO: rcu detected stall in queue_all
rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 0-.... } 2657 jiffies s: 1333 root: 0x1/.
rcu: blocking rcu_node structures (internal RCU debug):
Sending NMI from CPU 1 to CPUs 0:
NMI backtrace for cpu 0
CPU: 0 PID: 71 Comm: dd Not tainted 6.6.0 #1
RIP: 0010:queue_drop+0x17/0x40
Call Trace:
 <NMI>
 nmi_cpu_backtrace.cold+0x2d/0x2e
 </NMI>
 <TASK>
 queue_next+0x17/0x40
 queue_all+0x20/0x30
 vfs_write+0xca/0x420
 do_syscall_64+0x3b/0x90
@ BUG: soft lockup in queue_all
BUG: soft lockup - CPU#0 stuck for 67s! [dd:71]
Modules linked in:
Pid: 71, comm: dd Not tainted 2.6.32-279.el6.x86_64 #1
RIP: 0010:[<ffffffff8127e3a0>]  [<ffffffff8127e3a0>] queue_drop+0x10/0x20
RSP: 0018:ffff8800
Call Trace:
 [<ffffffff8127e3a0>] queue_next+0x10/0x20
 [<ffffffff8127e3a0>] queue_all+0x10/0x20
 [<ffffffff8117b068>] vfs_write+0xb8/0x1a0
 [<ffffffff8117ba81>] sys_write+0x51/0x90
 [<ffffffff8100b0f2>] system_call_fastpath+0x16/0x1b
@ INFO: task hung in queue_all
INFO: task dd:71 blocked for more than 120 seconds.
"echo 0 > /proc/sys/kernel/hung_task_timeout_secs" disables this message.
dd            D 0000000000000000     0    71      1 0x00000080
 ffff88003
Call Trace:
 [<ffffffff814fee2e>] __mutex_lock_slowpath+0x13e/0x180
 [<ffffffff814fee2e>] mutex_lock+0x2b/0x50
 [<ffffffff814fee2e>] queue_all+0x2b/0x50
@ kernel panic: stack is corrupted in queue_drop
Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: queue_drop+0x17/0x40
CPU: 0 PID: 71 Comm: dd Not tainted 6.6.0 #1
@ kernel panic: panic_on_warn set
Kernel panic - not syncing: KASAN: panic_on_warn set ...
@ BUG: unable to handle kernel paging request in queue_drop
Unable to handle kernel execution of user memory at virtual address 0000000000000010
Oops [#1]
epc : queue_drop+0x17/0x40
[<ffffffff80010a14>] queue_drop+0x17/0x40
@ BUG: unable to handle kernel paging request in queue_drop
Unable to handle kernel write to read-only memory at virtual address ffff800000000010
Mem abort info:
Internal error: Oops: 000000009600004e [#1] SMP
pc : queue_drop+0x17/0x40
Call trace:
 queue_drop+0x17/0x40
@ BUG: unable to handle kernel NULL pointer dereference in queue_drop
BUG: unable to handle kernel NULL pointer dereference at 0000000000000010
IP: [<ffffffff8127e3a0>] queue_drop+0x10/0x20
PGD 0
Oops: 0000 [#1] SMP
last sysfs file: /sys/x
CPU 0
Pid: 71, comm: dd Not tainted 2.6.32-279.el6.x86_64 #1
RIP: 0010:[<ffffffff8127e3a0>]  [<ffffffff8127e3a0>] queue_drop+0x10/0x20
Call Trace:
 [<ffffffff8127e3a0>] queue_all+0x10/0x20
@ BUG: unable to handle kernel NULL pointer dereference in queue_drop
Unable to handle kernel NULL pointer dereference at 0000000000000010 RIP:
 [<ffffffff8127e3a0>] queue_drop+0x10/0x20
PGD 0
Oops: 0000 [1] SMP
CPU 0
Pid: 71, comm: dd Not tainted 2.6.18-164.el5 #1
RIP: 0010:[<ffffffff8127e3a0>]  [<ffffffff8127e3a0>] queue_drop+0x10/0x20
Call Trace:
 [<ffffffff8127e3a0>] queue_all+0x10/0x20
@ KCSAN: assert: race in queue_drop / queue_all
BUG: KCSAN: assert: race in queue_drop / queue_all
assert no writes to 0xffff
@ BUG: Bad page cache
BUG: Bad page cache in process dd  pfn:11ca9c
page:ffffea0004472700 refcount:3 mapcount:1 mapping:ffff index:0x1 pfn:0x11ca9c
Call Trace:
 dump_stack+0x71/0xab
 filemap_unaccount_folio+0x71/0xab
@ UBSAN: shift-out-of-bounds in queue_drop
------------[ cut here ]------------
UBSAN: shift-out-of-bounds in fs/x.c:71:7
shift exponent 64 is too large for 32-bit type 'int'
Call Trace:
 <TASK>
 __dump_stack lib/dump_stack.c:94 [inline]
 dump_stack_lvl+0x241/0x360 lib/dump_stack.c:120
 ubsan_epilogue lib/ubsan.c:231 [inline]
 __ubsan_handle_shift_out_of_bounds+0x3c8/0x420 lib/ubsan.c:468
 queue_drop+0x17/0x40 fs/x.c:71
@ BUG: assuming atomic context at kernel/seccomp.c:LINE
BUG: assuming atomic context at kernel/seccomp.c:271
in_atomic(): 0, irqs_disabled(): 0, pid: 71, name: dd
no locks held by dd/71.
Call Trace:
 dump_stack+0x71/0xab
 __cant_sleep+0x71/0xab
 queue_drop+0x17/0x40
@ memory leak in queue_drop
BUG: memory leak
unreferenced object 0xffff8880b3b5a2c0 (size 192):
  comm "sh", pid 71, jiffies 4294943071
  hex dump (first 32 bytes):
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
  backtrace (crc 0):
    kmemleak_alloc_recursive include/linux/kmemleak.h:43 [inline]
    slab_post_alloc_hook mm/slub.c:3798 [inline]
    __kmalloc_cache_noprof+0x1f/0x2e0 mm/slub.c:4151
    kmalloc_noprof include/linux/slab.h:681 [inline]
    queue_drop+0x17/0x40 fs/x.c:71
@ INFO: trying to register non-static key in queue_drop
INFO: trying to register non-static key.
The code is fine but needs lockdep annotation, or maybe
you didn't initialize this object before use?
turning off the locking correctness validator.
CPU: 0 PID: 71 Comm: dd Not tainted 6.6.0 #1
Call Trace:
 <TASK>
 dump_stack_lvl+0x71/0xab
 assign_lock_key+0x238/0x270
 register_lock_class+0x71/0xab
 __lock_acquire+0xda/0x1fd0
 lock_acquire+0x1ed/0x550
 _raw_spin_lock_irqsave+0xd5/0x120
 queue_drop+0x17/0x40
@ UBSAN: shift out of bounds in queue_drop
UBSAN: shift out of bounds at queue_drop+0x17/0x40
Oops: invalid opcode: 0000 [#1] SMP
CPU: 0 UID: 0 PID: 71 Comm: dd Not tainted 7.2.0 #1 PREEMPT(full)
RIP: 0010:queue_drop+0x17/0x40
Call Trace:
 <TASK>
 queue_all+0x20/0x30
@ WARNING: bad contention in queue_drop
WARNING: bad contention detected!
7.2.0 #1 Not tainted
-----------------------------
dd/71 is trying to contend lock (queue_lock) at:
[<ffffffff83f7ac8b>] queue_drop+0x17/0x40
but there are no locks held!
@ INFO: task hung in queue_drop
INFO: task dd:71 blocked in I/O wait for more than 122 seconds.
      Not tainted 7.2.0 #1
"echo 0 > /proc/sys/kernel/hung_task_timeout_secs" disables this message.
task:dd              state:D stack:0     pid:71    tgid:71    ppid:1      task_flags:0x400040 flags:0x00080000
Call Trace:
 <TASK>
 __schedule+0x351/0x8d0
 io_schedule+0x42/0x70
 queue_drop+0x17/0x40
"""
CASES = [case.partition("\n")[::2] for case in LOGS.split("\n@ ")[1:]]


@pytest.mark.parametrize(
    ("title", "log"), CASES, ids=[f"{n}-{title.split(' in ')[0]}" for n, (title, _) in enumerate(CASES)]
)
def test_each_wording_gives_its_title(title: str, log: str) -> None:
    assert [crash.title for crash in find_crashes(f"{log}\n".encode())] == [title]


# Messages that have a trace of their own and are no crash.
TOLD_BESIDE = """\
dd: vmalloc error: size 4096, page order 0, failed to allocate pages, mode:0xcc0(GFP_KERNEL)
dd invoked oom-killer: gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE), order=0, oom_score_adj=0
percpu: allocation failed, size=8 align=8 atomic=1, atomic alloc failed, no space left
sysfs: cannot create duplicate filename '/devices/x'
genirq: Flags mismatch irq 4. 00000000 (x) vs. 00000080 (y)
eth0: hw csum failure
F2FS-fs (loop0): access invalid blkaddr:71
"""


@pytest.mark.parametrize("message", TOLD_BESIDE.splitlines())
def test_another_messages_trace_is_not_that_of_a_crash(message: str) -> None:
    hung = LOGS[LOGS.rindex("INFO: task dd") :]
    assert not find_crashes(f"{message}\nCall Trace:\n dump_stack+0x1/0x2\n other+0x1/0x2\n".encode())
    [crash] = find_crashes(f"{hung}{message}\nCall Trace:\n dump_stack+0x1/0x2\n other+0x1/0x2\n".encode())
    assert [frame.function for frame in crash.frames] == ["__schedule", "io_schedule", "queue_drop"]


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (
            "BUG: scheduling while atomic: syz-executor.3/5069/0x00000002",
            "BUG: scheduling while atomic: syz-executor/ADDR",
        ),
        (
            "BUG: workqueue leaked atomic, lock or RCU: kworker/u9:2[71]",
            "BUG: workqueue leaked atomic, lock or RCU: kworker/u9:NUM[NUM]",
        ),
        (
            "BUG: sleeping function called from invalid context at mm/x.c:71",
            "BUG: sleeping function called from invalid context at mm/x.c:LINE",
        ),
    ],
)
def test_a_crash_goes_by_the_words_of_its_head_too(head: str, words: str) -> None:
    [crash] = find_crashes(f"{head}\n     workfn=queue_drop\nCall Trace:\n queue_drop+0x17/0x40\n".encode())
    assert crash.function == "queue_drop"
    assert words in crash.alt_titles


def test_a_crash_goes_by_names_alone_too() -> None:
    trace = "RIP: 0010:x_string_get+0x1/0x2\nCall Trace:\n x_mutex_lock+0x1/0x2\n queue_drop+0x17/0x40\n"
    [crash] = find_crashes(f"kernel BUG at mm/x.c:71!\n{trace}".encode())
    assert (crash.function, crash.alt_titles) == ("x_string_get", ("kernel BUG in queue_drop",))
