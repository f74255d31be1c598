"""Who has a test machine: within one boot a process there holds it, across its reboot a file on its disk says so."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.errors import InfrastructureError
from harness.hosts import Host
from harness.ssh import Remote

GRACE = 300
"""Seconds after a boot in which whoever had the machine before may come back for it."""

PATIENCE = 60.0
"""Seconds for the machine to say whether it is taken."""


def _identity() -> dict[str, str]:
    """Who we are, in such a way that we can tell later whether we are still there."""
    machine = Path("/etc/machine-id")
    return {
        "holder": f"{getpass.getuser()}@{socket.gethostname()}, process {os.getpid()}",
        "machine": machine.read_text().strip() if machine.exists() else socket.gethostname(),
        "controller": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "process": f"{os.getpid()} {_started(os.getpid())}",
    }


def _started(pid: int) -> str:
    """When a process started, which tells it from a later one of the same number; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def gone(lock: dict[str, str]) -> bool:
    """Whether the holder of a lock is known to have ended: it was on this controller, and is no more."""
    ours = _identity()
    if lock.get("machine") != ours["machine"]:
        return False
    if lock.get("controller") != ours["controller"] or lock.get("process") == ours["process"]:
        return True
    pid, _, began = lock.get("process", "").partition(" ")
    return not pid.isdecimal() or _started(int(pid)) != began


def text(boot: str) -> str:
    """The file that says that we have the machine since this boot of it."""
    since = time.strftime("%Y-%m-%d %H:%M:%S %z")
    return f"lock={json.dumps({**_identity(), 'since': since, 'boot': boot})}"


def busy(host: Host, lock: Mapping[str, str]) -> str:
    """What a person reads who cannot have the machine."""
    return (
        f"{host.name} is in use by {lock.get('holder', 'somebody')} since {lock.get('since', 'some time')}; "
        f"wait, or if nobody is there any more:  ssh {host.address.host} rm /var/lib/regress/lab/lock"
    )


@contextlib.contextmanager
def held(host: Host, command: str, boot: str, uptime: int, lock: dict[str, str]) -> Iterator[None]:
    """Have the machine, until the block ends or it reboots.

    Args:
        host: the machine.
        command: takes the lock, writes the file, prints `held` and runs on; or prints the file of who has it.
        boot: the id of the machine's boot.
        uptime: seconds since then.
        lock: what the file says.  One of an earlier boot is stale if its holder is known to have ended, or has not
            come back in time.

    Raises:
        InfrastructureError: somebody else has it; the message says who.
    """
    if lock and lock.get("boot") != boot and uptime < GRACE and not gone(lock):
        raise InfrastructureError(busy(host, lock))
    said: list[str] = []
    heard = threading.Event()

    def hear(line: str) -> None:
        said.append(line)
        heard.set()

    def keep() -> None:
        with contextlib.suppress(InfrastructureError):
            keeper.run(command, on_line=hear, check=False, what="hold")
        heard.set()

    with Remote(host.name, host.address) as keeper:
        threading.Thread(target=keep, name=f"lock of {host.name}", daemon=True).start()
        heard.wait(PATIENCE)
        if "held" not in said:
            why = " ".join(said) or f"no answer within {PATIENCE:g} s"
            raise InfrastructureError(busy(host, other) if (other := _lock(said)) else f"{host.name}: no lock: {why}")
        yield


def _lock(lines: list[str]) -> dict[str, str]:
    for line in lines:
        if line.startswith("lock="):
            with contextlib.suppress(ValueError):
                return {str(key): str(value) for key, value in json.loads(line[5:]).items()}
    return {}
