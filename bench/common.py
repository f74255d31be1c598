"""What the benchmarks share: the replay's tree, the machine's name, tables."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness import catalog, paths
from harness.kernel import replay
from harness.kernel.tree import Tree
from harness.model import Scenario


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
