import subprocess
import sys

import pytest

from harness.console import Crash, Follower, find_crashes
from tests.support import ROOT

OOPS = """\
[    7.100000][   T30] BUG: kernel NULL pointer dereference, address: 0000000000000010
[    7.100001][   T30] #PF: supervisor read access in kernel mode
[    7.100002][   T30] Oops: 0000 [#1] PREEMPT SMP NOPTI
[    7.100003][   T30] CPU: 1 PID: 30 Comm: kworker/1:0H Tainted: G        W  OE      6.1.0-rc3+ #1
[    7.100004][   T30] Hardware name: QEMU Standard PC (i440FX + PIIX, 1996), BIOS 1.16.2-1 04/01/2014
[    7.100005][   T30] Workqueue: kintegrityd queue_work_fn [queues]
[    7.100006][   T30] RIP: 0010:queue_drop.isra.0+0x44/0x90 [queues]
[    7.100007][   T30] RSP: 0018:ffff8880054ebe10 EFLAGS: 00000286
[    7.100008][   T30] RAX: ffff88801ffb1000 RBX: 0000000000001000 RCX: ffff888000000000
[    7.100009][   T30] Call Trace:
[    7.100010][   T30]  <IRQ>
[    7.100011][   T30]  queue_step+0x11/0x20 [queues]
[    7.100012][   T30]  </IRQ>
[    7.100013][   T30]  <TASK>
[    7.100014][   T30]  ? stale_frame+0x1/0x2
[    7.100015][   T30]  queue_work_fn.cold+0x3c/0x50 [queues]
[    7.100016][   T30]  process_one_work+0x156/0x1f0
[    7.100017][   T30]  </TASK>
[    7.100018][   T30] Modules linked in: queues(OE) dm_mod [last unloaded: loop]
[    7.100019][   T30] ---[ end trace 0000000000000000 ]---
"""
AFTER = """\
[    7.200000][   T30] BUG: sleeping function called from invalid context at kernel/locking/rwsem.c:1
[    7.200001][   T30] in_atomic(): 1, irqs_disabled(): 1, non_block: 0, pid: 30, name: kworker/1:0H
[    7.200002][   T30] CPU: 1 PID: 30 Comm: kworker/1:0H Tainted: G      D W  OE      6.1.0-rc3+ #1
[    7.200003][   T30] Call Trace:
[    7.200004][   T30]  dump_stack_lvl+0x34/0x44
[    7.200005][   T30]  __might_resched.cold+0x13f/0x160
[    7.200006][   T30]  task_leaves+0x21/0x30
"""
PANIC = "[    7.300000][   T30] Kernel panic - not syncing: Fatal exception in interrupt\n"


def one(log: str) -> Crash:
    [crash] = find_crashes(log.encode())
    return crash


def test_the_facts() -> None:
    crash = one(OOPS)
    assert (crash.function, crash.workqueue, crash.null_ip) == ("queue_drop", "queue_work_fn", False)
    assert (crash.comm, crash.pid, crash.cpu, crash.kernel) == ("kworker/1:0H", 30, 1, "6.1.0-rc3+")
    assert crash.taint == "WOE"
    assert crash.hardware == "QEMU Standard PC (i440FX + PIIX, 1996), BIOS 1.16.2-1 04/01/2014"
    assert crash.modules == ("queues", "dm_mod")
    assert crash.registers["RAX"] == "ffff88801ffb1000"
    assert (crash.start_line, crash.end_line, crash.corrupted, crash.fatal) == (1, 20, False, True)


def test_the_frames() -> None:
    told = [(f.function, f.offset, f.size, f.module, f.reliable, f.stack) for f in one(OOPS).frames]
    assert told == [
        ("queue_drop.isra.0", 0x44, 0x90, "queues", True, None),
        ("queue_step", 0x11, 0x20, "queues", True, "IRQ"),
        ("stale_frame", 1, 2, None, False, None),
        ("queue_work_fn.cold", 0x3C, 0x50, "queues", True, None),
        ("process_one_work", 0x156, 0x1F0, None, True, None),
    ]


