"""What is lost on the way from a console to the reader: in mailers, web pages, terminals and people's own words."""

import re
from pathlib import Path

import pytest

from harness.console import Crash, find_crashes

GOLDEN = Path(__file__).parent / "golden"


def one(log: str) -> Crash:
    [crash] = find_crashes(log.encode())
    return crash


OOPS = """\
[   12.100001] BUG: kernel NULL pointer dereference, address: 0000000000000010
[   12.100002] CPU: 1 PID: 71 Comm: dd Tainted: G        W          6.6.0-rc1-box-00017-gabcdef123456 #1
[   12.100003] Hardware name: Acme Box, BIOS 1.0
[   12.100004] RIP: 0010:queue_drop+0x17/0x40
[   12.100005] Call Trace:
[   12.100006]  queue_all+0x20/0x30
[   12.100007] ---[ end trace 0000000000000000 ]---
"""


def broken(text: str, width: int) -> str:
    """A text as a mailer breaks it, at the last blank before a column."""
    lines = []
    for line in text.splitlines():
        rest = line
        while len(rest) > width:
            past = re.match(r"[> ]*(?:\[[^]]*\]\s*)*", rest)
            assert past
            at = rest.rfind(" ", past.end() + 1, width + 1)
            if at < 0:
                break
            lines.append(rest[:at])
            rest = rest[at + 1 :]
        lines.append(rest)
    return "\n".join(lines) + "\n"


def facts(crash: Crash) -> tuple[object, ...]:
    return (
        *(crash.title, crash.function, crash.comm, crash.pid, crash.cpu, crash.kernel, crash.hardware),
        *(crash.taint, crash.panic, [frame.function for frame in crash.frames]),
    )


@pytest.mark.parametrize("width", [66, 68, 70, 72, 74, 76, 78])
@pytest.mark.parametrize("quote", ["", "> ", "> > "])
def test_lines_that_a_mailer_broke(width: int, quote: str) -> None:
    quoted = "".join(f"{quote}{line}\n" for line in OOPS.splitlines())
    assert facts(one(broken(quoted, width))) == facts(one(OOPS))


# Who printed the second half of a line is lost with its prefix, where the callers take turns.
LOGS = [log for log in sorted(GOLDEN.glob("*.log")) if log.stem != "two-callers-interleaved"]


@pytest.mark.parametrize("log", LOGS, ids=lambda path: path.stem)
def test_whole_consoles_that_a_mailer_broke(log: Path) -> None:
    text = log.read_bytes().replace(b"\r", b"").decode("utf-8", "replace")
    whole = find_crashes(text.encode())
    for width in (72, 75 + len(log.stem) % 4):
        parts = find_crashes(broken(text, width).encode())
        assert [facts(crash) for crash in parts] == [facts(crash) for crash in whole], width


def test_the_head_is_broken() -> None:
    crash = one(
        "[  128.368523] BUG: KASAN: stack-out-of-bounds in\nqueue_walk+0x1df5/0x2650\n"
        "[  128.369744] Read of size 8 at addr ffff88802fceede0 by task\nkworker/u2:2/591\n"
        "[  128.371269] CPU: 0 PID: 591 Comm: kworker/u2:2 Not tainted\n5.10.11-box-kasan #1\n"
        "[  128.375275] Call Trace:\n[  128.376221]  dump_stack+0x7d/0xa3\n[  128.383192]  queue_walk+0x1df5/0x2650\n"
    )
    assert crash.title == "KASAN: stack-out-of-bounds Read in queue_walk"
    assert (crash.comm, crash.pid, crash.kernel) == ("kworker/u2:2", 591, "5.10.11-box-kasan")
    crash = one(
        "[   15.653282] Oops: general protection fault, probably for\n"
        "non-canonical address 0xdffffc0000000000: 0000 [#1] SMP KASAN\n"
        "[   15.657667] RIP: 0010:queue_drop+0x1c/0x7e\n[   15.668003] Call Trace:\n"
        "[   15.669837]  queue_all+0x40/0x45\n"
    )
    assert crash.title == "general protection fault in queue_drop"


