"""A machine for `machine: {command: ...}`: any program whose output is the console (a board in a lab, LAVA, UML)."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from harness.errors import InfrastructureError, KernelError, ProgramMissing
from harness.machine import Chunk, Guest
from harness.model import Boot
from harness.process import Job, started

_WORD = re.compile(r"regress: (passed|failed|skipped|error|broken)\b\s*(.*)")
_KTAP = re.compile(rb"^regress: ktap .*\n", re.MULTILINE)


@dataclass
class _Running:
    job: Job
    selector: selectors.BaseSelector
    last: bytes = b""
    rest: bytes = b""
    told: bool = False
    ended: bool = False

    def read(self, timeout: float) -> Chunk | None:
        """See `Guest.read`; the last line of the output is the guest's status."""
        assert self.job.process.stdout is not None
        if self.ended:
            return None
        if not self.told:
            self.told = True
            return Chunk(status=b"regress: up\n")
        if not self.selector.select(timeout):
            return Chunk()
        if console := os.read(self.job.process.stdout.fileno(), 65536):
            self.last = (self.last + console)[-4096:]
            whole, newline, self.rest = (self.rest + console).rpartition(b"\n")
            # A line without an end is the console's alone.
            self.rest = self.rest[:4096]
            return Chunk(console, b"".join(_KTAP.findall(whole + newline)))
        self.ended = True
        return self._word()

    def _word(self) -> Chunk | None:
        """Interpret the command's last line and its exit status.

        Raises:
            InfrastructureError: the machine has failed.
        """
        line = (self.last.decode(errors="replace").strip().splitlines() or [""])[-1]
        status = self.job.wait()
        if found := _WORD.fullmatch(line):
            if found[1] == "broken":
                raise InfrastructureError(f"the machine is broken: {found[2] or 'no reason given'}")
            return Chunk(status=f"{line}\n".encode())
        if status:
            raise InfrastructureError(f"the machine's command ended with exit status {status}: {line or 'no output'}")
        return None


@dataclass(frozen=True)
class CommandMachine:
    """Runs a command instead of a machine.

    Its output is the console, and its last line the guest's status, whatever the exit status:

        regress: passed [TEXT]      the scenario ran to its end and found nothing wrong
        regress: failed REASON      it found something wrong
        regress: skipped REASON     this kernel lacks something that the scenario needs
        regress: error REASON       the test itself went wrong: nothing can be said about this kernel
        regress: broken REASON      the machine failed: it is tried again

    A line `regress: ktap LINE`, anywhere, is one of the results of tests (see `harness.ktap`).

    Without a last line as above and without a crash on the console, exit status 0 means that the machine was lost, any
    other that it failed.  The command finds what to boot in its environment: `REGRESS_IMAGE` (the kernel image, or the
    checked-out tree where a command built it), `REGRESS_INITRD`, `REGRESS_APPEND` (words for the kernel command line)
    and `REGRESS_FOLDER` (for what it wants to keep).

    Args:
        command: split as in a shell, without its special characters.
    """

    command: str

    def identity(self, arch: str) -> str:  # noqa: ARG002
        """See `Machine.identity`: what the command's machine is, is not known."""
        return ""

    @contextlib.contextmanager
    def boot(self, boot: Boot) -> Iterator[Guest]:
        """See `harness.machine.Machine.boot`.

        Raises:
            KernelError: the command is a program of the tree, which does not have it.
        """
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
        with contextlib.ExitStack() as stack:
            try:
                job = stack.enter_context(
                    started(argv, cwd=folder, env=told, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                )
            except ProgramMissing as error:
                if not error.local:
                    raise
                raise KernelError(f"the tree has no program {argv[0]} at this commit") from error
            selector = stack.enter_context(selectors.DefaultSelector())
            assert job.process.stdout is not None
            selector.register(job.process.stdout, selectors.EVENT_READ)
            yield _Running(job, selector)
