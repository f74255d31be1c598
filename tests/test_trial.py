from collections.abc import Iterable
from pathlib import Path

import pytest

from harness.console import Expectation, expectation_from, find_crashes
from harness.errors import InfrastructureError, RegressError
from harness.machine import Chunk
from harness.model import Boot, Ignored, Outcome, Timeouts, Trial, Verdict
from harness.testing import ScriptedMachine
from harness.trial import MOST_CUTS, SETTLE, Watch, describe, run_trial
from harness.verdict import judge

EXPECTED = expectation_from(
    {"title": "NULL pointer dereference in bio_integrity_*", "workqueue": "bio_integrity_verify_fn"}
)
OOPS_61 = b"""\
[    7.1] BUG: kernel NULL pointer dereference, address: 0000000000000000
[    7.1] #PF: supervisor instruction fetch in kernel mode
[    7.1] Oops: 0010 [#1] SMP
[    7.1] CPU: 1 PID: 30 Comm: kworker/1:0H Not tainted 6.1.192 #1
[    7.1] Workqueue: kintegrityd bio_integrity_verify_fn
[    7.1] RIP: 0010:0x0
[    7.1] Call Trace:
[    7.1]  <TASK>
[    7.1]  ? bio_integrity_process+0x147/0x1a8
[    7.1]  ? bio_integrity_verify_fn+0x3c/0x50
[    7.1] ---[ end trace 0000000000000000 ]---
"""
OOPS_413 = b"""\
BUG: unable to handle kernel NULL pointer dereference at   (null)
IP:   (null)
*pde = 00000000
Oops: 0010 [#1] SMP
CPU: 0 PID: 4 Comm: kworker/0:0H Not tainted 4.13.9+ #1
Workqueue: kintegrityd bio_integrity_verify_fn
EIP:   (null)
Call Trace:
 ? bio_integrity_process+0xd4/0x128
 ? bio_integrity_verify_fn+0x11b/0x137
 ? process_one_work+0xe2/0x167
---[ end trace 9c1d5b8a5e1a5a5e ]---
"""
OTHER = b"""\
BUG: kernel NULL pointer dereference, address: 0000000000000020
CPU: 0 PID: 71 Comm: dd Not tainted 6.1.192 #1
RIP: 0010:dm_crypt_integrity_io_alloc+0x3d/0xb0
Call Trace:
 crypt_alloc_buffer+0x10/0x20
---[ end trace 0000000000000000 ]---
"""
UP = Chunk(status=b"regress: up 1.20\r\nregress: step 1.30 write\r\n")


def attempt(folder: Path, *script: Chunk | RegressError | None) -> Trial:
    boot = Boot(folder / "bzImage", "x86_64", folder / "initrd", (), 512, 2, folder)
    return run_trial(ScriptedMachine(list(script)), boot, Timeouts(), EXPECTED, lambda _: None)


def test_a_pass_is_the_guests_own_word(tmp_path: Path) -> None:
    trial = attempt(tmp_path, Chunk(console=b"Linux\n"), UP, Chunk(status=b"regress: passed 6.70 all read back\r\n"))
    assert (trial.outcome, trial.reason, trial.crash) == (Outcome.PASSED, "all read back", None)
    assert [name for name, _ in trial.phases] == ["up", "write", "passed"]
    assert (tmp_path / "console.log").read_bytes() == b"Linux\n"
    assert (tmp_path / "status.log").read_bytes().startswith(b"regress: up")


def test_the_console_cannot_say_that_it_passed(tmp_path: Path) -> None:
    trial = attempt(tmp_path, UP, Chunk(console=b"regress: passed\nregress: passed\n"))
    assert trial.outcome is Outcome.LOST
    assert "in step 'write'" in trial.reason


@pytest.mark.parametrize("oops", [OOPS_61, OOPS_413])
def test_the_expected_crash_in_both_forms(tmp_path: Path, oops: bytes) -> None:
    trial = attempt(tmp_path, UP, Chunk(console=oops))
    assert trial.outcome is Outcome.CRASHED
    assert trial.reason == (
        "BUG: unable to handle kernel NULL pointer dereference in bio_integrity_process"
        "  [kworker bio_integrity_verify_fn]"
    )
    assert trial.crash is not None
    assert trial.crash.null_ip


def test_another_crash_is_told_from_it(tmp_path: Path) -> None:
    trial = attempt(tmp_path, UP, Chunk(console=OTHER))
    assert trial.outcome is Outcome.CRASHED
    assert "in dm_crypt_integrity_io_alloc" in trial.reason
    assert "not the expected crash" in trial.reason


def test_a_crash_before_user_space_is_a_failed_boot(tmp_path: Path) -> None:
    trial = attempt(tmp_path, Chunk(console=b"[ 0.5] Kernel panic - not syncing: bio: the smallest slab\n"))
    assert trial.outcome is Outcome.BOOT_FAILED
    assert "kernel panic: bio: the smallest slab" in trial.reason


