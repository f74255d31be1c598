"""Patches in messages: a diff with its author and message."""

from __future__ import annotations

import email.header
import email.utils
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.thread.diff import Diff, find
from harness.thread.message import Message, printable, quoted

_AUTHOR = re.compile(r"^From: (?P<name>[^<>]*[^<>\s]) <(?P<address>[^<>\s]+)>\s*$")
_SUBJECT = re.compile(r"^Subject: (?P<subject>\S.*)$")
_DATE = re.compile(r"^Date: (?P<date>\S.*)$")
_SCISSORS = re.compile(r"^\s*-+\s*(?:>8|8<|>%|%<)\s*-")
_SIGNED = re.compile(r"^Signed-off-by: (?P<name>[^<>]*[^<>\s]) <(?P<address>[^<>\s]+)>\s*$", re.MULTILINE)

_ENVELOPE = re.compile(r"^>*From \S+ +\w{3} \w{3} ", re.MULTILINE)

SQUEEZED = "the page that this patch was saved from had lost white space"
BROKEN = "the hunks of this patch do not add up"
NAMELESS = "[PATCH] without a subject"
PREFIX = "regress import: "


@dataclass(frozen=True)
class Patch:
    """A patch.

    Attributes:
        author: `Name <address>`, as far as it is told.
        date: as mail has it.  subject: one line.  message: the rest.
        diff: what it changes.  origin: the message that it was in.
        notes: what is unsure of it, one sentence each.
    """

    author: str
    date: str
    subject: str
    message: str
    diff: Diff
    origin: Message
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The subject without its `[PATCH]`."""
        return re.sub(r"^(?:\[[^\]]*\]\s*)+", "", self.subject) or self.subject

    @property
    def damaged(self) -> bool:
        """Whether the diff is not what its author sent."""
        return self.origin.squeezed or not self.diff.whole

    def noted(self, *notes: str, diff: Diff | None = None) -> Patch:
        """The same with more notes, and perhaps another diff."""
        return replace(self, notes=(*self.notes, *notes), diff=diff or self.diff)

    def file_name(self, number: int) -> str:
        """A name made of a number and plain characters of the subject; it can't leave its folder."""
        slug = re.sub(r"[^A-Za-z0-9_]+", "-", self.title).strip("-")[:52].strip("-")
        return f"{number:04}-{slug or 'patch'}.patch"

    def render(self) -> bytes:
        """The patch as a mail, for `git am` and `regress try`; what is unsure stands below its `---`."""
        name, _, address = self.author.rpartition(" <")
        plain = address.rstrip(">").encode("ascii", "replace").decode()
        sender = email.utils.formataddr((name, plain), "utf-8") if name else _encoded(self.author)
        notes = "".join(f"{PREFIX}{note}\n" for note in self.notes)
        # As an mbox has it: what looks like the next message's envelope is not one.
        message = _ENVELOPE.sub(r">\g<0>", self.message.strip())
        text = (
            "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n"
            f"From: {sender}\nDate: {self.date}\nSubject: {_encoded(self.subject)}\n"
            "MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n"
            f"\n{message}\n---\n{notes}\n{self.diff.text()}-- \nregress\n"
        )
        return text.encode("utf-8", "surrogateescape")


def _encoded(text: str) -> str:
    return text if text.isascii() else email.header.Header(text, "utf-8", maxlinelen=1000).encode()


def patches(message: Message) -> list[Patch]:
    """The patches in a message, quoted ones aside: in its text, then attached."""
    found: list[Patch] = []
    for lines in message.texts():
        rest, begin = lines, 0
        while (diff := find(rest)) is not None:
            found.append(_patch(message, rest[: diff.start], diff))
            begin = diff.end
            rest = rest[begin:]
    return found


def _patch(message: Message, above: Sequence[str], diff: Diff) -> Patch:
    """A patch with the lines above its diff, which hold its message."""
    notes: list[str] = []
    body, told, cut = _message(above)
    author = told.get("author") or _named(message)
    text = "\n".join(body).strip()
    signed = {found["name"].casefold(): found["address"] for found in _SIGNED.finditer(text)}
    name, _, address = author.rpartition(" <")
    other = signed.get((name or author).casefold())
    if not name and other:
        author = f"{author} <{other}>"
        notes.append("the author's address is that of the sign-off of the same name")
    elif not name:
        author = f"{author or 'Unknown'} <unknown@localhost>"
        notes.append("the author's address is not told")
    elif other and other != address.rstrip(">"):
        notes.append(f"its author line says {address.rstrip('>')}, the sign-off of the same name {other}")
    if not cut and message.subject.casefold().startswith("re:") and text:
        notes.append("the message above may be talk more than a commit message: the patch was in a reply")
    if message.squeezed:
        notes.append(SQUEEZED)
    elif not diff.whole:
        notes.append(BROKEN)
    return Patch(
        author=printable(author, 200),
        date=told.get("date") or (email.utils.format_datetime(message.sent) if message.sent else _NO_DATE),
        subject=told.get("subject") or printable(message.subject) or NAMELESS,
        message=text,
        diff=diff,
        origin=message,
        notes=tuple(printable(note) for note in notes),
    )


_NO_DATE = "Thu, 01 Jan 1970 00:00:00 +0000"


def _named(message: Message) -> str:
    if message.address:
        return f"{message.author} <{message.address}>"
    return message.author


def _message(above: Sequence[str]) -> tuple[list[str], dict[str, str], bool]:
    """The commit message in the lines above a diff.

    As `git am` has it: what is below the last scissors, headers at its top in place of the mail's own, up to
    `---`.  People also put a whole patch, `From:` line first, below their talk without scissors.

    Returns:
        Its lines; the headers that it has of its own; whether there was a sign of where it begins.
    """
    lines = list(above)
    begin = next((number + 1 for number in reversed(range(len(lines))) if _SCISSORS.match(lines[number])), 0)
    begin = max(begin, _last_author(lines))
    cut = begin > 0 or (bool(lines) and _AUTHOR.match(lines[0]) is not None)
    told: dict[str, str] = {}
    body = list(itertools.takewhile(lambda line: line.rstrip() != "---", lines[begin:]))
    while body and (not body[0].strip() or _own(body[0], told)):
        body.pop(0)
    return [line for line in body if cut or not quoted(line)], told, cut


def _last_author(lines: Sequence[str]) -> int:
    return next((number for number in reversed(range(len(lines))) if _AUTHOR.match(lines[number])), 0)


def _own(line: str, told: dict[str, str]) -> bool:
    """Take a header at the top of the text; whether the line is one."""
    if found := _AUTHOR.match(line):
        told["author"] = printable(f"{found['name']} <{found['address']}>", 200)
    elif found := _SUBJECT.match(line):
        told["subject"] = printable(found["subject"])
    elif found := _DATE.match(line):
        told["date"] = printable(found["date"], 60)
    return found is not None
