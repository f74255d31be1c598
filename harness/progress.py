"""How long-running work reports what it is doing, without knowing who listens."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A listener."""

    def note(self, text: str) -> None:
        """Something worth keeping: a line of its own."""

    def update(self, text: str) -> None:
        """What is going on right now; replaced by the next update."""


class Silent:
    """Ignores everything."""

    def note(self, text: str) -> None:
        """See `Progress.note`."""

    def update(self, text: str) -> None:
        """See `Progress.update`."""


SILENT = Silent()
