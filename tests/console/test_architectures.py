"""One fault, a null pointer read in queue_drop() that queue_all() called, as each architecture prints it."""

import pytest

from harness.console import find_crashes

X86_32 = """\
BUG: unable to handle kernel NULL pointer dereference at 00000010
IP: [<c1234567>] queue_drop+0x17/0x40
*pde = 00000000
Oops: 0000 [#1] SMP
CPU: 0 PID: 71 Comm: dd Not tainted 4.4.0 #1
task: f48ae180 ti: f4b5c000 task.ti: f4b5c000
EIP: 0060:[<c1234567>] EFLAGS: 00210286 CPU: 0
EIP is at queue_drop+0x17/0x40
EAX: f4b5debc EBX: 00001000 ECX: 00000001 EDX: 00000000
 DS: 007b ES: 007b FS: 00d8 GS: 00e0 SS: 0068
Stack:
 00001000 00001000 ed25f000 f4b5dee8
Call Trace:
 [<c1234600>] queue_all+0x20/0x30
 [<c1234700>] ? worker_thread+0x39/0x380
Code: 8b 40 10 c3
EIP: [<c1234567>] queue_drop+0x17/0x40 SS:ESP 0068:f4b5dea4
CR2: 0000000000000010
---[ end trace 9c1d5b8a5e1a5a5e ]---
"""
ARM = """\
8<--- cut here ---
Unable to handle kernel NULL pointer dereference at virtual address 00000010 when read
[00000010] *pgd=00000000
Internal error: Oops: 5 [#1] SMP ARM
Modules linked in:
CPU: 0 PID: 71 Comm: dd Not tainted 6.6.0 #1
Hardware name: Generic DT based system
PC is at queue_drop+0x17/0x40
LR is at queue_all+0x20/0x30
pc : [<c0123456>]    lr : [<c0123600>]    psr: 60000013
sp : f0a0cf18  ip : c3cf8848  fp : c23e1df4
r10: 00000000  r9 : c1a09a40  r8 : 00000001
Process dd (pid: 71, stack limit = 0xf0a0c000)
Stack: (0xf0a0cf18 to 0xf0a0e000)
cf00:                                                       00000000 c1a09a40
 queue_drop from queue_all+0x20/0x30
 queue_all from kthread+0xe8/0x104
 kthread from ret_from_fork+0x14/0x2c
Code: e12fff1e e5900010
---[ end trace 0000000000000000 ]---
"""
ARM64 = """\
Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010
Mem abort info:
  ESR = 0x0000000096000004
  EC = 0x25: DABT (current EL), IL = 32 bits
Data abort info:
  ISV = 0, ISS = 0x00000004
user pgtable: 4k pages, 48-bit VAs, pgdp=0000000041f0d000
[0000000000000010] pgd=0000000000000000, p4d=0000000000000000
Internal error: Oops: 0000000096000004 [#1] PREEMPT SMP
CPU: 0 PID: 71 Comm: dd Not tainted 6.6.0 #1
Hardware name: linux,dummy-virt (DT)
pstate: 60400005 (nZCv daif +PAN -UAO -TCO -DIT -SSBS BTYPE=--)
pc : queue_drop+0x17/0x40
lr : queue_all+0x20/0x30
sp : ffff80001e5a74e0
x29: ffff80001e5a74e0 x28: ffff0000deac34d8 x27: ffff0000e23195a4
Call trace:
 queue_drop+0x17/0x40
 queue_all+0x20/0x30
 kthread+0x110/0x114
Code: d65f03c0 f9400800
---[ end trace 0000000000000000 ]---
"""
RISCV = """\
Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010
Oops [#1]
Modules linked in:
CPU: 0 PID: 71 Comm: dd Not tainted 6.6.0 #1
Hardware name: riscv-virtio,qemu (DT)
epc : queue_drop+0x17/0x40
 ra : queue_all+0x20/0x30
epc : ffffffff80010a14 ra : ffffffff80010b14 sp : ff2000000a0cbf18
 gp : ffffffff8181ea00 tp : ff60000001a09a40 t0 : 0000000000000000
status: 0000000200000120 badaddr: 0000000000000010 cause: 000000000000000d
[<ffffffff80010a14>] queue_drop+0x17/0x40
[<ffffffff80010b14>] queue_all+0x20/0x30
[<ffffffff80003456>] ret_from_exception+0x0/0x14
---[ end trace 0000000000000000 ]---
"""
POWERPC = """\
BUG: Kernel NULL pointer dereference on read at 0x00000010
Faulting instruction address: 0xc000000000123456
Oops: Kernel access of bad area, sig: 11 [#1]
LE PAGE_SIZE=64K MMU=Radix SMP NR_CPUS=2048 NUMA pSeries
Modules linked in:
CPU: 0 PID: 71 Comm: dd Not tainted 6.6.0 #1
Hardware name: IBM pSeries (emulated by qemu) POWER9
NIP:  c000000000123456 LR: c000000000123600 CTR: 0000000000000000
REGS: c00000000b8f3a50 TRAP: 0300   Not tainted  (6.6.0)
MSR:  800000000280b033 <SF,VEC,VSX,EE,FP,ME,IR,DR,RI,LE>  CR: 24002822  XER: 00000000
GPR00: c000000000123600 c00000000b8f3cf0 c0000000011ff800 0000000000000000
NIP [c000000000123456] queue_drop+0x17/0x40
LR [c000000000123600] queue_all+0x20/0x30
Call Trace:
[c00000000b8f3cf0] [c000000000123456] queue_drop+0x17/0x40 (unreliable)
[c00000000b8f3d20] [c000000000123600] queue_all+0x20/0x30
[c00000000b8f3d50] [c00000000017a1a4] kthread+0x1a4/0x1b0
---[ end trace 0000000000000000 ]---
"""
S390 = """\
Unable to handle kernel pointer dereference in virtual kernel address space
Failing address: 0000000000000000 TEID: 0000000000000483
Fault in home space mode while using kernel ASCE.
AS:0000000001f0c007 R3:00000000ffff4007 S:00000000ffffb001 P:000000000000013d
Oops: 0004 ilc:2 [#1] SMP
Modules linked in:
CPU: 0 PID: 71 Comm: dd Not tainted 6.6.0 #1
Hardware name: IBM 8561 T01 701 (KVM/Linux)
Krnl PSW : 0704c00180000000 0000000000123456 (queue_drop+0x16/0x40)
           R:0 T:1 IO:0 EX:0 Key:0 M:1 W:0 P:0 AS:3 CC:0 PM:0 RI:0 EA:3
Krnl GPRS: 0000000000000001 0000000000000000 0000000000000020 0000000000123440
Krnl Code: 0000000000123450: e32020100004	lg	%r2,16(%r2)
Call Trace:
 [<0000000000123456>] queue_drop+0x16/0x40
 [<0000000000123600>] queue_all+0x20/0x30
 [<000000000017a1a4>] kthread+0x11c/0x130
Last Breaking-Event-Address:
 [<00000000001235f0>] queue_all+0x10/0x30
---[ end trace 0000000000000000 ]---
"""