def test_a_signature_holds_across_builds() -> None:
    other = OOPS.replace(".isra.0", ".constprop.3").replace("_fn.cold", "_fn").replace("0x44", "0x7")
    other = other.replace("6.1.0-rc3+", "6.12.1").replace("[queues]", "").replace("[    7", "[   99")
    assert one(other).signature == one(OOPS).signature == "null-deref:queue_drop<queue_step<queue_work_fn"


def test_what_comes_after_a_death_follows_from_it() -> None:
    first, second = find_crashes((OOPS + AFTER).encode())
    assert (first.follows, second.follows) == (None, first.start_line)
    assert second.function == "task_leaves"


def test_another_boot_is_another_matter() -> None:
    boot = "[    0.000000][    T0] Linux version 6.1.0-rc3+ (a@b) (gcc) #1 SMP\n"
    first, second = find_crashes((OOPS + boot + OOPS).encode())
    assert (first.follows, second.follows) == (None, None)


def test_a_panic_belongs_to_the_crash_that_it_ends() -> None:
    crash = one(OOPS + PANIC)
    assert (crash.panic, crash.end_line) == ("Fatal exception in interrupt", 21)


def test_live_a_crash_is_told_at_its_head_and_at_its_end() -> None:
    follower = Follower()
    head, rest = OOPS.encode().split(b"\n", 1)
    [began] = follower.feed(head + b"\n")
    assert (began.complete, began.crash.kind) == (False, "null-deref")
    assert follower.feed(rest[:300]) == []
    [ended] = follower.feed(rest[300:])
    assert (ended.complete, ended.crash.function) == (True, "queue_drop")
    assert follower.feed(PANIC.encode()) == []
    [again] = follower.finish()
    assert (again.crash.start_line, again.crash.panic) == (1, "Fatal exception in interrupt")


def test_a_crash_without_its_trace_says_so() -> None:
    crash = one("".join(OOPS.splitlines(keepends=True)[:5]))
    assert (crash.function, crash.corrupted) == (None, True)
    assert crash.title == "BUG: unable to handle kernel NULL pointer dereference in corrupted"


def test_one_line_that_only_sounds_like_a_report() -> None:
    line = b"WARNING: support for this device is incomplete\n"
    assert find_crashes(line) == []
    [crash] = find_crashes(line, notices=True)
    assert (crash.notice, crash.fatal) == (True, False)


def test_a_reporter_that_has_told_the_rest_is_believed_in_a_whole_log_only() -> None:
    oops = "".join(f"Jan 12 19:08:41 host kernel: {line.split('] ', 1)[-1]}" for line in OOPS.splitlines(keepends=True))
    note = "Jan 12 19:09:00 host abrt: Kerneloops: Reported 1 kernel oopses to Abrt\n"
    assert find_crashes((oops + note).encode()) == []
    assert len(find_crashes((note + oops).encode())) == 1
    follower = Follower()
    assert any(event.complete for event in follower.feed((oops + note).encode()))
    assert follower.reported


def test_it_works_without_the_automaton() -> None:
    code = (
        "import sys; sys.modules['ahocorasick_rs'] = None\n"
        "from harness.console import find_crashes\n"
        "print(find_crashes(sys.stdin.buffer.read())[0].function)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, input=OOPS, capture_output=True, text=True, check=True
    )
    assert done.stdout == "queue_drop\n"


def test_a_helper_that_the_kernel_names_is_another_title() -> None:
    [crash] = find_crashes(
        b"BUG: KASAN: use-after-free in memcpy+0x1/0x20\nRead of size 8 at addr ffff88801b94ce60 by task dd/71\n"
        b"Call Trace:\n dump_stack+0x71/0xab\n memcpy+0x1/0x20\n queue_drop+0x17/0x40\n"
    )
    assert (crash.function, crash.title) == ("queue_drop", "KASAN: use-after-free Read in queue_drop")
    assert "KASAN: use-after-free Read in memcpy" in crash.alt_titles
    assert crash.signature.startswith("kasan:queue_drop")


