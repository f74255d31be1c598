"""Frames as architectures print them that few machines run on: powerpc and s390."""

from harness.console import find_crashes

POWERPC = b"""\
Oops: Kernel access of bad area, sig: 11 [#1]
SMP NR_CPUS=1024 NUMA pSeries
NIP: d000000000a1b2c0 LR: d000000000a1b2b0 CTR: 0000000000000000
NIP [d000000000a1b2c0] .queue_drop+0x40/0x90 [queue]
LR [d000000000a1b2b0] .queue_drop+0x30/0x90 [queue]
Call Trace:
[c0000000fea8f930] [c0000000fea8f9c0] 0xc0000000fea8f9c0 (unreliable)
[c0000000fea8f9d0] [d000000000a1c0a4] .queue_all+0x64/0x120 [queue]
--- Exception: 300 at .foo+0x1/0x2
    LR = .bar+0x10/0x20
[c0000000fea8fb10] [c0000000000f2b44] .worker_thread+0x1a4/0x4d0 (unreliable)
Instruction dump:
7c0802a6 fb81ffe0 fba1ffe8 fbc1fff0 fbe1fff8 f8010010 f821ff71 7c7f1b78
---[ end trace 0000000000000000 ]---
"""
S390 = b"""\
Unable to handle kernel pointer dereference at virtual kernel address 0000000000000000
Oops: 0004 [#1] SMP
Krnl PSW : 0704c00180000000 00000000001123f2 (queue_drop+0x2a/0x60)
Krnl Code: 00000000001123e6: e31020000004 lg %r1,0(%r2)
Call Trace:
([<0000000000800000>] 0x800000)
 [<0000000000112466>] queue_all+0x36/0x70
([<000003ff8005cf48>] queue_map+0x28/0x4d0 [queue])
Last Breaking-Event-Address:
 [<0000000000112440>] queue_all+0x10/0x70
"""


def test_powerpc_puts_a_dot_before_names_and_a_stack_pointer_before_addresses() -> None:
    (crash,) = find_crashes(POWERPC)
    assert crash.function == "queue_drop"
    assert [(frame.function, frame.module, frame.reliable) for frame in crash.frames] == [
        ("0xc0000000fea8f9c0", None, False),
        ("queue_all", "queue", True),
        ("worker_thread", None, False),
    ]


def test_s390_puts_some_frames_in_parentheses_and_ends_with_what_is_none() -> None:
    (crash,) = find_crashes(S390)
    assert crash.title == "BUG: unable to handle kernel NULL pointer dereference in queue_drop"
    assert [(frame.function, frame.module) for frame in crash.frames] == [
        ("0x800000", None),
        ("queue_all", None),
        ("queue_map", "queue"),
    ]
