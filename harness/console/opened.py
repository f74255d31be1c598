"""A crash that has begun, and the death of a kernel, as the finder keeps them."""

from __future__ import annotations

from dataclasses import dataclass

from harness.console.lead import Lead
from harness.console.lines import Line
from harness.console.rules import Rule


@dataclass
class Open:
    """A crash that has begun.

    Attributes:
        rule: the first that its head fits.  lines: what is kept of it.
        last: how many of `lines` are known to be its own; what follows may be noise.
        framed: a frame was seen.  shown: what only a console prints was seen.
        nmi: other processors are made to show their traces too.
        ended: its end was told.
        mixed: something else is printed into it, which cannot be told apart.
        within: the first line of the crash during whose report it began.
        lead: what stands before its lines, beside what is known anywhere.
        said: what belongs to it of the lines before its head.
    """

    rule: Rule
    lines: list[Line]
    last: int = 1
    framed: bool = False
    shown: bool = False
    nmi: bool = False
    ended: bool = False
    mixed: bool = False
    within: int | None = None
    lead: Lead | None = None
    said: tuple[str, ...] = ()

    @property
    def alone(self) -> bool:
        """Whether nothing of it is known but a head that a person could have written, too."""
        return not (self.shown or self.lines[0].prefixed)

    @property
    def start(self) -> int:
        """The number of its first line."""
        return self.lines[0].number


@dataclass(frozen=True)
class Death:
    """The first crash that a kernel does not go on after.

    Attributes:
        line: its first line.  kernel: release.  seconds: its time stamp.
        tainted: the kernel counts it as its death, and says so from then on.
    """

    line: int
    kernel: str | None
    seconds: float | None
    tainted: bool

    def is_another(self, kernel: str | None, seconds: float | None) -> bool:
        """Whether it is another kernel that tells of a crash, by its release and its clock."""
        other = self.kernel is not None and kernel is not None and self.kernel != kernel
        return other or (self.seconds is not None and seconds is not None and seconds < self.seconds)
