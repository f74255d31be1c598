"""The root file systems that a scenario can ask for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class RootKind(StrEnum):
    """What a guest runs in."""

    INITRAMFS = "initramfs"
    """busybox and the programs that the scenario names, and nothing else"""
    DEBIAN = "debian"
    """Debian's base system with packages"""
    HOST = "host"
    """this machine's own root file system, which the guest can read"""
    IMAGE = "image"
    """a file of the user's"""


@dataclass(frozen=True)
class RootFs:
    """The root file system that a scenario asks for; it is never written to.

    Attributes:
        packages: of Debian's, besides its base system.
        image: the user's file.
    """

    kind: RootKind = RootKind.INITRAMFS
    packages: tuple[str, ...] = ()
    image: Path | None = None

    @property
    def fragments(self) -> tuple[str, ...]:
        """The fragments in `kconfigs/` that it needs."""
        match self.kind:
            case RootKind.INITRAMFS:
                return ()
            case RootKind.HOST:
                return ("root", "root-host")
            case RootKind.DEBIAN | RootKind.IMAGE:
                return ("virtio-disk", "root", "root-disk")
