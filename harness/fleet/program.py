"""The program itself as a file by content: what a host gets, so that both ends are of one version."""

from __future__ import annotations

import functools
import gzip
import hashlib
import importlib.metadata
import io
import re
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from harness.errors import InfrastructureError

_PACKAGE = Path(__file__).resolve().parent.parent
# The data beside the package, which an installed one has inside, go with the jobs that need them (see setup.py).
_LEFT_OUT = re.compile(r"(^|/)(__pycache__|\.)|\.pyc$|^(guest|kconfigs|scenarios)/")

START = "import sys; sys.path.insert(0, sys.argv.pop(1)); import harness.fleet.worker as w; sys.exit(w.main())"
"""Starts a worker with the program's folder as its first argument."""


@dataclass(frozen=True)
class Program:
    """The files of the package.

    Attributes:
        digest: of names and contents.
    """

    digest: str

    @property
    def top(self) -> Path:
        """The folder from which it is imported here."""
        return _PACKAGE.parent

    def archive(self, target: Path) -> None:
        """Write it as an archive, `.tar.gz`; the same program gives the same bytes."""
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w") as tar:
            for name, path in _files():
                told = tarfile.TarInfo(f"harness/{name}")
                told.size, told.mode = path.stat().st_size, 0o644
                with path.open("rb") as file:
                    tar.addfile(told, file)
        target.write_bytes(gzip.compress(raw.getvalue(), mtime=0))


def _files() -> Iterator[tuple[str, Path]]:
    for path in sorted(_PACKAGE.rglob("*")):
        name = path.relative_to(_PACKAGE).as_posix()
        if path.is_file() and not _LEFT_OUT.search(name):
            yield name, path


@functools.cache
def program() -> Program:
    """The program that runs here."""
    whole = hashlib.sha256()
    for name, path in _files():
        whole.update(f"{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return Program(whole.hexdigest()[:16])


@functools.cache
def requirements() -> str:
    """What `pip install -r` needs to make the same environment elsewhere: versions as they are here.

    Raises:
        InfrastructureError: this program is neither installed nor run from a clone.
    """
    lock = _PACKAGE.parent / "requirements.lock"
    if lock.exists():
        return lock.read_text(encoding="utf-8")
    found: dict[str, str] = {}
    todo = ["regress"]
    try:
        while todo:
            for text in importlib.metadata.requires(todo.pop()) or ():
                one = Requirement(text)
                if one.name not in found and (one.marker is None or one.marker.evaluate({"extra": ""})):
                    found[one.name] = importlib.metadata.version(one.name)
                    todo.append(one.name)
    except importlib.metadata.PackageNotFoundError as error:
        raise InfrastructureError(f"{sys.prefix}: {error}: install regress with pip, or run it from a clone") from error
    return "".join(f"{name}=={version}\n" for name, version in sorted(found.items()))
