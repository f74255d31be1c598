"""Architectures: how their kernels are built and booted.  Each is a file in `architectures/`."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.errors import UserError
from harness.yamlfile import Node, nearest, read_yaml

FOLDER = Path(__file__).with_name("architectures")

DEFAULT = "x86_64"

APPEND = (
    "ignore_loglevel",
    # An oops stops the machine at once: panic, and with panic=-1 and QEMU's -no-reboot its end.
    # (panic_on_oops=1 is a sysctl and does nothing on the command line.)
    "oops=panic",
    "panic=-1",
    # Without devices whose timing is random, the generator would take a second to be seeded.  Linux 4.19 and later;
    # before, nothing waits for it.
    "random.trust_cpu=on",
)
"""Words for the command line of every kernel that QEMU boots."""


ROOT = "regress-root"
"""The name under which the guest finds its root file system (guest/root)."""


@dataclass(frozen=True)
class Architecture:
    """An architecture, its tools and its emulated machine.

    Attributes:
        name: as for `--arch`; its kconfig fragment is called so too.
        make: as for `make ARCH=`.
        image: the kernel that QEMU loads, in the object folder; its last part is a target of the kernel's make.
        mark: an option that is on in its configurations, and in no other architecture's.
        machine: as `uname -m` has it.
        hosts: other machines whose own compiler builds it, and whose processors run it.
        compiler: the prefix of cross compilers and their binutils (`CROSS_COMPILE`).
        packages: Debian's name for it.
        suite: the Debian release of the guest's programs; None for the host's own, or else the stable one of 2023.
        qemu: the program.
        vng: its name for `vng --arch`; None for vng's default.
        plain: the options for QEMU that make the machine which vng makes.
        console: the console's name for the kernel.
        status: the status channel's device in the guest.
        status_options: the options for QEMU that make it; `{status}` stands for a file's path.
        disk: QEMU's disk device.
        own: words for the kernel command line.
        programs: options with which another machine's compiler (`hosts`) makes programs for it.
    """

    name: str
    make: str
    image: Path
    mark: str
    machine: str
    hosts: tuple[str, ...]
    compiler: str
    packages: str
    suite: str | None
    qemu: str
    vng: str | None
    plain: tuple[str, ...]
    console: str
    status: str
    status_options: tuple[str, ...]
    disk: str
    own: tuple[str, ...]
    programs: tuple[str, ...]

    @property
    def here(self) -> bool:
        """Whether this is the architecture of this machine's own programs."""
        return platform.machine() == self.machine

    @property
    def native(self) -> bool:
        """Whether this machine's own compiler builds it, and its processor runs it."""
        return platform.machine() in (self.machine, *self.hosts)

    @property
    def cross(self) -> str:
        """The prefix of the compilers for it on this machine; "" for the machine's own."""
        return "" if self.native else self.compiler

    @property
    def cc(self) -> tuple[str, ...]:
        """The compiler of this machine that makes programs for it, with its options."""
        return (f"{self.cross}gcc", *(self.programs if self.native and not self.here else ()))

    @property
    def append(self) -> tuple[str, ...]:
        """The words for the kernel command line that every boot has.

        The kernel passes a word NAME=VALUE that it does not know to init, as a variable of its environment.
        """
        return (f"console={self.console}", *APPEND, *self.own, f"REGRESS_STATUS={self.status}")

    def channel(self, status: Path | str) -> list[str]:
        """QEMU's options for the status channel.

        Args:
            status: the file that gets what the guest writes to it; without a comma, which QEMU's options would split.
        """
        return [word.replace("{status}", str(status)) for word in self.status_options]

    def drive(self, image: Path | str) -> list[str]:
        """QEMU's options for a disk image, seen by the guest as `/dev/vda`.

        What QEMU has written is in the host's page cache, so it survives a power cut, which kills only QEMU; it is
        killed with SIGKILL, so that it writes nothing more.
        """
        drive = f"file={_value(image)},if=none,id=image,format=raw,cache=writeback"
        return ["-drive", drive, "-device", f"{self.disk},drive=image"]

    def root(self, root: Path | str, form: str | None) -> list[str]:
        """QEMU's options for a root file system that the guest only reads, and knows by the name `regress-root`.

        Args:
            root: an image, whose changes QEMU keeps to itself and drops at its end; or a folder of this machine's.
            form: the image's, see `harness.diskimage.form`; None for a folder.
        """
        if form is None:
            share = f"local,id=root,path={_value(root)},security_model=none,readonly=on,multidevs=remap"
            return ["-fsdev", share, "-device", f"virtio-9p-pci,fsdev=root,mount_tag={ROOT}"]
        drive = f"file={_value(root)},if=none,id=root,format={form},snapshot=on"
        return ["-drive", drive, "-device", f"{self.disk},drive=root,serial={ROOT}"]


def _value(path: Path | str) -> str:
    """A path in an option of QEMU's, which commas split."""
    return str(path).replace(",", ",,")


def names() -> tuple[str, ...]:
    """The known architectures, the default first."""
    return tuple(sorted((path.stem for path in FOLDER.glob("*.yaml")), key=lambda name: (name != DEFAULT, name)))


def image_names() -> set[str]:
    """The names of the kernels' images, such as `bzImage`."""
    return {load(name).image.name for name in names()}


@cache
def load(name: str, folder: Path = FOLDER) -> Architecture:
    """An architecture by its name.

    Raises:
        UserError: there is none of that name, or its file is wrong; the message names the line.
    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        raise UserError(f"unknown architecture {name!r}{nearest(name, names())}")
    got = _entries(path)
    status = got["status"].entries(("device", "qemu"))
    if missing := {"device", "qemu"} - status.keys():
        raise got["status"].error(f"{', '.join(sorted(missing))}: missing")
    return Architecture(
        name=name,
        make=got["make"].text(),
        image=Path(got["image"].text()),
        mark=got["mark"].text(),
        machine=got["machine"].text(),
        hosts=got["hosts"].texts() if "hosts" in got else (),
        compiler=got["compiler"].text(),
        packages=got["packages"].text(),
        suite=got["suite"].text() if "suite" in got else None,
        qemu=got["qemu"].text(),
        vng=got["vng"].text() if "vng" in got else None,
        plain=got["plain"].texts(),
        console=got["console"].text(),
        status=status["device"].text(),
        status_options=status["qemu"].texts(),
        disk=got["disk"].text(),
        own=got["append"].texts() if "append" in got else (),
        programs=got["programs"].texts() if "programs" in got else (),
    )


_REQUIRED = (
    *(
        "make",
        "image",
        "mark",
        "machine",
        "compiler",
        "packages",
        "qemu",
        "plain",
        "console",
        "status",
        "disk",
        "needs",
    ),
)
_OPTIONAL = ("hosts", "suite", "vng", "append", "programs")


def _entries(path: Path) -> dict[str, Node]:
    document = read_yaml(path)
    got = document.entries((*_REQUIRED, *_OPTIONAL))
    if missing := [key for key in _REQUIRED if key not in got]:
        raise document.error(f"{', '.join(missing)}: missing")
    return got


def needs(folder: Path = FOLDER) -> Sequence[tuple[str, Node]]:
    """What each architecture needs of the system: its name and an entry as in `prerequisites.yaml`.

    Raises:
        UserError: a file is wrong; the message names the line.
    """
    paths = sorted(folder.glob("*.yaml"))
    return [(path.stem, node) for path in paths for node in _entries(path)["needs"].items()]
