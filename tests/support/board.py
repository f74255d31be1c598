"""A test machine: QEMU with a disk that has Debian, sshd and kexec on it, a serial console and a power switch.

Its root file system is made of Debian's packages once, and kept in the cache; each machine has a copy of its own.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.files import locked, whole_folder
from harness.machine.rootfs import pack
from harness.progress import Silent
from tests.support.edges import until
from tests.support.sshd import free_port, keygen

PACKAGES = ("busybox-static", "cpio", "iproute2", "kexec-tools", "kmod", "linux-image-cloud-amd64", "openssh-server")
MODULES = ("virtio_pci", "virtio_blk", "virtio_net")

# The first process of the disk: as little as a machine with sshd needs, as emulation makes systemd take minutes.
INIT = """#!/bin/sh
export PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin
mount -t tmpfs run /run
[ -e /proc/mounts ] || mount -t proc proc /proc
[ -d /sys/class ] || mount -t sysfs sys /sys
mkdir -p /run/sshd /dev/pts
mount -t devpts devpts /dev/pts
ip link set lo up
if [ -e /sys/class/net/eth0 ]; then
    ip address add 10.0.2.15/24 dev eth0
    ip link set eth0 up
    ip route add default via 10.0.2.2
fi
/usr/sbin/sshd
echo "the machine is up"
while :; do sleep 1000; done
"""

INITRD = """#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
for module in $(/bin/busybox cat /order); do /bin/busybox insmod "/modules/$module"; done
until [ -b /dev/vda ]; do /bin/busybox sleep 0.1; done
/bin/busybox mount -t ext4 /dev/vda /root
for folder in dev proc sys; do /bin/busybox mount --move "/$folder" "/root/$folder"; done
exec /bin/busybox switch_root /root /usr/local/sbin/first
"""
FIRST = "/usr/local/sbin/first"
# On a busy machine the emulated timer seems broken to Debian's kernel, which panics ("IO-APIC + timer doesn't work").
APPEND = "console=ttyS0 net.ifnames=0 quiet panic=10 no_timer_check"


def _files(cache: Path) -> Path:
    """The folder of disk, kernel, initramfs and keys; made if it is not there."""
    key = hashlib.sha256(repr((PACKAGES, MODULES, INIT, INITRD)).encode()).hexdigest()[:12]
    made = cache / "board" / key
    with locked(made.with_suffix(".lock"), Silent()):
        if not made.exists():
            with whole_folder(made) as new:
                _make(new)
    return made


def _make(folder: Path) -> None:
    top = folder / "root"
    argv = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}", "bookworm", str(top)]
    subprocess.run(argv, check=True)
    keygen(folder / "id")
    (top / "root/.ssh").mkdir(parents=True)
    shutil.copy(folder / "id.pub", top / "root/.ssh/authorized_keys")
    for name, text in (
        (Path(FIRST).name, INIT),
        ("reboot", "#!/bin/sh\nsync\nexec busybox reboot -f\n"),
    ):
        (top / "usr/local/sbin" / name).write_text(text)
        (top / "usr/local/sbin" / name).chmod(0o755)
    shutil.copy(top / "etc/ssh/ssh_host_ed25519_key.pub", folder / "host.pub")
    (kernel,) = (top / "boot").glob("vmlinuz-*")
    shutil.copy(kernel, folder / "vmlinuz")
    stage = folder / "stage"
    for name in ("bin", "dev", "proc", "sys", "root", "modules"):
        (stage / name).mkdir(parents=True)
    shutil.copy(top / "bin/busybox", stage / "bin/busybox")
    (stage / "init").write_text(INITRD)
    (stage / "init").chmod(0o755)
    (modules,) = (top / "lib/modules").iterdir()
    needs = dict(line.split(":", 1) for line in (modules / "modules.dep").read_text().splitlines())
    order: list[str] = []
    for module in MODULES:
        path = next(one for one in needs if one.endswith(f"/{module}.ko"))
        for needed in (*reversed(needs[path].split()), path):
            shutil.copy(modules / needed, stage / "modules")
            order.append(needed.rpartition("/")[2])
    (stage / "order").write_text("\n".join(dict.fromkeys(order)))
    pack(stage, folder / "initrd")
    (folder / "initrd.gz").write_bytes(gzip.compress((folder / "initrd").read_bytes(), 1))
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", str(top), str(folder / "disk.img"), "1000M"], check=True)
    for made in (top, stage):
        shutil.rmtree(made)


@dataclass
class QemuBoard:
    """A machine that is on.

    Attributes:
        config: the folder with its `hosts.yaml`, in which it is called `board`.
        process: QEMU.
    """

    files: Path
    top: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def config(self) -> Path:
        return self.top / "config"

    def hosts(self, **lab: object) -> None:
        """Write its `hosts.yaml`."""
        reset = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({str(self.top / 'monitor')!r}); "
        reset += "s.send(b'system_reset\\n'); s.recv(100)"
        told = {
            "boot": "kexec",
            "console": f"tail -n 0 -F {self.top / 'console'}",
            "power": {"cycle": f'{sys.executable} -I -c "{reset}"'},
            "comes_back": "10min",
            **lab,
        }
        host = {
            "address": f"root@127.0.0.1:{self.port}",
            "identity": str(self.files / "id"),
            "lab": {k: v for k, v in told.items() if v},
        }
        (self.config / "regress").mkdir(parents=True, exist_ok=True)
        # JSON is YAML too.
        text = json.dumps({"ssh_config": "ssh_config", "hosts": {"board": host}}, indent=1)
        (self.config / "regress" / "hosts.yaml").write_text(text)
        public = (self.files / "host.pub").read_text().split()
        (self.top / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {public[0]} {public[1]}\n")
        (self.config / "regress" / "ssh_config").write_text(
            f"Host *\n  UserKnownHostsFile {self.top / 'known_hosts'}\n  GlobalKnownHostsFile none\n"
        )

    def console(self) -> str:
        return (self.top / "console").read_text(errors="replace")


@contextlib.contextmanager
def qemu_board(cache: Path, top: Path) -> Iterator[QemuBoard]:
    """A machine that is switched on, and off with the block."""
    files, port = _files(cache), free_port()
    top.mkdir(parents=True, exist_ok=True)
    argv = [
        # A machine does not run slower because of the builds beside it; where nobody may ask for this, it is only told.
        *("nice", "-n", "-15"),
        *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "768"),
        *("-display", "none", "-monitor", f"unix:{top / 'monitor'},server=on,wait=off"),
        *("-serial", f"file:{top / 'console'}", "-kernel", str(files / "vmlinuz"), "-initrd", str(files / "initrd.gz")),
        *("-append", f"root=/dev/vda rootfstype=ext4 rw init={FIRST} {APPEND}"),
        *("-drive", f"file={files / 'disk.img'},if=virtio,format=raw,snapshot=on"),
        *("-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{port}-:22", "-device", "virtio-net-pci,netdev=net"),
    ]
    with (top / "qemu.log").open("wb") as log:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    (top / "console").touch()
    board = QemuBoard(files, top, port, process)
    try:
        assert until(lambda: process.poll() is not None or "the machine is up" in board.console(), 300), (
            top / "qemu.log"
        ).read_text() + board.console()
        assert process.poll() is None, (top / "qemu.log").read_text()
        board.hosts()
        yield board
    finally:
        process.kill()
        process.wait()
