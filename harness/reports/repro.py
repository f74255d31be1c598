"""`repro.sh`: boots a result's image with plain QEMU, with nothing of this program's but the files beside it.

One of them, the image of a root file system, is a link.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from harness import architecture, diskimage
from harness.model import Scenario
from harness.roots import RootKind

_SCRIPT = """\
#!/bin/sh
# Boots the kernel beside this script with plain QEMU and runs the scenario in it.
# The console comes to standard output; the guest's own word goes to status.txt and is shown at the end.
# ACCEL=kvm is quicker where KVM works.{usage}
cd "$(dirname "$0")" || exit 3
rm -f status.txt
{prepare}{qemu} -accel "${{ACCEL:-tcg}}" {machine} -m {memory}M -smp {cpus},sockets={cpus} \\
    -display none -no-reboot -net none -monitor none {disk}\\
    -kernel {image} -initrd initramfs.cpio \\
    -append "{append}" \\
    -serial stdio {status} </dev/null
echo "--- the guest said:"
cat status.txt
"""

_USAGE = """
# Its argument is the variant to boot: {names}."""

_DISK = """
# The scenario wants its power cut: end QEMU at any moment, then start this again with BOOT=2, 3, ... in front."""

_HOST = """
# The guest can read all files of this machine that you can."""

_ROOT = """\
[ -e root.img ] || { echo "root.img: its image is gone: run the scenario again" >&2; exit 3; }
"""


def write(folder: Path, scenario: Scenario, name: str) -> None:
    """Write `repro.sh` into a commit's folder, beside the kernel and `initramfs.cpio`.

    Args:
        name: the architecture's.
    """
    arch, ways, machine = architecture.load(name), scenario.ways, scenario.machine
    usage = _USAGE.format(names=", ".join(way.name for way in ways)) if len(ways) > 1 else ""
    prepare, words = "", " ".join((*arch.append, *ways[0].words))
    if len(ways) > 1:
        cases = "".join(f"{way.name}) words='{' '.join(way.words)}' ;;\n" for way in ways)
        prepare = f'case ${{1:-{ways[0].name}}} in\n{cases}*) echo "no variant $1" >&2; exit 2 ;;\nesac\n'
        words = f"{' '.join(arch.append)} $words"
    disk = ""
    if scenario.image:
        usage += _DISK
        prepare += f"[ -e disk.img ] || truncate -s {scenario.image}M disk.img\n"
        words += "${BOOT:+ BOOT=$BOOT}"
        disk = f"{shlex.join(arch.drive('disk.img'))} "
    match scenario.rootfs.kind:
        case RootKind.HOST:
            usage += _HOST
            disk += f"{shlex.join(arch.root('/', None))} "
        case RootKind.DEBIAN | RootKind.IMAGE:
            prepare += _ROOT
            disk += f"{shlex.join(arch.root('root.img', diskimage.form(folder / 'root.img')))} "
    text = _SCRIPT.format(
        usage=usage,
        prepare=prepare,
        qemu=arch.qemu,
        machine=shlex.join(arch.plain),
        image=arch.image.name,
        status=shlex.join(arch.channel("status.txt")),
        memory=machine.memory,
        cpus=machine.cpus,
        disk=disk,
        append=words,
    )
    path = folder / "repro.sh"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
