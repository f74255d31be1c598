"""Makes standard output and error robust: they may be closed, full, a broken pipe, or not UTF-8."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, TextIO, cast

CLOSED = 141
"""The exit status if standard output was closed: that of SIGPIPE in a shell."""


class _Tolerant:
    """Standard error that never fails: what cannot be written is dropped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            _mute(self._stream)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            _mute(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def redraws(stream: TextIO) -> bool:
    """Whether a stream is a terminal on which lines may be drawn again: not with TERM=dumb (for a screen reader)."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def coloured(stream: TextIO) -> bool:
    """Whether a stream takes colours: a terminal, and nobody said NO_COLOR."""
    return redraws(stream) and not os.environ.get("NO_COLOR")


def prepare() -> None:
    """Make both streams safe to write to: a closed one takes everything, and any text can be encoded."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        if isinstance(stream := getattr(sys, name), io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if not isinstance(sys.stderr, _Tolerant):
        sys.stderr = cast(TextIO, _Tolerant(sys.stderr))


def flushed(status: int) -> int:
    """Flush both streams; text that standard output does not take is a failure.

    Args:
        status: the exit status so far.

    Returns:
        The exit status.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        status = status or CLOSED
        _mute(sys.stdout)
    except OSError as error:
        print(f"regress: standard output: {error.strerror}", file=sys.stderr)
        status = status or 3
        _mute(sys.stdout)
    sys.stderr.flush()
    return status


def _mute(stream: TextIO) -> None:
    """Discard what is still in a stream's buffer: Python's own flush at exit would fail again."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
    except OSError:
        pass
