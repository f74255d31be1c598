"""What machines, loggers and people put before the lines of one report: the same crash behind each of it."""

import pytest

from harness.console import find_crashes
from harness.console.rules import RULES, Rule

X86 = """\
BUG: kernel NULL pointer dereference, address: 0000000000000008
#PF: supervisor read access in kernel mode
Oops: 0000 [#1] PREEMPT SMP
CPU: 3 PID: 812 Comm: dd Not tainted 6.1.9 #1
Hardware name: Acme Box, BIOS 1.0
Workqueue: events queue_work_it
RIP: 0010:queue_drop+0x1d/0x50
Modules linked in: loop
RAX: 0000000000000000 RBX: ffff888100000000 RCX: 0000000000000001
Call Trace:
 <TASK>
 queue_all+0x85/0xf0
 ? queue_some+0x1/0x2
 kthread+0x110/0x114
 </TASK>
---[ end trace 0000000000000000 ]---
"""
ARM64 = """\
Unable to handle kernel paging request at virtual address 006b6b6b6b6b6b73
Mem abort info:
  ESR = 0x0000000096000004
[006b6b6b6b6b6b73] address between user and kernel address ranges
Internal error: Oops: 0000000096000004 [#1] PREEMPT SMP
CPU: 3 PID: 812 Comm: dd Not tainted 6.1.9 #1
Hardware name: Acme Box, BIOS 1.0
Workqueue: events queue_work_it
pc : queue_drop+0x1d/0x50
lr : queue_all+0x85/0xf0
x29: ffff80001e5a74e0 x28: ffff0000deac34d8 x27: ffff0000e23195a4
Call trace:
 queue_drop+0x1d/0x50
 queue_all+0x85/0xf0
 kthread+0x110/0x114
---[ end trace 0000000000000000 ]---
"""
WARNING = """\
WARNING: CPU: 3 PID: 812 at fs/queue.c:71 queue_drop+0x1d/0x50
Modules linked in: loop
CPU: 3 PID: 812 Comm: dd Not tainted 6.1.9 #1
Hardware name: Acme Box, BIOS 1.0
Workqueue: events queue_work_it
RIP: 0010:queue_drop+0x1d/0x50
RAX: 0000000000000000 RBX: ffff888100000000 RCX: 0000000000000001
Call Trace:
 queue_all+0x85/0xf0
 kthread+0x110/0x114
---[ end trace 0000000000000000 ]---
"""
LOCKUP = """\
watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [dd:812]
Modules linked in: loop
CPU: 3 PID: 812 Comm: dd Not tainted 6.1.9 #1
Hardware name: Acme Box, BIOS 1.0
Workqueue: events queue_work_it
RIP: 0010:queue_drop+0x1d/0x50
RAX: 0000000000000000 RBX: ffff888100000000 RCX: 0000000000000001
Call Trace:
 queue_all+0x85/0xf0
 do_syscall_64+0x110/0x114
"""
CRASHES = {"x86": X86, "arm64": ARM64, "warning": WARNING, "lockup": LOCKUP}
TITLES = {
    "x86": "BUG: unable to handle kernel NULL pointer dereference in queue_drop",
    "arm64": "BUG: unable to handle kernel paging request in queue_drop",
    "warning": "WARNING in queue_drop",
    "lockup": "BUG: soft lockup in queue_all",
}

