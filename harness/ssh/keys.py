"""Host keys, checked against what is known, and the user's own keys, offered in ssh's order."""

from __future__ import annotations

import base64
import contextlib
import shlex
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko
from paramiko.agent import AgentKey, AgentSSH
from paramiko.pkey import UnknownKeyType

from harness.errors import Distrusted, Unreachable
from harness.process import run
from harness.ssh.config import Address, Settings


@dataclass(frozen=True)
class Known:
    """The keys that known_hosts files have for a host.

    Attributes:
        keys: type and key, each with the place it stands in.
        revoked: keys that are marked as revoked.
    """

    keys: dict[tuple[str, bytes], str]
    revoked: frozenset[bytes]

    @property
    def types(self) -> list[str]:
        """The types of its known keys."""
        return list(dict.fromkeys(kind for kind, _ in self.keys))


def known(settings: Settings) -> Known:
    """The known keys of a host; ssh-keygen(1) reads the files, with hashed names, patterns and marks."""
    keys: dict[tuple[str, bytes], str] = {}
    revoked: set[bytes] = set()
    for file in settings.known_hosts:
        found = run(["ssh-keygen", "-F", settings.key_name, "-f", str(file)], check=False).stdout
        place = str(file)
        for line in found.splitlines():
            if line.startswith("#"):
                place = f"{file}:{line.split()[-1]}"
                continue
            words = line.split()
            mark = words.pop(0) if words and words[0].startswith("@") else None
            if len(words) < 3 or mark not in (None, "@revoked"):
                continue
            key = base64.b64decode(words[2])
            if mark:
                revoked.add(key)
            else:
                keys.setdefault((words[1], key), place)
    return Known(keys, frozenset(revoked))


def check(key: paramiko.PKey, seen: Known, settings: Settings, address: Address) -> None:
    """Refuse a host whose key is unknown, has changed or is revoked.

    Raises:
        Distrusted: with the fingerprint, and the command that makes it known.
    """
    kind, raw = key.get_name(), key.asbytes()
    whose = f"{kind} key {key.fingerprint}"
    if raw in seen.revoked:
        raise Distrusted(f"{address}: its {whose} is REVOKED in a known_hosts file: do not use this host")
    if (kind, raw) in seen.keys:
        return
    place = next((at for (other, _), at in seen.keys.items() if other == kind), None)
    if place is not None:
        file = place.rpartition(":")[0] or place
        forget = shlex.join(["ssh-keygen", "-R", settings.key_name, "-f", file])
        raise Distrusted(
            f"{address}: THE HOST KEY HAS CHANGED: it shows the {whose}, another one is known ({place}).\n"
            "Somebody may be listening in, or the host was set up anew.  Only if you know that it was, run:\n"
            f"  {forget}"
        )
    if settings.strict:
        add = shlex.join(["ssh", "-o", "StrictHostKeyChecking=accept-new", *address.options, address.host, "true"])
        raise Distrusted(
            f"{address}: its host key is not known.  It shows the {whose}.\n"
            f"If that is the host's (there: ssh-keygen -lf /etc/ssh/ssh_host_{_short(kind)}_key.pub), run:\n  {add}"
        )


def _short(kind: str) -> str:
    return next((word for word in ("ed25519", "ecdsa", "rsa") if word in kind), "rsa")


def log_in(transport: paramiko.Transport, settings: Settings, address: Address) -> None:
    """Offer the user's keys until one is accepted.

    Raises:
        Unreachable: none is; the message says which were tried.
    """
    tried: list[str] = []
    for what, key in _offered(settings, tried):
        try:
            if transport.auth_publickey(settings.user, key):
                raise Unreachable(f"{address}: {what} is accepted, but the host asks for more than a key")
        except paramiko.BadAuthenticationType as error:
            said = ", ".join(error.allowed_types)
            raise Unreachable(f"{address}: it takes no keys for {settings.user}, only: {said}") from error
        except (paramiko.SSHException, EOFError) as error:
            tried.append(f"{what}: {'refused' if isinstance(error, paramiko.AuthenticationException) else error}")
            if not transport.is_active():
                break
            continue
        return
    said = "".join(f"\n  {one}" for one in tried) or " no key at all: neither an agent nor a key file has one"
    raise Unreachable(
        f"{address}: {settings.user} cannot log in.  Tried:{said}\n"
        f"Try by hand:  {shlex.join([*address.ssh, address.host, 'true'])}"
    )


def _offered(settings: Settings, tried: list[str]) -> Iterator[tuple[str, paramiko.PKey]]:
    """Keys with their names: the agent's, then files; what cannot be used is noted in `tried`."""
    named = {_public(path): path for path in settings.identities}
    held = set()
    with _agent(settings) as keys:
        for key in keys:
            if settings.only and key.asbytes() not in named:
                continue
            held.add(key.asbytes())
            yield f"{key.fingerprint} of the agent", key
    for path in settings.identities:
        if path.suffix == ".pub" or _public(path) in held:
            continue
        try:
            yield str(path), paramiko.PKey.from_path(path)
        except (paramiko.PasswordRequiredException, TypeError):
            tried.append(f"{path}: it has a passphrase; run: ssh-add {shlex.quote(str(path))}")
        except (OSError, ValueError, paramiko.SSHException, UnknownKeyType) as error:
            tried.append(f"{path}: {error}")


def _public(path: Path) -> bytes | None:
    """The public half of a key file, which lies beside it."""
    try:
        return base64.b64decode(path.with_name(f"{path.name.removesuffix('.pub')}.pub").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None


class _Agent(AgentSSH):
    """The agent at a socket; paramiko's own class knows only the one of the environment."""

    def __init__(self, path: str) -> None:
        super().__init__()
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        self._connect(connection)  # type: ignore[attr-defined]

    def close(self) -> None:
        self._close()  # type: ignore[attr-defined]


@contextlib.contextmanager
def _agent(settings: Settings) -> Iterator[tuple[AgentKey, ...]]:
    """The keys of the user's agent; none where there is no agent."""
    try:
        agent = _Agent(settings.agent) if settings.agent else None
    except (OSError, paramiko.SSHException):
        agent = None
    try:
        yield agent.get_keys() if agent else ()
    finally:
        if agent:
            agent.close()