def test_a_crash_comes_before_a_pass(tmp_path: Path) -> None:
    trial = attempt(tmp_path, UP, Chunk(status=b"regress: passed 7.0\r\n"), Chunk(console=OOPS_61))
    assert trial.outcome is Outcome.CRASHED


def test_a_failure_keeps_its_reason(tmp_path: Path) -> None:
    trial = attempt(tmp_path, UP, Chunk(status=b"regress: failed 5.0 what was read is not what was written\n"))
    assert (trial.outcome, trial.reason) == (Outcome.FAILED, "what was read is not what was written")


def test_a_scripts_own_mistake_is_no_evidence(tmp_path: Path) -> None:
    trial = attempt(tmp_path, UP, Chunk(status=b"regress: error 5.0 the script ended with status 127\n"))
    assert (trial.outcome, trial.reason) == (Outcome.ERROR, "the script ended with status 127, in step 'write'")
    early = attempt(tmp_path, Chunk(status=b"regress: up 1.20\nregress: error 5.0 the script ended with status 4\n"))
    assert early.reason == "the script ended with status 4"
    for failure in (True, False):
        assert judge([trial], EXPECTED, failure).verdict is Verdict.SKIP


def test_a_machine_that_ends_early(tmp_path: Path) -> None:
    trial = attempt(tmp_path, Chunk(console=b"Linux version 6.1\n"))
    assert (trial.outcome, trial.reason) == (Outcome.BOOT_FAILED, "the machine ended before user space was up")
    silent = attempt(tmp_path)
    assert silent.reason.endswith("without any output from the kernel")


def test_a_machine_at_fault_says_nothing_of_the_kernel(tmp_path: Path) -> None:
    trial = attempt(tmp_path, UP, InfrastructureError("the machine did not start: qemu-system-x86_64: no memory"))
    assert trial.outcome is Outcome.INFRASTRUCTURE
    assert "no memory" in trial.reason


def test_what_was_said_before_the_machine_failed_counts(tmp_path: Path) -> None:
    failed = InfrastructureError("QEMU did not end by itself")
    assert attempt(tmp_path, UP, Chunk(status=b"regress: passed 6.70\n"), failed).outcome is Outcome.PASSED
    assert attempt(tmp_path, UP, Chunk(console=OOPS_61), failed).outcome is Outcome.CRASHED


