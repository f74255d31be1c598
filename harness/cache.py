"""The program's cache: what it holds, what that is worth, and what may go when room is needed.

All of it can be made again (`harness.paths.cache`).  What goes first is what takes much room, is made again soon, and
was not used for long.  Running commands hold a lease each: what was used since the oldest of these began stays.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError
from harness.files import locked
from harness.progress import SILENT, Progress

REMAKING = {
    "fetched": 5.0,
    "kernels": 180.0,
    "objects": 180.0,
    "rootfs": 20.0,
    "sources": 60.0,
    "trees": 1800.0,
    "worktrees": 240.0,
}
"""Parts of the cache, with the seconds that it takes to make one of their folders again, roughly: a build
(docs/benchmarks.md); a fetch of a kernel's history; a checkout, and the build that then starts from nothing.
Other parts are small, or keep a limit of their own."""

SHARE = 10
"""The cache leaves one part in so many of the disk free."""

UNUSED = 24 * 3600.0
"""Seconds for which the program leaves alone what was used, when it makes room unasked."""

DAY = 24 * 3600.0

STARTING = "starting.lock"
"""Held while a command begins, and while it is decided what goes: neither may fall into the other."""


@dataclass(frozen=True)
class Item:
    """A folder or file of the cache.

    Attributes:
        part: the folder of the cache that it is in.
        size: bytes on the disk.
        used: when it was used last, in seconds since the epoch.
    """

    part: str
    path: Path
    size: int
    used: float

    def worth(self, now: float) -> float:
        """Seconds that it saves for each byte, less for each day without use."""
        seconds = 0.0 if self.path.name.startswith(".") else REMAKING[self.part]
        return seconds / max(self.size, 1) / (1 + max(now - self.used, 0) / DAY)


def items(cache: Path) -> list[Item]:
    """What is in the cache; with names that begin with a dot, what killed commands left."""
    found = []
    for part in REMAKING:
        for path in sorted((cache / part).glob("*")):
            if path.suffix != ".lock" or path.is_dir():
                # Others may remove it meanwhile.
                with contextlib.suppress(FileNotFoundError):
                    found.append(Item(part, path, _size(path), _used(path)))
    return found


def _size(path: Path) -> int:
    if not path.is_dir() or path.is_symlink():
        return path.lstat().st_blocks * 512
    total = path.lstat().st_blocks * 512
    for folder, folders, names in os.walk(path):
        for name in (*folders, *names):
            with contextlib.suppress(OSError):
                total += Path(folder, name).lstat().st_blocks * 512
    return total


def _lock(path: Path) -> Path:
    """The lock file of a tree or a worktree, which is written whenever it is used."""
    return path.with_name(f"{path.name.removesuffix('.git')}.lock")


def _used(path: Path) -> float:
    times = [path.lstat().st_mtime]
    with contextlib.suppress(FileNotFoundError):
        times.append(_lock(path).stat().st_mtime)
    return max(times)


def touch(path: Path) -> None:
    """Note that something in the cache was used."""
    with contextlib.suppress(OSError):
        os.utime(path)


@contextlib.contextmanager
def lease(cache: Path) -> Iterator[None]:
    """Keep what is used from now on, as long as the block lasts.

    It is a lock, so that it ends with its holder, however that ends.
    """
    folder = cache / "leases"
    folder.mkdir(parents=True, exist_ok=True)
    with locked(cache / STARTING, SILENT):
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=f"{os.getpid()}-")
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    try:
        yield
    finally:
        Path(name).unlink(missing_ok=True)
        os.close(descriptor)


def oldest(cache: Path) -> float:
    """When the oldest of the running commands began, in seconds since the epoch; infinite if none runs."""
    began = float("inf")
    for path in (cache / "leases").glob("*"):
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()  # left by one that was killed
            except BlockingIOError:
                began = min(began, os.fstat(descriptor).st_mtime)
            finally:
                os.close(descriptor)
    return began


def excess(cache: Path, size: int, most: int | None) -> int:
    """How many bytes the cache is too large.

    Args:
        size: its size in bytes.
        most: what it may take; by default, what leaves the disk a tenth.
    """
    if most is not None:
        return max(0, size - most)
    disk = shutil.disk_usage(cache)
    return max(0, disk.total // SHARE - disk.free)


def spare(found: Sequence[Item], bytes_: int, before: float, now: float) -> list[Item]:
    """What to remove, the least worth first, to free so many bytes.  Pure.

    Args:
        before: nothing that was used at this time or later.
        now: seconds since the epoch.
    """
    chosen, freed = [], 0
    for item in sorted(found, key=lambda item: item.worth(now)):
        if freed >= bytes_:
            break
        if item.used < before:
            chosen.append(item)
            freed += item.size
    return chosen


def trim(cache: Path, *, unused: float) -> None:
    """Leave the disk a tenth, if it has less and there is something that was not used for so many seconds."""
    if cache.is_dir() and excess(cache, 0, None):
        clear(cache, items(cache), unused=unused)


def clear(
    cache: Path,
    found: Sequence[Item],
    most: int | None = None,
    *,
    unused: float = 0.0,
    dry: bool = False,
    progress: Progress = SILENT,
) -> list[Item]:
    """Make room; see `excess` and `spare`.  What a build or a fetch holds stays too.

    Args:
        found: what is in the cache.
        most: bytes that it may take; by default, what leaves the disk a tenth.
        unused: seconds for which a thing has not been used before it may go.
        dry: remove nothing.

    Returns:
        What was removed, or would be.
    """
    if not found:
        return []
    over = excess(cache, sum(item.size for item in found), most)
    with locked(cache / STARTING, progress):
        now = time.time()
        before = min(oldest(cache), now - unused)
        chosen = spare(found, over, before, now)
        if dry:
            return chosen
        gone = [(item, away) for item in chosen if (away := _set_aside(item, before))]
    for _, away in gone:
        if away.is_dir() and not away.is_symlink():
            shutil.rmtree(away, ignore_errors=True)
        else:
            away.unlink(missing_ok=True)
    return [item for item, _ in gone]


def _set_aside(item: Item, before: float) -> Path | None:
    """Rename what is to be removed: a folder that is half gone must not pass for a whole one.

    Returns:
        Its new path; None if it is held, or was used meanwhile.
    """
    path, lock = item.path, _lock(item.path)
    if item.part == "objects":
        # A build holds the lock of the tree, whose name the folder's begins with.
        trees = path.parent.with_name("worktrees").glob("*.lock")
        own = (tree for tree in trees if path.name.lstrip(".").startswith(f"{tree.stem}-"))
        lock = max(own, key=lambda tree: len(tree.name), default=lock)
    away = path.with_name(f".gone-{os.getpid()}-{path.name.lstrip('.')}")
    try:
        used = _used(path)
        with locked(lock, SILENT, wait=False) if lock.exists() else contextlib.nullcontext():
            return path.rename(away) if used < before else None
    except (UserError, OSError):
        return None
