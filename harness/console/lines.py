r"""Lines as a machine prints them: who printed a line, and what it says.

A console's line may carry a mail's quotation marks, a syslog or journal prefix, a level, a time stamp and the
caller (CONFIG_PRINTK_CALLER), in many orders.  None of them is part of what the kernel says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import unescape

from harness.console.lead import Lead, ends_in

LONGEST = 4096
"""Bytes of a line; what is longer counts as several pieces with the same number."""


def printable(text: str) -> str:
    """Text of a console without anything that a terminal would act on: a task may be named by anybody."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


USER = "user"
"""The context of a line that a program other than the kernel logged."""

# ANSI sequences (CSI, then OSC), and what no message holds: NUL, BEL, backspace, carriage return.
_NOISE = re.compile(rb"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00\x07\x08\r]")
# Blanks of mailers and word processors.
_BLANKS = dict.fromkeys(map(ord, "\u00a0\u2007\u202f"), " ")
# What web pages make of `[<c01de48c>] f+0x19/0x39`.
_ESCAPED = re.compile(r"&(?:lt|gt|amp|quot|nbsp|#39|#x27);")
_TIMES = re.compile(r"(?<=[+/ \[]0)\u00d7(?=[0-9a-f])")
_EMPTIED = re.compile(r"^\[\] (?=(?:\? )?[A-Za-z_][\w.]*\+0x)")
_QUOTED = re.compile(r"(?:[>|:] ?)+")
_CALLER = r"\[ {0,12}(?P<caller>[TC]\d{1,10}) ?\]"
_STAMP = r"\[ {0,12}(?P<stamp>\d{1,12}\.\d{0,9}) ?\]"
# Whatever else stands in brackets before a message, with a digit in it: dates, processors, tasks.  Addresses do too,
# and the heads of lockdep's reports before 4.11.
_BRACKETED = r"\[(?!<|(?:0x)?[0-9a-f]{8,16}\]| (?:BUG|INFO|WARNING): )(?=[^][]{0,40}\d)[^][]{2,48}\]"
_DATE = (
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?"
    r"(?:[A-Z][A-Za-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?(?: \d{4})?"
    r"|\d{4}-\d\d-\d\d[T ][\d:.,]+(?:Z|[+-]\d\d:?\d\d)?) "
)
# A level, as test runners log it, is no host.
_HOST = r"(?!(?:DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL) )[\w.@-]{1,64}"
_WHEN = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?Z|[+-]\d\d:?\d\d)?"
    r"|(?:\b[^\W\d_]{3,9}\.? +\d{1,2} )?\d\d:\d\d:\d\d(?:[.,]\d+)?(?: \d{4}\b)?"
)
_SECONDS = re.compile(r"\d+\.\d*")
_PROGRAM = re.compile(
    rf"{_DATE}(?P<said>(?:{_HOST} )?(?:[a-z]+\d?\.[a-z]+ )?(?P<program>[\w.()/-]{{1,64}})(?:\[\d+\])?: ?)"
)
_PREFIX = re.compile(
    r"(?:\*\* \d+ printk messages dropped \*\*\s*"  # printk's own note of what it lost
    r"|(?:\w+ )?login: (?=\[)"
    r"|(?:[\w.-]{1,64} )?kernel(?:\[\d+\])?: ?"
    r"|(?:kern|user|daemon|syslog) *: ?\w+ *: ?"  # dmesg --decode
    r"|<\d{1,3}>"
    rf"| {{0,2}}(?:{_CALLER}|{_STAMP}|{_BRACKETED}) ?)"
)
# A stamp in the middle of a line: the kernel spoke while a program's own line was not yet ended.
_LATE = re.compile(rf"{_STAMP}(?:{_CALLER})? ")
# What scripts/decode_stacktrace.sh makes of a frame: places for the offset, those of inlined functions first.
_PLACE = r"(?:[\w./+~-]{1,200}:\d+|\?\?:[?\d]+)"
_ASIDE = r"(?: \(discriminator \d+\))?"
_DECODED = re.compile(
    rf"(?<![\w.$])(?P<function>[A-Za-z_.$][\w.$]{{0,200}}) \((?:{_PLACE}{_ASIDE} ){{0,50}}(?P<place>{_PLACE}){_ASIDE}\)"
    r"(?: (?P<module>[\w-]{1,64}) ?$)?"
)


@dataclass(frozen=True, slots=True)
class Line:
    """What one line says.

    Attributes:
        number: counted from 1.
        text: without what stands before the kernel's own words.
        context: who printed it, as far as the line tells: a caller such as `T71` or `C0`, with the depth of
            quotation; lines of one report share it.
        quoted: how many marks of quotation stand before it.
        prefixed: something stands before the kernel's own words.
        width: characters of the whole line.
        time: when it was printed, as the line says it: seconds since the kernel began, or a date.
    """

    number: int
    text: str
    context: str
    quoted: int = 0
    prefixed: bool = False
    width: int = 0
    time: str | None = None

    @property
    def seconds(self) -> float | None:
        """The time in seconds since the kernel began, where that is told."""
        return float(self.time) if self.time and _SECONDS.fullmatch(self.time) else None


