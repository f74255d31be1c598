"""The crash finder beside `grep -c -F -f` of the same words, on the same files: `python -m bench.oops [--size MB]`.

A benign console and one with a crash every megabyte, at sizes from 1 MB up: time should grow with size, and memory
should not.  Times are wall clock, the shorter
of two runs; memory is the peak of the process.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.console.rules import MARKS

WORDS = [
    "audit",
    "usb",
    "pci",
    "ext4",
    "systemd",
    "eth0",
    "loop0",
    "scsi",
    "memory",
    "Freeing",
    "registered",
    "driver",
    "mounted",
    "device",
    "detected",
    "capacity",
    "change",
    "from",
    "to",
    "with",
    "mode",
    "link",
    "up",
    "down",
    "queue",
    "depth",
    "using",
    "irq",
    "at",
    "port",
    "speed",
    "reset",
    "timeout",
    "retry",
]
MEGABYTE = 1_000_000


def benign_block(seed: int) -> bytes:
    """A megabyte of lines such as a healthy machine prints."""
    rng = random.Random(seed)
    lines: list[bytes] = []
    size = 0
    while size < MEGABYTE:
        words = " ".join(rng.choices(WORDS, k=rng.randint(3, 12)))
        lines.append(f"[{len(lines) * 0.0137:12.6f}] {rng.choice(WORDS)}: {words}\n".encode())
        size += len(lines[-1])
    return b"".join(lines)


def crash_block(number: int) -> bytes:
    """An oops of some 40 lines, as a console shows it."""
    stamp = "[   71.000000]"
    registers = "".join(f"{stamp} R{n:02d}: {n:016x} R{n + 1:02d}: {n:016x} RDX: {n:016x}\n" for n in range(8, 16, 2))
    frames = "".join(f"{stamp}  {'? ' * (n % 3 == 0)}queue_step_{n}+0x{n:x}1/0x{n:x}40\n" for n in range(24))
    return (
        "[   71.000000] BUG: kernel NULL pointer dereference, address: 0000000000000010\n"
        "[   71.000000] #PF: supervisor read access in kernel mode\n"
        f"[   71.000000] Oops: 0000 [#{number}] SMP\n"
        f"[   71.000000] CPU: 0 PID: {number} Comm: dd Not tainted 6.1.0 #1\n"
        "[   71.000000] RIP: 0010:queue_drop+0x44/0x90\n"
        f"{registers}[   71.000000] Call Trace:\n[   71.000000]  <TASK>\n{frames}[   71.000000]  </TASK>\n"
        "[   71.000000] ---[ end trace 0000000000000000 ]---\n"
    ).encode()


def consoles(megabytes: int) -> dict[str, Callable[[], Iterator[bytes]]]:
    """What the kinds of console hold, a megabyte at a time."""
    blocks = [benign_block(seed) for seed in range(4)]

    def benign() -> Iterator[bytes]:
        yield from (blocks[number % 4] for number in range(megabytes))

    def one_a_megabyte() -> Iterator[bytes]:
        yield from (blocks[number % 4] + crash_block(number + 1) for number in range(megabytes))

    return {"benign": benign, "a crash every MB": one_a_megabyte}


def measured(argv: list[str]) -> tuple[float, int, str]:
    """Seconds, peak memory in MB, and the output of a program; the quicker of two runs."""
    best: tuple[float, int, str] | None = None
    for _ in range(2):
        began = time.perf_counter()
        process = subprocess.Popen(argv, stdout=subprocess.PIPE)
        assert process.stdout is not None
        out = process.stdout.read()
        _, _, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        if best is None or seconds < best[0]:
            best = (seconds, usage.ru_maxrss // 1024, out.decode())
    assert best is not None
    return best


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1000, metavar="MB", help="of the largest consoles")
    options = parser.parse_args()
    finder = [sys.executable, "-I", "-m", "harness", "oops", "--json"]
    sizes = [size for size in (1, 10, 100, 1000, 10000) if size < options.size] + [options.size]
    with tempfile.TemporaryDirectory() as folder:
        heads, log = Path(folder, "heads"), Path(folder, "console.log")
        heads.write_bytes(b"\n".join(MARKS) + b"\n")
        print("| console | MB | regress oops s | peak MB | crashes | grep -c -F -f s | oops / grep |")
        print("|---|---:|---:|---:|---:|---:|---:|")
        for size in sizes:
            for name, content in consoles(size).items():
                with log.open("wb") as file:
                    file.writelines(content())
                grep, _, _ = measured(["grep", "-c", "-F", "-f", str(heads), str(log)])
                seconds, memory, out = measured([*finder, str(log)])
                crashes = out.count('"kind"')
                print(
                    f"| {name} | {size} | {seconds:.2f} | {memory} | {crashes} | {grep:.2f} | {seconds / grep:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
