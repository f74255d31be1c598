"""A machine for `machine: {command: ...}`: any program whose output is the console (a lab's board, LAVA, UML)."""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from harness.errors import InfrastructureError
from harness.machine import Chunk, Guest
from harness.model import Boot
from harness.process import started


@dataclass
class _Running:
    process: subprocess.Popen[bytes]
    selector: selectors.BaseSelector
    last: bytes = b""
    told: bool = False
    ended: bool = False

    def read(self, timeout: float) -> Chunk | None:
        """See `Guest.read`; the last line of the output is the guest's word."""
        assert self.process.stdout is not None
        if self.ended:
            return None
        if not self.told:
            self.told = True
            return Chunk(status=b"regress: up\n")
        if not self.selector.select(timeout):
            return Chunk()
        if console := os.read(self.process.stdout.fileno(), 65536):
            self.last = (self.last + console)[-4096:]
            return Chunk(console)
        self.ended = True
        lines = self.last.decode(errors="replace").strip().splitlines()
        if lines and lines[-1].startswith(("regress: passed", "regress: failed", "regress: skipped")):
            return Chunk(status=lines[-1].encode() + b"\n")
        return None


@dataclass(frozen=True)
class CommandMachine:
    """Runs a command in place of a machine.

    Its output is the console; its last line is `regress: passed` or `regress: failed REASON`, without
    which the run was lost.  It finds what to boot in its environment: `REGRESS_IMAGE` (the kernel
    image, or the checked-out tree where a command built it), `REGRESS_INITRD`, `REGRESS_APPEND`
    (words for the kernel command line) and `REGRESS_FOLDER` (for what it wants to keep).

    Args:
        command: as in a shell, without its special characters.
    """

    command: str

    @contextlib.contextmanager
    def boot(self, boot: Boot) -> Iterator[Guest]:
        """See `harness.machine.Machine.boot`."""
        argv = shlex.split(self.command)
        if not argv:
            raise InfrastructureError("machine.command is empty")
        told = {
            "REGRESS_IMAGE": str(boot.image),
            "REGRESS_INITRD": str(boot.initrd),
            "REGRESS_APPEND": " ".join(boot.append),
            "REGRESS_FOLDER": str(boot.folder),
        }
        folder = boot.image if boot.image.is_dir() else boot.folder
        with (
            started(argv, cwd=folder, env=told, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process,
            selectors.DefaultSelector() as selector,
        ):
            assert process.stdout is not None
            selector.register(process.stdout, selectors.EVENT_READ)
            yield _Running(process, selector)