@pytest.mark.parametrize("stamp", ["", "[   12.345678] ", "[   12.345678][   T71] "])
@pytest.mark.parametrize(
    "log", [X86_32, ARM, ARM64, RISCV, POWERPC, S390], ids=["i386", "arm", "arm64", "riscv", "powerpc", "s390"]
)
def test_every_architecture_tells_the_same(log: str, stamp: str) -> None:
    [crash] = find_crashes("".join(f"{stamp}{line}\n" for line in log.splitlines()).encode())
    assert crash.title == "BUG: unable to handle kernel NULL pointer dereference in queue_drop"
    assert crash.signature.startswith("null-deref:queue_drop<queue_all")
    assert (crash.comm, crash.pid, crash.cpu) == ("dd", 71, 0)
    assert [frame.function for frame in crash.frames][:2] == ["queue_drop", "queue_all"]
    assert not crash.corrupted
    assert crash.end_line == log.count("\n")
    assert crash.registers


LEAF = """\
Unable to handle kernel write to read-only memory at virtual address ffff800080212014
pc : copy_fast+0xd8/0x240
lr : take_one+0x48/0x78
Call trace:
 copy_fast+0xd8/0x240
 take_all+0x24/0x30
 vfs_write+0x98/0x164
"""


def test_the_caller_of_a_leaf_function_is_in_the_link_register() -> None:
    # As arm64 prints it where the function at fault has no frame of its own.
    crash = find_crashes(LEAF.replace("copy_fast", "__memcpy").encode())[0]
    assert (crash.function, crash.signature) == ("take_one", "paging:take_one<take_all")
    assert "BUG: unable to handle kernel paging request in take_all" in crash.alt_titles
    stale = LEAF.replace("lr : take_one", "lr : copy_fast")
    assert find_crashes(stale.encode())[0].signature == "paging:copy_fast<take_all"


def test_running_what_is_no_code_is_the_callers_fault_on_arm64() -> None:
    head = "Unable to handle kernel execution of user memory at virtual address 0000ffffab81e000\npc : 0xffffab81e000\n"
    trace = "lr : take_one+0xb8/0xd4\nCall trace:\n 0xffffab81e000\n take_all+0x24/0x30\n"
    crash = find_crashes((head + trace).encode())[0]
    assert (crash.kind, crash.function, crash.signature) == ("paging", "take_one", "paging:take_one<take_all")


