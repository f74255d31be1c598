"""`repro.sh`: boots a result's image with plain QEMU, with nothing of this program's but the files beside it."""

from __future__ import annotations

from pathlib import Path

from harness.machine.vng import APPEND
from harness.model import MachineSpec

_SCRIPT = """\
#!/bin/sh
# Boots the kernel beside this script with plain QEMU and runs the scenario in it.
# The console comes to standard output; the guest's own word goes to status.txt and is shown at the end.
# ACCEL=kvm is quicker where KVM works.
cd "$(dirname "$0")" || exit 3
rm -f status.txt
qemu-system-x86_64 -accel "${{ACCEL:-tcg}}" -cpu max -m {memory}M -smp {cpus},sockets={cpus} \\
    -display none -no-reboot -net none -monitor none \\
    -kernel bzImage -initrd initramfs.cpio \\
    -append "{append}" \\
    -serial stdio -serial file:status.txt </dev/null
echo "--- the guest said:"
cat status.txt
"""


def write(folder: Path, machine: MachineSpec, append: tuple[str, ...]) -> None:
    """Write `repro.sh` into a commit's folder, beside `bzImage` and `initramfs.cpio`."""
    words = " ".join((*APPEND, *append))
    path = folder / "repro.sh"
    path.write_text(_SCRIPT.format(memory=machine.memory, cpus=machine.cpus, append=words), encoding="utf-8")
    path.chmod(0o755)
