"""`regress hosts`."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from harness import architecture, hosts, paths, prerequisites
from harness.cli import consent, shared
from harness.cli.progress import Talk
from harness.errors import InfrastructureError, RegressError, UserError
from harness.fleet.secure import Secure
from harness.machine import lab_check
from harness.ssh import Remote

SKEW = 60.0
"""Seconds by which a host's clock may be wrong."""

ROOM = 8
"""GiB needed for sources, objects and images."""

_FACTS = """
printf '%s\\n' "$(date +%s)" "$(nproc)" "$(cut -d ' ' -f 1 /proc/loadavg)"
awk '/^MemTotal/ {print $2}' /proc/meminfo
mkdir -p "$0" && df -Pk "$0" | awk 'END {print $4}'
. /etc/os-release && echo "$PRETTY_NAME"
"""


@dataclass
class Report:
    """What is known of a host.

    Attributes:
        host: its name.  address: how it is reached.
        ok: whether it can do what `hosts.yaml` says.
        system: its distribution.  cores: processors.  memory: GiB.  free: GiB on its disk.  load: the last minute's.
        clock: seconds by which its clock is ahead of this machine's.
        accelerator: `kvm` or `tcg`, with the reason.
        problems: what is wrong, with the remedy.
    """

    host: str
    address: str
    ok: bool = False
    system: str = ""
    cores: int = 0
    memory: float = 0.0
    free: float = 0.0
    load: float = 0.0
    clock: float = 0.0
    accelerator: str = ""
    problems: tuple[str, ...] = ()


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress hosts`."""
    parser.add_argument("action", choices=("check", "setup"), nargs="?", default="check", help="default: check")
    parser.add_argument("names", metavar="NAME", nargs="*", help="default: all hosts in hosts.yaml")
    shared.json(parser)
    consent.configure(parser)


def run(options: argparse.Namespace) -> int:
    """Check hosts, or set them up, all at the same time.

    Returns:
        0 if all of them can be used, else 3.

    Raises:
        UserError: `hosts.yaml` is wrong, or there is no host.
    """
    listed, talk = paths.hosts_config(), Talk()
    prerequisites.ensure({"ssh"}, talk, consent=consent.consent(options, talk))
    known = hosts.hosts(listed)
    chosen = [hosts.find(name, listed) for name in options.names] or list(known.values())
    if not chosen:
        raise UserError(f"no hosts: list some in {listed} (docs/hosts.md), or name one")
    setup = options.action == "setup"
    with ThreadPoolExecutor(len(chosen)) as pool:
        found = list(pool.map(lambda one: _report(one, talk, setup=setup, install=options.install), chosen))
    if options.json:
        told = {"ok": all(one.ok for one in found), "hosts": [asdict(one) for one in found]}
        talk.say(json.dumps(told, indent=2), aside=False)
    else:
        for one in found:
            talk.say(_line(one), aside=False)
    return 0 if all(one.ok for one in found) else 3


def _report(host: hosts.Host, talk: Talk, *, setup: bool, install: bool) -> Report:
    report = Report(host.name, str(host.address))
    if host.lab is not None:
        lacking = [one for one in lab_check.check(host, paths.cache()) if one.found is None and one.required]
        report.problems = tuple(f"{one.name} is missing ({one.purpose}): {one.remedy}" for one in lacking)
        if not host.builds and not host.boots:
            report.ok = not report.problems
            return report
    try:
        with Remote(host.name, host.address) as remote:
            carrier = Secure(remote, host.folder, host.disk)
            if setup:
                talk.note(f"{host.name}: setting up {host.folder}")
                carrier.set_up(install=install)
                words = ("doctor", *_wanted(host), *(["--install"] if install else []))
                remote.run(
                    carrier.program(*words), check=False, on_line=lambda line: talk.update(f"{host.name}: {line}")
                )
            _facts(remote, carrier, report)
            doctor = remote.run(carrier.program("doctor", *_wanted(host), "--json"), check=False, timeout=120).stdout
            _judge(host, json.loads(doctor), report)
    except (RegressError, ValueError) as error:
        report.problems = (*report.problems, str(error).removeprefix(f"{host.name}: "))
    report.ok = not report.problems
    return report


def _tell(talk: Talk, host: str, line: str) -> None:
    talk.update(f"{host}: {line}")


def _facts(remote: Remote, carrier: Secure, report: Report) -> None:
    carrier.ready()
    before = time.time()
    lines = remote.run(["sh", "-c", _FACTS, carrier.folder], timeout=60).stdout.splitlines()
    if len(lines) < 6:
        raise InfrastructureError(f"it is no Linux system that this program knows: {lines}")
    now, report.cores, report.load = int(lines[0]), int(lines[1]), float(lines[2])
    report.memory, report.free = round(int(lines[3]) / 2**20, 1), round(int(lines[4]) / 2**20, 1)
    report.system = lines[5]
    off = now - before if now < before else max(0.0, now - time.time())
    report.clock = round(off, 1) if abs(off) > 1 else 0.0


def _architectures(host: hosts.Host) -> tuple[str, ...]:
    return host.architectures or (architecture.DEFAULT,)


def _wanted(host: hosts.Host) -> list[str]:
    """The options of `regress doctor` for what a host is used for."""
    return [f"--arch={name}" for name in _architectures(host)]


def _judge(host: hosts.Host, doctor: Mapping[str, Any], report: Report) -> None:
    """What keeps a host from what `hosts.yaml` says that it may do."""
    works = [*(["build"] if host.builds else []), *(["boot"] if host.boots else [])]
    wanted = {*works, *(f"{work} {name}" for work in works for name in _architectures(host))}
    problems = []
    for check in doctor["checks"]:
        if check["name"] == "accelerator":
            report.accelerator = report.accelerator or check["found"] or ""
        if check["found"] is None and check["required"] and wanted & set(check["purposes"]) and check["remedy"]:
            problems.append(f"{check['name']} is missing ({check['purpose']}): {check['remedy']}")
    if report.free < ROOM:
        problems.append(f"{report.free} GiB are free in {host.folder}, {ROOM} are needed: name another `folder`")
    if abs(report.clock) > SKEW:
        problems.append(f"its clock is wrong by {report.clock:+.0f} s: set it (timedatectl set-ntp true)")
    report.problems = tuple(problems)


def _line(one: Report) -> str:
    facts = f"{one.system}, {one.cores} cores, {one.memory} GiB, {one.free} GiB free, load {one.load}"
    head = f"{one.host:12} {'ok' if one.ok else 'NOT USABLE':10} {one.address}"
    rest = [facts, one.accelerator] if one.cores else []
    return "\n".join([head, *(f"    {line}" for line in (*filter(None, rest), *one.problems))])
