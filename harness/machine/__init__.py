"""Machines: boot a kernel, and give access to its console and status channel."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from harness.model import Boot


@dataclass(frozen=True)
class Chunk:
    """New output of a running guest: bytes of its console and of its status channel."""

    console: bytes = b""
    status: bytes = b""


class Guest(Protocol):
    """A machine that was powered on."""

    def read(self, timeout: float) -> Chunk | None:
        """New output, waiting for it at most `timeout` seconds.

        Returns:
            An empty `Chunk` if there was none in time, None if the machine has ended and everything was read.

        Raises:
            harness.errors.InfrastructureError: the machine did not end by itself.
        """


class Machine(Protocol):
    """Boots kernels."""

    def identity(self, arch: str) -> str:
        """What a trial depends on in the machine itself: the emulator's version, the accelerator.

        Args:
            arch: of the kernel.

        Returns:
            "" if that is unknown, as of hardware: its trials count in their own run alone.
        """

    def boot(self, boot: Boot) -> AbstractContextManager[Guest]:
        """Power a machine on; when the block ends it is off, whatever happened.

        Raises:
            harness.errors.InfrastructureError: the machine is unavailable.
            harness.errors.KernelError: it cannot boot this kernel or tree.
        """
