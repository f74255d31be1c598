"""Standard output and standard error as they may be: closed, full, nobody at the other end, or not UTF-8."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, TextIO, cast

CLOSED = 141
"""The exit status where nobody reads standard output any more: what a shell says of SIGPIPE."""


class _Tolerant:
    """Standard error on which nothing fails: what cannot be written there is told to nobody."""

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


def prepare() -> None:
    """Make both streams safe to write to: a stream that is closed takes all, and no text is beyond an encoding."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        if isinstance(stream := getattr(sys, name), io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if not isinstance(sys.stderr, _Tolerant):
        sys.stderr = cast(TextIO, _Tolerant(sys.stderr))


def flushed(status: int) -> int:
    """Flush both streams; what standard output does not take is a failure.

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
    """Let what is still in a stream's buffer go nowhere: Python's own flush at exit would fail again."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
    except OSError:
        pass
