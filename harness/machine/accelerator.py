"""KVM or software emulation: decided by a test boot, because /dev/kvm can open and still not work."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.architecture import Architecture
from harness.errors import TimedOut
from harness.files import write_atomically
from harness.process import run
from harness.progress import Progress

PATIENCE = 5.0
"""Seconds that the probe may take under KVM; a working KVM takes a fraction of one."""

KEPT = 3600.0
"""Seconds to cache a "no" of the probe: a host that is busy now may be in time later."""

PASSED = 0x2A * 2 + 1
"""QEMU's exit status when the probe writes to isa-debug-exit."""


PROBED = "qemu-system-x86_64"
"""The QEMU that the probe is for: it is a boot sector of a PC."""


@dataclass(frozen=True)
class Accelerator:
    """How QEMU runs guests: `kvm` or `tcg`, and why."""

    name: str
    reason: str


def probe(arch: Architecture, cache: Path, progress: Progress) -> Accelerator:
    """Decide between KVM and TCG; the answer is cached by machine, running kernel and QEMU version, a "no" for an hour.

    Args:
        arch: the guest's architecture.
        cache: the folder to cache the answer in.

    Raises:
        ProgramMissing: QEMU is not installed.
    """
    if not arch.native:
        return Accelerator("tcg", f"{arch.name} is emulated on {platform.machine()}")
    if arch.qemu != PROBED:
        return Accelerator("tcg", f"there is no probe of KVM for {arch.name}")
    version = run([PROBED, "--version"]).stdout.partition("\n")[0]
    device = Path("/dev/kvm")
    if not device.exists():
        return Accelerator("tcg", "no /dev/kvm")
    if not os.access(device, os.R_OK | os.W_OK):
        return Accelerator("tcg", "this user may not open /dev/kvm (not in the group kvm?)")
    key = hashlib.sha256("\0".join((_machine(), *os.uname()[1:4], version)).encode()).hexdigest()[:16]
    kept = cache / "accelerator" / f"{key}.json"
    if kept.exists():
        known = Accelerator(**json.loads(kept.read_text(encoding="utf-8")))
        if known.name == "kvm" or time.time() - kept.stat().st_mtime < KEPT:
            return known
    progress.note("booting a probe to check whether KVM works")
    found = boot_probe(PROBED, "kvm")
    write_atomically(kept, json.dumps(asdict(found)))
    return found


def _machine() -> str:
    identity = Path("/etc/machine-id")
    return identity.read_text(encoding="utf-8").strip() if identity.exists() else ""


def boot_probe(qemu: str, accelerator: str) -> Accelerator:
    """Boot the probe under one accelerator, with the CPU that virtme-ng asks for.

    Args:
        accelerator: `kvm` or `tcg`.

    Returns:
        That accelerator if the probe ran to its end; else `tcg`, with what went wrong.

    Raises:
        ProgramMissing: QEMU, or the assembler for the probe, is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="regress-probe-") as name:
        sector, made = Path(name, "probe.img"), Path(name, "probe.o")
        run(["as", "--64", "-o", str(made), str(Path(__file__).with_name("probe.S"))])
        run(["ld", "-m", "elf_x86_64", "-Ttext=0x7c00", "--oformat=binary", "-o", str(sector), str(made)])
        argv = [
            *(
                qemu,
                "-accel",
                accelerator,
                "-cpu",
                "host" if accelerator == "kvm" else "max",
                "-display",
                "none",
            ),
            *(
                "-net",
                "none",
                "-device",
                "isa-debug-exit,iobase=0xf4",
                "-drive",
                f"file={sector},format=raw,if=ide",
            ),
        ]
        try:
            done = run(argv, timeout=PATIENCE, check=False)
        except TimedOut:
            return Accelerator("tcg", f"under {accelerator} a boot sector did not end within {PATIENCE:g} s")
    if done.returncode == PASSED:
        return Accelerator(accelerator, f"a boot sector ran to its end under {accelerator}")
    said = next((line for line in done.stderr.splitlines() if line.strip()), f"exit status {done.returncode}")
    return Accelerator("tcg", f"/dev/kvm opens, but a boot sector does not run: {said.strip()}")
