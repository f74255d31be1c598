"""Workers on a host that is reached over SSH."""

from __future__ import annotations

import shlex
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import InfrastructureError, RegressError, Unreachable
from harness.fleet.host import Lines, Order
from harness.fleet.program import START, program, requirements
from harness.fleet.reply import HostFault
from harness.fleet.request import Request
from harness.ssh import Remote
from harness.turns import Cancelled

SETUP = Path(__file__).with_name("setup.sh")


@dataclass
class Secure:
    """See `harness.fleet.host.Carrier`.

    Args:
        remote: the host.
        folder: what its workers keep, as a path there; `~` is the user's home.
        disk: MiB that its images and sources may take.
    """

    remote: Remote
    folder: str
    disk: int
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _python: str | None = None
    _sent: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """Of the host."""
        return self.remote.name

    def ready(self) -> str:
        """The Python there that runs this program; the program is sent if it is not there.

        Raises:
            HostFault: the host is not set up for this version; the message has the remedy.
        """
        with self._lock:
            if self._python is None:
                self._python = self._prepared("check")
            return self._python

    def program(self, *words: str) -> list[str]:
        """The command that runs this program's command line there."""
        start = "import sys; sys.path.insert(0, sys.argv.pop(1)); import harness.cli; sys.exit(harness.cli.main())"
        python = self.ready()
        return [
            *("env", f"XDG_CACHE_HOME={self.folder}", python, "-I", "-c", start),
            *(f"{self.folder}/programs/{program().digest}", *words),
        ]

    def set_up(self, *, install: bool) -> None:
        """Make the Python environment there.

        Args:
            install: whether packages may be installed.

        Raises:
            InfrastructureError: it cannot be made; the message has the remedy.
        """
        self._prepared("install" if install else "setup")

    def _prepared(self, how: str) -> str:
        code, home = program(), self.remote.run("cd && pwd -P").stdout.strip()
        self.folder = self.folder.replace("~", home, 1) if self.folder.startswith("~") else self.folder
        with tempfile.TemporaryDirectory() as name:
            archive, wanted = Path(name, "program.tar.gz"), Path(name, "requirements.txt")
            code.archive(archive)
            wanted.write_text(requirements(), encoding="utf-8")
            self.remote.put(archive, f"{self.folder}/programs/{code.digest}.tar.gz")
            self.remote.put(wanted, f"{self.folder}/programs/{code.digest}.txt")
        script = SETUP.read_text(encoding="utf-8")
        done = self.remote.run(["sh", "-c", script, "setup", self.folder, code.digest, how], check=False)
        said = done.stdout.strip().splitlines()
        if done.returncode != 0 or not said:
            why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise HostFault(self.name, why if how == "check" else f"it cannot be set up: {why}")
        return said[-1]

    def send(self, path: Path, digest: str) -> None:
        """See `Carrier.send`."""
        with self._lock:
            try:
                self.remote.put(path, f"{self.folder}/blobs/{digest}")
            except RegressError as error:
                raise HostFault(self.name, _said(error, self.name)) from error

    def call(self, request: Request, order: Order, sent: Sequence[str]) -> tuple[str, Path | None]:  # noqa: ARG002
        """See `Carrier.call`."""
        lines, line = Lines(order.tell), ""
        try:
            python = self.ready()
            line = shlex.join(
                [python, "-I", "-c", START, f"{self.folder}/programs/{request.program}", self.folder, str(self.disk)]
            )
            self.remote.run(
                line,
                timeout=order.timeout,
                stdin=request.to_bytes(),
                on_line=lines.take,
                check=False,
                stop=lambda: bool(order.cancelled),
            )
            if order.cancelled:
                raise Cancelled
            if not lines.reply:
                raise HostFault(self.name, f"its worker ended without a reply: {lines.other or 'no output'}")
            if not lines.beside:
                return lines.reply, None
            target = order.folder / "reply.tar.gz"
            self.remote.get(f"{self.folder}/out/{request.job.id}.tar.gz", target, most=request.most)
        except HostFault:
            raise
        except Unreachable as error:
            self._python = None
            raise HostFault(self.name, _said(error, self.name)) from error
        except (InfrastructureError, OSError) as error:
            if order.cancelled:
                raise Cancelled from error
            said = _said(error, self.name)
            raise HostFault(self.name, said.replace(line, "its worker") if line else said) from error
        return lines.reply, target

    def close(self) -> None:
        """See `Carrier.close`."""
        self.remote.close()


def _said(error: Exception, name: str) -> str:
    """What went wrong, without the name of the host that every message begins with."""
    return str(error).removeprefix(f"{name}: ")
