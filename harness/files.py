"""Files that are either complete or absent, and locks that end with their holder."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.errors import UserError
from harness.progress import Progress


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file atomically: at any moment, even after a power cut, either the old or the new one is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:  # Ctrl-C too: leave nothing half-written
        Path(name).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A new folder to fill, which gets its name only if the block ends without an error.

    If the name is taken by then, the new folder is removed: the other one is complete too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        new.chmod(0o755)
        yield new
        for file in new.rglob("*"):
            if file.is_file() and not file.is_symlink():
                with file.open("rb") as opened:
                    os.fsync(opened.fileno())
        with contextlib.suppress(OSError):
            new.rename(path)
    finally:
        shutil.rmtree(new, ignore_errors=True)


@contextlib.contextmanager
def locked(path: Path, progress: Progress, *, wait: bool = True) -> Iterator[int]:
    """Hold a lock file; if another process holds it, say so and wait.

    Returns:
        The descriptor, for children that must not outlive the lock.

    Raises:
        UserError: another process holds it, and `wait` is not set.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 64, 0).decode(errors="replace").strip() or "another process"
            if not wait:
                raise UserError(f"{path.parent} is held by {holder}") from None
            progress.note(f"waiting for {holder}, which uses {path.with_suffix('')}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_again(path: Path) -> str:
    """The same, of a large file that is asked for often: read once, unless it has changed."""
    now = path.stat()
    return _known(path, now.st_ino, now.st_size, now.st_mtime_ns)


@functools.cache
def _known(path: Path, *_: int) -> str:
    return sha256(path)


def copy(source: Path, target: Path) -> None:
    """Replace a file by a copy of another: editing it changes neither the source nor its links."""
    target.unlink(missing_ok=True)
    shutil.copyfile(source, target)


def pack(folder: Path, archive: Path) -> None:
    """Write the files of a folder as a tar archive; the same files give the same bytes.

    Links to absolute paths are left out: they lead to this machine's folders.
    """
    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(folder.rglob("*")):
            entry = tarfile.TarInfo(str(path.relative_to(folder)))
            if path.is_symlink() and not path.readlink().is_absolute():
                entry.type, entry.linkname = tarfile.SYMTYPE, str(path.readlink())
                tar.addfile(entry)
            elif path.is_file() and not path.is_symlink():
                entry.size = path.stat().st_size
                entry.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
                with path.open("rb") as file:
                    tar.addfile(entry, file)
