"""`--fleet`: where kernels are built and booted."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
from collections.abc import Iterator

from harness import hosts, paths
from harness.cli import shared
from harness.cli.progress import Talk
from harness.errors import InfrastructureError, UserError
from harness.fleet.fleet import Fleet
from harness.fleet.host import Host
from harness.fleet.local import Local
from harness.turns import Turns

FORMS = "local, local:N (N trials at a time), ssh, ssh:NAME,NAME or dask://HOST:PORT"


def configure(parser: argparse.ArgumentParser) -> None:
    """The argument of every command that can use other machines."""
    shared.group(parser, shared.PLACES).add_argument(
        "--fleet",
        metavar="WHERE",
        help=f"where to build and boot: {FORMS}; default: `fleet:` in hosts.yaml, else local",
    )


@contextlib.contextmanager
def opened(options: argparse.Namespace, talk: Talk) -> Iterator[Fleet | None]:
    """The fleet that is asked for; None for this machine alone, one thing at a time.

    Raises:
        UserError: there is no such fleet.
        InfrastructureError: it cannot be reached.
    """
    listed = paths.hosts_config()
    wanted = options.fleet or hosts.fleet(listed) or "local"
    if wanted == "local":
        yield None
        return
    with Fleet(_hosts(wanted), Turns(), talk) as fleet:
        yield fleet


def _hosts(wanted: str) -> list[Host]:
    kind, _, rest = wanted.partition(":")
    if kind == "local" and rest.isdecimal() and int(rest) > 0:
        count = int(rest)
        cores = len(os.sched_getaffinity(0))
        # A build uses all processors by itself.
        return [Host("local", Local(paths.cache() / "host"), max(1, min(count, cores // 4)), count)]
    if kind == "ssh":
        return _over_ssh([name for name in rest.split(",") if name])
    if re.fullmatch(r"(dask|tls)://\S+", wanted):
        return _cluster(wanted)
    raise UserError(f"--fleet {wanted}: expected {FORMS}")


def _over_ssh(names: list[str]) -> list[Host]:
    # These take a moment to import.
    from harness.fleet.secure import Secure
    from harness.ssh import Remote

    listed = paths.hosts_config()
    known = hosts.hosts(listed)
    chosen = [hosts.find(name, listed) for name in names] or [one for one in known.values() if one.builds or one.boots]
    if not chosen:
        raise UserError(f"--fleet ssh: no hosts; list some in {listed} (docs/hosts.md), or name them: --fleet ssh:NAME")
    made = []
    for one in chosen:
        carrier = Secure(Remote(one.name, one.address), one.folder, one.disk)
        made.append(Host(one.name, carrier, one.builds, one.boots, one.architectures))
    return made


def _cluster(address: str) -> list[Host]:
    # Dask is an optional dependency, and takes a second to import.
    from harness.fleet.cluster import connect

    cluster = connect(address)
    builds, boots = cluster.room()
    if not builds and not boots:
        cluster.close()
        raise InfrastructureError(
            f"--fleet {address}: no worker has resources for this program: "
            'start them with  dask worker ADDRESS --resources "build=1,boot=2"'
        )
    return [Host(cluster.name, cluster, builds, boots)]
