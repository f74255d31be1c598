"""Console lines that a logger has put into JSON objects, one a line.

Such are `journalctl -o json` and `-o json-pretty`, the output of a LAVA job (`- {"dt": ..., "lvl": "target", "msg":
...}`), and what container runtimes and log collectors write.  Which member holds the text differs; its name does not
much.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.console.lines import LONGEST as LONGEST_LINE

LONGEST = 1 << 16
"""Bytes of an object; what is longer is read as plain text."""
_BEGINS = re.compile(rb'[\s\[,-]{0,8}(?:[{}]|"[\w.@-]{1,40}" ?: ?)')
_ENDS = b" \t\r,]"
_TEXT = ("MESSAGE", "message", "msg", "log", "@message", "textPayload", "short_message")
"""Names of the member with the text, the likeliest first."""
_WHEN = ("time", "dt", "timestamp", "@timestamp", "ts", "date")
_MONOTONIC = ("_SOURCE_MONOTONIC_TIMESTAMP", "__MONOTONIC_TIMESTAMP")
"""Microseconds since the kernel began, as journald has them."""
_MICROSECONDS = re.compile(r"[0-9]{1,18}")
_TIME = re.compile(r"[0-9][\w:.,+ -]{3,40}", re.ASCII)
_OF_THE_CONSOLE = ("target", "feedback")
"""Levels of LAVA's lines that the device has printed; the others are LAVA's own."""


@dataclass(frozen=True)
class Record:
    """What an object says: the lines of its text, and when it was logged, in seconds or as a date; None: not told."""

    lines: tuple[bytes, ...]
    time: str | None


def longest(begun: bytes) -> int:
    """How many bytes a line may have that begins so, before it is read in pieces."""
    return LONGEST if _BEGINS.match(begun) else LONGEST_LINE


def read_record(raw: bytes) -> Record | None:
    """The text that a line holds in a JSON object; None where it is a line like any other.

    What another program than the kernel has logged, and members of an object that is spread over several lines, have
    no lines.
    """
    if _BEGINS.match(raw) is None or len(raw) > LONGEST:
        return None
    text = raw.lstrip(b" \t[,-").rstrip(_ENDS)
    if text in (b"{", b"}"):
        return Record((), None)  # of an object over several lines
    if text.startswith(b'"'):
        text = b"{" + text + b"}"
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return _record(data) if isinstance(data, dict) else None


def lines_in(raw: bytes) -> tuple[bytes, ...]:
    """The lines of text that a line holds: those of its object, or itself."""
    record = read_record(raw)
    return record.lines if record else (raw,)


def _record(data: Mapping[str, Any]) -> Record | None:
    said = next((data[name] for name in _TEXT if name in data), None)
    if isinstance(said, list) and all(isinstance(one, int) and 0 <= one < 256 for one in said):
        told = bytes(said)  # as journald writes what is not printable
    elif isinstance(said, str):
        told = said.encode("utf-8", "surrogatepass")
    else:
        return Record((), None) if len(data) == 1 else None
    kernels = data.get("_TRANSPORT", "kernel") == "kernel" or data.get("SYSLOG_IDENTIFIER") == "kernel"
    if not kernels or ("dt" in data and data.get("lvl", "target") not in _OF_THE_CONSOLE):
        return Record((), None)
    return Record(tuple(told.rstrip(b"\n").split(b"\n")), _when(data))


def _when(data: Mapping[str, Any]) -> str | None:
    for name in _MONOTONIC:
        if _MICROSECONDS.fullmatch(str(data.get(name, ""))):
            return f"{int(data[name]) / 1e6:.6f}"
    told = (str(data[name]) for name in _WHEN if name in data)
    return next(filter(_TIME.fullmatch, told), None)
