"""What is known of a crash: frozen data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Frame:
    """One line of a call trace.

    Attributes:
        function: its name.  offset, size: bytes into it, and of it; None where not printed.
        module: the module that it is in, None for the kernel itself.
        reliable: False where the kernel marked it `?`.
    """

    function: str
    offset: int | None
    size: int | None
    module: str | None
    reliable: bool


@dataclass(frozen=True)
class Crash:
    """One crash on a console.

    Attributes:
        title: by syzbot's convention, such as `BUG: unable to handle kernel NULL pointer dereference in f`.
        alt_titles: other titles that mean the same.
        kind: such as `null-deref`.  function: the function at fault.
        start_line, end_line: the lines that it spans, counted from 1.
        null_ip: the instruction pointer was null: what is at fault is the call, and `function` its caller.
        workqueue: the work function that ran, and `comm`, `pid`, `cpu`: which task, where.
        kernel: release.  taint: the letters, "" for none.
        corrupted: it was cut short.  fatal: the kernel does not go on after it.
    """

    title: str
    kind: str
    function: str | None
    start_line: int
    end_line: int
    alt_titles: tuple[str, ...] = ()
    frames: tuple[Frame, ...] = ()
    null_ip: bool = False
    workqueue: str | None = None
    comm: str | None = None
    pid: int | None = None
    cpu: int | None = None
    kernel: str | None = None
    taint: str = ""
    corrupted: bool = False
    fatal: bool = True

    def to_json(self) -> dict[str, Any]:
        """The crash as JSON data."""
        return asdict(self)
