"""A thread page as a mailing-list archive (public-inbox) shows it, saved as text.

    * SUBJECT
      @ 2017-08-02 12:27 NAME
      ... an overview of the thread ...
    From: NAME @ 2017-08-02 12:27 UTC (permalink / raw)
      To: ...; +Cc: ...

    text

    ^ permalink raw reply	[flat|nested] 15+ messages in thread

A page that went through a browser may have lost its indentation, runs of spaces and empty lines.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from harness.thread.message import Message

_FROM = re.compile(r"^\s*From: (?P<author>.*?) @ (?P<sent>\d{4}-\d\d-\d\d +\d{1,2}:\d\d) UTC \(permalink / raw\)\s*$")
_SUBJECT = re.compile(r"^\s*\* (?P<subject>\S.*)$")
_END = re.compile(r"^\s*(?:\^ permalink raw reply|end of thread, other threads:)")
_ADDRESSEES = re.compile(r"^\s*(?:To|Cc|\+Cc): ")

_LONGEST_OVERVIEW = 500
"""Lines between a message's subject and its `From:`: an overview has a line a message."""


def is_page(lines: Sequence[str]) -> bool:
    """Whether this is such a page."""
    return any(_FROM.match(line) for line in lines)


def parse(lines: Sequence[str]) -> list[Message]:
    """The messages of a page, in its order.

    Args:
        lines: the page.
    """
    starts = [number for number, line in enumerate(lines) if _FROM.match(line)]
    squeezed = _squeezed(lines)
    messages = []
    for index, start in enumerate(starts):
        found = _FROM.match(lines[start])
        assert found
        limit = starts[index + 1] if index + 1 < len(starts) else len(lines)
        first = _past_addressees(lines, start + 1, limit)
        last = next((number for number in range(first, limit) if _END.match(lines[number])), limit)
        body = tuple(lines[first:last])
        messages.append(
            Message(
                author=found["author"],
                address=None,
                sent=_time(found["sent"]),
                subject=_subject(lines, start),
                lines=body,
                numbers=tuple(range(first + 1, last + 1)),
                squeezed=squeezed,
            )
        )
    return messages


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    except ValueError:
        return None


def _subject(lines: Sequence[str], start: int) -> str:
    for number in range(start - 1, max(-1, start - _LONGEST_OVERVIEW), -1):
        if _END.match(lines[number]) or _FROM.match(lines[number]):
            break
        if found := _SUBJECT.match(lines[number]):
            return found["subject"]
    return ""


def _past_addressees(lines: Sequence[str], number: int, limit: int) -> int:
    """The first line of the text: past the addressees, which go on where a line ends in a comma."""
    goes_on = False
    while number < limit and (goes_on or _ADDRESSEES.match(lines[number])):
        goes_on = lines[number].rstrip().endswith((",", ";"))
        number += 1
    return number + 1 if number < limit and not lines[number].strip() else number


def _squeezed(lines: Sequence[str]) -> bool:
    """Whether white space was lost: such a page indents its overview and its addressees."""
    return not any(line.startswith((" ", "\t")) for line in lines)
