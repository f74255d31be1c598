"""The vng adapter with the real vng and the real QEMU; the kernel is a boot sector that says a word, or hangs."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness.architecture import load
from harness.errors import InfrastructureError, ProgramMissing
from harness.machine import vng
from harness.machine.vng import Vng, machine, qemu_command, vng_command
from harness.model import Boot
from harness.process import Completed
from tests.support import gone

# A "kernel" in the boot protocol's oldest form: a boot sector and four setup sectors, whose setup code
# writes to both serial ports and then resets the machine by a triple fault, or hangs.
SETUP = """
    .code16
    .org 0x1f1
    .byte 4
    .org 0x1fe
    .word 0xaa55
    jmp start
    .ascii "HdrS"
    .word 0x0200
    .org 0x260
start:
    movw %cs, %ax
    movw %ax, %ds
    movw $0x3f8, %dx
    movw $(text - 0x200), %si
    call say
    movw $0x2f8, %dx
    movw $(word - 0x200), %si
    call say
end: {end}
say:
    lodsb
    testb %al, %al
    jz 1f
    outb %al, %dx
    jmp say
1:  ret
text: .asciz "hello console\\n"
word: .asciz "regress: up 0.01\\nregress: passed 0.02 hello\\n"
zero: .word 0, 0, 0
    .org 0x1400
"""
RESET = "lidt (zero - 0x200)\n int3"
HANG = "jmp end"


def image(folder: Path, end: str) -> Path:
    (folder / "k.S").write_text(SETUP.format(end=end))
    subprocess.run(["as", "--32", "-o", str(folder / "k.o"), str(folder / "k.S")], check=True)
    target = folder / "bzImage"
    subprocess.run(
        ["ld", "-m", "elf_i386", "-Ttext=0", "--oformat=binary", "-e", "0", "-o", str(target), str(folder / "k.o")],
        check=True,
    )
    return target


def boot(folder: Path, end: str) -> Boot:
    initrd = folder / "initrd"
    initrd.write_bytes(b"\0" * 512)
    return Boot(image(folder, end), "x86_64", initrd, ("a=b",), 128, 1, folder)


def test_console_and_status_come_apart(tmp_path: Path) -> None:
    console = status = b""
    with Vng("tcg").boot(boot(tmp_path, RESET)) as guest:
        deadline = time.monotonic() + 60
        while (chunk := guest.read(0.5)) is not None and time.monotonic() < deadline:
            console += chunk.console
            status += chunk.status
    assert b"hello console" in console
    assert status.replace(b"\r", b"") == b"regress: up 0.01\nregress: passed 0.02 hello\n"
    assert (tmp_path / "vng.command").read_text().startswith("vng --run ")
    assert "-append" in (tmp_path / "qemu.command").read_text()


def qemus(mark: Path) -> list[int]:
    found = subprocess.run(["pgrep", "-f", rf"^\S*qemu-system.*{mark}"], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


@pytest.mark.parametrize("stopped", [False, True])
def test_leaving_the_block_ends_a_hanging_guest(tmp_path: Path, stopped: bool) -> None:
    with Vng("tcg").boot(boot(tmp_path, HANG)) as guest:
        deadline = time.monotonic() + 60
        while (chunk := guest.read(0.5)) is not None and time.monotonic() < deadline:
            if chunk.status:
                break
        [pid] = qemus(tmp_path)
        if stopped:
            os.kill(pid, signal.SIGSTOP)
    assert gone(pid)


def test_a_qemu_that_somebody_kills_is_the_machines_fault(tmp_path: Path) -> None:
    def follow() -> None:
        with Vng("tcg").boot(boot(tmp_path, HANG)) as guest:
            while (chunk := guest.read(1.0)) is not None:
                if chunk.status:
                    for pid in qemus(tmp_path):
                        os.kill(pid, signal.SIGKILL)

    with pytest.raises(InfrastructureError, match="QEMU did not end by itself"):
        follow()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_controller_leaves_no_qemu(tmp_path: Path, number: signal.Signals) -> None:
    boot(tmp_path, HANG)
    code = f"""
