"""Requests to end: Ctrl-C, SIGTERM, a closed terminal."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Turns the first request to end into `KeyboardInterrupt`, so that all that runs is ended and closed.

    Further requests are not heard: what is ending is not to be interrupted in it.
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
        """Let nothing interrupt the block; a request that comes meanwhile is taken at its end."""
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
        """Take requests during the block.  Signals that are ignored (`nohup`, a shell's background job) stay so."""
        heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._take) for number in heard}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
