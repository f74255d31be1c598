"""Which host does which job, and what happens when one fails.

A host that fails is tried again later, and its work goes elsewhere; nothing that it said counts for a commit.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from harness.errors import InfrastructureError
from harness.fleet.host import Host, Order, carry_out
from harness.fleet.reply import HostFault, Reply
from harness.fleet.request import Job
from harness.progress import Progress
from harness.turns import Cancel, Cancelled, Turns, cancel

T = TypeVar("T")

STRIKES = 3
"""Failures in a row after which a host is set aside."""

ASIDE, LONGEST_ASIDE = 30.0, 1800.0
"""Seconds for which it is set aside the first time, twice as long each further time, and at most."""

ATTEMPTS = 4
"""How many failures of hosts a job survives, and one more for each further host."""

KEPT_FAULTS = 20
"""How many failures of a host are remembered."""


@dataclass(frozen=True)
class Work:
    """A job and where its ingredients are on the controller.

    Attributes:
        job: what to do.
        name: for people, such as `building 0123456789ab`.
        file: where the file with a digest is.
        pack: writes a file with the objects of its commit, given the commits that are there.
    """

    job: Job
    name: str
    file: Callable[[str], Path]
    pack: Callable[[Sequence[str]], Path]


class Fleet:
    """Hosts that share work; a context manager that leaves nothing running.

    Args:
        hosts: one or more.
        turns: whose turn it is; others have theirs while a job runs.
        progress: shows what each host does.
    """

    def __init__(self, hosts: Sequence[Host], turns: Turns, progress: Progress) -> None:
        self.hosts, self.turns, self.progress = tuple(hosts), turns, progress
        self._changed = threading.Condition()
        self._told_until = 0.0
        self._doing: dict[int, tuple[str, str]] = {}

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        for host in self.hosts:
            host.close()

    @property
    def width(self) -> int:
        """How many trials it can do at a time."""
        return max(1, sum(host.room["boot"] for host in self.hosts))

    def do(self, work: Work, take: Callable[[Reply], T], prefer: Sequence[str] = (), apart: Sequence[str] = ()) -> T:
        """Have a job done.

        Args:
            take: makes the result of a reply, whose files are there meanwhile; where it raises `HostFault`, the
                host has failed.
            prefer: hosts that do it fastest.
            apart: hosts that shall not do it, if there is another.

        Returns:
            The result of the first host that worked.

        Raises:
            InfrastructureError: no host can do it, or all fail; the message has what each said.
            Cancelled: its result is no longer wanted.
        """
        with self.turns.waiting(), tempfile.TemporaryDirectory(prefix="regress-fleet-") as name:
            return self._done(work, take, Path(name), prefer, apart)

    def pause(self) -> None:
        """Let others have their turn for a moment."""
        with self.turns.waiting():
            time.sleep(0.05)
        if cancel():
            raise Cancelled

    def _done(
        self, work: Work, take: Callable[[Reply], T], folder: Path, prefer: Sequence[str], apart: Sequence[str]
    ) -> T:
        able = [host for host in self.hosts if host.may(work.job)]
        if not able:
            raise InfrastructureError(f"no host {work.job.kind}s {work.job.arch} kernels: see  regress hosts")
        told = list[str]()
        # One that failed at it gets it again only if no other can take it.
        tried = list[Host]()
        while True:
            host = self._take(work, able, prefer, [*apart, *(one.name for one in tried)])
            try:
                result = take(self._on(host, work, folder))
            except HostFault as fault:
                told.append(str(fault))
                tried.append(host)
                self._failed(host, fault)
            else:
                host.strikes, host.done = 0, host.done + 1
                return result
            finally:
                self._release(host, work)
            if len(told) >= ATTEMPTS + len(able):
                reasons = "; ".join(dict.fromkeys(told))
                raise InfrastructureError(f"{work.name}: no host could do it: {reasons}")

    def _take(self, work: Work, able: Sequence[Host], prefer: Sequence[str], apart: Sequence[str]) -> Host:
        """Wait for a host, and take a place on it."""
        cancelled = cancel()
        with self._changed:
            while True:
                if cancelled:
                    raise Cancelled
                others = [host for host in able if host.name not in apart]
                usable = [host for host in others if time.monotonic() >= host.aside_until] or others or list(able)
                free = [host for host in usable if host.free(work.job)]
                if free:
                    # The host that is used least, of those that need to prepare least.
                    host = min(free, key=lambda one: (one.name not in prefer, one.strikes, sum(one.busy.values())))
                    host.busy[work.job.kind] += 1
                    return host
                until = min(host.aside_until for host in usable)
                if until > max(time.monotonic(), self._told_until):
                    self._told_until = until
                    self.progress.note(f"every host has failed; trying again in {until - time.monotonic():.0f} s")
                self._changed.wait(0.1)

    def _on(self, host: Host, work: Work, folder: Path) -> Reply:
        """Have one host do it."""
        place = folder / f"{host.name}-{time.monotonic_ns()}"
        place.mkdir()
        # Of this attempt alone: one that failed does not end the next.
        key, cancelled = id(place), Cancel(cancel())

        def tell(text: str) -> None:
            self._tell(key, host.name, f"{work.name}: {text}")

        tell("started")
        order = Order(work.job, work.file, work.pack, place, tell, cancelled)
        try:
            future = host.executor.submit(carry_out, host.carrier, host.name, order)
            try:
                reply = _result(future)
            except BaseException:  # Ctrl-C too: what runs there is ended before anything else goes on
                cancelled.set()
                concurrent.futures.wait([future])
                raise
            if reply.kind == "infrastructure":
                raise HostFault(host.name, reply.reason)
        finally:
            self._tell(key, host.name, None)
        return reply

    def _failed(self, host: Host, fault: HostFault) -> None:
        host.strikes += 1
        host.faults = [*host.faults, fault.reason][-KEPT_FAULTS:]
        self.progress.note(f"{fault}; the work goes on elsewhere" if len(self.hosts) > 1 else f"{fault}; trying again")
        if host.strikes >= STRIKES:
            wait = min(ASIDE * 2 ** (host.strikes - STRIKES), LONGEST_ASIDE)
            host.aside_until = time.monotonic() + wait
            self.progress.note(f"{host.name} is set aside for {wait:.0f} s after {host.strikes} failures in a row")
            if all(one.aside_until > time.monotonic() for one in self.hosts):
                # It may be the network here: nobody waits for half an hour.
                for one in self.hosts:
                    one.aside_until = min(one.aside_until, time.monotonic() + ASIDE)

    def strike(self, host: str, reason: str) -> None:
        """Count a failure that came out later, such as a build that another host did without an error."""
        for one in self.hosts:
            if one.name == host:
                self._failed(one, HostFault(host, reason))

    def _release(self, host: Host, work: Work) -> None:
        with self._changed:
            host.busy[work.job.kind] -= 1
            self._changed.notify_all()

    def _tell(self, key: int, host: str, text: str | None) -> None:
        with self._changed:
            if text is None:
                self._doing.pop(key, None)
                return
            self._doing[key] = (host, text)
            line = " | ".join(f"{name}: {what}" for name, what in self._doing.values())
        self.progress.update(line)

    def summary(self) -> list[dict[str, Any]]:
        """What each host did, as JSON data."""
        return [
            {"host": host.name, "jobs": host.done, "faults": host.faults, "aside": time.monotonic() < host.aside_until}
            for host in self.hosts
        ]


def _result(future: concurrent.futures.Future[Reply]) -> Reply:
    """Wait so that Ctrl-C is heard."""
    while True:
        with contextlib.suppress(concurrent.futures.TimeoutError):
            return future.result(0.5)