from pathlib import Path
from harness.machine.vng import Vng
from harness.model import Boot
from harness.process import Completed
folder = Path({str(tmp_path)!r})
with Vng("tcg").boot(Boot(folder / "bzImage", "x86_64", folder / "initrd", (), 128, 1, folder)) as guest:
    while guest.read(1.0) is not None:
        pass
"""
    controller = subprocess.Popen(["nohup", sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (pids := qemus(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1.0)
    controller.send_signal(number)
    controller.wait()
    assert len(pids) == 1
    assert gone(pids[0])


def test_a_qemu_that_does_not_start_is_the_machines_fault(tmp_path: Path) -> None:
    wrong = boot(tmp_path, RESET)
    huge = Boot(wrong.image, "x86_64", tmp_path / "no-such-initrd", (), 128, 1, tmp_path)

    def follow() -> None:
        with Vng("tcg").boot(huge) as guest:
            while guest.read(1.0) is not None:
                pass

    with pytest.raises(InfrastructureError, match="the machine did not start: qemu"):
        follow()


def test_a_missing_qemu_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(ProgramMissing, match="vng"), Vng("tcg").boot(boot_without_tools(tmp_path)):
        pass


def boot_without_tools(folder: Path) -> Boot:
    return Boot(folder / "bzImage", "x86_64", folder / "initrd", (), 128, 1, folder)


def test_the_accelerator_is_in_the_command_for_vng(tmp_path: Path) -> None:
    assert "--disable-kvm" in vng_command(load("x86_64"), "tcg", 128, 1, tmp_path / "k", tmp_path)
    assert "--disable-kvm" not in vng_command(load("x86_64"), "kvm", 128, 1, tmp_path / "k", tmp_path)


def test_vng_is_asked_once_for_a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def told(argv: Sequence[str], **_: object) -> Completed:
        asked.append(argv[argv.index("--memory") + 1])
        return Completed(tuple(argv), 0, "/usr/bin/qemu-system-x86_64 -m 1M", "")

    monkeypatch.setattr(vng, "run", told)
    wrong = replace(boot(tmp_path, RESET), initrd=tmp_path / "no-such-initrd", memory=129)
    for one in (wrong, wrong, replace(wrong, memory=130)):
        with Vng("tcg").boot(one):
            pass
    assert asked == ["129M", "130M"]


def test_the_machine_is_vngs_without_its_kernel_and_the_hosts_files() -> None:
    printed = (
        "a warning\n/usr/bin/qemu-system-x86_64 -m 1M -fsdev local,path=/,id=a -device virtio-9p-pci,fsdev=a "
        "-device virtio-serial-pci -kernel k -append 'x -- -c \"a b\"' -display none\n"
    )
    assert machine(printed) == shlex.split("/usr/bin/qemu-system-x86_64 -m 1M -device virtio-serial-pci -display none")


@pytest.mark.parametrize("printed", ["", "vng: no such option"])
def test_what_is_not_a_command_of_qemus_is_told(printed: str) -> None:
    with pytest.raises(InfrastructureError, match="expected QEMU's command on the last line"):
        machine(printed)


def test_a_boots_kernel_words_and_disk_are_in_the_command_for_qemu(tmp_path: Path) -> None:
    made = replace(boot_without_tools(tmp_path), append=("a=b",))
    words = qemu_command(["qemu"], made, "status")
    assert words[words.index("-kernel") + 1] == str(made.image)
    assert {"oops=panic", "a=b"} <= set(words[words.index("-append") + 1].split())
    assert "-device" not in words
    words = qemu_command(["qemu"], replace(made, disk=tmp_path / "a b,c.img"), "status")
    assert f"file={tmp_path}/a b,,c.img,if=none,id=image,format=raw,cache=writeback" in words
    assert words[words.index("-device") + 1] == "virtio-blk-pci,drive=image"