def test_a_head_without_a_prefix_is_broken() -> None:
    crash = one(
        "BUG: KASAN: slab-out-of-bounds in\nqueue_walk+0x1df5/0x2650\nRead of size 8 at addr ffff88802fceede0 by task\n"
        "kworker/u2:2/591\n\nCPU: 0 PID: 591 Comm: kworker/u2:2 Tainted: G        W\n5.10.11-box #1\nCall Trace:\n"
        " queue_walk+0x1df5/0x2650\n"
    )
    assert crash.title == "KASAN: slab-out-of-bounds Read in queue_walk"
    assert (crash.comm, crash.pid, crash.kernel, crash.taint) == ("kworker/u2:2", 591, "5.10.11-box", "W")


def test_a_line_of_a_program_is_not_the_rest_of_a_frame() -> None:
    log = OOPS.replace(
        "[   12.100007]",
        "[   12.100006]  queue_everything_that_there_is+0x20/0x30\nhello from a program\n[   12.100007]",
    )
    assert one(log).frames[-1].function == "queue_everything_that_there_is"


def test_a_further_line_of_one_message_is_indented_instead() -> None:
    crash = one(
        "[   81.688779] rust_kernel: panicked at rust/kernel/sync/arc.rs:370:58:\n"
        "               called `Option::unwrap()` on a `None` value\n"
        "[   81.688790] ------------[ cut here ]------------\n[   81.688790] kernel BUG at rust/helpers/bug.c:7!\n"
        "[   81.688960] Call trace:\n[   81.688961]  rust_helper_BUG+0x8/0x10\n[   81.688990]  queue_probe+0x74/0xf0\n"
    )
    assert crash.title == "called `Option::unwrap()` on a `None` value in queue_probe"


def test_no_break_spaces() -> None:
    for blank in "\u00a0\u2007\u202f":
        assert facts(one(OOPS.replace("  ", f" {blank}"))) == facts(one(OOPS))


def test_what_web_pages_make_of_it() -> None:
    log = OOPS.replace(" queue_all", " [<ffffffff81234567>] queue_all").replace(
        "RIP: 0010:", "RIP: 0010:[<ffffffff81>] "
    )
    log += "[   12.100009] Kernel panic - not syncing: <0> & more\n"
    escaped = log.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert facts(one(escaped)) == facts(one(log))
    crash = one(
        "Unable to handle kernel paging request at virtual address f899b670\nOops: 0002 [#1]\nCPU:    0\n"
        "EIP: 0060:[] Not tainted VLI\nEFLAGS: 00210286 (2.6.9-11.2)\nEIP is at kobject_add+0\u00d783/0xd7\n"
        "Process modprobe (pid: 8227, threadinfo=d7568000 task=f4ea99b0)\nCall Trace:\n"
        "[] kobject_register+0\u00d719/0\u00d739\n[] queue_add_driver+0\u00d736/0\u00d797\n"
    )
    assert (crash.function, crash.comm, crash.pid, crash.cpu) == ("queue_add_driver", "modprobe", 8227, 0)
    assert crash.kernel == "2.6.9-11.2"
    assert "BUG: unable to handle kernel paging request in kobject_add" in crash.alt_titles


TALK = (
    "I triggered many 'watchdog: BUG: soft lockup' warnings, last this:",
    'It says "kernel BUG at mm/queue.c:472!" and stops.',
    "Then there was a general protection fault: the box was dead.",
    "We see WARNING: CPU: 0 and many BUG: soft lockup messages.",
)


@pytest.mark.parametrize("talk", TALK)
def test_words_about_a_crash_are_none(talk: str) -> None:
    for log in (f"{talk}\n\n{OOPS}", f"{OOPS}\n\n{talk}\n"):
        crash = one(log)
        assert (crash.function, crash.follows) == ("queue_drop", None)


def test_words_far_above_the_log_are_none_either() -> None:
    crash = one("BUG: kernel NULL pointer dereference, address: 0010\n" + "\nMore words." * 200 + f"\n\n{OOPS}")
    assert crash.function == "queue_drop"


def test_a_head_that_comes_again_whole_is_one_crash() -> None:
    head = OOPS.splitlines()[0].split("] ", 1)[1]
    crash = one(
        f"Kernel BUG noticed on arm architecture on linux next 20200824 tag kernel\n\n{head}\n\nFull log:\n{OOPS}"
    )
    assert (crash.function, crash.start_line) == ("queue_drop", 6)


