"""What the benchmarks share: the replay's tree, the machine's name, tables."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import catalog, paths
from harness.kernel import replay
from harness.kernel.tree import Tree
from harness.model import Scenario

ROOT = Path(__file__).resolve().parent.parent


class Errors:
    """Tells what is going on on standard error, so that a table on standard output stays one."""

    def note(self, text: str) -> None:
        """See `harness.progress.Progress.note`."""
        print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)

    def update(self, text: str) -> None:
        """See `harness.progress.Progress.update`."""


def scenario() -> Scenario:
    """The scenario that is measured."""
    return catalog.find("lr#35498d", [])


def fragments(names: Iterable[str] = ()) -> tuple[Path, ...]:
    """The files of kconfig fragments, with that of x86_64 first; by default those of the scenario that is measured."""
    return tuple(paths.fragment(name, scenario().folder) for name in ("x86_64", *(names or scenario().kconfig)))


def replay_tree() -> Tree:
    """The replay, laid where it is not."""
    series = replay.read_series(scenario().folder / "replay")
    cache = paths.cache()
    return replay.lay(series, replay.find_source(series.kernel, cache, Errors()), cache, Errors())


def machine() -> str:
    """The machine that figures were measured on, and when, on one line."""
    cpu = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    name = cpu[1] if cpu else platform.machine()
    return f"{time.strftime('%Y-%m-%d')}, {len(os.sched_getaffinity(0))} cores ({name}), {memory:.0f} GiB, {system}"


_CALL = """
import re, sys
from harness.cli import main
code = main(sys.argv[2:])
with open("/proc/self/status", encoding="ascii") as status, open(sys.argv[1], "w", encoding="ascii") as file:
    file.write(re.search(r"VmHWM:\\s+(\\d+)", status.read())[1])
sys.exit(code)
"""


@dataclass(frozen=True)
class Measured:
    """A call of the program: exit status, output, seconds, seconds of processors (its children's too), own peak MiB."""

    status: int
    out: str
    seconds: float
    cpu: float
    peak: int


def measured(top: Path, *args: str) -> Measured:
    """Call the program, with cache and configuration in a folder of the benchmark's."""
    env = {**os.environ, "XDG_CACHE_HOME": str(top / "cache"), "XDG_CONFIG_HOME": str(top / "config")}
    argv = [sys.executable, "-c", _CALL, str(top / "peak"), *args]
    began = time.monotonic()
    process = subprocess.Popen(argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout
    out = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    # What wait4 says of the memory counts this process too, before the call became another program.
    peak = int((top / "peak").read_text(encoding="ascii")) // 1024
    code = os.waitstatus_to_exitcode(status)
    return Measured(code, out, time.monotonic() - began, used.ru_utime + used.ru_stime, peak)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown; floats with one digit behind the point."""
    texts = [[f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    lines = [" | ".join(head), "|".join("---" for _ in head), *(" | ".join(row) for row in texts)]
    return "\n".join(f"| {line} |" if "---" not in line else f"|{line}|" for line in lines)


def fresh(folder: Path) -> Path:
    """A folder that is there and empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
