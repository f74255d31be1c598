"""Lines that a mailer broke in two.

Mailers break text at 72 to 78 columns, between words.  What is left over has neither the prefix that all other lines
of the report have nor its indentation.
"""

from __future__ import annotations

import re
from dataclasses import replace

from harness.console.analysis import head_rules, is_marked
from harness.console.frames import read_frame, read_pointer
from harness.console.lines import Line
from harness.console.parts import PART

_WIDTH = 66
"""Columns from which on a mailer may break a line."""
_TAINT = re.compile(r"ainted:?[ A-Z]*$")
_OPEN_END = re.compile(r"(?: (?:in|at|by task|from|[Cc]omm:|address:?)|Not tainted|Tainted:[ A-Z]*)$")


def is_part(text: str) -> bool:
    """Whether a line by itself belongs to some crash."""
    return read_frame(text) is not None or read_pointer(text) is not None or PART.search(text) is not None


def joined(before: Line, line: Line) -> Line | None:
    """The whole of a line that was broken before `line`; None where `line` is one of its own."""
    text = line.text
    if line.number != before.number + 1 or line.prefixed or line.quoted > before.quoted or not text.strip():
        return None
    begun = before.text.rstrip()
    if text[0].isspace() and not _TAINT.search(begun):
        return None
    wide = before.width + 1 + len(text.split()[0]) > _WIDTH
    # Without a prefix it takes a line that cannot be whole, or one that is a head only with the next.
    open_end = _OPEN_END.search(begun) is not None and not (_TAINT.search(begun) and is_part(text))
    goes_on = before.prefixed or (is_marked(begun) and not head_rules(begun) and not is_part(text))
    if not begun or not (open_end or (wide and goes_on)):
        return None
    if text.startswith("[ ") or (read_frame(before.text) and not text.startswith(("[", "("))):
        return None
    return replace(before, number=line.number, text=f"{begun} {text}", width=line.width)


def indented(before: Line, line: Line) -> Line | None:
    """A further line of one message, which the kernel indents in place of a prefix; None where `line` is not that."""
    if line.number != before.number + 1 or not before.prefixed or line.prefixed or line.quoted != before.quoted:
        return None
    if not line.text.startswith(("  ", "\t")) or not line.text.strip():
        return None
    return replace(before, number=line.number, text=f" {line.text.strip()}", width=line.width)
