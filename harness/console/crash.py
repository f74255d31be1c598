"""What is known of a crash: frozen data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

# https://docs.kernel.org/admin-guide/tainted-kernels.html
TAINT = {
    "P": "a proprietary module was loaded",
    "F": "a module was loaded by force",
    "S": "the kernel runs on a processor or system out of its specification",
    "R": "a module was unloaded by force",
    "M": "the processor reported a machine check",
    "B": "a page was found in a bad state",
    "U": "user space asked for the taint",
    "D": "the kernel had died before (oops or BUG)",
    "A": "an ACPI table was overridden",
    "W": "the kernel had warned before",
    "C": "a staging driver was loaded",
    "I": "a workaround for a firmware bug is at work",
    "O": "a module from outside the tree was loaded",
    "E": "an unsigned module was loaded",
    "L": "a soft lockup came before",
    "K": "the kernel was patched live",
    "X": "the distribution's own taint",
    "T": "built with the struct randomization plugin",
    "N": "an in-kernel test was run",
    "J": "a mutating debug operation of the firmware control interface was used",
}


@dataclass(frozen=True)
class Frame:
    """One line of a call trace.

    Attributes:
        function: its name; an address where the kernel has no name for it.
        offset, size: bytes into it, and of it; None where not printed.
        module: the module that it is in, None for the kernel itself.
        reliable: False where the kernel marked it `?` (or `(unreliable)`).
        stack: which stack it is on, such as `IRQ` or `NMI`; None for the task's own, or where not told.
        source: file and line, where the log was symbolized.
        trace: the heading of its trace, such as `Freed by task 71`; "" for the crash's own call trace.
        inlined: it stands for a function that was inlined, which only a symbolized log shows.
    """

    function: str
    offset: int | None
    size: int | None
    module: str | None
    reliable: bool
    stack: str | None = None
    source: str | None = None
    trace: str = ""
    inlined: bool = False

    @property
    def named(self) -> bool:
        """Whether the kernel knows what function this is."""
        return not self.function.startswith("0x")


@dataclass(frozen=True)
class Wait:
    """Somebody who does not go on before somebody else does.

    Attributes:
        who, on: who waits, and for whom: `CPU 1`, `task dd:71`, or a flavour of RCU; `on` is "" where nobody knows.
        what: what for: the kind of lock, the function to be called there, how long a grace period has lasted; or "".
    """

    who: str
    on: str
    what: str


@dataclass(frozen=True)
class Crash:
    """One crash on a console.

    Attributes:
        title: by syzbot's convention, such as `BUG: unable to handle kernel NULL pointer dereference in f`.
        alt_titles: other titles that mean the same.
        kind: such as `null-deref`.  function: the function at fault.
        doubt: why `function` is a guess, in words; "" where it is none.
        frames: the place of the fault, where it is told, and all frames as they were printed; `Frame.trace` tells
            other traces (where memory was freed, where a lock was taken before) from the crash's own.
        start_line, end_line: the lines that it spans, counted from 1.
        null_ip: the instruction pointer was null: what is at fault is the call, and `function` its caller.
        workqueue: the work function that ran, and `comm`, `pid`, `cpu`: which task, where.
        kernel: release.  taint: the letters, "" for none; `TAINT` says what they mean.
        corrupted: it was cut short, or something else was printed into it.
        notice: it is one line such as `WARNING: support is incomplete`, of a driver's own making, and no report.
        fatal: the kernel (or at least the task) does not go on after it.
        signature: what it is, apart from addresses, compilers, architectures and versions.
        follows: the `start_line` of an earlier crash that it only follows from; None for a cause of its own.
        panic: the reason that the kernel gave for the panic that ended it.
        hardware: the machine, as the kernel names it.  modules: those that were loaded.
        registers: by name, as printed; of the first set that was printed.
        said: what the kernel said about it beside its report, such as `list_del corruption. prev->next should be ...`.
        waits: in a lockup, who waits for whom, as far as it is told.
        time: when it was told, as its first line says it: seconds since the kernel began, or a date; it makes no two
            crashes differ, and is not in `to_json`, by which they are compared.
    """

    title: str
    kind: str
    function: str | None
    start_line: int
    end_line: int
    alt_titles: tuple[str, ...] = ()
    doubt: str = ""
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
    notice: bool = False
    signature: str = ""
    follows: int | None = None
    panic: str | None = None
    hardware: str | None = None
    modules: tuple[str, ...] = ()
    registers: dict[str, str] = field(default_factory=dict)
    said: tuple[str, ...] = ()
    waits: tuple[Wait, ...] = ()
    time: str | None = field(default=None, compare=False)

    def to_json(self) -> dict[str, Any]:
        """The crash as JSON data, but for the time."""
        told = asdict(self)
        del told["time"]
        return told
