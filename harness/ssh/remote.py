"""A host that is reached over SSH: runs commands there, and sends and fetches files."""

from __future__ import annotations

import os
import secrets
import select
import shlex
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import paramiko

from harness.errors import InfrastructureError, LinkBroke, ProgramFailed, TimedOut
from harness.process import Completed
from harness.ssh import transfer
from harness.ssh.config import Address
from harness.ssh.connection import PULSE, SILENCE, Connection

FAR = Path(__file__).with_name("far.sh")

MOST = 16 << 20
"""Bytes of output that a command may print, unless it is followed."""

SHORT = 500
"""Characters of a command that messages repeat."""

TAIL = 4096
LONGEST = 1 << 16
"""Bytes of a line; a longer one is cut in pieces."""

ENDED = 10.0
"""Seconds for the far side to end a command that is given up."""


@dataclass
class Remote:
    """A host.  The connection is made when it is first needed, kept, and made once more if it has died.

    Commands may run side by side from several threads (sshd allows ten at once, `MaxSessions`).  A copy that was
    pickled, or carried into another process, makes a connection of its own.

    Args:
        name: for people.
        address: where it is.
    """

    name: str
    address: Address
    _connection: tuple[int, Connection] | None = field(default=None, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def __reduce__(self) -> tuple[type[Remote], tuple[str, Address]]:
        return Remote, (self.name, self.address)

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def connect(self) -> Connection:
        """The connection, made now if there is none that works.

        Raises:
            Unreachable: there is no way to the host, or it must not be trusted; the message has the remedy.
        """
        with self._lock:
            if self._connection is not None:
                pid, connection = self._connection
                if pid == os.getpid() and connection.alive:
                    return connection
                if pid == os.getpid():
                    connection.close()
            self._connection = os.getpid(), Connection(self.address)
            return self._connection[1]

    def close(self) -> None:
        """Close the connection; commands that run by it end.  It may be used again."""
        with self._lock:
            if self._connection is not None and self._connection[0] == os.getpid():
                self._connection[1].close()
            self._connection = None

    def run(
        self,
        command: str | Sequence[str],
        *,
        timeout: float | None = None,
        stdin: bytes = b"",
        on_line: Callable[[str], None] | None = None,
        check: bool = True,
        stop: Callable[[], bool] = lambda: False,
        what: str | None = None,
    ) -> Completed:
        """Run a command to its end; whatever happens, no process that it started is left there.

        When the link breaks, the far side notices it too, within a minute, and ends the command.  A process that
        should stay has to be started with `env -u REGRESS_REMOTE setsid`.

        Args:
            command: a line for the shell (`sh`), or a program and its arguments.
            timeout: seconds.
            stdin: bytes for its standard input.
            on_line: called with each line, both streams together, as it comes; the result then has the last
                4 KiB as its `stdout`.
            check: raise if the exit status is not 0.
            stop: asked now and then whether to end it.
            what: what to call it in messages; by default the command, if that is short.

        Raises:
            ProgramFailed: the exit status is not 0 and `check` is set.
            TimedOut: it did not end in time, or was stopped.
            LinkBroke: the connection broke, so that nobody knows whether it was done.  It is not tried again.
            Unreachable: there is no connection; nothing was done.
            InfrastructureError: it prints more than `MOST` bytes.
        """
        line = command if isinstance(command, str) else shlex.join(command)
        what = what or (line if len(line) <= SHORT else f"{line[:SHORT]}...")
        out, err = _Kept(on_line), _Kept(None)
        channel = self._open(SILENCE if timeout is None else min(timeout, SILENCE))
        try:
            # One stream, so that the lines keep their order.
            merged = "exec 2>&1\n" if on_line is not None else ""
            far = [FAR.read_text(encoding="utf-8"), "regress", str(len(stdin)), f"{SILENCE:g}", secrets.token_hex(16)]
            try:
                channel.exec_command(f"exec sh -c {shlex.join([*far, merged + line])}")
                status = self._talk(channel, what, timeout, stdin, out, err, stop)
            except (paramiko.SSHException, EOFError, OSError) as error:
                raise LinkBroke(f"{self.name}: the link broke during: {what}: {error}") from error
        finally:
            _give_up(channel)
        done = Completed(("ssh", self.name, what), status, out.text(), err.text())
        if check and status:
            raise ProgramFailed(done.argv, status, done.stderr or done.stdout)
        return done

    def _open(self, timeout: float) -> paramiko.Channel:
        for attempt in (1, 2):
            connection = self.connect()
            try:
                return connection.transport.open_session(timeout=timeout)
            except paramiko.ChannelException as error:
                raise InfrastructureError(
                    f"{self.name}: it opens no further session: {error.text}; too many at once (MaxSessions)?"
                ) from error
            except (paramiko.SSHException, EOFError, OSError) as error:
                connection.close()
                if attempt == 2:
                    raise LinkBroke(f"{self.name}: the link broke: {error}") from error
        raise AssertionError("unreachable")

    def _talk(
        self,
        channel: paramiko.Channel,
        what: str,
        timeout: float | None,
        stdin: bytes,
        out: _Kept,
        err: _Kept,
        stop: Callable[[], bool],
    ) -> int:
        """Feed a command, keep it alive and collect its output; returns its exit status."""
        began, beat, sent = time.monotonic(), time.monotonic(), 0
        while True:
            while channel.recv_ready():
                out.add(channel.recv(65536))
            while channel.recv_stderr_ready():
                err.add(channel.recv_stderr(65536))
            if channel.closed or (channel.eof_received and channel.exit_status_ready()):
                if channel.recv_ready() or channel.recv_stderr_ready():
                    continue
                break
            now = time.monotonic()
            if timeout is not None and now - began > timeout:
                raise TimedOut(f"{self.name}: {what} did not end within {timeout:g} s")
            if stop():
                raise TimedOut(f"{self.name}: {what} was stopped")
            if out.size + err.size > MOST and out.on_line is None:
                raise InfrastructureError(f"{self.name}: {what} printed more than {MOST >> 20} MiB")
            if sent < len(stdin) and channel.send_ready():
                sent += channel.send(stdin[sent : sent + 65536])
                beat = now
            elif now - beat > PULSE and channel.send_ready() and not channel.eof_received:
                channel.send(b".")
                beat = now
            select.select([channel], [], [], 0.005 if sent < len(stdin) else 0.2)
        out.finish()
        status = channel.recv_exit_status()
        if status < 0:
            raise LinkBroke(f"{self.name}: the link broke during: {what}")
        return status

    def put(self, source: Path, target: str, *, most: int | None = None) -> str:
        """Send a file; one that was sent in part before is completed, and its hash compared on the far side.

        Args:
            source: the file here.
            target: its path there; the folder is made.  It appears when it is whole.
            most: the largest size in bytes that is sent.

        Returns:
            Its SHA-256.

        Raises:
            LinkBroke: the connection broke twice; what was sent is kept there.
            InfrastructureError: the far side cannot store it (no room, no right), or it is too large.
        """
        return self._twice(lambda: transfer.put(self, source, target, most))

    def get(self, source: str, target: Path, *, most: int) -> str:
        """Fetch a file; one that was fetched in part before is completed, and its hash compared.

        Args:
            source: its path there.
            target: where it goes; it appears when it is whole.
            most: the largest size in bytes that is accepted.

        Returns:
            Its SHA-256.

        Raises:
            LinkBroke: the connection broke twice; what came is kept.
            InfrastructureError: it is not there, too large, or changes meanwhile.
        """
        return self._twice(lambda: transfer.get(self, source, target, most))

    def _twice(self, work: Callable[[], str]) -> str:
        try:
            return work()
        except LinkBroke:
            return work()


def _give_up(channel: paramiko.Channel) -> None:
    """Close a channel, after the far side has ended what runs in it."""
    try:
        channel.shutdown_write()
        until = time.monotonic() + ENDED
        while not channel.closed and time.monotonic() < until:
            # What it still prints would stop it from ending.
            while channel.recv_ready():
                channel.recv(65536)
            while channel.recv_stderr_ready():
                channel.recv_stderr(65536)
            if channel.eof_received and channel.exit_status_ready():
                break
            time.sleep(0.01)
    except (paramiko.SSHException, EOFError, OSError):
        pass
    finally:
        channel.close()


@dataclass
class _Kept:
    """Output of a command: whole, or line by line and then only its end."""

    on_line: Callable[[str], None] | None
    kept: bytearray = field(default_factory=bytearray)
    rest: bytes = b""
    size: int = 0

    def add(self, data: bytes) -> None:
        self.size += len(data)
        self.kept += data
        if self.on_line is None:
            return
        del self.kept[:-TAIL]
        *lines, self.rest = (self.rest + data).replace(b"\r", b"\n").split(b"\n")
        while len(self.rest) > LONGEST:
            lines, self.rest = [*lines, self.rest[:LONGEST]], self.rest[LONGEST:]
        for line in lines:
            if text := line.decode(errors="replace"):
                self.on_line(text)

    def finish(self) -> None:
        if self.on_line is not None and self.rest:
            self.on_line(self.rest.decode(errors="replace"))
            self.rest = b""

    def text(self) -> str:
        return self.kept.decode(errors="replace")
