"""Requests to end: Ctrl-C, SIGTERM, a closed terminal."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Turns the first request to end into `KeyboardInterrupt`, so that everything that runs is stopped and closed.

    Further requests are ignored: the cleanup must not be interrupted.
    """

    def __init__(self) -> None:
        self._raised = self._waiting = False
        self._holds = 0

    def _take(self, _number: int, _frame: object) -> None:
        if self._holds:
            self._waiting = True
        else:
            self._raise()

    def _raise(self) -> None:
        if not self._raised:
            self._raised = True
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let nothing interrupt the block; a request during it takes effect at its end."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
        if self._waiting and not self._holds:
            self._waiting = False
            self._raise()

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Handle requests during the block.  Ignored signals (`nohup`, a background job of a shell) stay ignored."""
        heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._take) for number in heard}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
