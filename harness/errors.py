"""What can go wrong, by who is at fault.

    RegressError
    ├── UserError            wrong input or usage; the message says where, and what to do (exit 2)
    ├── KernelError          the kernel under test: it does not build, or its Kconfig refuses
    │   └── BuildError
    └── InfrastructureError  the machinery: nothing can be said about the kernel (exit 3)
        ├── ProgramMissing
        ├── ProgramFailed
        ├── TimedOut
        └── Unavailable      a source that cannot be reached or read now
            ├── Unreachable  a host to which there is no connection
            │   └── Distrusted   its key is not the one that is known, or none is known
            └── LinkBroke    the connection to a host broke: what was asked of it may or may not have been done

A commit is never blamed for an `InfrastructureError`.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence


class RegressError(Exception):
    """The root of all errors that this program raises on purpose; its text is meant for people."""


class UserError(RegressError):
    """Input that cannot be used as it is."""


class KernelError(RegressError):
    """The kernel under test is at fault."""


class BuildError(KernelError):
    """The kernel does not build.

    Args:
        reason: the first error that the build printed, on one line.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


FULL = "No space left on device"
"""What programs say of a full disk, in the C locale."""

ROOM = "a disk is full: free some space, or set XDG_CACHE_HOME (trees, kernels) or --results to a larger one"


class InfrastructureError(RegressError):
    """The machinery failed; nothing can be said about the kernel.  A full disk is reported with the remedy."""

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}\n{ROOM}" if FULL in text and ROOM not in text else text


class ProgramMissing(InfrastructureError):
    """A required program is not installed.

    Attributes:
        program: its name.
        local: whether it was given by a path relative to the folder that it runs in: a program of the tree.
    """

    def __init__(self, program: str) -> None:
        super().__init__(f"{program}: no such program; `regress doctor` says which package has it")
        self.program = program
        self.local = "/" in program and not program.startswith("/")


class ProgramFailed(InfrastructureError):
    """A program exited with an unexpected status.

    Args:
        argv: the argument list.
        returncode: its exit status; as in a shell, 128 and its number for a signal.
        output: what it printed; its last lines go into the message.
    """

    def __init__(self, argv: Sequence[str], returncode: int, output: str) -> None:
        tail = "\n".join(output.strip().splitlines()[-8:])
        super().__init__(f"exit status {returncode} of: {shlex.join(argv)}" + (f"\n{tail}" if tail else ""))
        self.argv = tuple(argv)
        self.returncode = returncode
        self.output = output


class TimedOut(InfrastructureError):
    """A program did not end within its time limit."""


class Unavailable(InfrastructureError):
    """A source of data cannot be reached or read."""


class Unreachable(Unavailable):
    """A host cannot be connected to: no route, no login."""


class Distrusted(Unreachable):
    """A host's key is unknown, has changed or is revoked: there must be no connection."""


class LinkBroke(Unavailable):
    """The connection to a host broke; nothing is known of what was asked of it last."""
