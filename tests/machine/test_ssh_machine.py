"""A test machine over SSH: a real sshd, and stand-ins for the machine's commands and its kernels."""

import getpass
import os
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.console import Expectation
from harness.errors import InfrastructureError, UserError
from harness.hosts import Host
from harness.machine.board import Board
from harness.machine.gate import Gate
from harness.machine.lab_check import check
from harness.machine.ssh import SshMachine
from harness.model import Boot, Outcome, Timeouts, Trial
from harness.ssh import Address
from harness.trial import run_trial
from tests.support.edges import until
from tests.support.fake_board import USUAL, FakeBoard, fake_board, wait, word

OOPS = (
    "[    3.1] BUG: kernel NULL pointer dereference, address: 0000000000000000\n[    3.1] Oops: 0010 [#1] SMP\n"
    "[    3.1] RIP: 0010:toy_read+0x10/0x20\n[    3.1] ---[ end trace 0000000000000000 ]---\n"
    "[    3.1] Kernel panic - not syncing: Fatal exception\n[    3.1] Rebooting in 3 seconds..\n"
)


def good(board: FakeBoard, line: str) -> None:
    board.prints_banner(line)
    mark = f"[    1.0] regress-{word(line)}:"
    board.print(f"{mark} up 1.0\r\n[    1.1] hello\nregress: failed by a forger\n{mark} passed 2.0 all is well\n")


def crash(board: FakeBoard, line: str) -> None:
    board.prints_banner(line)
    board.print(f"[    1.0] regress-{word(line)}: up 1.0\n{OOPS}")


