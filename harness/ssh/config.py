"""How OpenSSH's own client would reach a host, as `ssh -G` tells it: every word of its configuration counts."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError
from harness.process import run

_ADDRESS = re.compile(r"(?:([^@\s:-][^@\s:]*)@)?(?:\[([\w:.%]+)\]|([^\s@:\[\]/-][^\s@:\[\]/]*))(?::(\d{1,5}))?")


@dataclass(frozen=True)
class Address:
    """Where a host is, as the user says it; what is left open is the affair of ssh_config(5).

    Attributes:
        host: a host name, an address, or an alias of the user's SSH configuration.
        user: whom to log in as.
        port: the TCP port.
        identity: the file of the private key to use, and no other.
        config: a configuration file to use instead of the user's and the system's (`ssh -F`).
    """

    host: str
    user: str | None = None
    port: int | None = None
    identity: Path | None = None
    config: Path | None = None

    def __str__(self) -> str:
        user, port = f"{self.user}@" if self.user else "", f":{self.port}" if self.port else ""
        return f"{user}[{self.host}]{port}" if ":" in self.host else f"{user}{self.host}{port}"

    @property
    def options(self) -> list[str]:
        """The options of ssh(1) that reach it; the host itself is not among them."""
        return [
            *(("-F", str(self.config)) if self.config else ()),
            *(("-l", self.user) if self.user else ()),
            *(("-p", str(self.port)) if self.port else ()),
            *(("-i", str(self.identity), "-o", "IdentitiesOnly=yes") if self.identity else ()),
        ]

    @property
    def ssh(self) -> list[str]:
        """OpenSSH's client with all options that reach it, and no questions: for programs that run it, such as git."""
        alive = ("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3")
        return ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20", *alive, *self.options]


def parse(text: str, identity: Path | None = None, config: Path | None = None) -> Address:
    """An address from `[user@]host[:port]`; an IPv6 address with a port is in brackets.

    Raises:
        UserError: it is not one.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None or (found[4] and not 0 < int(found[4]) < 65536):
        raise UserError(f"expected [user@]host[:port], got {text!r}")
    return Address(found[2] or found[3], found[1], int(found[4]) if found[4] else None, identity, config)


@dataclass(frozen=True)
class Settings:
    """How to reach one host.

    Attributes:
        hostname: what to connect to.
        key_name: its name in known_hosts files, such as `[host]:2222`.
        identities: private keys to offer, those that exist, in order.
        only: whether keys of the agent count only if they are among the identities.
        agent: the agent's socket; None for no agent.
        proxy: the command whose streams are the connection, for a shell; None for TCP.
        known_hosts: the files of known keys that exist, the user's first.
        strict: False if the user has switched the check of host keys off (`StrictHostKeyChecking no`).
        compression: whether to compress the stream.
        timeout: seconds for the connection to be made.
    """

    hostname: str
    port: int
    user: str
    key_name: str
    identities: tuple[Path, ...]
    only: bool
    agent: str | None
    proxy: str | None
    known_hosts: tuple[Path, ...]
    strict: bool
    compression: bool
    timeout: float


def settings(address: Address) -> Settings:
    """How ssh(1) reaches a host.

    Raises:
        ProgramMissing: OpenSSH's client is not installed.
        ProgramFailed: its configuration is wrong; the message names file and line.
    """
    told: dict[str, list[str]] = {}
    for line in run(["ssh", "-G", *address.options, "--", address.host]).stdout.splitlines():
        key, _, value = line.partition(" ")
        told.setdefault(key, []).append(value)
    said = {key: values[0] for key, values in told.items()}
    host, port = said["hostname"], int(said["port"])
    tokens = {"h": host, "p": str(port), "r": said["user"], "n": address.host, "%": "%", "d": _home(), "u": _me()}
    name = said.get("hostkeyalias") or (host.lower() if port == 22 else f"[{host.lower()}]:{port}")
    files = f"{said.get('userknownhostsfile', '')} {said.get('globalknownhostsfile', '')}".split()
    return Settings(
        hostname=host,
        port=port,
        user=said["user"],
        key_name=name,
        identities=tuple(path for one in told.get("identityfile", []) if (path := _path(one, tokens)).exists()),
        only=said.get("identitiesonly") == "yes",
        agent=_agent(said.get("identityagent", "SSH_AUTH_SOCK"), tokens),
        proxy=_proxy(said, tokens, address),
        known_hosts=tuple(path for one in files if (path := _path(one, tokens)).is_file()),
        strict=said.get("stricthostkeychecking") not in ("false", "no", "off"),
        compression=said.get("compression") == "yes",
        timeout=float(said["connecttimeout"]) if said.get("connecttimeout", "none").isdecimal() else 30.0,
    )


def _me() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


def _home() -> str:
    """As ssh has it: not `$HOME`."""
    return pwd.getpwuid(os.getuid()).pw_dir


def _expanded(text: str, tokens: Mapping[str, str]) -> str:
    """The percent tokens of ssh_config(5)."""
    return re.sub(r"%(.)", lambda found: tokens.get(found[1], found[0]), text)


def _path(text: str, tokens: Mapping[str, str]) -> Path:
    path = _expanded(text.strip('"'), tokens)
    return Path(_home() + path[1:] if path.startswith("~/") else path)


def _agent(said: str, tokens: Mapping[str, str]) -> str | None:
    if said == "none":
        return None
    if said == "SSH_AUTH_SOCK" or said.startswith("$"):
        return os.environ.get(said.lstrip("$").strip("{}")) or None
    return str(_path(said, tokens))


def _proxy(said: Mapping[str, str], tokens: Mapping[str, str], address: Address) -> str | None:
    """The user's ProxyCommand; for ProxyJump the one that ssh(1) itself would use."""
    if said.get("proxycommand", "none") != "none":
        return _expanded(said["proxycommand"], tokens)
    if said.get("proxyjump", "none") == "none":
        return None
    *before, last = said["proxyjump"].split(",")
    via = parse(last.removeprefix("ssh://"), config=address.config)
    jumps = f"-J {','.join(before)}" if before else ""
    return f"{' '.join(via.ssh)} {jumps} -W [{tokens['h']}]:{tokens['p']} {via.host}"
