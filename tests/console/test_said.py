"""What the kernel said beside a report, and who waits for whom, in the wordings of 4.13 to 7.2."""

import pytest

from harness.console import Crash, Follower, Wait, find_crashes

TRACE = "RIP: 0010:queue_drop+0x17/0x40\nCall Trace:\n queue_all+0x20/0x30\n---[ end trace 0000000000000000 ]---\n"
TASK = "CPU: 1 PID: 71 Comm: dd Not tainted 6.6.0 #1\n"


def one(log: str) -> Crash:
    [crash] = find_crashes(log.encode())
    return crash


CUT = "------------[ cut here ]------------\n"
WARNING = f"WARNING: CPU: 1 PID: 71 at net/sched/sch_generic.c:525 dev_watchdog+0x21/0x30\n{TASK}{TRACE}"
SAID = {
    "before the cut": (
        "list_del corruption. prev->next should be ffff88801, but was 0. (prev=ffff88802)\n"
        f"{CUT}kernel BUG at lib/list_debug.c:62!\nOops: invalid opcode: 0000 [#1] SMP\n{TASK}{TRACE}",
        ["list_del corruption. prev->next should be ffff88801, but was 0. (prev=ffff88802)"],
    ),
    "behind the cut": (
        f"{CUT}NETDEV WATCHDOG: eth0 (e1000): transmit queue 0 timed out\n{WARNING}",
        ["NETDEV WATCHDOG: eth0 (e1000): transmit queue 0 timed out"],
    ),
    "any words of a warning": (f"{CUT}our own words\n{WARNING}", ["our own words"]),
    "behind the head, before 4.16": (
        f"{CUT}{WARNING.replace(TASK, 'list_add double add: new=1, prev=2.' + chr(10) + TASK)}",
        ["list_add double add: new=1, prev=2."],
    ),
    "counters": (
        f"{CUT}refcount_t: underflow; use-after-free.\n"
        f"WARNING: CPU: 1 PID: 71 at lib/refcount.c:28 refcount_warn_saturate+0xba/0x110\n{TASK}{TRACE}",
        ["refcount_t: underflow; use-after-free."],
    ),
    "an allocation": (
        "dd: page allocation failure: order:4, mode:0xcc0(GFP_KERNEL), nodemask=(null)\n"
        f"{TASK}Call Trace:\n warn_alloc+0x10/0x20\n queue_all+0x20/0x30\n",
        ["dd: page allocation failure: order:4, mode:0xcc0(GFP_KERNEL), nodemask=(null)"],
    ),
    "a slab object": (
        "BUG kmalloc-64 (Not tainted): Right Redzone overwritten\n"
        f"{'-' * 77}\n\n0xffff88801-0xffff88803 @offset=8192. First byte 0x78 instead of 0xcc\n"
        f"Allocated in queue_get+0x31/0x70 age=12 cpu=0 pid=71\n{TASK}{TRACE}",
        ["0xffff88801-0xffff88803 @offset=8192. First byte 0x78 instead of 0xcc"],
    ),
    "a wild address": (
        "general protection fault, probably for non-canonical address 0xdffffc0000000003: 0000 [#1] SMP KASAN\n"
        f"KASAN: null-ptr-deref in range [0x0000000000000018-0x000000000000001f]\n{TASK}{TRACE}",
        ["KASAN: null-ptr-deref in range [0x0000000000000018-0x000000000000001f]"],
    ),
    "what has nothing to do with it": (
        f"usb 1-1: new device\n------------[ cut here ]------------\nkernel BUG at mm/queue.c:62!\n{TASK}{TRACE}",
        [],
    ),
    "another report": (
        f"{CUT}refcount_t: underflow; use-after-free.\nsome words\n---[ end trace 0000000000000000 ]---\n"
        f"BUG: kernel NULL pointer dereference, address: 0000000000000010\n{TASK}{TRACE}",
        [],
    ),
}


@pytest.mark.parametrize("where", SAID)
@pytest.mark.parametrize("prefix", ["", "[   12.345678] ", "[   12.345678][   T71] ", "<4>", "dic 27 14:08 box kern: "])
def test_what_the_kernel_said_beside_the_report(where: str, prefix: str) -> None:
    log, said = SAID[where]
    noisy = "hello\n" * 300 + "".join(f"{prefix}{line}\n" for line in log.splitlines())
    assert list(one(noisy).said) == said
    assert one(noisy).signature == one(log).signature


def test_what_was_said_does_not_depend_on_the_pieces_that_came() -> None:
    log = ("hello\n" * 2000 + SAID["before the cut"][0]).encode()
    for size in (1, 7, 100, 4096):
        follower = Follower()
        pieces = [log[at : at + size] for at in range(0, len(log), size)]
        events = [event for piece in pieces for event in follower.feed(piece)] + follower.finish()
        assert [event.crash.said for event in events] == [tuple(SAID["before the cut"][1])] * len(events)


