"""Bytes -> messages: an mbox, one message, a saved thread page, or plain text such as a console log."""

from __future__ import annotations

import email
import email.header
import email.message
import email.utils
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from harness.thread import page
from harness.thread.message import Attachment, Message, printable

# lore writes "From mboxrd@z Thu Jan  1 00:00:00 1970", git "From HASH Mon Sep 17 00:00:00 2001".
_ENVELOPE = re.compile(rb"^From \S+ +\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}[^\n]*\n", re.MULTILINE)
_ESCAPED = re.compile(rb"^>(>*From )", re.MULTILINE)
_HEADERS = re.compile(rb"\A(?:[\w-]+:[^\n]*\n(?:[ \t][^\n]*\n)*)*?(?:From|Subject|Message-ID):", re.IGNORECASE)
_TEXT_NAME = re.compile(r"\.(?:patch|diff|txt|log|dmesg|mbox)$", re.IGNORECASE)

LONGEST = 64 << 20
"""Bytes of a thread: far more than any has, and a limit for what a compressed one may become."""


class Kind(StrEnum):
    """What a file is."""

    MAIL = "mail"
    PAGE = "saved thread page"
    TEXT = "text"


@dataclass(frozen=True)
class Thread:
    """What a file holds; a `TEXT` is one message without a head."""

    kind: Kind
    messages: tuple[Message, ...]


def read(data: bytes) -> Thread:
    """The messages in a file, whatever it is.

    Args:
        data: the file, not compressed.
    """
    data = data.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    if data.count(b"\r\n") == data.count(b"\n"):  # mail's own line ends; a patch to a file that has such has both
        data = data.replace(b"\r\n", b"\n")
    if _ENVELOPE.match(data) or _HEADERS.match(data):
        return Thread(Kind.MAIL, tuple(_mail(part) for part in _split(data)))
    lines = _lines(data)
    if page.is_page(lines):
        return Thread(Kind.PAGE, tuple(page.parse(lines)))
    return Thread(Kind.TEXT, (Message("", None, None, "", lines, line=1),))


def _split(data: bytes) -> Iterator[bytes]:
    """The messages of an mbox, without their envelopes; a lone message is itself."""
    places = [found for found in _ENVELOPE.finditer(data) if _begins(data, found)]
    if not places:
        yield data
    for number, found in enumerate(places):
        end = places[number + 1].start() if number + 1 < len(places) else len(data)
        yield _ESCAPED.sub(rb"\1", data[found.end() : end])


def _begins(data: bytes, found: re.Match[bytes]) -> bool:
    """Whether an envelope begins a message: it is the first, or follows an empty line and has a head after it."""
    if found.start() == 0:
        return True
    return data[: found.start()].endswith(b"\n\n") and re.match(rb"[\w-]+:", data[found.end() :]) is not None


def _mail(data: bytes) -> Message:
    try:
        return _parsed(email.message_from_bytes(data))
    except Exception as error:  # the email package has no list of what it raises on what is not mail
        note = f"this message is not well-formed ({type(error).__name__}); it was read as plain text"
        return Message("", None, None, "", _lines(data), notes=(note,))


def _parsed(mail: email.message.Message) -> Message:
    author, address = email.utils.parseaddr(_header(mail, "From"))
    body: list[str] = []
    attachments: list[Attachment] = []
    notes: list[str] = []
    for part in mail.walk():
        if part.is_multipart():
            continue
        name, kind = printable(part.get_filename() or "", 80), part.get_content_type()
        if not (kind in ("text/plain", "text/x-patch", "text/x-diff") or _TEXT_NAME.search(name)):
            notes.append(f"a part of type {printable(kind, 80)} {name} was not read".replace("  ", " "))
            continue
        payload = part.get_payload(decode=True)
        lines = _lines(payload if isinstance(payload, bytes) else b"", part.get_content_charset())
        if name or part.get_content_disposition() == "attachment":
            attachments.append(Attachment(name, lines))
        else:
            body += lines
    return Message(
        author=printable(author or address, 120),
        address=printable(address, 120) or None,
        sent=_date(_header(mail, "Date")),
        subject=printable(_header(mail, "Subject")),
        lines=tuple(body),
        attachments=tuple(attachments),
        message_id=printable(_header(mail, "Message-ID")).strip("<>") or None,
        notes=tuple(notes),
    )


def _header(mail: email.message.Message, name: str) -> str:
    """A header, decoded as far as it can be."""
    raw = str(mail.get(name, ""))
    try:
        return str(email.header.make_header(email.header.decode_header(raw)))
    except (ValueError, LookupError, email.errors.HeaderParseError):
        return raw


def _date(text: str) -> datetime | None:
    try:
        sent = email.utils.parsedate_to_datetime(text)
        return sent if sent.tzinfo else sent.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _lines(data: bytes, charset: str | None = None) -> tuple[str, ...]:
    """Text as lines; see `Message` for bytes that are not UTF-8."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("utf-8", "surrogateescape")
        # What a patch changes may be in several encodings: only prose is brought to one.
        if charset and not re.search(r"^@@ -\d", text, re.MULTILINE):
            text = _in_charset(data, charset) or text
    return tuple(_trimmed(text.split("\n")))


def _in_charset(data: bytes, charset: str) -> str | None:
    try:
        return data.decode(charset)
    except (UnicodeDecodeError, LookupError, ValueError):
        return None


def _trimmed(lines: Sequence[str]) -> list[str]:
    """Without the emptiness after the last newline, and without mail's own line ends."""
    kept = [*lines[:-1], *filter(None, lines[-1:])]
    return [line[:-1] for line in kept] if all(line.endswith("\r") for line in kept) else kept
