"""A hash of everything but the commit that decides what a trial of a scenario shows."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from harness import VERSION, architecture, hosts
from harness.files import sha256, sha256_again
from harness.model import Scenario, Variant
from harness.paths import GUEST, fragment, hosts_config
from harness.process import passed
from harness.roots import RootKind

_APART = ("replay", "proof")
"""Folders of a scenario that have no part in a trial."""


def digest(scenario: Scenario, arch: str) -> str:
    """A hash that changes with anything that decides what a trial of a scenario shows.

    It covers `scenario.yaml` (except for title, tags, links and commits), the files of the scenario's
    folder, files that its commands name by absolute path, the kernel's configuration and command line, the machine, the
    guest's own scripts, the user's own root file system, that and the words of a test machine, and the environment
    variables passed by name.
    """
    rootfs = replace(scenario.rootfs, image=None)
    said = replace(scenario, folder=Path(), rootfs=rootfs, replay=None, title="", tags=(), links=(), commits={})
    whole = hashlib.sha256(repr((said, architecture.load(arch), architecture.APPEND, passed())).encode())
    if scenario.machine_ssh and (lab := hosts.find(scenario.machine_ssh, hosts_config()).lab):
        whole.update(repr((lab.own_root, lab.append)).encode())
    if scenario.rootfs.image is not None and scenario.rootfs.image.is_file():
        whole.update(sha256_again(scenario.rootfs.image).encode())
    for name, path in sorted(_files(scenario, arch)):
        with path.open("rb") as file:
            whole.update(f"\0{name}\0".encode() + hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()[:16]


def conditions(scenario: Scenario, variant: Variant, arch: str, initrd: Path, machine: str) -> str:
    """A hash of everything but the image that decides what a trial shows.

    Args:
        scenario: as it is tried, with all crashes that are ignored.
        variant: the way in which it is booted.
        arch: the architecture.
        initrd: what the guest starts with; it has the digest of an image that the guest goes over to.
        machine: see `harness.machine.Machine.identity`.

    Returns:
        "" if the machine is unknown, or what this machine's own root file system holds.
    """
    if not machine or scenario.rootfs.kind is RootKind.HOST:
        return ""
    # Memory, processors and time limits are in the scenario.  What a crash is, is up to the program's version.
    told = (VERSION, digest(scenario, arch), variant, machine, sha256(initrd))
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def _files(scenario: Scenario, arch: str) -> Iterator[tuple[str, Path]]:
    """The files that count, with names that do not depend on the location of the scenario."""
    for path in scenario.folder.rglob("*"):
        parts = path.relative_to(scenario.folder).parts
        apart = parts[0] in _APART or any(part.startswith((".", "__pycache__")) for part in parts)
        if path.is_file() and not apart and parts != ("scenario.yaml",):
            yield "/".join(parts), path
    if scenario.build_command is None:
        yield from ((f"kconfigs/{name}", fragment(name, scenario.folder)) for name in (arch, *scenario.fragments))
    if scenario.machine_command is None:
        yield from ((f"guest/{name}", GUEST / name) for name in ("init", "lib.sh", "root", "scenario"))
    for command in (scenario.build_command, scenario.machine_command):
        yield from ((f"command/{number}", path) for number, path in named_files(shlex.split(command or "")))


def named_files(words: Sequence[str]) -> Iterator[tuple[int, Path]]:
    """The files that a command names by their absolute path (`/a/b.sh`, `--file=/a/b`): the word's number, the path."""
    for number, word in enumerate(words):
        path = Path(word.rpartition("=")[2])
        if path.is_absolute() and path.is_file():
            yield number, path
