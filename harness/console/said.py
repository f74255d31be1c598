"""What the kernel said about a crash beside its report: right before the head, or where the title leaves it out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from harness.console.frames import read_frame
from harness.console.lines import Line, printable
from harness.console.parts import BOOT, END, PART

LOOK_BACK = 2048
"""Bytes before the line of a head in which what belongs to it may stand."""
_LINES = 8
"""Lines that are looked at before a head, and after it."""
_FAR = 16
"""Lines before a head that are read, of whatever processor or task."""
_MOST = 8
"""Lines that are kept."""
_LONGEST = 240
"""Characters that are kept of a line."""
_CUT = re.compile(r"\[ cut here \]")
_RULE = re.compile(r"^[\s=*-]*$")
_WARNS = re.compile(r"WARNING: .*\bat [\w./+-]+:\d+|WARNING: [\w./+-]+:\d+ at ")
# Heads of which titles leave out more than a function can stand for.
_DETAILED = re.compile(r"page allocation failure|Bad page ")
# What explains a report wherever it stands near its head.
_EXPLAINS = re.compile(
    # lists, counters, objects, bounds
    r"list_(?:add|del) (?:corruption|double)|slab error in|Slab corruption|First byte 0x|refcount_t: |ODEBUG: "
    r"|(?:saturated|underflow); |detected buffer overflow|kobject: .* tried to|: index \d+ is out of"
    r"|usercopy: |Kernel memory (?:exposure|overwrite) attempt"
    # what was called, touched or returned to
    r"|[Kk]ernel (?:tried|attempted) to |CFI failure|Missing ENDBR|UBSAN: [a-z /]+ at |KASAN: (?:null|maybe|probably)"
    # assertions of locks and file systems
    r"|[Aa]ssertion fail|DEBUG_LOCKS_WARN_ON|do not call blocking ops|Transaction aborted|RTNL: "
    # pages, devices, processors, the user
    r"|page dumped because|NETDEV WATCHDOG|is flushing !?WQ_|csd: |kthread starved"
    r"|Unexpected (?:timer wakeup|reschedule)|sysrq: "
)


@dataclass
class Past:
    """The bytes of a stream before the line that is being read, as far as they are kept: whole lines, and no more.

    Attributes:
        block, at: what is being read, and where in it the line begins.
    """

    block: bytes = b""
    at: int = 0
    _kept: bytes = b""
    _begun: bytes = b""

    @property
    def in_line(self) -> bool:
        """Whether what is read goes on with a long line, of which pieces were read before."""
        return bool(self._begun) and self.at == 0

    def piece(self, piece: bytes) -> None:
        """A piece of a long line was read, whose end is not yet there."""
        self._begun = (self._begun + piece)[-LOOK_BACK:]
        self.block, self.at = b"", 0

    def read(self) -> None:
        """All of the block was read."""
        self._kept = (self._kept + self._begun + self.block[-LOOK_BACK:])[-LOOK_BACK:]
        self.block, self.at, self._begun = b"", 0, b""

    def lines(self) -> list[bytes]:
        """The lines before the one that is being read."""
        seen = self.block[max(0, self.at - LOOK_BACK) : self.at]
        if self.at < LOOK_BACK:
            seen = (self._kept + (self._begun + seen if self.at else b""))[-LOOK_BACK:]
        return seen.split(b"\n")[1 if len(seen) == LOOK_BACK else 0 : -1][-_FAR:]


def said_before(head: Line, earlier: Sequence[Line]) -> tuple[str, ...]:
    """What belongs to a report of the lines before its head.

    That is all between the kernel's `cut here` and the head (a warning's own text), and, right before the one or the
    other, what is known to explain a crash.

    Args:
        head: its first line.
        earlier: the lines before it.
    """
    own = [line.text.strip() for line in earlier if line.context == head.context][-_LINES:]
    cut = next((at for at in reversed(range(len(own))) if _CUT.search(own[at])), None)
    between = own[cut + 1 :] if cut is not None else []
    if any(END.search(text) or read_frame(text) for text in between):
        cut, between = None, []  # of another report
    return tuple(_kept(chain(_explaining(own[:cut]), between)))


def _explaining(texts: Sequence[str]) -> list[str]:
    found: list[str] = []
    for text in reversed(texts):
        if _EXPLAINS.search(text):
            found.append(text)
        elif not _RULE.match(text):
            break
    return found[::-1]


def said_within(texts: Sequence[str]) -> tuple[str, ...]:
    """What a report says near its head beside what a title tells.

    Args:
        texts: its lines, the head first.
    """
    told = [text for text in texts[1:_LINES] if _EXPLAINS.search(text)]
    if _DETAILED.search(texts[0]):
        told.insert(0, texts[0])
    if _WARNS.search(texts[0]) and len(texts) > 1 and not PART.search(texts[1]) and not read_frame(texts[1]):
        told.append(texts[1])  # kernels before 4.16 tell a warning's own text behind its head
    return tuple(_kept(text for text in told if not _WARNS.search(text)))


def merged(*parts: Iterable[str]) -> tuple[str, ...]:
    """Without what is told twice."""
    return tuple(dict.fromkeys(chain(*parts)))[:_MOST]


def _kept(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        if not (_RULE.match(text) or _CUT.search(text) or BOOT.search(text)):
            yield " ".join(printable(text).split())[:_LONGEST]
