"""virtme-ng sets up the machine; the guest's root file system is our own initramfs.

With an initramfs that has its own `/init`, the kernel never looks at a root file system: that init goes over to another
one where a scenario asks for it.  Nothing of the host is exported unless that is what it asks for.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import os
import selectors
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness import architecture, diskimage
from harness.architecture import Architecture
from harness.errors import InfrastructureError, ProgramMissing
from harness.machine import Chunk, Guest
from harness.model import Boot
from harness.process import Job, run, started


@functools.cache
def identity(arch: Architecture, accelerator: str) -> str:
    """The versions of QEMU and virtme-ng; under KVM also the processor, which the guest then sees.

    Args:
        arch: of the guest.
        accelerator: `kvm` or `tcg`.
    """
    qemu = run([arch.qemu, "--version"]).stdout.partition("\n")[0]
    told = [accelerator, qemu, f"virtme-ng {importlib.metadata.version('virtme-ng')}"]
    if accelerator == "kvm":
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        told.append(next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), ""))
    return ", ".join(told)


def vng_command(arch: Architecture, accelerator: str, memory: int, cpus: int, image: Path, empty: Path) -> list[str]:
    """The vng command that prints QEMU's for a machine.

    Args:
        arch: its architecture.
        accelerator: `kvm` or `tcg`.
        memory: MiB.
        cpus: how many.
        image: any kernel.
        empty: an empty folder, in place of the host's root file system.
    """
    return [
        *("vng", "--run", str(image), "--dry-run", "--root", str(empty), "--force-9p", "--disable-monitor"),
        *("--memory", f"{memory}M", "--cpus", f"{cpus},sockets={cpus}"),
        *(["--arch", arch.vng] if arch.vng else []),
        *(["--disable-kvm"] if accelerator == "tcg" else []),
    ]


def machine(printed: str) -> list[str]:
    """QEMU's command for a machine without a kernel and without the host's file systems.

    Args:
        printed: what vng printed.

    Raises:
        InfrastructureError: it is not a command of QEMU's.
    """
    words = shlex.split(printed.strip().rpartition("\n")[2])
    if not words or "qemu" not in Path(words[0]).name:
        raise InfrastructureError(f"vng --dry-run: expected QEMU's command on the last line, got {printed[-200:]!r}")
    pairs = zip(words[1:], [*words[2:], ""], strict=True)
    dropped = {"-kernel", "-append", "-fsdev"}
    gone = {n for n, (word, value) in enumerate(pairs) if word in dropped or value.startswith("virtio-9p")}
    return [words[0], *(word for n, word in enumerate(words[1:]) if not {n, n - 1} & gone)]


def qemu_command(machine: Sequence[str], boot: Boot, status: Path | str) -> list[str]:
    """The QEMU command for a boot.

    Args:
        machine: the command for the machine, see above.
        status: the file that the guest's status channel writes to.
    """
    arch = architecture.load(boot.arch)
    return [
        *machine,
        *("-kernel", str(boot.image), "-initrd", str(boot.initrd), "-append", " ".join((*arch.append, *boot.append))),
        *("-no-reboot", *arch.channel(status)),
        *(arch.drive(boot.disk) if boot.disk is not None else []),
        *(_root(arch, boot.root) if boot.root is not None else []),
    ]


def _root(arch: Architecture, root: Path) -> list[str]:
    return arch.root(root, None if root.is_dir() else diskimage.form(root))


@functools.cache
def _set_up(arch: Architecture, accelerator: str, memory: int, cpus: int, path: str) -> tuple[list[str], list[str]]:
    """The command of vng for a machine, and what it makes of it; asked once, as vng takes 0.3 s to start."""
    with tempfile.TemporaryDirectory(prefix="regress-vng-") as name:
        kernel, root = Path(name, "kernel"), Path(name, "root")
        kernel.touch()
        root.mkdir()
        argv = vng_command(arch, accelerator, memory, cpus, kernel, root)
        return argv, machine(run(argv, env={"PATH": path, "TMPDIR": name}).stdout)


def fault(printed: bytes) -> str | None:
    """The line of what QEMU printed that says why it did not start; its warnings are not such lines."""
    for line in printed.decode(errors="replace").splitlines():
        if line.startswith(("qemu-system", "qemu:")) and ": warning: " not in line:
            return line.strip()
    return None


@dataclass
class _Running:
    """A running QEMU: its console on a pipe, its status port on a fifo."""

    job: Job
    console: int
    status: int
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    first: bytes = b""

    def read(self, timeout: float) -> Chunk | None:
        """See `Guest.read`."""
        ready = {key.fd for key, _ in self.selector.select(timeout)}
        console = _read(self.console) if self.console in ready else None
        status = (_read(self.status) or b"") if self.status in ready or console == b"" else b""
        if console:
            self.first = (self.first + console)[:4096]
        if console == b"" and not status:
            self._assert_ended_well()
            return None
        return Chunk(console or b"", status)

    def _assert_ended_well(self) -> None:
        """Tell a machine that did not start, or was killed, from one that ended by itself."""
        if line := fault(self.first):
            raise InfrastructureError(f"the machine did not start: {line}")
        if status := self.job.wait():
            raise InfrastructureError(f"QEMU did not end by itself: exit status {status}")


def _read(descriptor: int) -> bytes:
    """What is there to read; nothing at the end."""
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return b""


@dataclass(frozen=True)
class Vng:
    """Boots kernels through virtme-ng.

    Args:
        accelerator: `kvm` or `tcg`.
    """

    accelerator: str

    def identity(self, arch: str) -> str:
        """See `Machine.identity`."""
        return identity(architecture.load(arch), self.accelerator)

    @contextlib.contextmanager
    def boot(self, boot: Boot) -> Iterator[Guest]:
        """See `Machine.boot`; leaving the block is a power cut.

        Raises:
            ProgramMissing: vng or QEMU is not installed.
            InfrastructureError: QEMU does not start.
        """
        # vng runs its other half, virtme-run, by name.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        arch = architecture.load(boot.arch)
        for program in ("vng", arch.qemu):
            if shutil.which(program, path=path) is None:
                raise ProgramMissing(program)
        with tempfile.TemporaryDirectory(prefix="regress-boot-") as name, contextlib.ExitStack() as stack:
            fifo = Path(name, "status")
            os.mkfifo(fifo)
            argv, on = _set_up(arch, self.accelerator, boot.memory, boot.cpus, path)
            (boot.folder / "vng.command").write_text(shlex.join(argv) + "\n", encoding="utf-8")
            argv = qemu_command(on, boot, fifo)
            (boot.folder / "qemu.command").write_text(shlex.join(argv) + "\n", encoding="utf-8")
            status = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
            stack.callback(os.close, status)
            # Our own writer keeps the fifo from reporting end of file before QEMU has opened it.
            stack.callback(os.close, os.open(fifo, os.O_WRONLY))
            console, write = os.pipe()
            stack.callback(os.close, console)
            try:
                job = stack.enter_context(started(argv, env={"TMPDIR": name}, stdout=write, stderr=write, patience=0))
            finally:
                os.close(write)
            running = _Running(job, console, status)
            stack.callback(running.selector.close)
            running.selector.register(console, selectors.EVENT_READ)
            running.selector.register(status, selectors.EVENT_READ)
            yield running