# What stands before a line; `~` ends it.  {s}: seconds, {u}: microseconds, {n}: a number that goes on.
SHAPES = (
    r"""
[   12.{u}] ~
[    1.0] <4>~
<4>[   12.{u}] ~
<4>~
<12>1 2024-07-28T14:08:{s}.{u}+02:00 box kernel - - - ~
[   12.{u}][  T812] ~
[   12.{u}][    C3] ~
[   12.{u}] [  T812] ~
[12345678.{u}] ~
[  240.] ~
kernel: ~
kernel: [   12.{u}] ~
box kernel: ~
Jul 28 14:08:{s} box kernel: ~
Jul 28 14:08:{s} box kernel: [   12.{u}] ~
Jul  8 14:08:{s} box kernel: [   12.{u}][  T812] ~
Jul 28 14:08:{s} kernel: ~
Jul 28 14:08:{s}.{u} box kernel: ~
Jul 28 14:08:{s} box user.warn kernel: [   12.{u}] ~
Jul 28 14:08:{s} 192.168.1.7 kernel: ~
2024-07-28T14:08:{s}+02:00 box kernel: ~
2024-07-28T14:08:{s}.{u}+0200 box kernel: [   12.{u}] ~
2024-07-28T14:08:{s}Z box kernel[0]: ~
2024-07-28 14:08:{s} box kernel: ~
Sun 2024-07-28 14:08:{s} CEST box kernel: ~
1722168{s}.{u} box kernel: ~
[   12.{u}] box kernel: ~
dic 27 14:08:{s} box kernel: ~
okt 27 14:08:{s} box kernel: ~
июл 28 14:08:{s} box kernel: ~
juil. 28 14:08:{s} box kernel: ~
7月 28 14:08:{s} box kernel: ~
Mär 28 14:08:{s} box kernel: ~
2024-07-28T14:08:{s},{u}+02:00 ~
2024-07-28T14:08:{s}.{u}Z ~
2024-07-28T14:08:{s}.{u}0Z ~
2024-07-28T14:08:{s} ~
2024-07-28 14:08:{s} ~
2024-07-28 14:08:{s}.{u} ~
2024-07-28 14:08:{s},{u} ~
Jul 28 14:08:{s} ~
Jul 28 14:08:{s} box ~
14:08:{s} ~
14:08:{s}.{u} ~
[14:08:{s}] ~
[14:08:{s}.{u}] ~
[2024-07-28 14:08:{s}] ~
[2024-07-28 14:08:{s}.{u}] [   12.{u}] ~
[2024-07-28T14:08:{s}Z] ~
[Sun Jul 28 14:08:{s} 2024] ~
[So Jul 28 14:08:{s} 2024] ~
[вск июл 28 14:08:{s} 2024] ~
[  +0.0{u}] ~
[Jul28 14:08] ~
[   12.{u} <    0.0{u}>] ~
kern  :warn  : [   12.{u}] ~
kern  :err   : ~
kern  :alert : [Sun Jul 28 14:08:{s} 2024] ~
6,1234,12{u},-;~
3,{n},12{u},-,caller=T812;~
07-28 14:08:{s}.{u}     0     0 W         : ~
07-28 14:08:{s}.{u}  root     0     0 I kernel  : ~
04{n} ~
{n}: ~
{n}\t~
2024-07-28 14:08:{s},{u} INFO console: ~
2024-07-28 14:08:{s},{u} - qemu - DEBUG - ~
INFO:console:~
DEBUG: serial: ~
console| ~
web_1  | ~
serial0 | [   12.{u}] ~
[console] ~
[serial] [   12.{u}] ~
[ 2.{u}]  [2: swapper/0: 1] ~
<4>[  2.{u}] I[7: swapper/0: 1] ~
[  2.{u}] (0)[848:task] ~
[   12.{u}][pid:1,cpu4,swapper/0]~
[   12.{u}] c0  1234 ~
[12.{u}@3] ~
##[debug] ~
2024-07-28T14:08:{s}.{u}Z [   12.{u}] ~
2024-07-28T14:08:{s}.{u}Z 01E [   12.{u}] ~
target:dut1 2024-07-28T14:08:{s} [   12.{u}] ~
tc_04 (pass 3) :: [   12.{u}] ~
> ~
> [   12.{u}] ~
> > [   12.{u}][  T812] ~
: [   12.{u}] ~
| ~
    ~
\t~
    [   12.{u}] ~
\t[   12.{u}] ~
* ~
// ~
 * ~
# ~
[   12.{u}] # ~
(XEN) [   12.{u}] ~
# [   12.{u}] ~
ttyS0: ~
/dev/ttyUSB0 14:08:{s}> ~
qemu-system-x86_64: ~
{s}.{u}s: ~
+{s}.{u} ~
T+00:00:{s}.{u} | ~
2024-07-28 14:08:{s}.{u} UTC [kernel] ~
2024-07-28T14:08:{s}.{u}+00:00 box kernel: <4>[   12.{u}] ~
<0>Jul 28 14:08:{s} kernel: [   12.{u}] ~
Jul 28 14:08:{s} box kernel:<4>~
Jul 28 14:08:{s} box.example.org kernel[1]: ~
Jul 28 2024 14:08:{s} box kernel: ~
Jul 28 2024 14:08:{s}: %KERN-4-SYSTEM_MSG: [   12.{u}] ~
28/07/2024 14:08:{s} ~
07/28/24 14:08:{s} PM | ~
14:08:{s}.{u} > ~
14:08:{s} console: ~
(14:08:{s}) ~
[   12.{u}@C3] ~
[   12.{u}] <CPU:3> ~
[   12.{u} C3] ~
[   12.{u}] [CPU3] ~
[   12.{u}] [pid: 812] ~
[   12.{u}] dd[812]: ~
<6>[   12.{u}] c3    812 ~
<3>[   12.{u}]  [3:             dd:  812] ~
<3>[   12.{u}] -(3)[812:dd]~
[  12.{u}] CPU3: ~
E/kernel  (    0): ~
07-28 14:08:{s}.{u} E/KERNEL  (  812): ~
07-28 14:08:{s}.{u} <3>[   12.{u}] ~
I0728 14:08:{s}.{u}  812 console.go:71] ~
time="2024-07-28T14:08:{s}Z" level=info msg=~
level=info msg=[   12.{u}] ~
{"time": "14:08:{s}"} ~
stdout: ~
stdout: [   12.{u}] ~
STDOUT | 14:08:{s} | ~
-> ~
>>> ~
>> ~
=> ~
+ ~
| > ~
|| ~
; ~
% ~
$ ~
DUT1# ~
root@box:~# ~
vm1: ~
vm-1/console: ~
job 71: ~
#71 12.3 ~
#{n} {s}.{u} ~
ok {n} - ~
not ok {n} # ~
L{n}: ~
{n}) ~
{n}. ~
({n}) ~
[{n}] ~
[{n}/812] ~
0x{n} ~
{n} | [   12.{u}] ~
2024-07-28T14:08:{s}.{u}Z box  kernel - - - - [   12.{u}] ~
<4>1 2024-07-28T14:08:{s}Z box kernel - - - [   12.{u}] ~
14:08:{s} kern.alert kernel: [   12.{u}] ~
Jul 28 14:08:{s} (none) kern.alert kernel: ~
Jul 28 14:08:{s} OpenWrt kern.alert kernel: [   12.{u}] ~
Sun Jul 28 14:08:{s} 2024 kern.alert kernel: [   12.{u}] ~
Sun Jul 28 14:08:{s} 2024 ~
Sun, 28 Jul 2024 14:08:{s} +0200 ~
28 Jul 14:08:{s} box kernel: ~
28.07.2024 14:08:{s} ~
2024.07.28-14:08:{s} ~
20240728-1408{s} ~
20240728T1408{s}Z ~
1722168483.{u}: ~
1722168483{n} ~
1722168483{n}: [   12.{u}] ~
{u}us: ~
{u} ms  ~
@4000000066a6{u} ~
[2024-07-28 14:08:{s}.{u}][INFO] ~
[2024-07-28 14:08:{s}][box][INFO] - ~
[2024-07-28T14:08:{s}.{u}Z INFO  qemu] ~
[INFO] [console] ~
[INFO]  ~
[qemu] ~
[guest] [   12.{u}] ~
guest|~
guest> ~
[ttyS0] [   12.{u}]~
/dev/ttyS0: ~
ttyUSB0 14:08:{s}.{u}: ~
<console> ~
<kernel> ~
*** ~
### ~
kernel:[   12.{u}] ~
kernel:~
 kernel:[   12.{u}] ~
box kernel:[   12.{u}] ~
Message: [   12.{u}] ~
* [   12.{u}] ~
= [   12.{u}] ~
! ~
:: ~
~ ~
│ ~
> | ~
>|~
> >> > ~
""".strip("\n")
    .removesuffix("~")
    .split("~\n")
)


