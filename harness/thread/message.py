"""One message of a thread: who wrote what when, as lines of text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_QUOTED = re.compile(r"^\s*(?:[A-Za-z]{0,3}>|\|>)")
_TAGS = re.compile(r"^(?:\s*(?:\[[^\]]*\]|(?:re|aw|fwd?|sv):))+\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Attachment:
    """A file that came with a message.  Its name is for people: no path is ever made of it."""

    name: str
    lines: tuple[str, ...]
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True)
class Message:
    """A message.

    Text is UTF-8; a byte that isn't is a surrogate escape, so that a patch keeps its bytes.

    Attributes:
        author: the name.  address: the mail address, where it is told.
        sent: when, where it is told.
        lines: the text.  numbers: for each of them, the line of the file that it begins in.
        squeezed: the page that it was saved from has lost white space.
        notes: what could not be read.
    """

    author: str
    address: str | None
    sent: datetime | None
    subject: str
    lines: tuple[str, ...]
    numbers: tuple[int, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    squeezed: bool = False
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The subject without `Re:` and `[tags]`."""
        return _TAGS.sub("", self.subject).strip()

    @property
    def name(self) -> str:
        """Which message it is, for people."""
        when = f", {self.sent.astimezone(UTC):%Y-%m-%d %H:%M}" if self.sent else ""
        return f"{self.author or 'nobody named'}{when}"

    def texts(self) -> list[tuple[str, ...]]:
        """The body, then each attachment."""
        return [self.lines, *(attachment.lines for attachment in self.attachments)]

    def places(self) -> list[tuple[int, ...]]:
        """For each of these texts, the lines of the file that its lines begin in."""
        return [self.numbers, *(attachment.numbers for attachment in self.attachments)]


def quoted(line: str) -> bool:
    """Whether a line is somebody else's words."""
    return _QUOTED.match(line) is not None


def printable(text: str, limit: int = 400) -> str:
    """Text on one line without anything that a terminal or a YAML file would take for more than text."""
    line = " ".join("".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text).split())
    return line if len(line) <= limit else f"{line[: limit - 3]}..."