def test_a_jump_to_what_is_no_code_is_the_callers_fault() -> None:
    # After LKDTM's EXEC_DATA and EXEC_USERSPACE on x86_64.
    fault = "BUG: unable to handle page fault for address: {0}\n#PF: supervisor instruction fetch in kernel mode\n"
    report = fault + "RIP: 0010:{1}\nCall Trace:\n ? run_it+0x47/0x58\n run_all+0x15/0x17\n vfs_write+0x9f/0x169\n"
    for place in ("table+0x0/0x40", "0x7ff6765e7000"):
        crash = find_crashes(report.format("00007ff6765e7000", place).encode())[0]
        assert (crash.function, crash.null_ip) == ("run_it", False), place
        assert crash.signature == "paging:run_it<run_all"


def test_a_slab_report_ends_with_a_warning_of_its_own() -> None:
    # Since v6.12.y the allocator warns where it printed a plain trace before.
    log = (
        "BUG kmalloc-1k (Not tainted): Object corrupt\nAllocated in take_one+0x1b/0x44 age=0 cpu=0 pid=29\n"
        " take_one+0x1b/0x44\n"
        "------------[ cut here ]------------\nWARNING: CPU: 0 PID: 29 at mm/slub.c:1127 object_err+0x177/0x182\n"
        "RIP: 0010:object_err+0x177/0x182\nCall Trace:\n check_object+0x8c/0x2b9\n kfree+0x1a6/0x1cf\n"
        "---[ end trace 0000000000000000 ]---\n"
    )
    (crash,) = find_crashes(log.encode())
    assert (crash.title, crash.end_line) == ("BUG: slab: Object corrupt", 10)
    assert [frame.function for frame in crash.frames if not frame.trace][-2:] == ["check_object", "kfree"]
    assert [frame.function for frame in crash.frames if frame.trace.startswith("Allocated in")] == ["take_one"]


def test_helpers_that_the_compiler_left_out_of_line_are_not_at_fault() -> None:
    warning = "WARNING: CPU: 0 PID: 29 at lib/refcount.c:25 refcount_warn_saturate+0x47/0xd5\nCall Trace:\n"
    trace = " __refcount_add.constprop.0+0x4a/0x4c\n cache_from_obj+0x1/0x2\n count_up+0x4e/0x60\n"
    assert find_crashes((warning + trace).encode())[0].function == "count_up"


def test_the_table_of_system_calls_only_dispatches() -> None:
    lockup = "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [dd:71]\nRIP: 0010:spin_on+0x0/0x2\nCall Trace:\n"
    trace = " __x64_sys_spin+0x14/0x16\n x64_sys_call+0x28/0xddc\n do_syscall_64+0x6d/0xc9\n"
    assert find_crashes((lockup + trace).encode())[0].function == "__x64_sys_spin"


HUNG = """\
[   12.1][   T21] INFO: task dd:30 blocked for more than 4 seconds.
[   12.1][   T21] task:dd              state:D stack:0     pid:30    tgid:30    ppid:1      flags:0x00000000
[   12.1][   T21] Call Trace:
[   12.1][   T21]  __schedule+0x66b/0x6ba
[   12.1][   T21]  schedule+0x3e/0x57
[   12.1][   T21]  wait_long+0x27/0x29
[   12.1][   T21] RIP: 0033:0x40119d
[   12.1][   T21] RSP: 002b:00007fffcf651d30 EFLAGS: 00000246 ORIG_RAX: 0000000000000001
"""


def test_the_hung_task_is_not_the_one_that_panics() -> None:
    panic = "[   12.2][   T21] Kernel panic - not syncing: hung_task: blocked tasks\n"
    cpu = "[   12.2][   T21] CPU: 0 UID: 0 PID: 21 Comm: khungtaskd Not tainted 6.12.117 #1\n"
    crash = find_crashes((HUNG + panic + cpu).encode())[0]
    assert (crash.comm, crash.pid, crash.cpu, crash.kernel) == ("dd", 30, None, "6.12.117")
    assert crash.registers == {}, "those of a user's program are not the crash's"


def test_the_same_report_once_more_adds_no_frames() -> None:
    first, again = find_crashes((HUNG + HUNG.replace(" 4 sec", " 8 sec")).encode())
    assert len(first.frames) == len(again.frames) == 3
    assert again.follows == first.start_line


