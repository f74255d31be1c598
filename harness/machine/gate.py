"""Which part of a test machine's console belongs to the kernel under test, and what of it is the guest's own word.

The same wire shows the usual kernel, the firmware and the boot loader.  A kernel is known by its first lines: the
banner (`Linux version ...`) and the command line, which has a word that is new for each boot.  Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_BANNER = re.compile(rb"^(?:.*\] )?Linux version \d")
_LINE = re.compile(rb"\b[Cc]ommand line:")
MOST = 1 << 20
"""Bytes of one line that are kept."""

NEAR = 8
"""Lines between banner and command line; more, and it was only a text that looks like a banner."""


@dataclass
class Gate:
    """Lets through what the kernel under test prints.

    Args:
        word: what its command line has, and no other.
        open: whether all that comes is its own, as with netconsole.

    Attributes:
        begun: whether it has printed anything.
        ended: whether another kernel has booted after it.
        panicked: whether it has said that it reboots by itself.
        told: whether the guest's result was among the lines.
        seen: how many bytes came at all.
    """

    word: str
    open: bool = False
    begun: bool = False
    ended: bool = False
    panicked: bool = False
    told: bool = False
    seen: int = 0
    _held: list[bytes] | None = None
    _rest: bytes = b""
    _status: re.Pattern[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self._status = re.compile(rb"regress-" + re.escape(self.word.encode()) + rb": (.*?)\s*$")

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Take new output; returns what to add to the console and to the status channel."""
        self.seen += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-MOST:]
        return self._take([line + b"\n" for line in lines])

    def note(self, word: bytes) -> None:
        """A word of the guest's, wherever it came from."""
        self.told |= word.startswith((b"passed", b"failed", b"skipped", b"error"))

    def finish(self) -> tuple[bytes, bytes]:
        """What is left when nothing more will come."""
        rest, self._rest = self._rest, b""
        console, status = self._take([rest] if rest else [])
        held, self._held = (self._held if self.open and not self.ended else None) or [], None
        return console + b"".join(held), status

    def _take(self, lines: list[bytes]) -> tuple[bytes, bytes]:
        passed: list[bytes] = []
        for line in lines:
            if _BANNER.search(line):
                passed += self._held or [] if self.open and not self.ended else []
                self._held = []
            if self._held is not None:
                self._held.append(line)
                if not _LINE.search(line):
                    if len(self._held) > NEAR:
                        passed += self._held if self.open and not self.ended else []
                        self._held = None
                    continue
                ours = self.word.encode() in line
                self.ended |= self.open and not ours
                if ours and not self.ended:
                    self.open = True
                    passed += self._held
                self._held = None
            elif self.open and not self.ended:
                passed.append(line)
        self.begun |= bool(passed)
        told = [found[1] for line in passed if (found := self._status.search(line))]
        for word in told:
            self.note(word)
        self.panicked |= any(b"Kernel panic" in line or b"Rebooting in" in line for line in passed)
        return b"".join(passed), b"".join(b"regress: " + word + b"\n" for word in told)
