"""A real sshd, on a loopback port or in a network namespace, with keys and configuration of its own."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.ssh import Address, Remote
from tests.support.edges import until

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin:/usr/bin")

LISTENS = "Server listening on"
"""In its log, once it does."""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def keygen(path: Path, *options: str) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path), *options], check=True)
    return path


@dataclass
class Sshd:
    """An SSH server and a client's configuration that reaches it.

    Attributes:
        top: its files.
        port: where it listens.
        key: the private key that it accepts.
        known: the client's known_hosts file, with its host key.
        process: the server; None while it is down.
        address: where it listens.
        within: the words that start it in a network namespace, in which that address is.
    """

    top: Path
    port: int
    key: Path
    known: Path
    process: subprocess.Popen[bytes] | None = None
    address: str = "127.0.0.1"
    within: tuple[str, ...] = ()

    @classmethod
    def new(cls, top: Path, *settings: str, address: str = "127.0.0.1", within: tuple[str, ...] = ()) -> Sshd:
        """A server that is down.

        Args:
            settings: further lines of its sshd_config.
        """
        assert SSHD, "no sshd; package openssh-server"
        top.mkdir(parents=True)
        made = cls(top, free_port(), keygen(top / "id"), top / "known_hosts", None, address, within)
        shutil.copy(top / "id.pub", top / "authorized_keys")
        made.new_host_key()
        lines = [
            *(f"Port {made.port}", f"ListenAddress {address}", f"HostKey {top / 'host'}", f"PidFile {top / 'pid'}"),
            *(f"AuthorizedKeysFile {top / 'authorized_keys'}", "StrictModes no", "UsePAM no"),
            *("PasswordAuthentication no", "KbdInteractiveAuthentication no", "PermitRootLogin prohibit-password"),
            *("Subsystem sftp internal-sftp", *settings),
        ]
        (top / "sshd_config").write_text("\n".join(lines) + "\n")
        made.configure()
        return made

    def new_host_key(self, *, known: bool = True) -> None:
        for name in ("host", "host.pub"):
            (self.top / name).unlink(missing_ok=True)
        public = keygen(self.top / "host").with_suffix(".pub").read_text().split()
        if known:
            self.known.write_text(f"[{self.address}]:{self.port} {public[0]} {public[1]}\n")

    def configure(self, text: str = "") -> None:
        """Write the client's configuration; `text` comes first."""
        (self.top / "ssh_config").write_text(
            f"{text}\nHost *\n  HostName {self.address}\n  Port {self.port}\n  User {getpass.getuser()}\n"
            f"  IdentityFile {self.key}\n  IdentitiesOnly yes\n  IdentityAgent none\n"
            f"  UserKnownHostsFile {self.known}\n  GlobalKnownHostsFile none\n"
        )

    @property
    def config(self) -> Path:
        return self.top / "ssh_config"

    def remote(self, name: str = "lab") -> Remote:
        return Remote(name, Address(name, config=self.config))

    def start(self) -> None:
        if Path("/run").stat().st_uid == 0 and getpass.getuser() == "root":
            Path("/run/sshd").mkdir(exist_ok=True)  # its privilege separation wants it
        before = self._log().count(LISTENS)
        with (self.top / "log").open("ab") as log:
            argv = [*self.within, str(SSHD), "-D", "-e", "-f", str(self.top / "sshd_config")]
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=log, start_new_session=True)
        assert until(lambda: self._log().count(LISTENS) > before), self._log()

    def _log(self) -> str:
        return (self.top / "log").read_text(errors="replace") if (self.top / "log").exists() else ""

    def sessions(self) -> list[int]:
        """The processes that serve connections."""
        if self.process is None:
            return []
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()] if children.exists() else []

    def cut(self) -> None:
        """End all connections, as a host does that is switched off."""
        for pid in self.sessions():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def cut_once(self, condition: Callable[[], bool]) -> None:
        assert until(condition)
        self.cut()

    def stop(self) -> None:
        if self.process is not None:
            self.cut()
            self.process.terminate()
            self.process.wait()
            self.process = None


@contextlib.contextmanager
def sshd(top: Path, *settings: str) -> Iterator[Sshd]:
    """A server that runs; it ends with the block, and its connections too."""
    made = Sshd.new(top, *settings)
    try:
        made.start()
        yield made
    finally:
        made.stop()
