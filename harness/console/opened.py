"""A crash that has begun, and the death of a kernel, as the finder keeps them."""

from __future__ import annotations

from dataclasses import dataclass

from harness.console.frames import is_inlined
from harness.console.lead import Lead
from harness.console.lines import Line
from harness.console.rules import Blame, Rule

EARLY = 16
"""Lines after its head in which a trap's own line still belongs to the crash."""
NEAR = 5
"""Lines between two reports of one task of which the second follows from the first."""


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


def joins(rule: Rule, crash: Open, line: Line) -> bool:
    """Whether a head is a line of the open crash: the trap's own line after its cause, or the panic after it."""
    if len(crash.lines) < EARLY and all(is_inlined(line.text) for line in crash.lines):
        return True  # the line of the kernel's, after what a symbolizer has made of it
    if rule is crash.rule and rule.blame is Blame.NONE and not crash.framed and crash.lines[0].text.endswith(line.text):
        return True  # the same message once more
    if not rule.joins or crash.rule.catch_all or (crash.ended and "panic" not in rule.title):
        return False
    if rule.kind in ("panic", "stack-corrupted", "netdev-unregister", "slub"):
        return (rule.kind != crash.rule.kind or rule.kind in ("panic", "slub")) and (
            rule.kind != "netdev-unregister" or line.number - crash.lines[crash.last - 1].number <= NEAR
        )
    if (rule.kind, crash.rule.kind) == ("hard-lockup", "rcu-stall"):
        return False  # who waited for the processor, and why it does not answer
    # RHEL 5 puts where it was between the two; one frame is no trace yet.
    return (not crash.framed or crash.last <= NEAR) and len(crash.lines) < EARLY
