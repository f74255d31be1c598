"""What a test machine has and lacks, for `regress hosts` and `regress doctor`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InfrastructureError
from harness.hosts import Host
from harness.lab import Lab
from harness.machine.board import Board

ROOM = 512
"""MiB needed on the machine for kernels and initramfses."""


@dataclass(frozen=True)
class Finding:
    """One thing that was checked on a test machine.

    Attributes:
        name: what.
        purpose: what it is for.
        found: what was found; None if it is missing.
        remedy: what to do if it is missing.
        required: whether no trial works without it.
    """

    name: str
    purpose: str
    found: str | None
    remedy: str = ""
    required: bool = True


def check(host: Host, cache: Path) -> list[Finding]:
    """Look at a test machine; nothing there is changed.

    Args:
        host: with its `lab` part.
        cache: see `Board`.

    Returns:
        What was found; one finding, the missing connection, if the machine cannot be reached.
    """
    lab = host.lab
    assert lab is not None
    board = Board(host, cache)
    try:
        told = dict(line.partition("=")[::2] for line in board.call("facts", timeout=60).splitlines())
    except InfrastructureError as error:
        return [Finding("connection", "everything", None, str(error)), *_here(lab)]
    finally:
        board.remote.close()
    return [
        Finding("connection", "everything", f"as root, kernel {told.get('release')}"),
        *_there(lab, told),
        *_here(lab),
    ]


def _there(lab: Lab, told: Mapping[str, str]) -> Iterator[Finding]:
    def package(name: str, purpose: str, packages: str) -> Finding:
        return Finding(name, purpose, told.get(name) or None, f"install there: {packages}")

    yield package("flock", "one controller at a time", "util-linux")
    yield package("sha256sum", "files that arrive whole", "coreutils")
    if lab.own_root:
        yield package("cpio", "unpacking the scenario (lab.root: own)", "cpio")
    if lab.boot == "kexec":
        off = told.get("kexec_off") == "1"
        yield Finding(
            "kexec",
            "starting the kernel under test (lab.boot: kexec)",
            None if off else told.get("kexec") or None,
            "kernel.kexec_load_disabled is 1: reboot to allow it, or take another lab.boot"
            if off
            else "install there: kexec-tools",
        )
    elif lab.boot == "grub":
        command, _, config = told.get("grub", "").partition(" ")
        remedy = "install there: grub2-common; grub.cfg has to honour next_entry and to read custom.cfg (41_custom)"
        found = f"{command}, {config}" if command and config and told.get("custom") else None
        yield Finding("grub", "starting the kernel under test (lab.boot: grub)", found, remedy)
    else:
        yield Finding(
            "bootctl",
            "starting the kernel under test (lab.boot: systemd-boot)",
            told.get("bootctl") or None,
            "bootctl finds no EFI system partition: is systemd-boot what the machine boots with (bootctl status)?",
        )
    free = told.get("free", "")
    enough = free.isdecimal() and int(free) >= ROOM
    yield Finding("room", f"{ROOM} MiB for kernels", f"{free} MiB" if enough else None, f"{free or 'no'} MiB free")
    under = "REGRESS_WORD=" in told.get("cmdline", "")
    yield Finding("usual kernel", "a start", None if under else told.get("release"), "it runs a kernel under test")
    if lab.console is None and lab.netconsole is None:
        remedy = "give lab.console or lab.netconsole, or set ramoops up; without any of them no crash is seen"
        yield Finding("console", "seeing crashes", told.get("pstore") or None, remedy)


def _here(lab: Lab) -> Iterator[Finding]:
    """The user's own commands, which run on this machine."""
    for key, argv, needed in (("console", lab.console, True), ("power.cycle", lab.cycle, False)):
        if argv is not None:
            yield Finding(f"lab.{key}", "run here", shutil.which(argv[0]), f"{argv[0]}: no such program here")
        elif not needed:
            remedy = "without it a machine that hangs waits for somebody to switch it off and on"
            yield Finding(f"lab.{key}", "getting a machine back that hangs", None, remedy, required=False)
