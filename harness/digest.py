"""A hash of all that decides what a trial of a scenario shows, besides the commit."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from harness.catalog import ARCHES
from harness.machine.vng import APPEND
from harness.model import Scenario
from harness.paths import GUEST, KCONFIGS
from harness.process import passed

_APART = ("replay", "proof")
"""Folders of a scenario of which nothing gets into a trial."""


def digest(scenario: Scenario) -> str:
    """A hash that changes when anything does that decides what a trial of a scenario shows.

    It covers what `scenario.yaml` says (but not its title, tags, links and commits), the files of the scenario's
    folder, files that its commands name by absolute path, the kernel's configuration and command line, the
    guest's own scripts, and the variables that programs are passed by name.
    """
    said = replace(scenario, folder=Path(), replay=None, title="", tags=(), links=(), commits={})
    whole = hashlib.sha256(repr((said, APPEND, passed())).encode())
    for name, path in sorted(_files(scenario)):
        with path.open("rb") as file:
            whole.update(f"\0{name}\0".encode() + hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()[:16]


def _files(scenario: Scenario) -> Iterator[tuple[str, Path]]:
    """The files that count, each with a name that does not depend on where the scenario lies."""
    for path in scenario.folder.rglob("*"):
        parts = path.relative_to(scenario.folder).parts
        apart = parts[0] in _APART or any(part.startswith((".", "__pycache__")) for part in parts)
        if path.is_file() and not apart and parts != ("scenario.yaml",):
            yield "/".join(parts), path
    if scenario.build_command is None:
        yield from ((f"kconfigs/{name}", KCONFIGS / f"{name}.config") for name in (*ARCHES, *scenario.kconfig))
    if scenario.machine_command is None:
        yield from ((f"guest/{name}", GUEST / name) for name in ("init", "lib.sh"))
    for command in (scenario.build_command, scenario.machine_command):
        for number, word in enumerate(shlex.split(command or "")):
            path = Path(word.rpartition("=")[2])
            if path.is_absolute() and path.is_file():
                yield f"command/{number}", path
