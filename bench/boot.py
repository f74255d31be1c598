"""From power-on to verdict: `python -m bench.boot` (about 5 minutes, once both kernels are built).

In turn, in one run, all with the same accelerator, memory and processors:
- this program: the good kernel to its verdict, and the bad one from its oops to the trial's end;
- bare QEMU: the same good image into a busybox that resets the machine at once;
- plain `vng` with its defaults: a kernel of a handwritten option list
  (`bench/generic.config`), and the scenario as a script (`bench/plain.sh`).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pty
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.build import GENERIC
from bench.common import Errors, fragments, fresh, machine, replay_tree, scenario, table
from harness import architecture, paths
from harness.console import Follower
from harness.kernel.build import KernelBuilder
from harness.machine import Chunk, Guest, accelerator, rootfs
from harness.machine.vng import Vng
from harness.model import Boot, Outcome, Trial
from harness.trial import run_trial

INIT = """#!/bin/busybox sh
/bin/busybox reboot -f
"""

SAYS = {
    "the kernel's first word: QEMU, firmware, unpacking the kernel": b"Linux version",
    "timers and processors are up": b"smp: Brought up",
    "the initramfs is unpacked": b"Freeing initrd memory",
    "drivers are up, init starts": b"Run /init",
}
"""What the kernel says on its way, in order."""


@dataclass
class Stopwatch:
    """A machine that notes, in seconds since power-on, when its console said what, and when the head of a crash.

    Attributes:
        asked: seconds from the call to power-on: vng's answer, which is asked for once.
        marks: when each of `SAYS` was said.
        head: when the head of a crash was.
    """

    vng: Vng
    asked: float = 0.0
    marks: dict[str, float] = field(default_factory=dict)
    head: float = 0.0
    began: float = 0.0
    _follower: Follower = field(default_factory=Follower)
    _said: bytes = b""

    def identity(self, arch: str) -> str:
        """See `harness.machine.Machine.identity`."""
        return self.vng.identity(arch)

    @contextlib.contextmanager
    def boot(self, boot: Boot) -> Iterator[Guest]:
        """See `harness.machine.Machine.boot`."""
        asked = time.monotonic()
        with self.vng.boot(boot) as guest:
            self.began = time.monotonic()
            self.asked = self.began - asked
            self.guest = guest
            yield self

    def read(self, timeout: float) -> Chunk | None:
        """See `harness.machine.Guest.read`."""
        chunk = self.guest.read(timeout)
        now = time.monotonic() - self.began
        if chunk and chunk.console:
            self._said += chunk.console
            for what, words in SAYS.items():
                if words in self._said:
                    self.marks.setdefault(what, now)
            if self._follower.feed(chunk.console):
                self.head = self.head or now
        return chunk


def ours(boot: Boot, name: str) -> tuple[Trial, Stopwatch]:
    """One trial as the program makes it."""
    fresh(boot.folder)
    watch = Stopwatch(Vng(name))
    spec = scenario()
    return run_trial(watch, boot, spec.machine.timeouts, spec.expect, lambda _: None), watch


def bare(image: Path, initrd: Path, name: str) -> float:
    """Seconds that QEMU takes to boot an image into an init that resets the machine."""
    argv = [
        *("qemu-system-x86_64", "-accel", name, "-m", "512M", "-smp", "2,sockets=2", "-display", "none"),
        *("-no-reboot", "-serial", "file:/dev/null", "-kernel", str(image), "-initrd", str(initrd)),
        *("-append", "console=ttyS0 panic=-1 tsc=reliable"),
    ]
    began = time.monotonic()
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, timeout=120)
    return time.monotonic() - began


def plain(image: Path, name: str) -> float:
    """Seconds that plain vng takes for the scenario as a script; on a terminal, without which it prints nothing."""
    disk = scenario().pi_disk
    assert disk is not None
    argv = [
        *("vng", "--verbose", "--run", str(image), "--memory", "512M", "--cpus", "2"),
        *(["--disable-kvm"] if name == "tcg" else []),
        *(word for append in disk.append for word in ("--append", append)),
        *("--exec", str(Path(__file__).with_name("plain.sh"))),
    ]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    said, (master, terminal) = b"", pty.openpty()
    began = time.monotonic()
    with subprocess.Popen(
        ["setsid", "--ctty", *argv], stdin=terminal, stdout=terminal, stderr=terminal, env={**os.environ, "PATH": path}
    ) as process:
        os.close(terminal)
        # A terminal tells the end by an error.
        with contextlib.suppress(OSError):
            while data := os.read(master, 65536):
                said += data
        process.wait()
    seconds = time.monotonic() - began
    os.close(master)
    if b"scenario passed" not in said:
        raise SystemExit(f"plain vng did not pass:\n{said.decode(errors='replace')}")
    return seconds


def median(values: Sequence[float]) -> float:
    """The median of some seconds."""
    return statistics.median(values)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5, help="of each (default: 5)")
    times = parser.parse_args().times
    spec, tree, cache = scenario(), replay_tree(), paths.cache()
    assert spec.pi_disk is not None
    accel = accelerator.probe(architecture.load("x86_64"), cache, Errors()).name
    with tempfile.TemporaryDirectory(prefix="regress-bench-") as name:
        top = Path(name)

        def build(role: str, config: tuple[Path, ...]) -> Path:
            commit = tree.repository.commit(role)
            return KernelBuilder(tree, "x86_64", config, cache, Errors()).build(commit, fresh(top / "artifacts")).image

        good, bad, generic = (
            build("replay-good", fragments()),
            build("replay-bad", fragments()),
            build("replay-good", (GENERIC,)),
        )
        guest, least = top / "guest.cpio", top / "least.cpio"
        rootfs.initramfs(spec, Path("/"), guest)
        _least(least, top)

        def boot(image: Path) -> Boot:
            memory, cpus, append = spec.machine.memory, spec.machine.cpus, spec.pi_disk.append if spec.pi_disk else ()
            return Boot(image, "x86_64", guest, append, memory, cpus, top / "boot")

        lines: dict[str, list[float]] = {}
        totals: dict[str, list[float]] = {"bare QEMU, same image": [], "regress": [], "plain vng": []}
        starts: list[float] = []
        ends: list[float] = []
        for _ in range(times):
            totals["bare QEMU, same image"].append(bare(good, least, accel))
            trial, watch = ours(boot(good), accel)
            if trial.outcome is not Outcome.PASSED:
                raise SystemExit(f"the good kernel: {trial.outcome}: {trial.reason}")
            totals["regress"].append(trial.seconds)
            lines.setdefault("vng is asked", []).append(watch.asked)
            starts.append(dict(trial.phases)["up"])
            phases = [*watch.marks.items(), *trial.phases, ("end of trial", trial.seconds - watch.asked)]
            for (what, at), before in zip(phases, [0.0, *(at for _, at in phases)], strict=False):
                lines.setdefault(what, []).append(at - before)
            totals["plain vng"].append(plain(generic, accel))
            trial, watch = ours(boot(bad), accel)
            if trial.outcome is not Outcome.CRASHED:
                raise SystemExit(f"the bad kernel: {trial.outcome}: {trial.reason}")
            ends.append(trial.seconds - watch.asked - watch.head)
        _print(totals, lines, starts, ends, accel)


def _least(target: Path, top: Path) -> None:
    """An initramfs of busybox and an init that resets the machine."""
    stage = fresh(top / "least")
    for folder in ("bin", "dev"):
        (stage / folder).mkdir()
    (stage / "bin/busybox").write_bytes(next(rootfs.closure(Path("/"), ("busybox",))).read_bytes())
    (stage / "init").write_text(INIT, encoding="utf-8")
    for path in (stage / "bin/busybox", stage / "init"):
        path.chmod(0o755)
    rootfs.pack(stage, target)


def _print(
    totals: dict[str, list[float]], lines: dict[str, list[float]], starts: list[float], ends: list[float], accel: str
) -> None:
    print(machine(), f"\naccelerator: {accel}\n")
    ours = median(totals["regress"])
    rows = [(what, median(t), min(t), max(t), f"{ours / median(t):.2f}") for what, t in totals.items()]
    print(table(("power-on to the end", "median s", "min", "max", "regress / this"), rows), "\n")
    print(table(("regress, until", "median s"), [(what, f"{median(t):.2f}") for what, t in lines.items()]), "\n")
    steps = list(lines)
    own = sum(median(lines[what]) for what in steps[steps.index("up") + 1 : -1])
    ratio = median(starts) / median(totals["bare QEMU, same image"])
    print(
        f"power-on to the scenario's first command: {median(starts):.2f} s, {ratio:.2f} of bare QEMU's boot and reset\n"
    )
    print(table(("of which", "s"), [("the scenario's own commands", own), ("all else", ours - own)]), "\n")
    print(table(("the bad kernel", "median s", "max"), [("head of the oops to end of trial", median(ends), max(ends))]))


if __name__ == "__main__":
    main()