def test_another_processors_words_are_not_of_this_report() -> None:
    cut, own, *rest = SAID["behind the cut"][0].splitlines()
    lines = [
        f"[ 1.0][   T71] {cut}",
        "[ 1.0][   T99] other words",
        *(f"[ 1.0][   T71] {line}" for line in (own, *rest)),
    ]
    assert list(one("\n".join(lines)).said) == SAID["behind the cut"][1]


HUNG = (
    "INFO: task dd:71 blocked for more than 120 seconds.\n      Not tainted 7.2.0 #1\n"
    "task:dd              state:D stack:0     pid:71    tgid:71    ppid:1\nCall Trace:\n"
    " __schedule+0x351/0x8d0\n __mutex_lock+0x42/0x70\n queue_read+0x64/0x90\n"
)
OWNER = "task:sh state:S stack:0 pid:72\nCall Trace:\n __schedule+0x351/0x8d0\n queue_hold+0x5e/0xd0\n"
LOCKUP = (
    f"watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [dd:71]\n{TASK}RIP: 0010:smp_call_function_many_cond+0x1/0x2\n"
    "Call Trace:\n on_each_cpu_cond_mask+0x2/0x4\n queue_flush+0x2/0x4\n do_syscall_64+0x3b/0x90\n"
)
WAITS = {
    "a mutex": (
        f"{HUNG}INFO: task dd:71 is blocked on a mutex likely owned by task sh:72.\n{OWNER}",
        [Wait("task dd:71", "task sh:72", "mutex")],
    ),
    "a semaphore": (
        f"{HUNG}INFO: task dd:71 blocked on a semaphore likely last held by task kworker/0:1:72\n{OWNER}",
        [Wait("task dd:71", "task kworker/0:1:72", "semaphore")],
    ),
    "a reader": (
        f"{HUNG}INFO: task dd:71 <writer> blocked on an rw-semaphore likely owned by task sh:72 <reader>\n{OWNER}",
        [Wait("task dd:71", "task sh:72", "rw-semaphore")],
    ),
    "nobody knows whom": (
        f"{HUNG}INFO: task dd:71 is blocked on a mutex, but the owner is not found.\n",
        [Wait("task dd:71", "", "mutex")],
    ),
    "other processors": (LOCKUP, [Wait("CPU 1", "other CPUs", "smp_call_function_many_cond")]),
    "one processor": (
        LOCKUP.replace(
            "Call Trace",
            "smp: csd: Detected non-responsive CSD lock (#1) on CPU#1, waiting 5000000000 ns for CPU#00 "
            "do_flush+0x0/0x40(0x0).\nCall Trace",
        ),
        [Wait("CPU 1", "CPU 0", "do_flush")],
    ),
    "a spinlock's owner": (
        "BUG: spinlock lockup suspected on CPU#1, dd/71\n"
        f" lock: queue_lock+0x0/0x40, .magic: dead4ead, .owner: sh/72, .owner_cpu: 0\n{TASK}{TRACE}",
        [Wait("task dd:71", "task sh:72 on CPU 0", "spinlock")],
    ),
    "a grace period": (
        "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n"
        "rcu: \t3-...!: (1 GPs behind) idle=2f6c/1/0x4000000000000000 softirq=1/2 fqs=0\n"
        "rcu: \tTasks blocked on level-0 rcu_node (CPUs 0-3): P71/1:b..l P72\n"
        f"rcu: \t(detected by 0, t=10502 jiffies, g=1, q=2 ncpus=4)\nSending NMI from CPU 0 to CPUs 3:\n{TASK}{TRACE}",
        [
            Wait("rcu_preempt", "CPU 3", "1 GPs behind"),
            Wait("rcu_preempt", "task 71", ""),
            Wait("rcu_preempt", "task 72", ""),
        ],
    ),
    "an expedited one": (
        "rcu: INFO: rcu_sched detected expedited stalls on CPUs/tasks: { 1-.... P71 } 21002 jiffies s: 5 root: 0x2/.\n"
        f"{TASK}{TRACE}",
        [Wait("rcu_sched", "CPU 1", ""), Wait("rcu_sched", "task 71", "")],
    ),
    "an old one": (
        f"INFO: rcu_sched detected stalls on CPUs/tasks: {{ 2}} (detected by 0, t=6002 jiffies)\n{TASK}{TRACE}",
        [Wait("rcu_sched", "CPU 2", "")],
    ),
    "nobody": (f"kernel BUG at mm/queue.c:62!\n{TASK}{TRACE}", []),
}


@pytest.mark.parametrize("whom", WAITS)
def test_who_waits_for(whom: str) -> None:
    log, waits = WAITS[whom]
    assert list(one(log).waits) == waits


def test_the_trace_of_whom_a_task_waits_for_is_not_its_own() -> None:
    crash, alone = one(WAITS["a mutex"][0]), one(HUNG)
    assert (crash.title, crash.signature) == (alone.title, alone.signature)
    assert {frame.trace for frame in crash.frames} == {"", "Lock held by task sh:72"}
