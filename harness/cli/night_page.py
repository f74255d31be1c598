"""The page of the nights, kept up to date while one goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.nightly import told
from harness.nightly.night import Loop
from harness.progress import Progress
from harness.site import FOLDER, INDEX, reading, update

PAUSE = 10.0
"""Seconds between two times that it is written, at least."""

SHARE = 0.02
"""Of the night's time may go into it."""


@dataclass
class NightPage:
    """Writes the page; a night never fails by it.

    Args:
        results: the folder of all results.
        talk: is told, once, why the page could not be written.
    """

    results: Path
    talk: Progress
    next: float = 0.0
    failed: bool = field(default=False)

    def during(self, loop: Loop) -> None:
        """Write it, unless that was done a moment ago."""
        begun = time.monotonic()
        if begun >= self.next:
            found = told.findings(loop)
            self._write(lambda: reading.keep_progress(loop.run.folder, {**found, "reason": told.conclusion(found)[1]}))
            took = time.monotonic() - begun
            self.next = begun + max(PAUSE, took / SHARE)

    def after(self, folder: Path) -> Path | None:
        """Write it when the night is over; returns where it is, or None where it could not be written."""
        written = self._write(lambda: reading.end_progress(folder))
        return self.results / FOLDER / INDEX if written else None

    def _write(self, first: Callable[[], None]) -> bool:
        try:
            first()
            return update(self.results) is not None
        except Exception as error:  # whatever is wrong with the page, the night's work goes on
            if not self.failed:
                self.failed = True
                said = f"{type(error).__name__}: {error}".partition("\n")[0]
                self.talk.note(f"the page could not be written: {said}")
            return False