def behind(shape: str, log: str) -> bytes:
    def lead(number: int) -> str:
        text = shape.encode().decode("unicode_escape") if "\\" in shape else shape
        values = {"{s}": f"{number % 60:02d}", "{u}": f"{100000 + 37 * number}", "{n}": f"{71 + number}"}
        for name, value in values.items():
            text = text.replace(name, value)
        return text

    return "".join(f"{lead(number)}{line}\n" for number, line in enumerate(log.splitlines())).encode()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("crash", CRASHES)
def test_a_crash_is_the_same_behind_any_prefix(shape: str, crash: str) -> None:
    log = CRASHES[crash]
    [found] = find_crashes(behind(shape, log))
    [plain] = find_crashes(log.encode())
    assert found.title == plain.title == TITLES[crash]
    assert (found.comm, found.pid, found.cpu, found.kernel) == ("dd", 812, 3, "6.1.9")
    assert (found.hardware, found.workqueue) == ("Acme Box, BIOS 1.0", "queue_work_it")
    assert found.frames == plain.frames
    assert (found.modules, found.registers, found.signature) == (plain.modules, plain.registers, plain.signature)
    assert (found.start_line, found.end_line, found.corrupted) == (1, log.count("\n"), False)


def test_there_are_many_shapes() -> None:
    assert len(set(SHAPES)) > 200


