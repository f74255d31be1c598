"""What a guest starts with, and goes over to.

It starts with an initramfs of a few programs, their libraries and the scenario: nothing else is in it, and the guest
sees nothing else of the host.  Where the scenario asks for another root file system, guest/root goes over to that.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness import diskimage
from harness.architecture import Architecture
from harness.errors import InfrastructureError, UserError
from harness.files import sha256_again
from harness.kernel import modules
from harness.machine import debian, reproducer
from harness.model import Scenario
from harness.paths import GUEST
from harness.process import run
from harness.progress import SILENT, Progress
from harness.roots import RootFs, RootKind

BASE = ("busybox",)
LOADER = ("kmod",)
"""Loads modules: as modprobe it knows what is built in, and takes parameters from the kernel command line."""

_BIN = ("bin", "sbin", "usr/bin", "usr/sbin")
_LIB = ("lib", "lib64", "usr/lib", "usr/lib64", "lib32", "usr/lib32")


def _program(root: Path, name: str) -> Path:
    for folder in _BIN:
        if (path := root / folder / name).is_file():
            return path
    where = "this machine" if root == Path("/") else f"the guest's packages ({', '.join(debian.PACKAGES)})"
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


def root(wanted: RootFs, arch: Architecture, cache: Path, progress: Progress) -> Path | None:
    """The root file system that a guest goes over to, made if need be.

    Args:
        cache: what is made is kept there.
        progress: is told what is made, and what the guest will see of this machine.

    Returns:
        An image, or a folder of this machine's; None if the guest stays in the initramfs.

    Raises:
        UserError: there is none such for the architecture, no such package, or the user's image is none.
        InfrastructureError: it cannot be made.
    """
    match wanted.kind:
        case RootKind.INITRAMFS:
            return None
        case RootKind.DEBIAN:
            return debian.image(arch, wanted.packages, cache, progress)
        case RootKind.HOST:
            if not arch.here:
                raise UserError(
                    f"rootfs: host: this machine's programs do not run on {arch.name}; ask for `rootfs: debian`"
                )
            progress.note("rootfs: host: the guest can read every file here that you can, keys too; it writes to none")
            return Path("/")
        case RootKind.IMAGE:
            assert wanted.image is not None
            diskimage.assert_root(wanted.image)
            return wanted.image


def initramfs(
    scenario: Scenario,
    root: Path,
    target: Path,
    arch: str = "x86_64",
    progress: Progress = SILENT,
    archive: Path | None = None,
    over: Path | None = None,
    tests: Path | None = None,
) -> None:
    """Write what the guest of a scenario starts with, as a cpio archive.

    The same programs and scripts give the same bytes, as long as the root file system is the same that it goes over to.

    Args:
        scenario: its `needs` and its folder go in.
        root: where programs come from, `/` or an unpacked file system.
        target: the file to write.
        arch: the guest's architecture.
        progress: is told what the compiler says of C files, and of firmware that modules ask for.
        archive: the kernel's modules, of which those go in that the scenario loads.
        over: the root file system that the guest goes over to, see `root`; it has the scenario's `needs` then.
        tests: the kernel's selftests, all of which go in.

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
        for path in closure(root, (*BASE, *(LOADER if loaded else ()), *(() if over else scenario.needs))):
            place = stage / path.relative_to(root)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
        if not (stage / "bin/busybox").exists():
            (stage / "bin/busybox").symlink_to("/usr/bin/busybox")
        if loaded:
            (stage / "sbin/modprobe").symlink_to(f"/{_program(root, *LOADER).relative_to(root)}")
        shutil.copy(GUEST / "init", stage / "init")
        for name in ("lib.sh", "root", "scenario"):
            shutil.copy(GUEST / name, stage / "lib/regress" / name)
        shutil.copytree(scenario.folder, stage / "scenario", ignore=shutil.ignore_patterns("replay", "proof", ".*"))
        reproducer.stage(scenario, arch, stage, progress)
        if tests is not None and tests.exists():
            with tarfile.open(tests) as tar:
                tar.extractall(stage / "lib/regress/kselftest", filter="data")
        if over is not None:
            said = "share" if over.is_dir() else f"disk {sha256_again(over)}"
            (stage / "lib/regress/rootfs").write_text(f"{said}\n", encoding="utf-8")
            (stage / "lib/regress/needs").write_text(f"{' '.join(scenario.needs)}\n", encoding="utf-8")
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
