"""One connection to a host: made as ssh(1) makes it, kept alive, and known to be dead when it is."""

from __future__ import annotations

import contextlib
import logging
import socket
import tempfile
import threading
from typing import IO

import paramiko

from harness.errors import Unreachable
from harness.process import started
from harness.ssh import keys
from harness.ssh.config import Address, Settings, settings

# Its threads would print tracebacks; what matters arrives as an error.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

PULSE = 15.0
"""Seconds between two signs of life."""

SILENCE = 45.0
"""Seconds without an answer after which the connection is given up, on either side."""


class Connection:
    """An open connection.

    Args:
        address: where to.

    Attributes:
        transport: paramiko's.

    Raises:
        Unreachable: it cannot be made; the message says why, and what to do.
    """

    def __init__(self, address: Address) -> None:
        wanted, seen = settings(address), None
        self._stack = contextlib.ExitStack()
        try:
            seen = keys.known(wanted)
            stream, said = self._stream(wanted, address)
            self.transport = self._stack.enter_context(contextlib.closing(paramiko.Transport(stream)))
            self.transport.use_compression(wanted.compression)
            self.transport.banner_timeout = self.transport.auth_timeout = wanted.timeout
            _prefer(self.transport, seen.types)
            try:
                # It returns without a word when its time is over; asking for the key then tells.
                self.transport.start_client(timeout=wanted.timeout)
                key = self.transport.get_remote_server_key()
            except (paramiko.SSHException, EOFError, OSError) as error:
                why = _text(said) or str(error) or "the connection was closed at once"
                raise Unreachable(f"{address}: no SSH connection within {wanted.timeout:g} s: {why}") from error
            keys.check(key, seen, wanted, address)
            keys.log_in(self.transport, wanted, address)
        except BaseException:  # Ctrl-C too: no half-made connection stays open
            self.close()
            raise
        self._stop = threading.Event()
        threading.Thread(target=self._beat, name=f"pulse of {address}", daemon=True).start()
        self._stack.callback(self._stop.set)

    @property
    def alive(self) -> bool:
        """Whether it still works, as far as is known."""
        return self.transport.is_active()

    def close(self) -> None:
        """Close it; what runs on the far side by it ends."""
        self._stack.close()

    def _stream(self, wanted: Settings, address: Address) -> tuple[socket.socket, IO[bytes] | None]:
        """A stream to the host's SSH server, and where a proxy's complaints go."""
        if wanted.proxy is None:
            try:
                stream = socket.create_connection((wanted.hostname, wanted.port), wanted.timeout)
            except OSError as error:
                where = f"{wanted.hostname} port {wanted.port}"
                raise Unreachable(f"{address}: cannot be reached: {error.strerror or error} ({where})") from error
            # Without it a write to a host that has gone would fail only after a quarter of an hour.
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(SILENCE * 1000))
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return self._stack.enter_context(stream), None
        said = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  the stack closes it
        ours, theirs = socket.socketpair()
        self._stack.enter_context(ours)
        with theirs:
            end = theirs.fileno()
            argv = ["sh", "-c", f"exec {wanted.proxy}"]
            self._stack.enter_context(started(argv, stdin=end, stdout=end, stderr=said.fileno()))
        return ours, said

    def _beat(self) -> None:
        """Ask for an answer now and then; close the connection when there is none."""
        while self.alive and not self._stop.wait(PULSE):
            silent = threading.Timer(SILENCE, self.transport.close)
            silent.daemon = True
            silent.start()
            try:
                self.transport.global_request("keepalive@openssh.com", wait=True)
            except (paramiko.SSHException, EOFError, OSError):
                return
            finally:
                silent.cancel()


def _prefer(transport: paramiko.Transport, types: list[str]) -> None:
    """Ask for a host key of a type that is known, as ssh(1) does."""
    options = transport.get_security_options()
    wanted = [name for kind in types for name in (("rsa-sha2-512", "rsa-sha2-256") if kind == "ssh-rsa" else (kind,))]
    first = [name for name in wanted if name in options.key_types]
    options.key_types = (*first, *(name for name in options.key_types if name not in first))


def _text(said: IO[bytes] | None) -> str:
    if said is None:
        return ""
    said.seek(0)
    return said.read(4096).decode(errors="replace").strip()