def test_a_long_lead_takes_no_longer() -> None:
    # A container's id: letters and digits in turn.
    lead = "3f2a91bc4d5e6f708192a3b4c5d6e7f8a9b0c1d2e3f4a5b6c7d8e9f0a1b2c3d4 | "
    [crash] = find_crashes(f"{lead}BUG: soft lockup - CPU#3 stuck for 22s!\n{'a1' * 2000}\n".encode() * 3)[:1]
    assert crash.kind == "soft-lockup"


@pytest.mark.parametrize(
    "line",
    [
        "Jul 28 14:08:03 box test[12]: BUG: KASAN: use-after-free in f+0x1/0x2",
        "2024-07-28T14:08:03 box myprog: kernel BUG at mm/queue.c:472!",
        "2024-07-28T14:08:03.123456+02:00 box sshd[812]: BUG: soft lockup - CPU#3 stuck for 22s!",
        "Jul 28 14:08:03 watchdogd[9]: BUG: soft lockup",
    ],
)
def test_what_programs_say_is_not_the_kernels(line: str) -> None:
    assert find_crashes(f"{line}\n".encode(), notices=True) == []


UNKNOWN = (
    "dic 27 14:08:03 box kernel: ",
    "04179 ",
    "2024-07-28T14:08:03,123456+02:00 ",
    "Jul 28 14:08:03 ",
    "(0)[848:task] ",
    "    ",
    "console| ",
    "[ 1.5@3] ",
)


@pytest.mark.parametrize(
    "rule",
    [rule for rule in RULES if not rule.catch_all and not rule.head.pattern.startswith("^")],
    ids=lambda rule: rule.kind,
)
def test_every_kind_behind_prefixes_that_no_list_has(rule: Rule) -> None:
    plain = find_crashes(rule.example.encode())
    for prefix in UNKNOWN:
        found = find_crashes("".join(f"{prefix}{line}\n" for line in rule.example.splitlines()).encode())
        assert [(one.title, one.function) for one in found] == [(one.title, one.function) for one in plain], prefix
