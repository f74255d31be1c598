import re

import pytest

from harness.console import find_crashes
from harness.console.analysis import head_rules
from harness.console.rules import MARKS, RULES, Blame, Rule

PREFIXES = ("[   12.345678] ", "[   12.345678][  T71] ", "<4>[   12.345678] ", "Mar  3 01:02:03 host kernel: ", "> : ")
IDS = [f"{rule.kind}-{number}" for number, rule in enumerate(RULES)]


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_each_example_gives_its_own_title_and_kind(rule: Rule) -> None:
    crashes = find_crashes(rule.example.encode(), notices=True)
    assert [(crash.kind, crash.title) for crash in crashes] == [(rule.kind, rule.expect)]


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_each_example_survives_what_machines_put_before_it(rule: Rule) -> None:
    plain = find_crashes(rule.example.encode(), notices=True)[0]
    lines = rule.example.splitlines()
    for prefix in PREFIXES:
        noisy = "".join(f"{prefix}{line}\r\n" for line in lines)
        crash = find_crashes(noisy.encode(), notices=True)[0]
        assert (crash.title, crash.kind, crash.function) == (plain.title, plain.kind, plain.function), prefix
        assert crash.end_line <= len(lines)


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_each_head_holds_a_mark_for_the_first_pass(rule: Rule) -> None:
    head = next(line for line in rule.example.splitlines() if rule.head.search(line))
    assert any(mark in head.encode() for mark in MARKS)


def test_no_rule_is_hidden_by_another() -> None:
    for number, rule in enumerate(RULES):
        heads = [line for line in rule.example.splitlines() if rule in head_rules(line)]
        assert heads, f"rule {number} ({rule.kind}): its own example does not reach it"


def test_titles_name_only_what_is_captured() -> None:
    for rule in RULES:
        groups = {"f", *rule.head.groupindex, *(rule.body.groupindex if rule.body else ())}
        for title in (rule.title, *rule.also):
            assert set(re.findall(r"\{(\w+)\}", title)) <= groups
        assert ("{f}" in rule.title) == (rule.blame is not Blame.NONE), rule.title


@pytest.mark.parametrize(
    "line",
    [
        "INFO: lockdep is turned off.",
        "INFO: NMI handler (perf_event_nmi_handler) took too long to run: 2.277 msecs",
        "ODEBUG: Out of memory. ODEBUG disabled",
        "XFS (loop4): WARNING: Reset corrupted AGFL on AG 0. 1 blocks leaked.",
        "perf: interrupt took too long (5143 > 5080), lowering kernel.perf_event_max_sample_rate to 38000",
        "traps: dd[71] general protection fault ip:55911b28dba3 sp:7ffea558a3e0 error:0 in dd[55911728a000+6a0b000]",
        "dd[71]: segfault at 0 ip 000055911b28dba3 sp 00007ffea558a3e0 error 4 in dd[55911728a000+6a0b000]",
        "Mar  3 01:02:03 host test[12]: BUG: KASAN: use-after-free in f+0x1/0x2",
        "WARNING: the mand mount option is being deprecated and will be removed in v5.15!",
        "WARNING: The mand mount option has been deprecated and",
        "mce: CPU0: Thermal monitoring enabled (TM1)",
        "Oopsla is a conference",
        "xfs: Unknown parameter 'BUG: KASAN: use-after-free in f+0x1/0x2'",
        'audit: type=1400 audit(1.0:7): avc: denied { read } for comm="BUG: soft lockup"',
        'Kernel command line: root=/dev/vda dyndbg="format BUG: +p"',
        "mpt3sas: Firmware BUG: config page mismatch",
        "sch_taprio: Internal error: failed get start time",
        "wave5 hw: double fault: 0x1f",
        "WARNING: Unprivileged eBPF is enabled with eIBRS on, data leaks possible via Spectre v2 BHB attacks!",
        "WARNING: kernel not compiled with MITIGATION_SRSO.",
        "usb 1-1: new device [#2] found",
        "rmt_storage:INFO:main: done",
        "BUG: Bad page state: 7 messages suppressed",
        # Names that build robots make of titles.
        'kernel test robot noticed "BUG:KASAN:slab-use-after-free_in_queue_drop" on:',
        "| WARNING:at_block/bio.c:#queue_drop | 0 | 6 |",
        "| BUG:kernel_NULL_pointer_dereference,address | 0 | 6 |",
        "| Kernel_panic-not_syncing:Fatal_exception | 0 | 6 |",
        "| Oops:#[##] | 0 | 6 |",
    ],
)
def test_words_that_only_sound_like_a_crash(line: str) -> None:
    assert find_crashes(f"{line}\n".encode(), notices=True) == []


NOTICE = b"WARNING: the driver's support is incomplete\n"
CRASH = b"kernel BUG at fs/x.c:71!\nRIP: 0010:queue_drop+0x44/0x90\nCall Trace:\n queue_all+0x44/0x90\n"


@pytest.mark.parametrize("log", [NOTICE + CRASH, CRASH + NOTICE, CRASH[:25] + NOTICE + CRASH[25:]])
def test_a_notice_neither_hides_a_crash_nor_stands_beside_it(log: bytes) -> None:
    (crash,) = find_crashes(log, notices=True)
    assert (crash.title, crash.corrupted) == ("kernel BUG in queue_drop", False)
    assert [crash.notice for crash in find_crashes(NOTICE, notices=True)] == [True]


def test_the_head_of_a_report_without_the_rest_is_no_notice() -> None:
    (crash,) = find_crashes(b"WARNING: possible circular locking dependency detected\n6.1.0 #1 Not tainted\n")
    assert (crash.notice, crash.corrupted) == (False, True)


def test_a_report_in_which_another_one_begins_has_the_trace_of_both() -> None:
    first, second = find_crashes(b"""\
BUG: spinlock bad magic on CPU#0, dd/71
==================================================================
BUG: KASAN: slab-out-of-bounds in spin_bug+0x1/0x2
Read of size 4 at addr ffff888028b23dd8 by task dd/71
Call Trace:
 kasan_report+0x1/0x2
 spin_bug+0x1/0x2
 do_raw_spin_lock+0x1/0x2
 queue_drop+0x1/0x2
""")
    assert (first.title, first.corrupted) == ("BUG: spinlock bad magic in queue_drop", True)
    assert second.title == "KASAN: slab-out-of-bounds Read in queue_drop"
