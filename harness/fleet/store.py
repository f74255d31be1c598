"""Files by their content: images, root file systems, packs of sources, the program itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.files import sha256

MOST = 20 << 30
"""Bytes that stored files take, unless something else is said."""


@dataclass(frozen=True)
class Store:
    """A folder of files named by their SHA-256.

    Args:
        folder: created when the first file comes.
        most: bytes that all of them may take; the files that were not used for longest go first.
    """

    folder: Path
    most: int = MOST

    def path(self, digest: str) -> Path | None:
        """The file, which now counts as used; None if it is not here, or damaged in its size."""
        path = self.folder / digest
        try:
            os.utime(path)
        except OSError:
            return None
        return path

    def add(self, source: Path, digest: str | None = None) -> str:
        """Take a copy of a file.

        Args:
            digest: what its SHA-256 has to be, if known.

        Returns:
            Its SHA-256.

        Raises:
            ValueError: it is another file.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self.folder, prefix=".new-")
        os.close(descriptor)
        new = Path(name)
        try:
            shutil.copyfile(source, new)
            found = sha256(new)
            if digest is not None and found != digest:
                raise ValueError(f"{source}: expected a file with the SHA-256 {digest}, got one with {found}")
            new.replace(self.folder / found)
        finally:
            new.unlink(missing_ok=True)
        return found

    def prune(self) -> None:
        """Remove what was not used for longest, until the rest takes no more than it may."""
        prune(self.folder, self.most)


def prune(folder: Path, most: int) -> None:
    """Remove files and folders in a folder, those that are oldest first, until the rest takes at most so many bytes."""
    found = []
    for path in folder.glob("[!.]*"):
        # Others may remove them too.
        with contextlib.suppress(OSError):
            parts = [path, *path.rglob("*")] if path.is_dir() else [path]
            found.append((path.stat().st_mtime, path, sum(part.stat().st_size for part in parts)))
    whole = sum(size for _, _, size in found)
    for _, path, size in sorted(found):
        if whole <= most:
            return
        whole -= size
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