def hang(board: FakeBoard, line: str) -> None:
    board.prints_banner(line)
    board.print("[    0.5] Waiting for root device /dev/none...\n")
    wait(board, 60)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No real machine has to be waited for."""
    for place in ("board.PAUSE", "ssh.PAUSE", "board.SOON"):
        monkeypatch.setattr(f"harness.machine.{place}", 0.2)


Trying = Callable[..., Trial]


@pytest.fixture
def trying(tmp_path: Path) -> Trying:
    """Tries a kernel on a machine."""

    def call(host: Host, number: int = 1, timeouts: Timeouts | None = None, **changes: Any) -> Trial:
        folder = tmp_path / f"trial-{number}"
        folder.mkdir()
        for name in ("image", "initrd"):
            (tmp_path / name).write_bytes(name.encode() * 100)
        boot = Boot(tmp_path / "image", "x86_64", tmp_path / "initrd", ("VARIANT=x",), 512, 2, folder)
        machine = SshMachine(host, tmp_path / "cache")
        return run_trial(
            *(machine, boot, timeouts or Timeouts(8, 8, 8), Expectation(title="*toy_read*")), lambda _: None, **changes
        )

    return call


def assert_usual(board: FakeBoard) -> None:
    """It runs its usual kernel, and nobody has it."""
    assert (board.root / "proc/cmdline").read_text().strip() == USUAL
    assert not (board.root / "var/lib/regress/lab/lock").exists()


def test_a_good_kernel(tmp_path: Path, trying: Trying) -> None:
    with fake_board(tmp_path / "board", good) as board:
        trial = trying(board.host())
        assert (trial.outcome, trial.reason) == (Outcome.PASSED, "all is well")
        assert (board.root / "loaded").read_bytes() == b"image" * 100
        assert board.booted[0].split()[:2] == ["console=ttyS0,115200", "ignore_loglevel"], "the machine's own console"
        assert "VARIANT=x" in board.booted[0]
        console = (tmp_path / "trial-1/console.log").read_text()
        assert "hello" in console
        assert USUAL not in console, "what the usual kernel prints is not the kernel's under test"
        assert board.cycled == 0
        assert_usual(board)


def test_a_crash_is_seen_and_the_machine_comes_back(tmp_path: Path, trying: Trying) -> None:
    with fake_board(tmp_path / "board", crash) as board:
        trial = trying(board.host())
        assert trial.outcome is Outcome.CRASHED
        assert trial.crash is not None
        assert "toy_read" in trial.crash.title
        assert_usual(board)


def test_a_kernel_that_hangs_is_switched_off(tmp_path: Path, trying: Trying) -> None:
    with fake_board(tmp_path / "board", hang) as board:
        trial = trying(board.host(), timeouts=Timeouts(2, 2, 2))
        assert trial.outcome is Outcome.BOOT_FAILED
        assert board.cycled == 1
        assert_usual(board)


def test_an_end_without_a_word_is_no_pass(tmp_path: Path, trying: Trying) -> None:
    def lost(board: FakeBoard, line: str) -> None:
        board.prints_banner(line)
        board.print(f"[    1.0] regress-{word(line)}: up 1.0\n[    1.1] regress-other: passed 1.1 not ours\n")

    with fake_board(tmp_path / "board", lost) as board:
        assert trying(board.host()).outcome is Outcome.LOST
        assert_usual(board)


@pytest.mark.parametrize("boot", ["grub", "systemd-boot"])
def test_one_shot_entries(tmp_path: Path, trying: Trying, boot: str) -> None:
    entry = tmp_path / "board/root" / ("boot/grub/custom.cfg" if boot == "grub" else "efi/loader/entries/regress.conf")

    def boots_the_entry(board: FakeBoard, _line: str) -> None:
        words = entry.read_text().replace("'", "")  # as GRUB reads it
        good(board, next(line for line in words.splitlines() if "REGRESS_WORD=" in line))

    with fake_board(tmp_path / "board", boots_the_entry) as board:
        root = board.root
        (root / "boot/grub").mkdir(parents=True)
        (root / "boot/grub/grub.cfg").write_text("next_entry custom.cfg")
        (root / "next").touch()
        (root / "line").write_text("which the boot loader reads in its entry")
        trial = trying(board.host(boot=boot))
        assert trial.outcome is Outcome.PASSED, trial.reason
        said = (root / "said").read_text()
        assert said == ("grub-reboot regress\n" if boot == "grub" else "bootctl set-oneshot regress.conf\n")


def test_the_word_over_ssh_on_the_machines_own_root(tmp_path: Path, trying: Trying) -> None:
    def boots(board: FakeBoard, line: str) -> None:
        board.prints_banner(line)
        board.runs(line)
        wait(board, 60)

    with fake_board(tmp_path / "board", boots) as board:
        # The initramfs that is unpacked there has a scenario that uses the real library's words.
        commands = tmp_path / "board/bin"
        (commands / "cpio").write_text(
            "#!/bin/sh\nmkdir -p lib/regress\n"
            "printf '%s\\n' 'echo regress-$REGRESS_WORD: up 1.0' 'echo noise' "
            "'echo \"regress-$REGRESS_WORD: passed 2.0 as $VARIANT\"' >lib/regress/scenario\n"
        )
        (commands / "cpio").chmod(0o755)
        trial = trying(board.host(own_root=True), timeouts=Timeouts(20, 20, 20))
        assert (trial.outcome, trial.reason) == (Outcome.PASSED, "as x")
        assert board.booted[0].startswith("root=/dev/sda1 ro console=ttyS0,115200 ignore_loglevel")
        assert "noise" in (tmp_path / "trial-1/script.log").read_text()
        assert_usual(board)


def test_a_kernel_without_network_is_a_failed_boot_where_ssh_is_the_way(tmp_path: Path, trying: Trying) -> None:
    def deaf(board: FakeBoard, line: str) -> None:
        board.prints_banner(line)
        board.print("lab login: \n")
        wait(board, 60)

    with fake_board(tmp_path / "board", deaf) as board:
        trial = trying(board.host(own_root=True), timeouts=Timeouts(3, 3, 10))
        assert trial.outcome is Outcome.BOOT_FAILED
        assert_usual(board)


def test_without_a_console_the_store_that_survives_is_read(tmp_path: Path, trying: Trying) -> None:
    def silent(board: FakeBoard, line: str) -> None:
        store = board.root / "sys/fs/pstore"
        store.mkdir(parents=True)
        (store / "console-ramoops-0").write_text(f"[    1.0] regress-{word(line)}: up 1.0\n{OOPS}")

    with fake_board(tmp_path / "board", silent) as board:
        trial = trying(board.host(console=None), timeouts=Timeouts(30, 30, 1))
        assert trial.outcome is Outcome.CRASHED
        assert_usual(board)


def test_messages_over_udp(tmp_path: Path, trying: Trying) -> None:
    def sends(board: FakeBoard, line: str) -> None:
        port = int(line.partition("netconsole=")[2].split()[0].rpartition(",")[2].partition("@")[0])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            mark = f"[    1.0] regress-{word(line)}:"
            for text in (f"{mark} up 1.0\n", f"{mark} passed 1.5 heard\n"):
                one.sendto(text.encode(), ("127.0.0.1", port))

    with fake_board(tmp_path / "board", sends) as board:
        (tmp_path / "board/bin/ip").write_text(
            "#!/bin/sh\necho 127.0.0.1 dev lo src 127.0.0.1 lladdr 00:00:00:00:00:00\n"
        )
        (tmp_path / "board/bin/ip").chmod(0o755)
        trial = trying(board.host(console=None, netconsole="eth0"))
        assert (trial.outcome, trial.reason) == (Outcome.PASSED, "heard")


# Faults of the lab: infrastructure, with the remedy.


@pytest.mark.parametrize(
    ("lab", "said"),
    [
        ({"console": ("sh", "-c", "echo no such board; exit 1")}, r"no console \(lab.console\): .* no such board"),
        ({"console": ("none-such-console",)}, r"none-such-console: no such program"),
        ({"console": ("sleep", "600")}, r"has shown nothing at all.*does  sleep 600  show it"),
    ],
)
def test_no_console(tmp_path: Path, trying: Trying, lab: dict[str, Any], said: str) -> None:
    with fake_board(tmp_path / "board", good) as board:
        trial = trying(board.host(**lab), timeouts=Timeouts(2, 2, 2))
        assert trial.outcome is Outcome.INFRASTRUCTURE
        assert re.search(said, trial.reason), trial.reason
        assert_usual(board)


def test_the_power_command_fails(tmp_path: Path, trying: Trying) -> None:
    with fake_board(tmp_path / "board", hang) as board:
        trial = trying(board.host(cycle=("sh", "-c", "echo no route to the PDU; exit 7")), timeouts=Timeouts(1, 1, 1))
        assert trial.outcome is Outcome.INFRASTRUCTURE
        assert "the power command (lab.power.cycle) fails: exit status 7" in trial.reason
        assert "no route to the PDU" in trial.reason


def test_the_usual_kernel_does_not_come_back(tmp_path: Path, trying: Trying) -> None:
    def last(board: FakeBoard, line: str) -> None:
        board.dead = True
        hang(board, line)

    with fake_board(tmp_path / "board", last) as board:
        trial = trying(board.host(comes_back=3.0), timeouts=Timeouts(1, 1, 1))
        assert trial.outcome is Outcome.INFRASTRUCTURE
        assert "its usual kernel did not come back within 3 s of a power cycle" in trial.reason


def test_a_kernel_that_cannot_be_started(tmp_path: Path, trying: Trying) -> None:
    with fake_board(tmp_path / "board", good) as board:
        (board.root / "refuse").touch()
        trial = trying(board.host())
        assert trial.outcome is Outcome.INFRASTRUCTURE
        assert "kexec_load failed: Operation not permitted" in trial.reason
        assert_usual(board)


def test_a_machine_that_may_not_be_rebooted_is_not(tmp_path: Path, trying: Trying) -> None:
    with pytest.raises(UserError, match=r"host is no test machine: give it `lab: \{...\}` in hosts.yaml"):
        trying(Host("host", Address("nowhere")))


# Controllers that die, and others that wait.


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[FakeBoard]:
    """A machine whose controller was killed while a kernel that hangs ran on it."""
    kernels = iter([hang, good, good])

    def next_one(board: FakeBoard, line: str) -> None:
        next(kernels)(board, line)

    with fake_board(tmp_path / "board", next_one) as board:
        pid = os.fork()
        if pid == 0:
            try:
                folder = tmp_path / "killed"
                folder.mkdir()
                for name in ("image", "initrd"):
                    (tmp_path / name).write_bytes(name.encode())
                boot = Boot(tmp_path / "image", "x86_64", tmp_path / "initrd", (), 512, 2, folder)
                with SshMachine(board.host(), tmp_path / "cache").boot(boot) as guest:
                    while guest.read(1.0) is not None:
                        pass
            finally:
                os._exit(1)
        assert until(lambda: "Waiting for root device" in (tmp_path / "board/console").read_text())
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        yield board


def test_a_killed_controller_leaves_a_machine_that_the_next_one_gets_back(killed: FakeBoard, trying: Trying) -> None:
    trial = trying(killed.host())
    assert trial.outcome is Outcome.PASSED
    assert killed.cycled == 1
    assert_usual(killed)


def test_a_machine_in_use_is_refused_with_the_holders_name(tmp_path: Path, trying: Trying) -> None:
    with fake_board(tmp_path / "board", good) as board, Board(board.host(), tmp_path / "elsewhere").taken():
        trial = trying(board.host())
        assert trial.outcome is Outcome.INFRASTRUCTURE
        assert f"board is in use by {getpass.getuser()}@" in trial.reason
        assert f"process {os.getpid()}" in trial.reason


@pytest.mark.parametrize(("uptime", "outcome"), [(1000, Outcome.PASSED), (20, Outcome.INFRASTRUCTURE)])
def test_a_lock_of_an_earlier_boot_is_stale_after_a_while(
    tmp_path: Path, trying: Trying, uptime: int, outcome: Outcome
) -> None:
    with fake_board(tmp_path / "board", good) as board:
        top = board.root / "var/lib/regress/lab"
        top.mkdir(parents=True)
        (top / "lock").write_text('lock={"holder": "eve@far", "machine": "other", "boot": "before", "since": "then"}\n')
        (board.root / "proc/uptime").write_text(f"{uptime}.00 1.0\n")
        trial = trying(board.host())
        assert trial.outcome is outcome, trial.reason
        assert outcome is Outcome.PASSED or "in use by eve@far since then" in trial.reason


# What is asked beforehand.


def test_check(tmp_path: Path) -> None:
    with fake_board(tmp_path / "board", good) as board:
        found = {one.name: one for one in check(board.host(cycle=None, boot="grub"), tmp_path / "cache")}
        assert found["connection"].found
        assert found["grub"].found is None
        assert "grub2-common" in found["grub"].remedy
        assert found["lab.power.cycle"].found is None
        assert not found["lab.power.cycle"].required
        assert all(found[name].found for name in ("flock", "room", "usual kernel", "lab.console"))
        assert {one.name: one for one in check(board.host(), tmp_path / "cache")}["kexec"].found
        board.server.stop()
        [lost, *_] = check(board.host(), tmp_path / "cache")
        assert "cannot be reached" in lost.remedy
        with pytest.raises(InfrastructureError, match="has not answered for 1 s"):
            Board(board.host(comes_back=1.0), tmp_path / "cache").taken().__enter__()


# The console.


def test_the_gate_lets_through_what_the_kernel_under_test_prints() -> None:
    gate = Gate("w0rd")
    text = (
        b"usual: BUG: old\n[ 0.0] Linux version 6.1 (usual)\n[ 0.0] Command line: quiet\nusual noise\n"
        b"[ 0.0] Linux version 6.2 (test)\n[ 0.0] Command line: x REGRESS_WORD=w0rd\n[ 1.0] hi\n"
        b"Linux version 6.2 is what /proc/version says\n[ 2.0] regress-w0rd: failed 2.0 no\n"
        b"[ 0.0] Linux version 6.1 (usual)\n[ 0.0] Command line: quiet\nBUG: new\n"
    )
    console, status = b"", b""
    for at in range(0, len(text), 7):
        more, said = gate.feed(text[at : at + 7])
        console, status = console + more, status + said
    assert b"6.2 (test)" in console
    assert b"hi" in console
    assert b"usual" not in console
    assert b"BUG" not in console
    assert status == b"regress: failed 2.0 no\n"
    assert gate.ended
    assert gate.told


# What the user writes.