def test_a_head_without_a_console_is_still_told() -> None:
    assert (
        one("BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 38s!\n").kind == "workqueue-lockup"
    )


@pytest.mark.parametrize("head", ["   11.662352] Oops - load access fault [#1]", "# Oops - load access fault [#1]"])
@pytest.mark.parametrize("between", ["", "Message from syslogd@box at Jul 28 14:08:03 ...\n", "\n"])
def test_a_head_that_lost_its_prefix(head: str, between: str) -> None:
    crash = one(
        f"~ # vi\n{head}\n{between}[   11.662595] CPU: 0 PID: 29 Comm: vi Not tainted 5.18.0 #7\n"
        "[   11.663180] epc : queue_drop+0x10/0x20\n[   11.663341]  ra : queue_all+0x10/0x20\n"
        "[   11.663342] [<800d9088>] queue_drop+0x10/0x20\n"
    )
    assert (crash.title, crash.comm, crash.kernel) == ("Oops in queue_drop", "vi", "5.18.0")


@pytest.mark.parametrize(
    "between",
    [
        "SMP: stopping secondary CPUs",
        "Kernel Offset: disabled\nCPU features: 0x00,00000000\nMemory Limit: none",
        "Dumping ftrace buffer:\n   (ftrace buffer empty)\nSMP: stopping secondary CPUs\nKernel Offset: 0x80000",
    ],
)
def test_the_end_of_a_panic_is_no_head(between: str) -> None:
    log = OOPS + "".join(
        f"[   13.1] {line}\n"
        for line in (
            "Kernel panic - not syncing: Fatal exception in interrupt",
            *between.splitlines(),
            "---[ end Kernel panic - not syncing: Fatal exception in interrupt ]---",
        )
    )
    assert one(log).panic == "Fatal exception in interrupt"


def box(release: str, name: str, taint: str = "Not tainted", seconds: int = 12) -> str:
    text = re.sub(r"Tainted: G +W +\S+", f"{taint} {release}", OOPS).replace("queue_", f"{name}_")
    return text.replace("[   12.", f"[   {seconds}.").replace("PID: 71", f"PID: 7{seconds}")


@pytest.mark.parametrize(
    ("second", "follows"),
    [
        (box("6.6.0", "pool", "Tainted: G      D  ", 13), True),
        (box("6.6.0", "pool", "Not tainted", 13), False),
        (box("6.7.0", "pool", "Tainted: G      D  ", 13), False),
        (box("6.6.0", "pool", "Tainted: G      D  ", 11), False),
    ],
)
def test_another_boot_follows_nothing(second: str, follows: bool) -> None:
    first, other = find_crashes((box("6.6.0", "queue") + "\nAnd this, of another box:\n\n" + second).encode())
    assert first.follows is None
    assert (other.follows == first.start_line) is follows


def test_a_message_that_comes_again_and_again_is_no_part_of_what_was_before() -> None:
    hung = (
        "[   10.100000] INFO: task lxd:477 blocked for more than 120 seconds.\n"
        "[   10.100001]       Not tainted 4.4.140 #3\n[   10.100003] Call Trace:\n"
        "[   10.100004]  [<ffffffff81851035>] schedule+0x35/0x80\n"
        "[   10.100005]  [<ffffffff8173ce9e>] queue_take+0x6e/0x120\n"
    )
    noise = "[   11.000000] eth0: link is up\n" * 40
    again = "[   12.000000] unregister_netdevice: waiting for lo to become free. Usage count = 5\n"
    first, second = find_crashes((hung + (noise + again) * 60).encode())
    assert (first.function, first.end_line, first.kernel) == ("queue_take", 5, "4.4.140")
    assert (second.start_line, second.end_line) == (46, 5 + 41 * 60)


