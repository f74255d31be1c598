"""How long work tells what it is doing, without knowing who listens."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A listener."""

    def note(self, text: str) -> None:
        """Something worth keeping: a line of its own."""

    def update(self, text: str) -> None:
        """What is going on just now; the next update takes its place."""


class Silent:
    """Listens to nothing."""

    def note(self, text: str) -> None:
        """See `Progress.note`."""

    def update(self, text: str) -> None:
        """See `Progress.update`."""


SILENT = Silent()
