"""Machines: what boots a kernel and lets its console and its word be read."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from harness.model import Boot


@dataclass(frozen=True)
class Chunk:
    """What came from a running guest since the last look: bytes of its console and of its status channel."""

    console: bytes = b""
    status: bytes = b""


class Guest(Protocol):
    """A machine that was powered on."""

    def read(self, timeout: float) -> Chunk | None:
        """What came, waiting for it no longer than `timeout` seconds.

        Returns:
            An empty `Chunk` when nothing came in time, None when the machine has ended and all was read.

        Raises:
            harness.errors.InfrastructureError: the machine did not end by itself.
        """


class Machine(Protocol):
    """Something that boots kernels."""

    def boot(self, boot: Boot) -> AbstractContextManager[Guest]:
        """Power a machine on; when the block is left it is off, whatever happened.

        Raises:
            harness.errors.InfrastructureError: the machine cannot be had.
            harness.errors.KernelError: this kernel or tree cannot be booted on it.
        """
