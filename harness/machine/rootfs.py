"""The guest's root file system: an initramfs with a few programs, their libraries and the scenario.

Nothing else is in it, and the guest sees nothing else of the host.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.architecture import Architecture
from harness.errors import InfrastructureError, UserError
from harness.files import locked, whole_folder
from harness.kernel import modules
from harness.machine import reproducer
from harness.model import Scenario
from harness.paths import GUEST
from harness.process import run
from harness.progress import SILENT, Progress

BASE = ("busybox",)
LOADER = ("kmod",)
"""Loads modules: as modprobe it knows what is built in, and takes parameters from the kernel command line."""
PACKAGES = ("busybox-static", "coreutils", "cryptsetup-bin", "dmsetup", "kmod")
"""What a root file system of another architecture is made of."""

_BIN = ("bin", "sbin", "usr/bin", "usr/sbin")
_LIB = ("lib", "lib64", "usr/lib", "usr/lib64", "lib32", "usr/lib32")


def _program(root: Path, name: str) -> Path:
    for folder in _BIN:
        if (path := root / folder / name).is_file():
            return path
    where = "this machine" if root == Path("/") else f"the guest's packages ({', '.join(PACKAGES)})"
    raise UserError(f"the scenario needs {name}, which is not on {where}")


@functools.cache
def _elf(path: Path) -> tuple[str, list[str]]:
    """The ELF class of a file (`""` if it is not an ELF file) and the shared objects that it needs."""
    told = run(["readelf", "--wide", "-h", "-l", "-d", str(path)], check=False).stdout
    elf = re.search(r"Class:\s+(\S+)", told)
    needed = re.findall(r"\(NEEDED\)\s+Shared library: \[(.*?)\]", told)
    interpreter = re.findall(r"Requesting program interpreter: (.*?)\]", told)
    return (elf[1] if elf else ""), [*interpreter, *needed]


def _library(root: Path, name: str, elf: str) -> Path:
    """The place of a shared object: its own path if it is absolute, else in the usual folders, of the same class."""
    if name.startswith("/"):
        return root / name.lstrip("/")
    for folder in _LIB:
        top = root / folder
        for path in (top / name, *sorted(top.glob(f"*-linux-gnu*/{name}"))):
            if path.is_file() and _elf(path)[0] == elf:
                return path
    raise InfrastructureError(f"{name} is not in any library folder of {root}")


def closure(root: Path, programs: Iterable[str]) -> Iterator[Path]:
    """The files that some programs need: themselves, and the shared objects that they load.

    Args:
        root: the file system to look in.
        programs: their names.

    Raises:
        UserError: a program is missing.
        InfrastructureError: a shared object is missing.
    """
    pending = [(_program(root, name), "") for name in programs]
    seen: set[Path] = set()
    while pending:
        path, _ = pending.pop()
        if path in seen:
            continue
        seen.add(path)
        yield path
        elf, needed = _elf(path)
        pending += [(_library(root, name, elf), elf) for name in needed]


def foreign_root(arch: Architecture, cache: Path, progress: Progress) -> Path:
    """A root file system with programs of another architecture, unpacked once from Debian packages, then kept.

    Raises:
        ProgramMissing: mmdebstrap is not installed.
        ProgramFailed: the packages are unavailable.
    """
    suite = arch.suite or _suite()
    key = hashlib.sha256(" ".join((suite, *PACKAGES)).encode()).hexdigest()[:8]
    root = cache / "rootfs" / f"{arch.name}-{key}"
    with locked(root.with_suffix(".lock"), progress):
        if not root.exists():
            progress.note(f"making a root file system of {arch.name} packages")
            with whole_folder(root) as new:
                tarball = new.parent / f"{new.name}.tar"
                try:
                    # Only unpack: nothing of the foreign architecture runs, and no root is needed.
                    run(
                        [
                            *("mmdebstrap", "--mode=auto", "--variant=extract", f"--architectures={arch.packages}"),
                            *(f"--include={','.join(PACKAGES)}", suite, str(tarball), *_mirror(suite)),
                        ],
                        on_line=progress.update,
                    )
                    run(["tar", "--exclude=./dev/*", "-xf", str(tarball), "-C", str(new)])
                    keep_links_inside(new)
                finally:
                    tarball.unlink(missing_ok=True)
    return root


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


def _suite() -> str:
    release = Path("/etc/os-release").read_text(encoding="utf-8") if Path("/etc/os-release").exists() else ""
    debian = re.search(r"^ID=debian$", release, re.MULTILINE)
    codename = re.search(r"^VERSION_CODENAME=(\w+)$", release, re.MULTILINE)
    return codename[1] if debian and codename else "bookworm"


def initramfs(
    scenario: Scenario,
    root: Path,
    target: Path,
    arch: str = "x86_64",
    progress: Progress = SILENT,
    archive: Path | None = None,
) -> None:
    """Write the guest's root file system for a scenario, as a cpio archive.

    The same programs and scripts give the same bytes.

    Args:
        scenario: its `needs` and its folder go in.
        root: where programs come from, `/` or an unpacked file system.
        target: the file to write.
        arch: the guest's architecture.
        progress: is told what the compiler says of C files, and of firmware that modules ask for.
        archive: the kernel's modules, of which those go in that the scenario loads.

    Raises:
        UserError: a program that the scenario needs is missing, or a C file does not compile.
    """
    with tempfile.TemporaryDirectory(prefix="regress-initramfs-") as name:
        stage = Path(name)
        for folder in (
            "dev",
            "proc",
            "sys",
            "tmp",
            "run",
            "root",
            "etc",
            "bin",
            "sbin",
            "lib/regress",
            "usr/bin",
        ):
            (stage / folder).mkdir(parents=True, exist_ok=True)
        loaded = _modules(scenario, archive, stage, progress)
        for path in closure(root, (*BASE, *(LOADER if loaded else ()), *scenario.needs)):
            place = stage / path.relative_to(root)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
        if not (stage / "bin/busybox").exists():
            (stage / "bin/busybox").symlink_to("/usr/bin/busybox")
        if loaded:
            (stage / "sbin/modprobe").symlink_to(f"/{_program(root, *LOADER).relative_to(root)}")
        shutil.copy(GUEST / "init", stage / "init")
        for name in ("lib.sh", "scenario"):
            shutil.copy(GUEST / name, stage / "lib/regress" / name)
        shutil.copytree(scenario.folder, stage / "scenario", ignore=shutil.ignore_patterns("replay", "proof", ".*"))
        reproducer.stage(scenario, arch, stage, progress)
        pack(stage, target)


def _modules(scenario: Scenario, archive: Path | None, stage: Path, progress: Progress) -> bool:
    """Put the modules that a scenario loads into the guest, with their list; returns whether there are any."""
    wanted = (*scenario.disk_modules, *scenario.modules)
    if archive is None or not archive.exists() or not wanted:
        return False
    index = modules.index(archive)
    there = [name for name in wanted if name in scenario.modules or not index.missing([name])]
    if not there:
        return False
    for told in modules.unpack(archive, there, stage):
        progress.note(told)
    (stage / "lib/regress/modules").write_text("".join(f"{name}\n" for name in there), encoding="utf-8")
    return True


def pack(stage: Path, target: Path) -> None:
    """Write a folder as a cpio archive, with all times 0, so that the same files give the same bytes."""
    paths = sorted(str(path.relative_to(stage)) for path in stage.rglob("*"))
    for path in paths:
        os.utime(stage / path, (0, 0), follow_symlinks=False)
    part = target.with_name(f".{target.name}.part")
    run(
        [
            "cpio",
            "--create",
            "--format=newc",
            "--null",
            "--quiet",
            "--reproducible",
            "--owner=0:0",
            f"--file={part}",
        ],
        cwd=stage,
        input="\0".join(paths).encode(),
    )
    part.replace(target)
