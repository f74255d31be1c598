"""What people say in messages, sentence by sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.thread.diff import find
from harness.thread.message import Message, printable, quoted


@dataclass(frozen=True)
class Said:
    """Words of a message."""

    text: str
    message: Message


_LONGEST_SIGNATURE = 12
"""Lines below a `-- ` that pass for a signature."""

# A console's lines, what introduces a quotation, a greeting, a diffstat.
_NOT_PROSE = re.compile(
    r"^\s*(?::|\[ *\d+\.\d+\]|<\d>|(?:EIP|RIP|EAX|RAX|Code|CR2|Call Trace)\b)|^.*\bwrote:\s*$|^\s*\w+,\s*$"
    r"|^\s*\S+ +\| +\d+ [+-]+$|^\s*\d+ files? changed, "
)

# A claim is a statement about what code does or must do: a word that asserts, and one that is about code.
_ASSERTS = re.compile(
    r"\b(?:must|should|shall|never|always|only|every|each|cannot|can't|breaks?|broken|leaks?|reintroduce|no point"
    r"|does(?: not|n't)|will|provides?|has to|have to|needs? to|wrong|designed|matches|adjusted|remapped)\b"
)
_ABOUT = re.compile(
    r"\b\w+_\w+\b|\b[A-Z]{2,}\d*\b|\b(?:bios?|payloads?|profiles?|integrity|metadata|sectors?|verif\w+|kernel|block"
    r"|stack|tags?|locks?|memory|driver|journal\w*|cloned?|queue\w*|page|inode|buffer|pointer|race)\b"
)
# Questions, wishes and plans are none.
_TALK = re.compile(
    r"\?|^(?:please|thanks?|hi|could|would|let's|thx|if you want|anyway)\b|\bplease\b|\bI(?:'ll| will| can| would)\b",
    re.IGNORECASE,
)


def prose(message: Message) -> str:
    """A message's own words: without quoted lines, its diff, its signature, and what a console printed."""
    lines = list(message.lines)
    while (diff := find(lines)) is not None:
        lines[diff.start : diff.end] = []
    signature = next((number for number in range(len(lines)) if re.fullmatch(r"-- ?", lines[number])), len(lines))
    own = lines[:signature] if len(lines) - signature < _LONGEST_SIGNATURE else lines
    return "\n".join(line for line in own if not quoted(line) and not _NOT_PROSE.match(line))


def sentence(message: Message, text: str, start: int, end: int) -> Said:
    """The sentence around a place in a message's text."""
    first = max(0, start - 300)
    before = [place + len(mark) for mark in ("\n\n", ". ") if (place := text.rfind(mark, first, start)) >= 0]
    after = [place + 1 for mark in ("\n\n", ". ") if (place := text.find(mark, end, end + 200)) >= 0]
    begin = max([*before, first])
    return Said(printable(text[begin : min([*after, end + 200])], 300), message)


def claims(message: Message, text: str) -> Iterator[Said]:
    """The sentences of a message's text that claim something of code, picked by their words."""
    for paragraph in re.split(r"\n\s*\n|^--\s*$", text, flags=re.MULTILINE):
        for one in re.split(r"(?<=[.!?)])\s+(?=[A-Z(\"])", " ".join(paragraph.split())):
            if 6 <= len(one.split()) <= 90 and _ASSERTS.search(one) and _ABOUT.search(one) and not _TALK.search(one):
                yield Said(printable(one), message)