LOCKUP = """\
[   12.1][    C1] watchdog: Watchdog detected hard LOCKUP on cpu 0
[   12.1][    C1] Sending NMI from CPU 1 to CPUs 0:
"""


def test_a_lockup_is_not_where_the_processor_is_that_found_it() -> None:
    # The buddy detector, on a machine without an NMI: nobody knows where the other processor is.
    panic = (
        "[   12.2][    C1] Kernel panic - not syncing: Hard LOCKUP\n"
        "[   12.2][    C1] CPU: 1 UID: 0 PID: 0 Comm: swapper/1 Not tainted 6.12.117 #1\n"
        "[   12.2][    C1] Call trace:\n[   12.2][    C1]  panic+0x19c/0x3b4\n[   12.2][    C1]  watch_buddy+0x1/0x2\n"
    )
    crash = find_crashes((LOCKUP + panic).encode())[0]
    assert (crash.function, crash.cpu, crash.comm, crash.kernel) == (None, 0, None, "6.12.117")
    assert {frame.trace for frame in crash.frames} == {"Kernel panic"}
    other = (
        "[   12.3][    C1] watchdog: BUG: soft lockup - CPU#1 stuck for 7s! [dd:30]\n"
        "[   12.3][    C1] RIP: 0010:wait_long+0x27/0x29\n[   12.3][    C1] Call Trace:\n"
        "[   12.3][    C1]  wait_all+0x1/0x2\n[   12.3][    C1]  vfs_write+0x1/0x2\n"
    )
    hard, soft = find_crashes((LOCKUP + other).encode())
    assert (hard.function, soft.function) == (None, "wait_all")


def test_a_failed_allocation_is_its_callers() -> None:
    # Of a process that fills its memory, on arm64.
    log = (
        "dd: page allocation failure: order:0, mode:0x140dca(GFP_HIGHUSER_MOVABLE)\nCall trace:\n"
        " __alloc_pages_noprof+0x650/0x808\n __folio_alloc_noprof+0x10/0x20\n"
        " vma_alloc_zeroed_movable_folio+0x20/0x28\n handle_it+0x18c/0xd80\n"
    )
    assert find_crashes(log.encode())[0].function == "handle_it"


def test_without_one_reliable_frame_the_instruction_pointer_is_what_is_known() -> None:
    # LKDTM's EXHAUST_STACK on x86_64.
    log = (
        "BUG: TASK stack guard page was hit at ffffc9000014ff38 (stack is ffffc90000150000..ffffc90000154000)\n"
        "RIP: 0010:recurse+0x23/0x9b\nCall Trace:\n ? recurse+0x65/0x9b\n ? do_syscall_64+0x6d/0xc9\n"
    )
    assert find_crashes(log.encode())[0].function == "recurse"


@pytest.mark.parametrize(
    ("log", "doubt"),
    [
        ("BUG: kernel NULL pointer dereference\nRIP: 0010:queue_drop+0x1/0x2\nCall Trace:\n queue_all+0x1/0x2\n", ""),
        (
            "BUG: kernel NULL pointer dereference\nOops: 0000 [#1] SMP\nCall Trace:\n queue_all+0x1/0x2\n",
            "the instruction pointer is not told: it is the first function of the trace",
        ),
        (
            "BUG: kernel NULL pointer dereference\nRIP: 0010:0x0\nCall Trace:\n ? queue_all+0x1/0x2\n main+0x1/0x2\n",
            "the unwinder does not trust the frame",
        ),
        (
            "kernel BUG at fs/x.c:7!\nRIP: 0010:filemap_read+0x1/0x2\nCall Trace:\n queue_all+0x1/0x2\n",
            "it is of common code: its caller may be at fault",
        ),
        (
            "BUG: soft lockup - CPU#0 stuck for 22s!\nCall Trace:\n queue_all+0x1/0x2\n do_syscall_64+0x1/0x2\n",
            "a stalled processor is caught anywhere in its loop",
        ),
    ],
)
def test_a_guess_is_called_one(log: str, doubt: str) -> None:
    (crash,) = find_crashes(log.encode())
    assert crash.doubt == doubt