OTHERS = r"""
@ BUG: unable to handle kernel NULL pointer dereference in queue_drop
Unable to handle kernel NULL pointer dereference
tsk->{mm,active_mm}->context = 0000000000000120
dd(71): Oops [#1]
CPU: 0 PID: 71 Comm: dd Not tainted 5.13.0 #257
TSTATE: 0000004411001601 TPC: 0000000000a1b2c4 TNPC: 0000000000a1b2c8 Y: 00000000    Not tainted
TPC: <queue_drop+0x24/0xc0>
RPC: <lock_acquire+0x1bc/0x200>
I7: <queue_all+0x1ec/0x5e0>
Call Trace:
[<000000000069e4ac>] queue_all+0x1ec/0x5e0
@ Dax in queue_drop
dd(71): Dax [#1]
TPC: <queue_drop+0x24/0xc0>
Call Trace:
[<000000000069e4ac>] queue_all+0x1ec/0x5e0
@ kernel BUG in queue_drop
kernel BUG at mm/queue.c:472!
CPU: 0 PID: 71 Comm: dd Not tainted 6.3.1 #1
IASQ: 00000000 00000000 IAOQ: 10559284 10559288
 IAOQ[0]: queue_drop+0x254/0x274
 IAOQ[1]: queue_drop+0x258/0x274
 RP(r2): queue_all+0x64/0x6c
Backtrace:
 [<105c6408>] queue_all+0x64/0x6c
@ BUG: unable to handle kernel paging request in queue_drop
Page fault: bad address: Code=6 (Instruction TLB miss fault) at addr 6b6b6b6b
CPU: 0 PID: 71 Comm: dd Not tainted 6.3.1 #1
 IAOQ[0]: queue_drop+0x254/0x274
Backtrace:
 [<105c6408>] queue_all+0x64/0x6c
@ BUG: spinlock trashed in queue_drop
dd (pid 71): Spinlock was trashed (code 1)
CPU: 0 PID: 71 Comm: dd Not tainted 6.3.1 #1
 IAOQ[0]: queue_drop+0x254/0x274
Backtrace:
 [<105c6408>] queue_all+0x64/0x6c
@ BUG: unable to handle kernel NULL pointer dereference in queue_drop
Unable to handle kernel paging request at virtual address 0000000000000004
dd(71): Oops -1
pc = [<0000000000000004>]  ra = [<fffffc0001218aa0>]  ps = 0000    Tainted: G      D     E
pc is at 0x4
ra is at queue_drop.constprop.0+0x80/0xf0
Trace:
[<fffffc0001219d2c>] queue_all+0xdc/0x250
@ Machine check in queue_drop
Got mcheck at 800104ec
CPU: 0 PID: 71 Comm: dd Not tainted 6.6.35 #0
epc   : 800104ec queue_drop+0xdc/0x108
ra    : 80017678 queue_all+0x24c/0x29c
Call Trace:
[<80008108>] do_mcheck+0x2c/0xa0
[<80003d34>] handle_mcheck_int+0x3c/0x48
Kernel panic - not syncing: Caught Machine Check exception - caused by multiple matching entries in the TLB.
@ SError Interrupt in queue_drop
SError Interrupt on CPU2, code 0x00000000bf000002 -- SError
CPU: 2 PID: 71 Comm: dd Not tainted 6.6.0 #1
pc : queue_drop+0x14c/0x1f4
lr : queue_all+0x20/0x30
Kernel panic - not syncing: Asynchronous SError Interrupt
CPU: 2 PID: 71 Comm: dd Not tainted 6.6.0 #1
Call trace:
 el1h_64_error+0x64/0x68
 queue_drop+0x14c/0x1f4
SMP: stopping secondary CPUs
---[ end Kernel panic - not syncing: Asynchronous SError Interrupt ]---
@ Bad mode in Error handler in queue_drop
Bad mode in Error handler detected on CPU1, code 0xbf000000 -- SError
CPU: 1 PID: 71 Comm: dd Not tainted 4.19.0 #1
pc : queue_drop+0x14c/0x1f4
lr : queue_all+0x20/0x30
Kernel panic - not syncing: bad mode
@ Data bus error in queue_drop
Data bus error, epc == 80123456, ra == 80123600
Oops[#1]:
CPU: 0 PID: 71 Comm: dd Not tainted 6.6.0 #1
epc   : 80123456 queue_drop+0x17/0x40
ra    : 80123600 queue_all+0x20/0x30
Call Trace:
[<80123456>] queue_drop+0x17/0x40
"""


@pytest.mark.parametrize("stamp", ["", "[   12.345678] ", "<4>[   12.345678] ", "okt 27 14:08:03 box kernel: "])
@pytest.mark.parametrize("case", OTHERS.split("\n@ ")[1:], ids=lambda case: case.splitlines()[1][:30])
def test_rarer_architectures_and_errors(case: str, stamp: str) -> None:
    title, *log = case.splitlines()
    [crash] = find_crashes("".join(f"{stamp}{line}\n" for line in log).encode())
    assert (crash.title, crash.function, crash.start_line) == (title, "queue_drop", 1)
    assert (crash.comm, crash.pid) in (("dd", 71), (None, None))
    assert (crash.pid == 71) == any("71" in line for line in log)
