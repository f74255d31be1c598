r"""Lines as a machine prints them: who printed a line, and what it says.

A console's line may carry a mail's quotation marks, a syslog or journal prefix, a level, a time stamp and the
caller (CONFIG_PRINTK_CALLER), in many orders.  None of them is part of what the kernel says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST = 4096
"""Bytes of a line; what is longer counts as several pieces with the same number."""


def printable(text: str) -> str:
    """Text of a console without anything that a terminal would act on: a task may be named by anybody."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


USER = "user"
"""The context of a line that a program other than the kernel logged."""

# ANSI sequences (CSI, then OSC), and what no message holds: NUL, BEL, backspace, carriage return.
_NOISE = re.compile(rb"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00\x07\x08\r]")
_QUOTED = re.compile(r"(?:[>|:] ?)+")
_STAMP = r"\[ {0,12}\d{1,12}\.\d{1,9} ?\]"
_CALLER = r"\[ {0,12}(?P<caller>[TC]\d{1,10}) ?\]"
_HOST = r"(?:[\w.@-]{1,64} )?(?:[a-z]+\d?\.[a-z]+ )?"
_PREFIX = re.compile(
    r"(?:\*\* \d+ printk messages dropped \*\*\s*"  # printk's own note of what it lost
    r"|(?:\w+ )?login: (?=\[)"
    r"|(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?"
    rf"(?:[A-Z][A-Za-z]{{2}} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?(?: \d{{4}})?"
    rf"|\d{{4}}-\d\d-\d\d[T ][\d:.,]+(?:Z|[+-]\d\d:?\d\d)?) {_HOST}"
    r"(?P<program>[\w.()/-]{1,64})(?:\[\d+\])?: ?"
    r"|(?:[\w.-]{1,64} )?kernel(?:\[\d+\])?: ?"
    r"|\[\d{4}-\d\d-\d\d[ T][\d:.,+Z-]+\] ?"  # loggers of serial lines
    r"|(?:kern|user|daemon|syslog) *: ?\w+ *: ?"  # dmesg --decode
    r"|<\d{1,3}>"
    rf"|{_STAMP} ?"
    r"|\[(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [\w :]{15,24}\] ?"  # dmesg --ctime
    r"|\[\d{1,3}: *[^][:]{1,16}: *\d+\] ?"  # Android: cpu, task and pid
    rf"|{_CALLER} ?)"
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
    """

    number: int
    text: str
    context: str
    quoted: int = 0


def read_line(raw: bytes, number: int) -> Line:
    """What a line says.

    Args:
        raw: the line without its end.
        number: its number.
    """
    text = _NOISE.sub(b"", raw).decode("utf-8", "replace")
    quote, at, caller, program, stamped = "", 0, "", "", False
    if found := _QUOTED.match(text):
        quote, at = found[0].replace(" ", ""), found.end()
    while found := _PREFIX.match(text, at):
        at = found.end()
        program = found["program"] or program
        caller = found["caller"] or caller
        stamped |= found["program"] == "kernel" or "kernel" in found[0] or found[0].startswith(("[", "<", "kern", "**"))
    if not stamped and (found := _LATE.search(text)):
        at, caller, stamped = found.end(), found["caller"] or "", True
    if program and program != "kernel" and not stamped:
        return Line(number, text[at:], USER)
    context = f"{quote}{caller or ('stamped' if stamped else '')}"
    return Line(number, _encode(text[at:]), context, len(quote))


def _encode(text: str) -> str:
    """A decoded line as the kernel prints one, but for the offset and size, which nobody knows any more: zero."""
    if " (" not in text or ":" not in text:
        return text

    def encoded(found: re.Match[str]) -> str:
        module = f" [{found['module']}]" if found["module"] else ""
        place = "" if found["place"].startswith("?") else f" {found['place']}"
        return f"{found['function']}+0x0/0x0{module}{place}"

    return _DECODED.sub(encoded, text)
