"""The text of a mail as it was before it was sent, with the lines of the file that it stands in."""

from __future__ import annotations

import email.message
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import accumulate

# Blanks that mailers put for every other one of a run.
_BLANKS = dict.fromkeys(map(ord, "\u00a0\u2007\u202f"), " ")
_HUNK = re.compile(r"^@@ -\d", re.MULTILINE)


@dataclass(frozen=True)
class Text:
    """Lines, and for each the number of the line of the file that it begins in."""

    lines: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()

    @classmethod
    def plain(cls, lines: Sequence[str], first: int) -> Text:
        """Lines that stand in the file as they are, from line number `first`."""
        return cls(tuple(lines), tuple(range(first, first + len(lines))))

    def __add__(self, other: Text) -> Text:
        return Text(self.lines + other.lines, self.numbers + other.numbers)


def text_of(part: email.message.Message, mail: bytes, first: int) -> Text:
    """The text of a part of a mail.

    Args:
        part: it has no parts of its own.
        mail: the whole mail, as the part was read from it.
        first: the number of the mail's first line in the file.
    """
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    coding = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    sent = data
    if coding in ("quoted-printable", "base64"):
        raw = part.get_payload()
        sent = str(raw).encode("ascii", "surrogateescape") if isinstance(raw, str) else b""
    at = mail.find(sent) if sent.strip() else -1
    start = first + mail.count(b"\n", 0, at) if at >= 0 else 0
    lines = lines_of(data, part.get_content_charset())
    if part.get_content_type() == "text/html":
        return from_html(lines, start)
    if start == 0:
        numbers = [0] * len(lines)
    elif coding == "base64":
        numbers = _base64_numbers(data, sent, start)
    elif coding == "quoted-printable":
        numbers = _quoted_printable_numbers(sent, start)
    else:
        numbers = list(range(start, start + len(lines)))
    numbers += [numbers[-1] if numbers else start] * (len(lines) - len(numbers))
    text = Text(lines, tuple(numbers[: len(lines)]))
    flowed = str(part.get_param("format", "")).lower() == "flowed"
    return _unflowed(text, str(part.get_param("delsp", "")).lower() == "yes") if flowed else text


def lines_of(data: bytes, charset: str | None = None) -> tuple[str, ...]:
    """Text as lines, UTF-8 or, where it is not, of a character set; any other byte is a surrogate escape.

    A patch keeps its bytes: what it changes may be in several encodings, and hold any blanks.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("utf-8", "surrogateescape")
        if charset and not _HUNK.search(text):
            text = _in_charset(data, charset) or text
    if not text.isascii() and not _HUNK.search(text):
        text = text.translate(_BLANKS)
    lines = text.split("\n")
    kept = [*lines[:-1], *filter(None, lines[-1:])]
    return tuple(line[:-1] for line in kept) if all(line.endswith("\r") for line in kept) else tuple(kept)


def _in_charset(data: bytes, charset: str) -> str | None:
    try:
        return data.decode(charset)
    except (UnicodeDecodeError, LookupError, ValueError):
        return None


def _quoted_printable_numbers(sent: bytes, start: int) -> list[int]:
    numbers = []
    goes_on = False
    for number, line in enumerate(sent.split(b"\n"), start):
        if not goes_on:
            numbers.append(number)
        numbers += [number] * line.upper().count(b"=0A")
        goes_on = line.rstrip().endswith(b"=")
    return numbers


def _base64_numbers(data: bytes, sent: bytes, start: int) -> list[int]:
    width = len(sent.split(b"\n", 1)[0].strip()) * 3 // 4 or 1
    offsets = accumulate((len(line) + 1 for line in data.split(b"\n")), initial=0)
    return [start + offset // width for offset in offsets]


def _unflowed(text: Text, delsp: bool) -> Text:
    """What format=flowed (RFC 3676) broke and stuffed, as it was; a patch is left as it is."""
    if any(_HUNK.match(line) for line in text.lines):
        return text
    lines: list[str] = []
    numbers: list[int] = []
    goes_on, depth = False, 0
    for line, number in zip(text.lines, text.numbers, strict=True):
        quote = re.match(r">*", line)
        now = quote.end() if quote else 0
        said = line[now:].removeprefix(" ")
        if goes_on and now == depth and not re.match(r"-- ?$|\[ *\d+\.\d+\]", said):
            lines[-1] += said
        else:
            lines.append(f"{'>' * now}{' ' if now else ''}{said}")
            numbers.append(number)
        goes_on, depth = said.endswith(" ") and said != "-- ", now
        if goes_on and delsp:
            lines[-1] = lines[-1][:-1]
    return Text(tuple(line.rstrip(" ") if not line.endswith("-- ") else line for line in lines), tuple(numbers))


@dataclass
class _Html(HTMLParser):
    """Text of HTML: what a browser would break lines at breaks them."""

    start: int = 1
    lines: list[str] = field(default_factory=lambda: [""])
    numbers: list[int] = field(default_factory=list)
    _hidden: int = 0
    _kept: int = 0

    def __post_init__(self) -> None:
        super().__init__()
        self.numbers.append(self.start)

    def _break(self) -> None:
        self.lines.append("")
        self.numbers.append(self.start + self.getpos()[0] - 1 if self.start else 0)

    def handle_starttag(self, tag: str, _attributes: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("style", "script", "head")
        self._kept += tag == "pre"
        if tag == "br" or (tag in ("p", "div", "pre", "tr", "li", "blockquote") and self.lines[-1].strip()):
            self._break()

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("style", "script", "head")
        self._kept -= tag == "pre"
        if tag in ("p", "div", "pre", "tr", "li") and self.lines[-1].strip():
            self._break()

    def handle_data(self, data: str) -> None:
        if self._hidden > 0:
            return
        if self.start and data.strip() and not self.lines[-1].strip() and self._kept <= 0:
            before = data[: len(data) - len(data.lstrip())]
            self.numbers[-1] = self.start + self.getpos()[0] - 1 + before.count("\n")
        first, *rest = data.split("\n") if self._kept > 0 else [" ".join(data.split("\n"))]
        self.lines[-1] += first if self._kept > 0 else first.lstrip(" ") if not self.lines[-1] else first
        for line in rest:
            self._break()
            self.lines[-1] += line


def from_html(lines: Sequence[str], start: int) -> Text:
    """The text of HTML.

    Args:
        lines: the HTML.  start: the number of their first in the file, 0 where the file has others.
    """
    reader = _Html(start)
    reader.feed("\n".join(lines))
    reader.close()
    said = [line.translate(_BLANKS).rstrip() for line in reader.lines]
    return Text(tuple(said), tuple(reader.numbers))
