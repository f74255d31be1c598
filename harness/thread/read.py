"""Bytes -> messages: an mbox, one message, a saved thread page, or plain text such as a console log."""

from __future__ import annotations

import email
import email.header
import email.message
import email.utils
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from harness.compressed import format_of, text_in
from harness.thread import page
from harness.thread.message import Attachment, Message, printable
from harness.thread.transport import Text, from_html, lines_of, text_of

# lore writes "From mboxrd@z Thu Jan  1 00:00:00 1970", git "From HASH Mon Sep 17 00:00:00 2001".
_ENVELOPE = re.compile(rb"^From \S+ +\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}[^\n]*\n", re.MULTILINE)
_ESCAPED = re.compile(rb"^>(>*From )", re.MULTILINE)
_HEADERS = re.compile(rb"\A(?:[\w-]+:[^\n]*\n(?:[ \t][^\n]*\n)*)*?(?:From|Subject|Message-ID):", re.IGNORECASE)
_TEXT_NAME = re.compile(r"\.(?:patch|diff|txt|log|dmesg|mbox|jsonl?)$", re.IGNORECASE)

_HTML = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?<(?:!doctype html|html)\b", re.IGNORECASE)

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


def is_thread(data: bytes) -> bool:
    """Whether a file is a mail, an mbox, a saved page of an archive or HTML, by its beginning; else it is text."""
    data = data.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n").replace(b"\r\n", b"\n")
    return is_mail(data) or _HTML.match(data) is not None or b" UTC (permalink / raw)" in data


def is_mail(data: bytes) -> bool:
    """Whether a file begins as a mail does, or an mbox; its lines end as in Unix."""
    return (_ENVELOPE.match(data) or _HEADERS.match(data)) is not None


def read(data: bytes) -> Thread:
    """The messages in a file, whatever it is.

    Args:
        data: the file, not compressed.
    """
    kept = data.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    first = 1 + data[: len(data) - len(kept)].count(b"\n")
    data = kept
    if data.count(b"\r\n") == data.count(b"\n"):  # mail's own line ends; a patch to a file that has such has both
        data = data.replace(b"\r\n", b"\n")
    if is_mail(data):
        return Thread(Kind.MAIL, tuple(_mail(part, line) for part, line in _split(data, first)))
    lines = lines_of(data)
    if page.is_page(lines):
        return Thread(Kind.PAGE, tuple(page.parse(lines)))
    text = from_html(lines, first) if _HTML.match(data) else Text.plain(lines, first)
    return Thread(Kind.TEXT, (Message("", None, None, "", text.lines, text.numbers),))


def _split(data: bytes, first: int) -> Iterator[tuple[bytes, int]]:
    """The messages of an mbox, without their envelopes, with the numbers of their first lines; a lone one is itself."""
    places = [found for found in _ENVELOPE.finditer(data) if _begins(data, found)]
    if not places:
        yield data, first
    for number, found in enumerate(places):
        end = places[number + 1].start() if number + 1 < len(places) else len(data)
        yield _ESCAPED.sub(rb"\1", data[found.end() : end]), first + data.count(b"\n", 0, found.end())


def _begins(data: bytes, found: re.Match[bytes]) -> bool:
    """Whether an envelope begins a message: it is the first, or follows an empty line and has a head after it."""
    if found.start() == 0:
        return True
    return data[: found.start()].endswith(b"\n\n") and re.match(rb"[\w-]+:", data[found.end() :]) is not None


def _mail(data: bytes, first: int) -> Message:
    try:
        return _parsed(email.message_from_bytes(data), data, first)
    except Exception as error:  # the email package has no list of what it raises on what is not mail
        note = f"this message is not well-formed ({type(error).__name__}); it was read as plain text"
        text = Text.plain(lines_of(data), first)
        return Message("", None, None, "", text.lines, text.numbers, notes=(note,))


def _parsed(mail: email.message.Message, data: bytes, first: int) -> Message:
    author, address = email.utils.parseaddr(_header(mail, "From"))
    body = Text()
    attachments: list[Attachment] = []
    notes: list[str] = []
    parts = [part for part in mail.walk() if not part.is_multipart()]
    plain = any(part.get_content_type() == "text/plain" and not part.get_filename() for part in parts)
    for part in parts:
        name, kind = printable(part.get_filename() or "", 80), part.get_content_type()
        payload = part.get_payload(decode=True)
        if isinstance(payload, bytes) and format_of(payload):
            try:
                attachments.append(_unpacked(name, payload, first + _line_of(part, data)))
            except ValueError as error:
                notes.append(f"a compressed part {name} was not read: {error}".replace("  ", " "))
            continue
        html = kind == "text/html" and not plain and not name
        if not (html or kind in ("text/plain", "text/x-patch", "text/x-diff") or _TEXT_NAME.search(name)):
            notes.append(f"a part of type {printable(kind, 80)} {name} was not read".replace("  ", " "))
            continue
        text = text_of(part, data, first)
        if name or part.get_content_disposition() == "attachment":
            attachments.append(Attachment(name, text.lines, text.numbers))
        else:
            body += text
    return Message(
        author=printable(author or address, 120),
        address=printable(address, 120) or None,
        sent=_date(_header(mail, "Date")),
        subject=printable(_header(mail, "Subject")),
        lines=body.lines,
        numbers=body.numbers,
        attachments=tuple(attachments),
        notes=tuple(notes),
    )


def _unpacked(name: str, payload: bytes, line: int) -> Attachment:
    """A compressed attachment; all of its lines begin where the attachment does."""
    lines = lines_of(text_in(payload, LONGEST))
    return Attachment(name, lines, (line,) * len(lines))


def _line_of(part: email.message.Message, mail: bytes) -> int:
    """How many lines of a mail stand before the content of a part."""
    raw = part.get_payload()
    at = mail.find(raw.encode("ascii", "surrogateescape")) if isinstance(raw, str) else -1
    return mail.count(b"\n", 0, max(at, 0))


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
