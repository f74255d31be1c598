"""Root file systems of a scenario's own: Debian's packages, an image, one that is none, and this machine's."""

import json
import platform
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT

YAML = """\
id: root-image
title: a root file system in a partition of an image
kconfig: [base]
machine: {memory: 512M, boot_timeout: 120s}
disks: {image: {size: 1M}}
rootfs: ./disk.img
needs: [own]
replay: lr-35498d
"""
SCRIPT = """\
# shellcheck shell=sh
# Writes to a disk and to the root file system, loses power, and finds only the first.
[ "${BOOT:-1}" = 2 ] || {
    own >/written
    own | dd of=/dev/vda conv=fsync
    power_cut 0 0.1
    sleep 60
}
[ ! -e /written ] || fail "the root file system was written to"
pass "on the disk: $(head -c 6 /dev/vda); $(cat /etc/name)"
"""


def run(name: str, scenarios: Path, results: Path) -> tuple[dict[str, Any], Path]:
    """The one trial of a scenario on a good commit, and the folder of the commit."""
    argv = [str(ROOT / "regress"), "run", name, "--scenarios", str(scenarios), "--tree", "replay"]
    argv += ["--commit", "replay-good", "--json", "--results", str(results)]
    result = json.loads(subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False).stdout)
    [commit] = result["commits"]
    [trial] = commit["trials"]
    return trial, Path(result["folder"]) / commit["folder"]


@pytest.mark.real
def test_packages_of_debians(tmp_path: Path) -> None:
    trial, folder = run("root-debian", Path(__file__).parent / "roots", tmp_path)
    assert trial["outcome"] == "passed", trial["reason"]
    assert "debian bookworm, xfsprogs 6" in trial["reason"]
    done = subprocess.run([str(folder / "repro.sh")], capture_output=True, text=True, check=False, timeout=300)
    assert "debian bookworm, xfsprogs 6" in done.stdout.rpartition("the guest said")[2]


def disk(target: Path, root: Path) -> None:
    """An image of a disk with one partition of type Linux, from the first MiB on, which holds a folder's files."""
    system = target.with_suffix(".ext4")
    argv = ["mke2fs", "-q", "-t", "ext4", "-d", str(root), str(system), "16M"]
    subprocess.run(argv, check=True, env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"})
    entry = struct.pack("<B3xB3xII", 0, 0x83, 2048, system.stat().st_size // 512)
    target.write_bytes((bytes(446) + entry + bytes(48) + b"\x55\xaa").ljust(1 << 20, b"\0") + system.read_bytes())


@pytest.mark.real
def test_an_image_is_never_written_to_and_needs_a_shell(tmp_path: Path) -> None:
    """Its kernel is that of the test above."""
    folder, root = tmp_path / "scenarios/x", tmp_path / "root"
    for name in ("bin", "etc"):
        (root / name).mkdir(parents=True)
    folder.mkdir(parents=True)
    (folder / "scenario.yaml").write_text(YAML)
    (folder / "run.sh").write_text(SCRIPT)
    (root / "etc/name").write_text("the image\n")
    (root / "bin/own").write_text("#!/bin/sh\necho record\n")
    (root / "bin/own").chmod(0o755)
    disk(folder / "disk.img", root)
    trial, _ = run("root-image", folder.parent, tmp_path / "results")
    assert trial["outcome"] == "script error", trial["reason"]
    assert "no shell (/bin/sh) of this architecture runs in vdb1 (ext4)" in trial["reason"]
    busybox = shutil.which("busybox")
    assert busybox
    shutil.copy(busybox, root / "bin/busybox")
    (root / "bin/sh").symlink_to("/bin/busybox")
    disk(folder / "disk.img", root)
    before = (folder / "disk.img").read_bytes()
    trial, _ = run("root-image", folder.parent, tmp_path / "results")
    assert trial["outcome"] == "passed", trial["reason"]
    assert "on the disk: record; the image" in trial["reason"]
    assert (folder / "disk.img").read_bytes() == before


@pytest.mark.real
@pytest.mark.kernels
def test_this_machines_own_is_read_and_never_written_to(tmp_path: Path) -> None:
    trial, _ = run("root-host", Path(__file__).parent / "roots", tmp_path)
    assert trial["outcome"] == "passed", trial["reason"]
    system = platform.freedesktop_os_release()["ID"]
    assert trial["reason"].startswith(f"{system}, Python 3.")
    assert not Path("/etc/regress-was-here").exists()
