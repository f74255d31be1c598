"""Files over SFTP: from where the last attempt stopped, and compared by hash before they get their name."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import paramiko

from harness.errors import FULL, InfrastructureError, LinkBroke
from harness.files import sha256

if TYPE_CHECKING:
    from harness.ssh.remote import Remote

BLOCK = 1 << 18

_NAME = """
case $(sha256sum -- "$1" 2>/dev/null | tr -d '\\\\') in "$3 "*) mv -f -- "$1" "$2" ;; esac
rm -f -- "$1"
[ ! -e "$2" ] || sha256sum -- "$2"
"""
"""Gives a part its name if its hash is right, and removes it if not."""


def _told(remote: Remote, command: str, *paths: str | PurePosixPath) -> str:
    """The first word that a command prints there with `$1`, `$2`... for the paths: a SHA-256, or nothing."""
    words = remote.run(["sh", "-c", command, "sh", *map(str, paths)]).stdout.lstrip("\\").split()
    return words[0] if words else ""


@contextlib.contextmanager
def _sftp(remote: Remote, path: str) -> Iterator[paramiko.SFTPClient]:
    """A session; its errors are told apart."""
    connection = remote.connect()
    try:
        client = paramiko.SFTPClient.from_transport(connection.transport)
        assert client is not None
    except paramiko.ChannelException as error:
        raise InfrastructureError(f"{remote.name}: no SFTP session: {error.text}") from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        if connection.alive and not isinstance(error, OSError):
            raise InfrastructureError(
                f"{remote.name}: it has no SFTP (Subsystem sftp in sshd_config, package openssh-sftp-server): {error}"
            ) from error
        raise LinkBroke(f"{remote.name}: the link broke: {error}") from error
    try:
        with client:
            channel = client.get_channel()
            if channel is not None:
                channel.settimeout(None)
            yield client
    except FileNotFoundError as error:
        raise InfrastructureError(f"{remote.name}:{path}: no such file") from error
    except PermissionError as error:
        raise InfrastructureError(f"{remote.name}:{path}: permission denied") from error
    except (paramiko.SSHException, EOFError) as error:
        raise LinkBroke(f"{remote.name}: the link broke with {path} in transfer: {error}") from error
    except OSError as error:
        if not connection.alive or isinstance(error, ConnectionError) or "closed" in str(error):
            raise LinkBroke(f"{remote.name}: the link broke with {path} in transfer: {error}") from error
        raise InfrastructureError(f"{remote.name}:{path}: {error}{_room(remote, path)}") from error


def _room(remote: Remote, path: str) -> str:
    """What SFTP does not say: whether the disk is full."""
    folder = shlex.quote(str(PurePosixPath(path).parent))
    lines = remote.run(f"df -Pk {folder}", check=False, timeout=20).stdout.splitlines()
    words = lines[-1].split() if len(lines) > 1 else []
    free = int(words[3]) if len(words) > 3 and words[3].isdecimal() else None
    return f": {FULL} ({words[5]}, {free} KiB free)" if free is not None and free < 4096 else ""


def put(remote: Remote, source: Path, target: str, most: int | None) -> str:
    """See `Remote.put`."""
    size = source.stat().st_size
    if most is not None and size > most:
        raise InfrastructureError(f"{source}: {size} bytes, more than the {most} that are allowed")
    wanted = sha256(source)
    place = PurePosixPath(target)
    part = str(place.with_name(f".{place.name}.{wanted[:16]}.part"))
    if _told(remote, 'mkdir -p -- "$1" && { [ ! -e "$2" ] || sha256sum -- "$2"; }', place.parent, target) == wanted:
        return wanted
    for _ in (1, 2):
        with _sftp(remote, target) as client, source.open("rb") as file:
            offset = _size(client, part)
            if offset > size:
                offset = 0
            with client.open(part, "r+" if offset else "w") as there:
                there.set_pipelined(True)
                there.seek(offset)
                file.seek(offset)
                while block := file.read(BLOCK):
                    there.write(block)
        # Somebody else may have sent the same file meanwhile, and moved it.
        if _told(remote, _NAME, part, target, wanted) == wanted:
            return wanted
    room = _room(remote, target)
    raise InfrastructureError(f"{remote.name}:{target}: what arrived has another SHA-256 than {source}{room}")


def get(remote: Remote, source: str, target: Path, most: int) -> str:
    """See `Remote.get`."""
    wanted = _told(remote, '[ ! -r "$1" ] || sha256sum -- "$1"', source)
    if not wanted:
        raise InfrastructureError(f"{remote.name}:{source}: no such file, or it cannot be read")
    part = target.with_name(f".{target.name}.{wanted[:16]}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    for _ in (1, 2):
        with _sftp(remote, source) as client:
            size = _size(client, source)
            if size > most:
                raise InfrastructureError(
                    f"{remote.name}:{source}: {size} bytes, more than the {most} that are accepted"
                )
            offset = part.stat().st_size if part.exists() else 0
            with client.open(source, "r") as there, part.open("r+b" if 0 < offset <= size else "wb") as file:
                offset = file.seek(offset if offset <= size else 0)
                there.seek(offset)
                there.prefetch(size, max_concurrent_requests=64)
                while offset < size and (block := there.read(min(BLOCK, size - offset))):
                    file.write(block)
                    offset += len(block)
        if sha256(part) == wanted:
            part.replace(target)
            return wanted
        part.unlink()
    raise InfrastructureError(f"{remote.name}:{source}: it changes while it is fetched, or does not arrive as it is")


def _size(client: paramiko.SFTPClient, path: str) -> int:
    try:
        return client.stat(path).st_size or 0
    except FileNotFoundError:
        return 0
