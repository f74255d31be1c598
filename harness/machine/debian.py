"""Root file systems of Debian's packages, made by mmdebstrap once, then kept."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from harness.architecture import Architecture
from harness.cache import touch
from harness.errors import ProgramFailed, UserError
from harness.files import locked, whole_folder
from harness.process import run
from harness.progress import Progress

PACKAGES = ("busybox-static", "coreutils", "cryptsetup-bin", "dmsetup", "kmod")
"""Where an initramfs of another architecture takes its programs from."""

_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
_UNKNOWN = re.compile(r"E: (?:Unable to locate package|Package '?)\s*([a-z0-9][a-z0-9+.-]+)", re.MULTILINE)


def unpacked(arch: Architecture, cache: Path, progress: Progress) -> Path:
    """A folder with programs of another architecture.

    Raises:
        ProgramMissing: mmdebstrap is not installed.
        ProgramFailed: the packages are unavailable.
    """
    suite = _suite(arch)
    root = cache / "rootfs" / f"{arch.name}-{_key(suite, *PACKAGES)}"
    with locked(root.with_suffix(".lock"), progress):
        if not root.exists():
            progress.note(f"making a root file system of {arch.name} packages")
            with whole_folder(root) as new:
                tarball = new.parent / f"{new.name}.tar"
                try:
                    _archive(arch, suite, "extract", PACKAGES, tarball, progress)
                    run(["tar", "--exclude=./dev/*", "-xf", str(tarball), "-C", str(new)])
                    keep_links_inside(new)
                finally:
                    tarball.unlink(missing_ok=True)
    return root


def image(arch: Architecture, packages: Sequence[str], cache: Path, progress: Progress) -> Path:
    """Debian's base system with some packages, as a squashfs image.

    Where this machine runs programs of the architecture the packages are installed; else they are only unpacked, and
    their scripts (users, alternatives, caches) have not been run.

    Raises:
        UserError: Debian has no such package.
        ProgramMissing: mmdebstrap or sqfstar is not installed.
        ProgramFailed: the packages are unavailable, or the disk is full.
    """
    suite, wanted = _suite(arch), sorted(set(packages))
    variant, base = ("required", []) if arch.native else ("extract", ["?essential", "?priority(required)"])
    place = cache / "rootfs" / f"debian-{arch.name}-{_key(suite, variant, *wanted)}"
    with locked(place.with_suffix(".lock"), progress):
        if not place.exists():
            with_ = f" with {', '.join(wanted)}" if wanted else ""
            progress.note(f"making a root file system of Debian's packages ({suite}, {arch.name}){with_}, once")
            if variant == "extract":
                progress.note(f"this machine runs no {arch.name} programs: the packages are unpacked, not configured")
            with whole_folder(place) as new:
                tarball = new / "root.tar"
                _archive(arch, suite, variant, [*base, *wanted], tarball, progress)
                # LZ4, as under emulation unpacking costs more than reading; no times, which would differ each time.
                pack = ["sqfstar", "-quiet", "-no-progress", "-comp", "lz4", "-all-time", "0", "-mkfs-time", "0"]
                line = f"{shlex.join([*pack, str(new / IMAGE)])} <{shlex.quote(str(tarball))}"
                run(["sh", "-c", line], on_line=progress.update)
                tarball.unlink()
    touch(place)
    return place / IMAGE


IMAGE = "root.squashfs"


def _key(*words: str) -> str:
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:8]


def _archive(
    arch: Architecture, suite: str, variant: str, packages: Sequence[str], tarball: Path, progress: Progress
) -> None:
    """Have mmdebstrap make a tar archive; with the variant `extract` nothing of the packages runs."""
    included = [f"--include={','.join(packages)}"] if packages else []
    less = [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT] if variant != "extract" else []
    try:
        run(
            [
                *("mmdebstrap", "--mode=auto", f"--variant={variant}", f"--architectures={arch.packages}"),
                *(*included, *less, suite, str(tarball), *_mirror(suite)),
            ],
            on_line=progress.update,
        )
    except ProgramFailed as error:
        if unknown := _UNKNOWN.search(error.output):
            raise UserError(f"packages: Debian's {suite} has no package {unknown[1]!r} for {arch.packages}") from error
        raise


def keep_links_inside(root: Path) -> None:
    """Keep the links of a root file system within it, and make those to `/usr` that no package has (Debian 13 on)."""
    for link in (path for path in root.rglob("*") if path.is_symlink() and path.readlink().is_absolute()):
        target = root / str(link.readlink()).lstrip("/")
        link.unlink()
        link.symlink_to(os.path.relpath(target, link.parent))
    for name in ("bin", "sbin", "lib", "lib64"):
        if (root / "usr" / name).is_dir() and not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")


def _mirror(suite: str) -> list[str]:
    """The mirror that this machine's own apt uses for a release, or for its own; without one, mmdebstrap picks one.

    mmdebstrap's choice would include the security archive, which the guest does not need.
    """
    if shutil.which("apt-get") is None:
        return []
    which = ("Created-By: Packages", "Origin: Debian", "Label: Debian")
    of_suite, of_any = (
        run(["apt-get", "indextargets", "--format", "$(REPO_URI)", *which, *more], check=False).stdout.split()
        for more in ([f"Codename: {suite}"], [])
    )
    return (of_suite or of_any)[:1]


def _suite(arch: Architecture) -> str:
    """The Debian release of an architecture's packages."""
    if arch.suite:
        return arch.suite
    release = Path("/etc/os-release").read_text(encoding="utf-8") if Path("/etc/os-release").exists() else ""
    debian = re.search(r"^ID=debian$", release, re.MULTILINE)
    codename = re.search(r"^VERSION_CODENAME=(\w+)$", release, re.MULTILINE)
    return codename[1] if debian and codename else "bookworm"
