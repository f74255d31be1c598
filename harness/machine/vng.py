"""virtme-ng sets up the machine and runs QEMU; the guest's root file system is our own initramfs.

With an initramfs that has its own `/init`, the kernel never looks at the file systems that
virtme-ng offers, so neither 9p nor virtio is needed in the kernel, and only an empty folder is exported.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import shutil
import sys
import tempfile
import tty
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import InfrastructureError, ProgramMissing
from harness.machine import Chunk, Guest
from harness.model import Boot
from harness.process import Job, started

APPEND = (
    "console=ttyS0",
    "ignore_loglevel",
    # An oops stops the machine at once: panic, and with panic=-1 and QEMU's -no-reboot its end.
    # (panic_on_oops=1 is a sysctl and does nothing on the command line.)
    "oops=panic",
    "panic=-1",
    # Without ACPI the TSC is the only good clock; an emulated one is too uneven for its watchdog.
    "tsc=reliable",
    # On a busy host an emulated timer may tick too late for the kernel's check of it ("IO-APIC + timer doesn't
    # work!"), which would look like a kernel that does not boot.
    "no_timer_check",
)


def disk_options(image: Path | str) -> list[str]:
    """QEMU's options for a disk image, seen by the guest as `/dev/vda`.

    What QEMU has written is in the host's page cache, so it survives a power cut, which kills only QEMU; it is killed
    with SIGKILL, so that it writes nothing more.
    """
    drive = f"file={str(image).replace(',', ',,')},if=none,id=image,format=raw,cache=writeback"
    return ["-drive", drive, "-device", "virtio-blk-pci,drive=image"]


def command(boot: Boot, accelerator: str, status: Path, empty: Path) -> list[str]:
    """The vng command for a boot.

    Args:
        accelerator: `kvm` or `tcg`.
        status: the file that the guest's second serial port writes to.
        empty: an empty folder for virtme-ng to export.
    """
    qemu = f"-no-reboot -initrd {shlex.quote(str(boot.initrd))} -serial file:{shlex.quote(str(status))}"
    if boot.disk is not None:
        qemu += " " + shlex.join(disk_options(boot.disk))
    return [
        *("vng", "--run", str(boot.image), "--verbose", "--root", str(empty), "--force-9p"),
        *("--disable-monitor", "--memory", f"{boot.memory}M", "--cpus", f"{boot.cpus},sockets={boot.cpus}"),
        *(["--disable-kvm"] if accelerator == "tcg" else []),
        *(word for append in (*APPEND, *boot.append) for word in ("--append", append)),
        f"--qemu-opts={qemu}",
    ]


@dataclass
class _Running:
    """A QEMU under vng: its console on a pty, its status port on a fifo."""

    job: Job
    console: int
    status: int
    folder: Path
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    noted: bool = False
    first: bytes = b""

    def read(self, timeout: float) -> Chunk | None:
        """See `Guest.read`."""
        ready = {key.fd for key, _ in self.selector.select(timeout)}
        console = _read(self.console) if self.console in ready else None
        status = (_read(self.status) or b"") if self.status in ready or console == b"" else b""
        # Either channel may speak first: a pty delivers a little later than a fifo.
        if (console or status) and not self.noted:
            self.noted = _note_qemu(self.job.process.pid, self.folder)
        if console:
            self.first = (self.first + console)[:4096]
        if console == b"" and not status:
            self._assert_ended_well()
            return None
        return Chunk(console or b"", status)

    def _assert_ended_well(self) -> None:
        """Tell a machine that did not start, or was killed, from one that ended by itself."""
        for line in self.first.decode(errors="replace").splitlines():
            if line.startswith(("qemu-system", "qemu:", "virtme-run: error", "vng: error", "Traceback")):
                raise InfrastructureError(f"the machine did not start: {line.strip()}")
        if status := self.job.wait():
            raise InfrastructureError(f"QEMU did not end by itself: exit status {status} of vng")


def _read(descriptor: int) -> bytes:
    """What is there to read; nothing at the end, which a pty signals with an error."""
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return b""
    except OSError:
        return b""


def _note_qemu(pid: int, folder: Path) -> bool:
    """Save the command line of the QEMU among a process's descendants."""
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            words = Path(f"/proc/{child}/cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
            if "qemu" in Path(words[0]).name:
                (folder / "qemu.command").write_text(shlex.join(words) + "\n", encoding="utf-8")
                return True
            if _note_qemu(int(child), folder):
                return True
    return False


@dataclass(frozen=True)
class Vng:
    """Boots kernels through virtme-ng.

    Args:
        accelerator: `kvm` or `tcg`.
    """

    accelerator: str

    @contextlib.contextmanager
    def boot(self, boot: Boot) -> Iterator[Guest]:
        """See `Machine.boot`; leaving the block is a power cut.

        Raises:
            ProgramMissing: vng or QEMU is not installed.
            InfrastructureError: QEMU does not start.
        """
        # vng runs its other half, virtme-run, by name.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        for program in ("vng", "qemu-system-x86_64"):
            if shutil.which(program, path=path) is None:
                raise ProgramMissing(program)
        with tempfile.TemporaryDirectory(prefix="regress-boot-") as name, contextlib.ExitStack() as stack:
            fifo, empty = Path(name, "status"), Path(name, "empty")
            os.mkfifo(fifo)
            empty.mkdir()
            argv, env = command(boot, self.accelerator, fifo, empty), {"PATH": path, "TMPDIR": name}
            (boot.folder / "vng.command").write_text(shlex.join(argv) + "\n", encoding="utf-8")
            status = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
            stack.callback(os.close, status)
            # Our own writer keeps the fifo from reporting end of file before QEMU has opened it.
            stack.callback(os.close, os.open(fifo, os.O_WRONLY))
            console, terminal = os.openpty()
            stack.callback(os.close, console)
            tty.setraw(terminal)
            try:
                job = stack.enter_context(
                    started(argv, env=env, stdin=terminal, stdout=terminal, stderr=terminal, patience=0)
                )
            finally:
                os.close(terminal)
            running = _Running(job, console, status, boot.folder)
            stack.callback(running.selector.close)
            running.selector.register(console, selectors.EVENT_READ)
            running.selector.register(status, selectors.EVENT_READ)
            yield running
