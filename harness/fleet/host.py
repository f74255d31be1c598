"""A host: an executor of orders, over whatever carries requests to it and replies back."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import InitVar, dataclass, field, replace
from pathlib import Path
from typing import Protocol

from harness.errors import InfrastructureError
from harness.files import sha256
from harness.fleet import reply as replies
from harness.fleet.program import program
from harness.fleet.reply import LONGEST, HostFault, Reply
from harness.fleet.request import BuildJob, Job, Request
from harness.turns import Cancel, Cancelled

TRIES = 4
"""How often a worker may say that it lacks something."""

SMALL = 256 << 10
"""Bytes of a file that goes with the request itself."""

BUILD_TIME, TRIAL_TIME = 3 * 3600.0, 3600.0
"""Seconds that a host has for a build and, on top of its own limits, for a trial."""


@dataclass(frozen=True)
class Order:
    """A job with what it takes to carry it out somewhere.

    Attributes:
        job: what to do.
        file: where the file with a digest is, here.
        pack: writes a file with the objects of the job's commit, given the commits that are there.
        folder: for what comes back.
        tell: is told what goes on.
        cancelled: whether the result is still wanted.
    """

    job: Job
    file: Callable[[str], Path]
    pack: Callable[[Sequence[str]], Path]
    folder: Path
    tell: Callable[[str], None]
    cancelled: Cancel

    @property
    def timeout(self) -> float:
        """Seconds that it may take."""
        if isinstance(self.job, BuildJob):
            return BUILD_TIME
        limits = self.job.timeouts
        return TRIAL_TIME + limits.boot + limits.scenario


class Carrier(Protocol):
    """Carries requests to a place, and replies back."""

    def send(self, path: Path, digest: str) -> None:
        """Take a file there, unless it is there."""

    def call(self, request: Request, order: Order, sent: Sequence[str]) -> tuple[str, Path | None]:
        """Have a request carried out.

        Args:
            sent: digests of the files that were sent for it.

        Returns:
            The reply as text, and the file with what came back.

        Raises:
            HostFault: the place failed.
            Cancelled: the result is no longer wanted, and what ran was ended.
        """

    def close(self) -> None:
        """Let go of the place."""


@dataclass
class Host:
    """A place where jobs are done, and how much of each kind at a time.

    Attributes:
        name: its name.
        carrier: the way to it.
        builds: how many builds at a time; 0: none.
        boots: how many trials at a time; 0: none.
        arches: the architectures that it can build and boot; none: all.
        room: how many jobs of each kind at a time.  busy: how many there are now.
        executor: carries out what is submitted, each call waiting for the host.
        strikes: failures in a row.
        aside_until: when it is tried again (monotonic seconds); 0 if it is in use.
        done: how many jobs it did.
        faults: what failed on it.
    """

    name: str
    carrier: Carrier
    builds: InitVar[int] = 1
    boots: InitVar[int] = 1
    arches: tuple[str, ...] = ()
    executor: Executor = field(init=False)
    strikes: int = 0
    aside_until: float = 0.0
    done: int = 0
    faults: list[str] = field(default_factory=list)

    def __post_init__(self, builds: int, boots: int) -> None:
        self.executor = ThreadPoolExecutor(max(1, builds + boots), thread_name_prefix=f"host {self.name}")
        self.room, self.busy = {"build": builds, "boot": boots}, {"build": 0, "boot": 0}

    def may(self, job: Job) -> bool:
        """Whether it is a host for this kind of job."""
        return self.room[job.kind] > 0 and (not self.arches or job.arch in self.arches)

    def free(self, job: Job) -> bool:
        """Whether it can take the job now."""
        return self.busy[job.kind] < self.room[job.kind] and time.monotonic() >= self.aside_until

    def close(self) -> None:
        """Let go of it; nothing may be under way."""
        self.executor.shutdown(wait=False, cancel_futures=True)
        with contextlib.suppress(InfrastructureError):
            self.carrier.close()


def carry_out(carrier: Carrier, name: str, order: Order) -> Reply:
    """Have an order carried out; what the host lacks is sent.

    Raises:
        HostFault: the host failed.
        Cancelled: the result is no longer wanted.
    """
    request, sent = Request(order.job, program().digest), list[str]()
    for _ in range(TRIES):
        if order.cancelled:
            raise Cancelled
        began = time.time()
        line, archive = carrier.call(request, order, sent)
        if len(line) > LONGEST:
            raise HostFault(name, f"its reply is longer than {LONGEST >> 20} MiB")
        reply = replies.parse(line, order.job, name, order.folder, archive)
        if reply.kind != "missing":
            if off := replies.wrong_clock(reply, began, time.time()):
                order.tell(f"its clock is wrong by {off:+.0f} s")
            return reply
        wanted = {digest: order.file(digest) for digest in reply.data["blobs"] if digest in order.job.blobs}
        packed: Path | None = None
        try:
            if reply.data["have"] is not None:
                packed = order.pack(reply.data["have"])
                request = replace(request, pack=sha256(packed))
                wanted[request.pack or ""] = packed
            order.tell("sending sources" if packed else "sending files")
            small = {digest: path.read_bytes() for digest, path in wanted.items() if path.stat().st_size <= SMALL}
            sent = [digest for digest in wanted if digest not in small]
            for digest in sent:
                carrier.send(wanted[digest], digest)
        finally:
            if packed is not None:
                packed.unlink(missing_ok=True)
        request = replace(request, files=small)
    raise HostFault(name, f"it lacked files {TRIES} times in a row that were sent to it: is its disk full?")


@dataclass
class Lines:
    """Takes a worker's lines apart.

    Args:
        tell: is told what the worker tells.
    """

    tell: Callable[[str], None]
    reply: str = ""
    beside: bool = False
    other: str = ""

    def take(self, line: str) -> None:
        """The next line."""
        word, _, rest = line.partition(" ")
        if word == "tell":
            self.tell(rest[:200])
        elif word == "reply" and len(self.reply) <= LONGEST + 1:
            self.reply += rest
        elif line == "files":
            self.beside = True
        elif line.strip():
            self.other = line.strip()[:300]