def clean(raw: bytes) -> str:
    """The text of a line as it was before terminals, mailers and web pages had it.

    Args:
        raw: the line without its end.
    """
    text = _NOISE.sub(b"", raw).decode("utf-8", "replace")
    if not text.isascii():
        text = _TIMES.sub("x", text.translate(_BLANKS))
    return unescape(text) if "&" in text and _ESCAPED.search(text) else text


def read_line(raw: bytes, number: int, leads: Iterable[Lead] = ()) -> Line:
    """What a line says.

    Args:
        raw: the line without its end.
        number: its number.
        leads: what stands before the kernel's words in the reports that are open, beside what is known anywhere.
    """
    text = clean(raw)
    prefix = _prefix(text, leads)
    at, caller, stamp = prefix.end, prefix.caller, prefix.stamp
    if prefix.program and prefix.program != "kernel" and not (prefix.stamped or prefix.led):
        return Line(number, text[at:], USER)
    stamped = prefix.stamped
    if not (stamped or prefix.led) and (found := _LATE.search(text)):
        at, caller, stamp, stamped = found.end(), found["caller"] or "", found["stamp"], True
    context = f"{prefix.quote}{caller or ('stamped' if stamped else '')}"
    said = _EMPTIED.sub("[<00000000>] ", _encode(text[at:]))
    return Line(number, said, context, len(prefix.quote), stamped or prefix.led, len(text), stamp or when(text[:at]))


def when(prefix: str) -> str | None:
    """The date in what stands before a message, None where there is none."""
    found = _WHEN.search(prefix)
    return found[0] if found else None


def behind_date(raw: bytes, number: int) -> tuple[str, int, Line]:
    """A line of which it is not sure that a program's name follows its date.

    Returns:
        The date and what stands before it; how long what may be host and program is; the line from there on.
    """
    text = clean(raw)
    start = found.end() if (found := _QUOTED.match(text)) else 0
    said = _PROGRAM.match(text, start)
    assert said is not None
    at = said.start("said")
    quote = text[:start].replace(" ", "")
    whole = Line(number, _encode(text[at:]), quote, len(quote), prefixed=True, width=len(text))
    return text[start:at], said.end() - at, whole


@dataclass
class _Prefix:
    """What stands before the kernel's own words, by what is known of it."""

    quote: str = ""
    end: int = 0
    caller: str = ""
    stamp: str = ""
    program: str = ""
    stamped: bool = False
    led: bool = False


def _prefix(text: str, leads: Iterable[Lead] = (), at: int = 0) -> _Prefix:
    prefix = _Prefix()
    if not at and (found := _QUOTED.match(text)):
        prefix.quote, at = found[0].replace(" ", ""), found.end()
    unused = list(leads)
    while True:
        for lead in unused:
            if (end := lead.after(text, at)) is not None:
                unused.remove(lead)
                at, prefix.led = end, True
                break
        else:
            if (end := _known(text, at, prefix)) is None:
                prefix.end = at
                return prefix
            at = end


def _known(text: str, at: int, prefix: _Prefix) -> int | None:
    """Where a part of a prefix that is known anywhere ends; what it says is noted."""
    if found := _PROGRAM.match(text, at):
        prefix.program = found["program"]
        prefix.stamped |= found["program"] == "kernel"
        return found.end()
    if found := _PREFIX.match(text, at):
        if prefix.program not in ("", "kernel") and not (found["caller"] or found["stamp"]):
            return None  # it is the program that puts something in brackets
        prefix.stamped |= not found[0].endswith("login: ") and not found[0].startswith(("user", "daemon", "syslog"))
        prefix.caller = found["caller"] or prefix.caller
        prefix.stamp = found["stamp"] or prefix.stamp
        return found.end()
    return None


def lead_before(text: str) -> tuple[Lead | None, str]:
    """The lead of a report.

    Args:
        text: what stands before its head in the head's own line, without what is known anywhere.

    Returns:
        The lead, None where there is none; and the context that is told behind it, "" where none is.
    """
    ends = ends_in(text)
    for end in ends:
        for start in reversed(ends):
            if start < end and (known := _prefix(text[:end], at=start)).end == end:
                return Lead(text, [start]), known.caller or ("stamped" if known.stamped else "")
    return (Lead(text, ends) if ends else None), ""


def _encode(text: str) -> str:
    """A decoded line as the kernel prints one, but for the offset and size, which nobody knows any more: zero."""
    if " (" not in text or ":" not in text:
        return text

    def encoded(found: re.Match[str]) -> str:
        module = f" [{found['module']}]" if found["module"] else ""
        place = "" if found["place"].startswith("?") else f" {found['place']}"
        return f"{found['function']}+0x0/0x0{module}{place}"

    return _DECODED.sub(encoded, text)
