"""The user's other machines: `hosts.yaml`, and where that is silent, the names that ssh(1) knows.

The file looks like this::

    fleet: ssh                              # optional: the default of --fleet
    ssh_config: lab/ssh_config              # optional: used instead of ~/.ssh/config
    hosts:
      small: {address: root@10.0.0.5, builds: 0}
      big: {address: "builder@big.example.org:2222", identity: ~/.ssh/builder, boots: 16, folder: /scratch/regress}
      board: {address: root@board, lab: {boot: kexec}}

What `lab` holds is in `harness.lab`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness import architecture
from harness.errors import UserError
from harness.lab import Lab, lab
from harness.ssh.config import Address, parse
from harness.yamlfile import Node, read_yaml

FOLDER = "~/.cache/regress/host"


@dataclass(frozen=True)
class Host:
    """Another machine.

    Attributes:
        name: its name in `hosts.yaml`, or ssh's own.
        address: how it is reached.
        builds: how many kernels it builds at a time; 0: none.
        boots: how many it boots at a time; 0: none.
        architectures: of the kernels that it builds and boots; none: all.
        folder: where it keeps what it needs, a path there.
        disk: MiB that images and sources may take in it.
        lab: how it is used as a test machine; None if it may not be rebooted.
    """

    name: str
    address: Address
    builds: int = 1
    boots: int = 1
    architectures: tuple[str, ...] = ()
    folder: str = FOLDER
    disk: int = 20 << 10
    lab: Lab | None = None


def _host(name: str, node: Node, config: Path | None) -> Host:
    got = node.entries(("address", "identity", "builds", "boots", "architectures", "folder", "disk", "lab"))
    identity = _file(got["identity"]) if "identity" in got else None
    try:
        # A name alone is one that ssh knows.
        address = parse(got["address"].text() if "address" in got else name, identity, config)
    except UserError as error:
        raise got.get("address", node).error(str(error)) from error
    machine = lab(got["lab"]) if "lab" in got else None
    # A test machine is rebooted at any moment: it does nothing else unless it is said to.
    least = 1 if machine is None else 0
    return Host(
        name,
        address,
        builds=got["builds"].number(0) if "builds" in got else least,
        boots=got["boots"].number(0) if "boots" in got else least,
        architectures=tuple(one.choice(*architecture.names()) for one in got["architectures"].items())
        if "architectures" in got
        else (),
        folder=got["folder"].text() if "folder" in got else FOLDER,
        disk=got["disk"].size() if "disk" in got else Host.disk,
        lab=machine,
    )


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


def fleet(config: Path) -> str | None:
    """The default of `--fleet`, if the user has written one down."""
    if not config.exists():
        return None
    got = read_yaml(config).entries(KEYS)
    return got["fleet"].text() if "fleet" in got else None


KEYS = ("fleet", "hosts", "ssh_config")


def _read(config: Path) -> tuple[dict[str, Host], Path | None]:
    if not config.exists():
        return {}, None
    got = read_yaml(config).entries(KEYS)
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
