"""What commands that try commits do around their loop: start, handle interrupts and failures, close in order."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from harness import document
from harness.assessment import INFRASTRUCTURE, INTERRUPTED
from harness.errors import InfrastructureError, RegressError
from harness.files import write_atomically
from harness.interrupts import Interrupts
from harness.record import Run
from harness.reports import json_, junit
from harness.turns import Cancelled


@dataclass(frozen=True)
class End:
    """How a loop ended.

    Attributes:
        status: a status of the loop, or one of `harness.assessment`.
        reason: why, on one line.
        findings: other results, as JSON data.
    """

    status: str
    reason: str
    findings: Mapping[str, Any] = field(default_factory=dict)


class Loop(Protocol):
    """The work of a command."""

    def run(self) -> End:
        """Do all the work; results go into the journal along the way."""

    def stopped(self, status: str, reason: str) -> End:
        """What is known so far, if the work was cut short."""

    @property
    def progress(self) -> str:
        """How far it got, such as `after 1 of 2 commits`."""


@dataclass
class Session:
    """One run from start to end.

    Args:
        run: its folder and its events.
        interrupts: requests to end.
        tell: called with the document when everything is closed.
        note: called with other errors.
        keep: writes the other files of the folder; may fail on a full disk.
        hosts: what the hosts of a fleet did.
    """

    run: Run
    interrupts: Interrupts
    tell: Callable[[dict[str, Any]], None]
    note: Callable[[str], None]
    keep: Callable[[dict[str, Any], Path], None] = lambda _document, _folder: None
    hosts: Callable[[], list[dict[str, Any]]] = list

    def conduct(self, loop: Loop) -> dict[str, Any]:
        """Run a loop; however it ends, the results are stored and reported.

        A failure of the machinery is a status, not an error.

        Returns:
            The document.

        Raises:
            KeyboardInterrupt: it was interrupted.
            BrokenPipeError: standard output was closed.
            InfrastructureError: the end could not be written.
            Exception: anything unexpected.
        """
        fault: BaseException | None = None
        try:
            end = loop.run()
        except BaseException as error:
            fault = error
        unwritten: Exception | None = None
        with self.interrupts.held():
            if fault is not None:
                end = _stopped(loop, fault)
            try:
                hosts = self.hosts()
                self.run.close(end.status, end.reason, {**end.findings, **({"hosts": hosts} if hosts else {})})
            except (RegressError, OSError) as error:
                unwritten = error
            told = document.of(self.run.events, self.run.folder)
            try:
                self._write(told)
            except (RegressError, OSError, UnicodeError) as error:
                unwritten = unwritten or error
        with contextlib.suppress(BrokenPipeError) if isinstance(fault, BrokenPipeError) else contextlib.nullcontext():
            self.tell(told)
        lost = f"{self.run.folder}: the result could not be written: {_line(unwritten)}" if unwritten else ""
        if fault is not None and not _is_status(fault):
            if lost:
                self.note(lost)
            raise fault
        if lost:
            raise InfrastructureError(lost)
        return told

    def _write(self, told: dict[str, Any]) -> None:
        folder = self.run.folder
        write_atomically(folder / "result.json", f"{json_.render(told)}\n")
        write_atomically(folder / "junit.xml", junit.render(told))
        self.keep(told, folder)


def _is_status(fault: BaseException) -> bool:
    """Whether it is a failure of the machinery, which the document reports."""
    return isinstance(fault, RegressError | OSError) and not isinstance(fault, BrokenPipeError)


def _stopped(loop: Loop, fault: BaseException) -> End:
    if isinstance(fault, KeyboardInterrupt | Cancelled):
        return loop.stopped(INTERRUPTED, loop.progress)
    if isinstance(fault, BrokenPipeError):
        return loop.stopped(INTERRUPTED, f"standard output was closed {loop.progress}")
    if isinstance(fault, RegressError | OSError):
        return loop.stopped(INFRASTRUCTURE, _line(fault))
    return loop.stopped(INFRASTRUCTURE, f"internal error: {type(fault).__name__}: {fault}")


def _line(error: Exception) -> str:
    """An error on one line; a system error with its file, a full disk with the remedy."""
    said = str(error)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        said = str(InfrastructureError(f"{place}{error.strerror or error}"))
    return "; ".join(said.splitlines())
