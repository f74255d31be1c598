"""The user's other machines: `hosts.yaml`, and where that is silent, the names that ssh(1) knows.

ssh_config: lab/ssh_config          # optional: used instead of ~/.ssh/config
hosts:
lab1: {address: root@10.0.0.5}
big: {address: "builder@big.example.org:2222", identity: ~/.ssh/builder}
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError
from harness.ssh.config import Address, parse
from harness.yamlfile import Node, read_yaml


@dataclass(frozen=True)
class Host:
    """Another machine.

    Attributes:
        name: its name in `hosts.yaml`, or ssh's own.
        address: how it is reached.
    """

    name: str
    address: Address


def _host(name: str, node: Node, config: Path | None) -> Host:
    got = node.entries(("address", "identity"))
    identity = _file(got["identity"]) if "identity" in got else None
    try:
        # A name alone is one that ssh knows.
        address = parse(got["address"].text() if "address" in got else name, identity, config)
    except UserError as error:
        raise got.get("address", node).error(str(error)) from error
    return Host(name, address)


def _file(node: Node) -> Path:
    """A file by a path that is relative to the one that names it."""
    path = node.path.parent / Path(node.text()).expanduser()
    if not path.is_file():
        raise node.error(f"{path}: no such file")
    return path


def hosts(config: Path) -> dict[str, Host]:
    """The hosts that the user has written down, by name.

    Args:
        config: `hosts.yaml`; it need not exist.

    Raises:
        UserError: it is wrong; the message names line and key.
    """
    return _read(config)[0]


def _read(config: Path) -> tuple[dict[str, Host], Path | None]:
    if not config.exists():
        return {}, None
    got = read_yaml(config).entries(("hosts", "ssh_config"))
    ssh_config = _file(got["ssh_config"]) if "ssh_config" in got else None
    listed = got["hosts"].entries() if "hosts" in got else {}
    return {name: _host(name, node, ssh_config) for name, node in listed.items()}, ssh_config


def find(name: str, config: Path) -> Host:
    """The host of that name; one that `hosts.yaml` does not have is taken for an alias of ssh's.

    Raises:
        UserError: `hosts.yaml` is wrong, or this is no name of a host.
    """
    known, ssh_config = _read(config)
    return known[name] if name in known else Host(name, parse(name, config=ssh_config))
