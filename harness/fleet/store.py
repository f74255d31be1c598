"""Files by their content: images, root file systems, packs of sources, the program itself."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path


def digest_of(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Store:
    """A folder of files named by their SHA-256.

    Args:
        folder: created when the first file comes.
        most: bytes that all of them may take; the files that were not used for longest go first.
    """

    folder: Path
    most: int = 20 << 30

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
            found = digest_of(new)
            if digest is not None and found != digest:
                raise ValueError(f"{source}: expected a file with the SHA-256 {digest}, got one with {found}")
            new.replace(self.folder / found)
        finally:
            new.unlink(missing_ok=True)
        self._prune(keep=found)
        return found

    def _prune(self, keep: str) -> None:
        files = sorted((path for path in self.folder.glob("[0-9a-f]*")), key=lambda path: path.stat().st_mtime)
        whole = sum(path.stat().st_size for path in files)
        for path in files:
            if whole <= self.most or path.name == keep:
                return
            whole -= path.stat().st_size
            path.unlink(missing_ok=True)
