"""The root file system that a scenario names; what a file is that may be the image of one, by its first bytes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from harness import schema
from harness.errors import UserError
from harness.roots import RootFs, RootKind
from harness.yamlfile import Node, nearest

SYSTEMS = ("ext4", "squashfs")
"""The file systems that a guest's root may have (`kconfigs/root-disk.config`); ext4 stands for ext2 and ext3 too."""

_QCOW2 = b"QFI\xfb"
# Where each has its sign, from the sources of file(1), the kernel and QEMU.
_SIGNS = (
    ("ext4", 1080, b"\x53\xef"),
    ("squashfs", 0, b"hsqs"),
    ("xfs", 0, b"XFSB"),
    ("btrfs", 65600, b"_BHRfS_M"),
    ("erofs", 1024, b"\xe2\xe1\xf5\xe0"),
    ("f2fs", 1024, b"\x10\x20\xf5\xf2"),
    ("an ISO 9660 image", 32769, b"CD001"),
    ("a VMDK image (qemu-img converts it to qcow2)", 0, b"KDMV"),
    ("a VHDX image (qemu-img converts it to qcow2)", 0, b"vhdxfile"),
    ("a VDI image (qemu-img converts it to qcow2)", 64, b"\x7f\x10\xda\xbe"),
    ("a file compressed by gzip", 0, b"\x1f\x8b"),
    ("a file compressed by xz", 0, b"\xfd7zXZ"),
    ("a file compressed by zstd", 0, b"\x28\xb5\x2f\xfd"),
    ("a cpio archive", 0, b"070701"),
    ("a tar archive", 257, b"ustar"),
)
_PARTITIONS = 510, b"\x55\xaa"
"""The end of a boot record: there is one before a GPT too."""


def wanted(got: Mapping[str, Node], folder: Path) -> RootFs:
    """What a scenario says of its root file system; whether an image is there, and is one, is seen when it is needed.

    Args:
        got: the entries of `scenario.yaml`.
        folder: what the path of an image is relative to.

    Raises:
        UserError: it is wrong; the message names file, line and key.
    """
    said = got["rootfs"].text() if "rootfs" in got else RootKind.INITRAMFS.value
    packages = got["packages"].texts() if "packages" in got else ()
    if packages and said != RootKind.DEBIAN:
        raise got["packages"].error("Debian's packages are for `rootfs: debian`; programs of this machine are `needs`")
    if packages:
        got["packages"].words(schema.PACKAGE, "the name of a package of Debian's")
    if said in (RootKind.INITRAMFS, RootKind.DEBIAN, RootKind.HOST):
        return RootFs(RootKind(said), packages)
    if "/" not in said:
        known = [kind.value for kind in RootKind if kind is not RootKind.IMAGE]
        raise got["rootfs"].error(f"expected one of these or the path of an image, got {said!r}{nearest(said, known)}")
    return RootFs(RootKind.IMAGE, image=(folder / Path(said).expanduser()).resolve())


def form(path: Path) -> str:
    """The format of an image, as QEMU calls it: `qcow2` or `raw`."""
    with path.open("rb") as file:
        return "qcow2" if file.read(4) == _QCOW2 else "raw"


def assert_root(path: Path) -> None:
    """Refuse a file that cannot be the image of a root file system.

    What is in a qcow2 image or in a partition, only the guest can tell.

    Raises:
        UserError: it is not there, not readable, or something else.
    """
    right = "expected a file system (ext2, ext3, ext4, squashfs), a disk with one in a partition, or either as qcow2"
    if not path.exists():
        raise UserError(f"rootfs: {path}: no such file")
    if not path.is_file():
        raise UserError(f"rootfs: {path}: {right}; got {'a folder' if path.is_dir() else 'no file'}")
    if not os.access(path, os.R_OK):
        raise UserError(f"rootfs: {path}: it cannot be read by this user")
    with path.open("rb") as file:
        head = file.read(1 << 17)
    if head.startswith(_QCOW2):
        # The header's second field of 64 bits, at byte 8, is the place of the backing file's name.
        if head[8:16] != bytes(8):
            raise UserError(
                f"rootfs: {path}: part of its content is in another file, its backing file; make it whole: "
                "qemu-img convert -O qcow2 IMAGE NEW"
            )
        return
    found = [name for name, at, sign in _SIGNS if head[at : at + len(sign)] == sign]
    at, sign = _PARTITIONS
    if not {*found} & {*SYSTEMS} and (found or head[at : at + len(sign)] != sign):
        raise UserError(f"rootfs: {path}: {right}; got {found[0] if found else 'none that is known'}")
