"""Hosts over SSH for tests: real sshds on loopback ports, each with a folder of its own."""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.fleet.program import requirements
from tests.support.sshd import Sshd


@dataclass
class Hosts:
    """Some hosts, and the configuration that names them.

    Attributes:
        top: its files.
        servers: by name.
        config: a folder for `XDG_CONFIG_HOME`.
        kept: a folder in which each host has its own.
    """

    top: Path
    servers: dict[str, Sshd]
    config: Path
    kept: Path

    def folder(self, name: str) -> Path:
        """What the workers of a host keep."""
        return self.kept / name

    def write(self, **more: str) -> None:
        """Write the configuration; by host, further keys."""
        always = "IdentitiesOnly yes\n  IdentityAgent none\n  GlobalKnownHostsFile none"
        blocks = [
            f"Host {name}\n  HostName {one.address}\n  Port {one.port}\n  User {getpass.getuser()}\n"
            f"  IdentityFile {one.key}\n  UserKnownHostsFile {one.known}\n  {always}\n"
            for name, one in self.servers.items()
        ]
        place = self.config / "regress"
        place.mkdir(parents=True, exist_ok=True)
        (place / "ssh_config").write_text("\n".join(blocks))
        lines = [f"  {name}: {{folder: {self.folder(name)}, {more.get(name, 'boots: 2')}}}\n" for name in self.servers]
        (place / "hosts.yaml").write_text(f"ssh_config: ssh_config\nhosts:\n{''.join(lines)}")

    def set_up(self, name: str) -> None:
        """What `regress hosts setup` does, with the Python environment that the tests run in."""
        wanted = hashlib.sha256(requirements().encode()).hexdigest()[:16]
        made = self.folder(name) / "environments" / wanted
        (made / "bin").mkdir(parents=True, exist_ok=True)
        python = made / "bin" / "python"
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
        (made / "whole").touch()


@contextlib.contextmanager
def hosts(
    top: Path, *names: str, kept: Path | None = None, address: str = "127.0.0.1", within: tuple[str, ...] = ()
) -> Iterator[Hosts]:
    """Hosts that are up and set up; they end with the block.

    Args:
        kept: what they keep; by default it goes with the test.
        address: see `Sshd`.
        within: the same.
    """
    servers = {name: Sshd.new(top / name, "MaxSessions 50", address=address, within=within) for name in names}
    made = Hosts(top, servers, top / "config", kept or top / "kept")
    try:
        for name, one in made.servers.items():
            one.start()
            made.set_up(name)
        made.write()
        yield made
    finally:
        for one in made.servers.values():
            one.stop()
