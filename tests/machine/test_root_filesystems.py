"""Root file systems of a scenario's own: what is refused, what is made once, and what QEMU and the guest are told."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from harness import architecture, diskimage, paths
from harness.architecture import load
from harness.catalog import load as load_scenario
from harness.digest import conditions, digest
from harness.errors import InfrastructureError, ProgramFailed, UserError
from harness.fleet.fleet import Fleet
from harness.fleet.lab import FleetLab
from harness.fleet.request import TrialJob
from harness.kernel.tree import Tree
from harness.machine import debian, rootfs
from harness.machine.vng import qemu_command
from harness.model import Boot, Scenario, Timeouts, Variant
from harness.progress import SILENT
from harness.reports import repro
from harness.roots import RootFs, RootKind
from tests.support import Noting

HOST, DEBIAN = RootFs(RootKind.HOST), RootFs(RootKind.DEBIAN)


def scenario(folder: Path, text: str) -> Scenario:
    folder.mkdir(exist_ok=True)
    (folder / "scenario.yaml").write_text(f"id: x\ntitle: x\nkconfig: [base]\n{text}")
    (folder / "run.sh").write_text("pass\n")
    return load_scenario(folder)


def ext4(path: Path) -> Path:
    path.write_bytes(bytes(1080) + b"\x53\xef" + bytes(4096))
    return path


def test_what_the_kernel_needs_for_it_is_asked_for(tmp_path: Path) -> None:
    assert scenario(tmp_path, "").fragments == ("base",)
    assert scenario(tmp_path, "rootfs: initramfs\n").fragments == ("base",)
    assert scenario(tmp_path, "rootfs: host\n").fragments == ("base", "root", "root-host")
    made = scenario(tmp_path, "rootfs: debian\npackages: [fio, xfsprogs]\n")
    assert made.fragments == ("base", "virtio-disk", "root", "root-disk")
    assert made.rootfs == RootFs(RootKind.DEBIAN, ("fio", "xfsprogs"))
    assert scenario(tmp_path, "rootfs: ./disks/a.img\n").rootfs.image == tmp_path / "disks/a.img"
    for kind in (DEBIAN, HOST):
        assert all((paths.KCONFIGS / f"{name}.config").is_file() for name in kind.fragments)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rootfs: debain\n", r":4: rootfs: expected one of these or the path .* 'debain'; did you mean 'debian'"),
        ("rootfs: a.img\n", r":4: rootfs: expected one of these or the path of an image, got 'a.img'"),
        ("packages: [fio]\n", r":4: packages: Debian's packages are for `rootfs: debian`"),
        ("rootfs: host\npackages: [fio]\n", r":5: packages: Debian's packages are for"),
        ("rootfs: debian\npackages: [fio, '?essential']\n", r"expected the name of a package of Debian's, got '\?ess"),
        ("rootfs: host\nmachine: {command: sh boot.sh}\n", r":4: rootfs: this is for QEMU"),
        ("rootfs: debian\nmachine: {ssh: board}\n", r":4: rootfs: this is for QEMU"),
    ],
)
def test_a_mistake_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        scenario(tmp_path, text)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "got none that is known"),
        (b"#!/bin/sh\n", "got none that is known"),
        (b"XFSB" + bytes(506) + b"\x55\xaa", "got xfs"),
        (b"\x1f\x8b\x08" + bytes(4096), "got a file compressed by gzip"),
        (b"KDMV" + bytes(4096), "VMDK image .qemu-img converts"),
        (b"QFI\xfb\0\0\0\x03\0\0\0\0\0\0\x02\x00" + bytes(4096), "its backing file; make it whole: qemu-img convert"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.img").write_bytes(content)
    with pytest.raises(UserError, match=message):
        rootfs.root(RootFs(RootKind.IMAGE, image=tmp_path / "a.img"), load("x86_64"), tmp_path, SILENT)


def test_what_is_not_there_or_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"rootfs: .*/a\.img: no such file"):
        diskimage.assert_root(tmp_path / "a.img")
    with pytest.raises(UserError, match="got a folder"):
        diskimage.assert_root(tmp_path)


def test_images_are_known_by_their_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.img"
    for content in (
        bytes(1080) + b"\x53\xef",
        b"hsqs",
        bytes(510) + b"\x55\xaa",
        b"QFI\xfb\0\0\0\x03" + bytes(8),
    ):
        path.write_bytes(content + bytes(4096))
        diskimage.assert_root(path)
        assert diskimage.form(path) == ("qcow2" if content.startswith(b"QFI") else "raw")
    real = tmp_path / "real.img"
    subprocess.run(["mke2fs", "-q", "-t", "ext2", str(real), "1M"], check=True, env={"PATH": "/sbin:/usr/sbin:/bin"})
    diskimage.assert_root(real)


def test_the_hosts_files_are_shown_to_its_own_programs_alone_and_not_without_a_word(tmp_path: Path) -> None:
    here = next(load(name) for name in architecture.names() if load(name).here)
    other = next(load(name) for name in architecture.names() if not load(name).here)
    heard = Noting()
    assert rootfs.root(HOST, here, tmp_path, heard) == Path("/")
    assert "the guest can read every file here that you can" in heard.notes[0]
    with pytest.raises(UserError, match=f"programs do not run on {other.name}; ask for `rootfs: debian`"):
        rootfs.root(HOST, other, tmp_path, heard)


@pytest.fixture
def packers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands in for mmdebstrap, which makes what `mmdebstrap.sh` says; its arguments go to `said`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "mmdebstrap").write_text(
        f'#!/bin/sh\necho "$@" >>{tmp_path}/said\nfor word; do case $word in *.tar) tar=$word ;; esac; done\n'
        f". {tmp_path}/mmdebstrap.sh\n"
    )
    (folder / "sqfstar").write_text('#!/bin/sh\nfor word; do last=$word; done\n{ printf hsqs; cat; } >"$last"\n')
    for path in folder.iterdir():
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    (tmp_path / "mmdebstrap.sh").write_text('echo packages >"$tar"\n')
    return tmp_path


def test_debian_is_made_once_for_each_set_of_packages(packers: Path) -> None:
    def made(*packages: str, arch: str = "x86_64") -> Path:
        return debian.image(load(arch), packages, packers / "cache", SILENT)

    first = made("xfsprogs", "fio")
    assert first.read_bytes() == b"hsqspackages\n"
    diskimage.assert_root(first)
    assert made("fio", "xfsprogs", "fio") == first
    assert made("fio") != first
    assert len((packers / "said").read_text().splitlines()) == 2
    assert "--include=fio,xfsprogs" in (packers / "said").read_text()
    # Beside each only its lock.
    assert len(list((packers / "cache/rootfs").iterdir())) == 4
    assert [path.name for path in first.parent.iterdir()] == [debian.IMAGE]


def test_what_cannot_run_here_is_unpacked_only(packers: Path) -> None:
    other = next(name for name in architecture.names() if not load(name).native)
    heard = Noting()
    debian.image(load(other), ["fio"], packers / "cache", heard)
    said = (packers / "said").read_text()
    assert "--variant=extract" in said
    assert "--include=?essential,?priority(required),fio" in said
    assert "unpacked, not configured" in heard.notes[-1]


def test_a_package_that_does_not_exist_is_the_users_mistake(packers: Path) -> None:
    (packers / "mmdebstrap.sh").write_text("echo 'E: Unable to locate package fiio' >&2\nexit 25\n")
    with pytest.raises(UserError, match=r"packages: Debian's \w+ has no package 'fiio' for amd64"):
        debian.image(load("x86_64"), ["fiio"], packers / "cache", SILENT)
    assert [path.suffix for path in (packers / "cache/rootfs").iterdir()] == [".lock"]


def test_a_full_disk_is_said_with_the_remedy_and_leaves_nothing(packers: Path) -> None:
    (packers / "bin/sqfstar").write_text("#!/bin/sh\necho 'Write failed: No space left on device' >&2\nexit 1\n")
    with pytest.raises(InfrastructureError, match="free some space"):
        debian.image(load("x86_64"), ["fio"], packers / "cache", SILENT)
    assert [path.suffix for path in (packers / "cache/rootfs").iterdir()] == [".lock"]


def test_a_mirror_that_is_down_is_nobodys_mistake(packers: Path) -> None:
    (packers / "mmdebstrap.sh").write_text("echo 'E: Failed to fetch http://deb/x  Could not connect' >&2\nexit 25\n")
    with pytest.raises(ProgramFailed, match="Could not connect"):
        debian.image(load("x86_64"), ["fio"], packers / "cache", SILENT)


def boot(folder: Path, root: Path, disk: Path | None = None) -> str:
    one = Boot(folder / "bzImage", "x86_64", folder / "initrd", (), 512, 2, folder, disk, root)
    return " ".join(qemu_command(["qemu"], one, folder / "status"))


def test_qemu_writes_to_no_image(tmp_path: Path) -> None:
    raw = ext4(tmp_path / "a,b.img")
    said = boot(tmp_path, raw, tmp_path / "disk.img")
    assert f"-drive file={tmp_path}/a,,b.img,if=none,id=root,format=raw,snapshot=on" in said
    assert said.endswith("-device virtio-blk-pci,drive=root,serial=regress-root")
    assert said.index("drive=image") < said.index("drive=root"), "the disk of a scenario stays /dev/vda"
    raw.write_bytes(b"QFI\xfb" + bytes(100))
    assert "format=qcow2,snapshot=on" in boot(tmp_path, raw)


def test_qemu_shares_the_host_read_only(tmp_path: Path) -> None:
    said = boot(tmp_path, Path("/"))
    assert "-fsdev local,id=root,path=/,security_model=none,readonly=on,multidevs=remap" in said
    assert "-device virtio-9p-pci,fsdev=root,mount_tag=regress-root" in said


def listing(archive: Path) -> dict[str, str]:
    """What is in an archive: the text of each file of the guest's own."""
    folder = archive.with_suffix(".d")
    folder.mkdir()
    subprocess.run(["cpio", "--extract", "--quiet", "-d", f"--file={archive}"], cwd=folder, check=True)
    return {
        str(path.relative_to(folder)): path.read_text() if path.parent.name == "regress" else ""
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_guest_is_told_what_to_go_over_to(tmp_path: Path) -> None:
    asked = scenario(tmp_path / "x", "rootfs: debian\nneeds: [fio, dd]\n")
    image = ext4(tmp_path / "a.img")
    rootfs.initramfs(asked, Path("/"), tmp_path / "a.cpio", over=image)
    got = listing(tmp_path / "a.cpio")
    assert got["lib/regress/rootfs"].startswith("disk ")
    assert got["lib/regress/needs"] == "fio dd\n"
    assert "mount_root" in got["lib/regress/root"]
    assert not any(name.endswith("/dd") for name in got), "programs are those of the other root file system"
    rootfs.initramfs(asked, Path("/"), tmp_path / "same.cpio", over=image)
    assert (tmp_path / "same.cpio").read_bytes() == (tmp_path / "a.cpio").read_bytes()
    image.write_bytes(image.read_bytes() + b"more")
    rootfs.initramfs(asked, Path("/"), tmp_path / "b.cpio", over=image)
    assert (tmp_path / "b.cpio").read_bytes() != (tmp_path / "a.cpio").read_bytes()
    rootfs.initramfs(asked, Path("/"), tmp_path / "c.cpio", over=Path("/"))
    assert listing(tmp_path / "c.cpio")["lib/regress/rootfs"] == "share\n"


def test_the_content_of_an_image_counts_and_its_place_does_not(tmp_path: Path) -> None:
    image = ext4(tmp_path / "a.img")
    asked = scenario(tmp_path / "x", "rootfs: ../a.img\n")
    before = digest(asked, "x86_64")
    moved = image.rename(tmp_path / "b.img")
    there = replace(asked, rootfs=replace(asked.rootfs, image=moved))
    assert digest(there, "x86_64") == before
    moved.write_bytes(moved.read_bytes() + b"more")
    assert digest(there, "x86_64") != before


def test_trials_in_the_hosts_files_are_no_evidence_for_another_run(tmp_path: Path) -> None:
    (tmp_path / "initrd").write_text("")
    for text, known in (("", True), ("rootfs: debian\n", True), ("rootfs: host\n", False)):
        asked = scenario(tmp_path / "x", text)
        assert bool(conditions(asked, Variant(), "x86_64", tmp_path / "initrd", "QEMU")) is known


def test_repro_sh_boots_with_it(tmp_path: Path) -> None:
    (tmp_path / "root.img").symlink_to(ext4(tmp_path / "a.img"))
    repro.write(tmp_path, scenario(tmp_path / "x", "rootfs: debian\ndisks: {image: {size: 1M}}\n"), "x86_64")
    said = (tmp_path / "repro.sh").read_text()
    assert "file=root.img,if=none,id=root,format=raw,snapshot=on" in said
    subprocess.run(["sh", "-n", str(tmp_path / "repro.sh")], check=True)
    (tmp_path / "a.img").unlink()
    done = subprocess.run([str(tmp_path / "repro.sh")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, "root.img: its image is gone: run the scenario again\n")
    repro.write(tmp_path, scenario(tmp_path / "x", "rootfs: host\n"), "x86_64")
    said = (tmp_path / "repro.sh").read_text()
    assert "path=/,security_model=none,readonly=on" in said
    assert "# The guest can read all files of this machine that you can." in said


def test_an_image_travels_by_content() -> None:
    job = TrialJob("k", "x86_64", "image", None, "initrd", (), 512, 2, None, None, Timeouts(), None)
    assert replace(job, root="root").blobs == ("image", "initrd", "root")
    assert job.blobs == ("image", "initrd")


def test_the_hosts_files_do_not_travel(tmp_path: Path) -> None:
    asked = scenario(tmp_path / "x", "rootfs: host\n")
    with pytest.raises(
        UserError, match=r"x runs in this machine's own root file system \(rootfs: host\).*leave --fleet"
    ):
        FleetLab(cast(Fleet, None), cast(Tree, None), asked, "x86_64", (), tmp_path)