def pieces(data: bytes, size: int) -> Iterable[Chunk]:
    return [Chunk(console=data[at : at + size]) for at in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_the_pieces_do_not_matter(tmp_path: Path, size: int) -> None:
    trial = attempt(tmp_path, UP, *pieces(OOPS_61, size))
    assert trial.outcome is Outcome.CRASHED


def test_a_console_without_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.trial.MOST_PRINTED", 1 << 20)
    flood = [Chunk(console=b"[    2.0] a line\n" * 4000)] * 1000
    trial = attempt(tmp_path, UP, *flood)
    assert (trial.outcome, trial.reason) == (Outcome.HUNG, "the console printed more than 1 MiB")
    assert (tmp_path / "console.log").stat().st_size < 2 << 20
    assert attempt(tmp_path, UP, Chunk(console=OOPS_61), *flood).outcome is Outcome.CRASHED


def test_each_timeout_names_itself() -> None:
    limits = Timeouts(boot=10, scenario=20, silence=5)
    watch = Watch(limits)
    watch.hear(b"x", b"", 1.0)
    assert watch.over(5.9) is None
    assert watch.over(6.1) == (Outcome.BOOT_FAILED, "the boot was silent for 5 s (silence_timeout)")
    watch.hear(b"x", b"", 9.0)
    assert watch.over(10.1) == (Outcome.BOOT_FAILED, "the guest was not up after 10 s (boot_timeout)")
    watch.hear(b"", b"regress: up\nregress: step read\n", 9.5)
    assert watch.over(14.6) == (
        Outcome.HUNG,
        "the scenario was silent for 5 s (silence_timeout); its last step was 'read'",
    )
    watch.hear(b"x", b"", 29.0)
    assert watch.over(29.6) == (
        Outcome.HUNG,
        "the scenario did not end within 20 s (timeout); its last step was 'read'",
    )


def test_a_crash_ends_the_trial_when_it_is_told_or_soon_after() -> None:
    whole = Watch(Timeouts())
    whole.hear(OOPS_61, b"", 7.0)
    assert whole.over(7.0) is not None
    cut = Watch(Timeouts())
    cut.hear(OOPS_61[:200], b"", 7.0)
    assert cut.over(7.0 + SETTLE / 2) is None
    assert cut.over(7.1 + SETTLE) is not None
    outcome, _, crash = cut.ended(EXPECTED, cut.over(7.1 + SETTLE))
    assert outcome is Outcome.BOOT_FAILED
    assert crash is not None


def test_a_machine_that_does_not_switch_off_is_ended() -> None:
    watch = Watch(Timeouts())
    watch.hear(b"", b"regress: up\nregress: passed\n", 5.0)
    assert watch.over(5.0) is None
    assert watch.over(5.1 + SETTLE) == (Outcome.PASSED, "")


CUT = Chunk(status=b"regress: cut 1.50 0 0.0\r\n")


def cuts(folder: Path, *boots: Chunk) -> tuple[Trial, list[Boot]]:
    """A trial in which each boot plays one chunk after the guest is up."""
    rest = iter(boots)
    machine = ScriptedMachine(lambda _: [UP, next(rest)])
    disk = folder / "disk.img"
    boot = Boot(folder / "bzImage", "x86_64", folder / "initrd", ("VARIANT=a",), 512, 2, folder, disk)
    return run_trial(machine, boot, Timeouts(), EXPECTED, lambda _: None), machine.boots


def test_the_power_is_cut_when_the_guest_asks_and_it_is_booted_again(tmp_path: Path) -> None:
    trial, boots = cuts(tmp_path, CUT, CUT, Chunk(status=b"regress: passed 9.0 0 errors\r\n"))
    assert (trial.outcome, trial.reason) == (Outcome.PASSED, "0 errors")
    assert [b.append for b in boots] == [("VARIANT=a",), ("VARIANT=a", "BOOT=2"), ("VARIANT=a", "BOOT=3")]
    assert {b.disk for b in boots} == {tmp_path / "disk.img"}
    assert [name for name, _ in trial.phases] == ["up", "write", "cut", "power cut"] * 2 + ["up", "write", "passed"]
    assert [at for _, at in trial.phases] == sorted(at for _, at in trial.phases)
    assert (tmp_path / "status.log").read_bytes().count(b"regress: up") == 3


def test_a_crash_comes_before_a_power_cut(tmp_path: Path) -> None:
    trial, boots = cuts(tmp_path, CUT, Chunk(console=OOPS_61, status=CUT.status))
    assert trial.outcome is Outcome.CRASHED
    assert len(boots) == 2


def test_a_guest_that_never_has_enough_of_power_cuts(tmp_path: Path) -> None:
    trial, boots = cuts(tmp_path, *[CUT] * (MOST_CUTS + 1))
    assert trial.outcome is Outcome.HUNG
    assert len(boots) == MOST_CUTS + 1


def test_a_warning_is_not_lost_in_a_power_cut(tmp_path: Path) -> None:
    warning = b"WARNING: CPU: 0 PID: 7 at block/bio.c:10 bio_put+0x1/0x2\nCall Trace:\n a+0x1/0x2\n"
    trial, boots = cuts(tmp_path, Chunk(console=warning, status=CUT.status), Chunk(status=b"regress: passed 1.0 x\n"))
    assert trial.outcome is Outcome.CRASHED
    assert len(boots) == 1


@pytest.mark.parametrize("word", ["cut", "cut 1.5", "cut 1.5 1", "cut 1.5 x y", "cut 1.5 -1 2"])
def test_a_power_cut_wants_its_window(word: str) -> None:
    watch = Watch(Timeouts())
    watch.hear(b"", f"regress: up\nregress: {word}\n".encode(), 5.0)
    assert watch.window is None


def test_what_a_console_says_cannot_drive_a_terminal() -> None:
    crash = find_crashes(
        b"Kernel panic - not syncing: a \x1bc\x07 b\nCPU: 0 PID: 7 Comm: a\x1bb Not tainted 6.1.0 #1\n"
    )[0]
    assert crash.comm == "a b"
    assert describe(crash).isprintable()


def test_an_ignored_crash_does_not_decide(tmp_path: Path) -> None:
    ignored = (Ignored(Expectation(title="*in dm_crypt_integrity_io_alloc"), "it is there at each boot"),)

    def ended(*script: Chunk | None) -> Trial:
        boot = Boot(tmp_path / "bzImage", "x86_64", tmp_path / "initrd", (), 512, 2, tmp_path)
        machine = ScriptedMachine(list(script))
        return run_trial(machine, boot, Timeouts(), EXPECTED, lambda _: None, ignored)

    passed = Chunk(status=b"regress: passed 6.70\r\n")
    assert ended(Chunk(console=OTHER), UP, passed).outcome is Outcome.PASSED
    assert ended(Chunk(console=OTHER), UP).outcome is Outcome.LOST
    trial = ended(UP, Chunk(console=OTHER + OOPS_61), passed)
    assert trial.crash is not None
    assert "bio_integrity" in trial.reason
