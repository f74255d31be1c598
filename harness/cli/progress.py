"""Progress on standard error: a changing line on a terminal, a new line now and then elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping
from typing import Any

from harness.cli import streams
from harness.errors import InfrastructureError
from harness.reports import json_
from harness.reports.safe import terminal

_QUIET = 30.0
"""Seconds between two lines about the same work without a terminal."""


class Talk:
    """Shows what is going on; see `harness.progress.Progress`."""

    def __init__(self) -> None:
        self.terminal = streams.redraws(sys.stderr)
        self.began = time.monotonic()
        self.drawn = 0.0
        self.shown = ""
        self.head = ""

    def note(self, text: str) -> None:
        """Print a line that stays."""
        self.clear()
        print(terminal(text), file=sys.stderr, flush=True)

    def result(self, text: str, document: Mapping[str, Any], *, as_json: bool) -> None:
        """Print a result for people, and for programs as JSON, which has standard output to itself.

        Raises:
            BrokenPipeError: standard output was closed.
            InfrastructureError: standard output cannot be written.
        """
        self.say(text, aside=as_json)
        if as_json:
            self.say(json_.render(document), aside=False)

    def say(self, line: str, *, aside: bool) -> None:
        """Print a line of the report: on standard output, or on standard error if JSON goes there.

        Raises:
            BrokenPipeError: standard output was closed.
            InfrastructureError: standard output cannot be written.
        """
        self.clear()
        try:
            print(terminal(line), file=sys.stderr if aside else sys.stdout, flush=True)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise InfrastructureError(f"standard output: {error.strerror}") from error

    def update(self, text: str) -> None:
        """Show what is going on, with the time since the start."""
        now = time.monotonic()
        head = text.partition(":")[0]
        if self.terminal:
            if now - self.drawn < 0.1 and head == self.head:
                return
            line = f"[{now - self.began:4.0f} s] {text}"[: shutil.get_terminal_size().columns - 1]
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
            self.shown = line
        elif head != self.head or now - self.drawn >= _QUIET:
            print(f"[{now - self.began:4.0f} s] {text}", file=sys.stderr, flush=True)
        else:
            return
        self.drawn, self.head = now, head

    def clear(self) -> None:
        """Clear the changing line."""
        if self.shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
            self.shown = ""