@pytest.mark.parametrize(
    ("line", "comm", "pid"),
    [
        ("INFO: task kworker/u8:0:5 blocked for more than 120 seconds.", "kworker/u8:0", 5),
        ("INFO: task kworker/2:1:5747 blocked for more than 120 seconds.", "kworker/2:1", 5747),
        ("INFO: task systemd:1 blocked for more than 120 seconds.", "systemd", 1),
        ("INFO: task my task:x:99 blocked for more than 120 seconds.", "my task:x", 99),
        ("Oops: 5 [#1] SMP ARM\nProcess kworker/3:1 (pid: 4840, stack limit = 0x30bafaed)", "kworker/3:1", 4840),
        ("Oops: 5 [#1] SMP ARM\nProcess swapper/0 (pid: 0, stack limit = 0x30bafaed)", "swapper/0", 0),
        (
            "BUG: KASAN: use-after-free in f+0x1/0x2\nRead of size 8 at addr 1 by task kworker/1:2/591",
            "kworker/1:2",
            591,
        ),
        ("BUG: KASAN: use-after-free in f+0x1/0x2\nRead of size 8 at addr 1 by task ksoftirqd/0/9", "ksoftirqd/0", 9),
        ("Oops: 0 [#1]\nCPU: 7 PID: 1 Comm: swapper/0 FTT: 0 0 Tainted: G S    4.19.113 #1", "swapper/0", 1),
        ("Oops: 0 [#1]\nCPU: 7 PID: 1 Comm: init Kdump: loaded Tainted: G S    4.19.113 #1", "init", 1),
        ("Oops: 0 [#1]\nTASK = cfa5d000[950] 'bash' THREAD: cf9d8000", "bash", 950),
    ],
)
def test_tasks(line: str, comm: str, pid: int) -> None:
    crash = one(f"{line}\nCall Trace:\n [<ffffffff81851035>] queue_take+0x35/0x80\n")
    assert (crash.comm, crash.pid) == (comm, pid)


def test_a_hard_lockup_that_ends_a_stall_is_told() -> None:
    stall, lockup = find_crashes(
        b"[ 5034.1] rcu: INFO: rcu_sched detected stalls on CPUs/tasks:\n[ 5034.1] Sending NMI from CPU 6 to CPUs 2:\n"
        b"[ 5034.1] NMI watchdog: Watchdog detected hard LOCKUP on cpu 2\n"
        b"[ 5034.1] CPU: 2 PID: 258 Comm: kworker/2:0 Not tainted 5.3.0 #31\n"
        b"[ 5034.1] RIP: 0010:_raw_spin_lock_irqsave+0xd/0x40\n[ 5034.1] Call Trace:\n"
        b"[ 5034.1]  queue_balance+0x30/0x5b0\n[ 5034.1]  pick_next_task_fair+0xee/0x790\n"
        b"[ 5034.1]  __schedule+0x161/0x6c0\n[ 5034.1]  schedule+0x42/0xb0\n[ 5034.1]  worker_thread+0xcf/0x400\n"
    )
    assert (stall.kind, lockup.kind, lockup.function) == ("rcu-stall", "hard-lockup", "queue_balance")
    assert lockup.follows == stall.start_line


def test_the_kernel_says_itself_where_it_warned() -> None:
    crash = one(
        "WARNING: CPU: 0 PID: 1 at drivers/base/core.c:558 device_create_file+0x80/0xb0()\n"
        "CPU: 0 PID: 1 Comm: swapper/0 Not tainted 3.18.14 #1\nCall trace:\n"
        "[<ffffffc000009404>] dump_backtrace+0x0/0x10c\n[<ffffffc0002aed74>] vendors_own_dumper+0x80/0xc4\n"
        "[<ffffffc00001be48>] warn_slowpath_fmt+0x4c/0x58\n[<ffffffc000398bfc>] device_create_file+0x7c/0xb0\n"
        "[<ffffffc00034f58c>] queue_probe+0x828/0x8dc\n"
    )
    assert crash.function == "queue_probe"
    assert "WARNING in device_create_file" in crash.alt_titles


def test_a_page_in_a_bad_state_without_page_owner() -> None:
    crash = one(
        "BUG: Bad page state in process dd  pfn:2ffc53\npage dumped because: nonzero mapcount\n"
        "CPU: 0 PID: 71 Comm: dd Not tainted 5.7.0 #26\nCall Trace:\n dump_stack+0x71/0xab\n bad_page+0x168/0x1b0\n"
        " free_pcp_prepare+0x1e0/0x290\n free_unref_page+0x2c/0xa0\n queue_drop+0x1a/0x30\n"
    )
    assert (crash.function, crash.corrupted) == ("queue_drop", False)
    assert {"BUG: Bad page state", "BUG: Bad page state in corrupted"} <= set(crash.alt_titles)
