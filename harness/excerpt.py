"""The part of a console that tells how a trial ended, small enough to be kept in the journal."""

from __future__ import annotations

import collections
import contextlib
import itertools
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness import architecture, ktap
from harness.model import Outcome, Trial

BEFORE, AFTER = 10, 5
"""Lines around a crash."""

MOST = 200
"""Lines of a crash; what is longer loses its end."""

TAIL = 40
"""Lines at the end of a console without a crash."""

WIDTH = 400
"""Characters of a line."""

TESTS = 10_000
"""Of the kernel's own tests of one trial."""

TRIAL = ("console.log", "status.log", "qemu.command", "vng.command")
KERNEL = ("config", "build.log", "kernel.json", "initramfs.cpio")


def of(trial: Trial) -> dict[str, Any] | None:
    """The lines around a trial's crash, else the last lines of a trial that did not pass.

    Returns:
        `first` (the number of the first line, counted from 1), `lines`, and `crash` (the numbers of the crash's first
        and last line, or None); None where there is nothing to show.
    """
    if trial.outcome is Outcome.PASSED and trial.crash is None:
        return None
    try:
        with (trial.folder / "console.log").open("rb") as console:
            if trial.crash is None:
                count, last = 0, collections.deque[bytes](maxlen=TAIL)
                for count, line in enumerate(console, 1):  # noqa: B007  how many there were
                    last.append(line[: 8 * WIDTH])
                first, lines, span = count - len(last) + 1, list(last), None
            else:
                start = trial.crash.start_line
                end = min(trial.crash.end_line, start + MOST - 1)
                first, span = max(1, start - BEFORE), [start, end]
                lines = [line[: 8 * WIDTH] for line in itertools.islice(console, first - 1, end + AFTER)]
    except OSError:
        return None
    # Lines are counted by their newlines; a serial console puts carriage returns before these.
    told = [line.decode(errors="replace").rstrip("\r\n") for line in lines]
    told = [line if len(line) <= WIDTH else f"{line[: WIDTH - 3]}..." for line in told]
    return {"first": first, "lines": told, "crash": span} if told else None


def tests(trial: Trial) -> list[dict[str, str]]:
    """The kernel's own tests that a trial ran: `name`, `result` and `reason` of each (see `harness.ktap`)."""
    with contextlib.suppress(OSError), (trial.folder / "status.log").open(encoding="utf-8", errors="replace") as status:
        return [asdict(one) for one in ktap.subtests(ktap.lines_of(status))[:TESTS]]
    return []


def files(trial: Trial, top: Path) -> list[str]:
    """What there is of a trial and its kernel, as paths from the run's folder; of another run's trial, nothing."""
    booted = trial.folder.name.startswith("trial-")
    kernel = trial.folder.parent if booted else trial.folder
    names = (*sorted(architecture.image_names()), *KERNEL)
    found = [trial.folder / name for name in TRIAL if booted] + [kernel / name for name in names]
    found = [path for path in found if path.is_relative_to(top) and path.is_file()]
    if kernel / "initramfs.cpio" in found:
        # It is written when the last trial of a kernel is over.
        found.append(kernel / "repro.sh")
    return [str(path.relative_to(top)) for path in found]
