"""Workers on this machine: a process for each request."""

from __future__ import annotations

import selectors
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.fleet.host import Lines, Order
from harness.fleet.program import START, program
from harness.fleet.reply import HostFault
from harness.fleet.request import Request
from harness.fleet.store import Store
from harness.process import started
from harness.turns import Cancelled


@dataclass
class Local:
    """See `harness.fleet.host.Carrier`.

    Args:
        folder: what the workers keep.
        name: of the host.
    """

    folder: Path
    name: str = "local"

    def send(self, path: Path, digest: str) -> None:
        """See `Carrier.send`."""
        Store(self.folder / "blobs").add(path, digest)

    def call(self, request: Request, order: Order, sent: Sequence[str]) -> tuple[str, Path | None]:  # noqa: ARG002
        """See `Carrier.call`."""
        lines = Lines(order.tell)
        asked = order.folder / "request"
        asked.write_bytes(request.to_bytes())
        argv = [sys.executable, "-I", "-c", START, str(program().top), str(self.folder)]
        until = time.monotonic() + order.timeout
        with asked.open("rb") as stdin:
            job = started(argv, stdin=stdin.fileno(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            with job as running, selectors.DefaultSelector() as selector:
                assert running.process.stdout is not None
                selector.register(running.process.stdout, selectors.EVENT_READ)
                rest = b""
                while True:
                    if order.cancelled:
                        raise Cancelled
                    if time.monotonic() > until:
                        raise HostFault(self.name, f"a worker did not end within {order.timeout:g} s")
                    if not selector.select(0.1):
                        continue
                    block = running.process.stdout.read1(65536)  # type: ignore[attr-defined]
                    *whole, rest = (rest + block).split(b"\n")
                    for line in whole:
                        lines.take(line.decode(errors="replace"))
                    if not block:
                        break
                status = running.wait()
        asked.unlink()
        if not lines.reply:
            raise HostFault(self.name, f"a worker ended with exit status {status}: {lines.other or 'no output'}")
        return lines.reply, self.folder / "out" / f"{request.job.id}.tar.gz" if lines.beside else None

    def close(self) -> None:
        """See `Carrier.close`."""
