"""Where a test machine's console comes from: a command of the user's, or the kernel's messages over UDP."""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import time
import tty
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.errors import InfrastructureError, ProgramMissing
from harness.process import Job, started

EARLY = 0.5
"""Seconds in which a command that cannot show the console is likely to say so and end."""


class Console(Protocol):
    """An open console."""

    @property
    def descriptor(self) -> int:
        """What to wait for; -1 if there is nothing to wait for."""

    def read(self) -> bytes | None:
        """What has come; None if nothing more will."""


@dataclass
class _Pty:
    """A command on a terminal of its own: `ipmitool sol` and conserver's client do not run without."""

    job: Job
    descriptor: int
    said: bytes = b""

    def read(self) -> bytes | None:
        try:
            data = os.read(self.descriptor, 65536)
        except BlockingIOError:
            return b""
        except OSError:  # how a terminal says that its other end is closed
            data = b""
        self.said = (self.said + data)[-1024:]
        return data or None


@contextlib.contextmanager
def command(argv: Sequence[str]) -> Iterator[Console]:
    """A command that prints the console; it ends with the block.

    Raises:
        InfrastructureError: it is missing, or ends at once.
    """
    ours, theirs = os.openpty()
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, ours)
        tty.setraw(theirs)
        try:
            job = stack.enter_context(started(argv, stdin=theirs, stdout=theirs, stderr=theirs))
        except ProgramMissing as error:
            raise InfrastructureError(f"no console (lab.console): {argv[0]}: no such program") from error
        finally:
            os.close(theirs)
        os.set_blocking(ours, False)
        time.sleep(EARLY)
        if job.process.poll() is not None:
            said = (_Pty(job, ours).read() or b"").decode(errors="replace").strip() or "it said nothing"
            raise InfrastructureError(f"no console (lab.console): {shlex.join(argv)} ended at once: {said}")
        yield _Pty(job, ours)


@dataclass
class _Udp:
    listener: socket.socket

    @property
    def descriptor(self) -> int:
        return self.listener.fileno()

    def read(self) -> bytes | None:
        try:
            return self.listener.recv(65536)
        except BlockingIOError:
            return b""


@contextlib.contextmanager
def netconsole(listener: socket.socket) -> Iterator[Console]:
    """The messages that arrive at a UDP socket, which is closed with the block."""
    with listener:
        listener.setblocking(False)
        yield _Udp(listener)


class Silent:
    """No console while the kernel runs: what there is has to be read afterwards."""

    descriptor = -1

    def read(self) -> bytes | None:
        """Nothing, ever."""
        return b""
