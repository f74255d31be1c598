"""Kills running commands again and again, and checks whether anything is lost, done twice, left running or stuck.

    python -m bench.kill [--kills N] [--seed S] [--only SHAPE]

Five bisections (a line, one with merges, a search for a fix, an intermittent crash, a line on a fleet) are disturbed at
random moments and resumed until they are done; `run` and `try` are disturbed and begun again.  Builds and boots are
shell scripts of a few milliseconds, so that most kills hit the program's own work.  The disk is filled up only if this
may mount a small one.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bench.common import machine, table
from bench.kill_shapes import SHAPES
from bench.kill_target import Target

Disturb = Callable[[Target, subprocess.Popen[str], random.Random], None]


def kill(_: Target, process: subprocess.Popen[str], chance: random.Random) -> None:
    """SIGKILL."""
    del chance
    process.kill()


def terminate(_: Target, process: subprocess.Popen[str], chance: random.Random) -> None:
    """SIGTERM."""
    del chance
    process.terminate()


def stop(_: Target, process: subprocess.Popen[str], chance: random.Random) -> None:
    """SIGSTOP, and SIGKILL a little later."""
    process.send_signal(signal.SIGSTOP)
    time.sleep(chance.uniform(0, 0.1))
    process.kill()


def interrupt(_: Target, process: subprocess.Popen[str], chance: random.Random) -> None:
    """Ctrl-C twice."""
    process.send_signal(signal.SIGINT)
    time.sleep(chance.uniform(0, 0.2))
    process.send_signal(signal.SIGINT)


def fill(target: Target, process: subprocess.Popen[str], chance: random.Random) -> None:
    """The disk of the results is full until the program has ended."""
    del chance
    filler = target.results / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    try:
        out, err = process.communicate(timeout=target.stuck)
        process.stdout = process.stderr = None
        if target.finished(process.returncode, out, err):
            target.counts["over all the same"] += 1
    except subprocess.TimeoutExpired:
        target.fault("stuck", "on a full disk")
        process.kill()
    finally:
        filler.unlink()


def second(target: Target, process: subprocess.Popen[str], chance: random.Random) -> None:
    """Another process takes up the same bisection, which has to be refused; then SIGKILL."""
    del chance
    # A new bisection may have no folder yet.
    if folder := target.last():
        other = target.start(folder)
        try:
            out, err = other.communicate(timeout=target.stuck)
        except subprocess.TimeoutExpired:
            target.fault("stuck", "the second of two at once")
            other.kill()
            other.communicate()
        else:
            if "Traceback" in err:
                target.fault("tracebacks", err[-500:])
            if other.returncode != 2 and process.poll() is None:
                target.fault("two at once", f"exit {other.returncode}: {err[-200:]} {out[-100:]}")
    process.kill()


def disturbed(target: Target, kills: int, kinds: dict[str, Disturb], chance: random.Random) -> Counter[str]:
    """Start, disturb, look, resume, until so many kills are done and the last run is over."""
    began = time.monotonic()
    if not target.ended(target.start()):
        target.fault("wrong or no culprit", "undisturbed")
        return Counter()
    whole = time.monotonic() - began
    target.look()
    done, folder = Counter[str](), None
    while done.total() < kills:
        process = target.start(folder)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0, whole))
        kind = chance.choice(list(kinds))
        over = target.counts["runs"]
        if process.poll() is None:
            kinds[kind](target, process, chance)
            done[kind] += 1
        if process.stdout is not None:
            try:
                out, err = process.communicate(timeout=target.stuck)
            except subprocess.TimeoutExpired:
                target.fault("stuck", kind)
                process.kill()
                out, err = process.communicate()
            target.finished(process.returncode, out, err)
        roles = target.look()
        verifying = target.shape.command == "bisect" and set(roles) - {"commit"}
        phase = "in the verification" if verifying else "in the search, or between boots" if roles else ""
        target.counts[phase or "before a trial ended"] += 1
        target.left()
        if target.shape.command != "bisect":
            target.believed()
        else:
            folder = None if target.counts["runs"] > over else _open(target)
    if folder and not target.ended(target.start(folder)):
        target.fault("cannot be resumed", str(folder))
    target.look()
    target.left()
    return done


def _open(target: Target) -> Path | None:
    """The bisection to resume; one that was killed before its first trial may not be there yet."""
    folder = target.last()
    if folder and any(run == folder.name for run, *_ in target.rows):
        return folder
    return None


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A small disk on a folder, where that is allowed."""
    folder.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=512m", "tmpfs", str(folder)]
    mounted = subprocess.run(argv, stderr=subprocess.DEVNULL, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


KINDS: dict[str, Disturb] = {
    "SIGKILL": kill,
    "SIGTERM": terminate,
    "SIGSTOP, SIGKILL": stop,
    "SIGINT twice": interrupt,
    "full disk": fill,
    "two at once": second,
}
FAULTS = (
    *("wrong or no culprit", "finished trials lost", "trials that are there twice", "other trials than undisturbed"),
    *("boots beyond trials and kills", "unreadable journals", "processes left", "stuck", "two at once"),
    *("tracebacks", "cannot be resumed", "half-finished and believed"),
)


def main() -> None:
    """Disturb each shape; print what was counted."""
    parser = argparse.ArgumentParser(description="Kill commands, and look whether anything is lost.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=SHAPES)
    options = parser.parse_args()
    names = [options.only] if options.only else list(SHAPES)
    counts, faults, kills = dict[str, Counter[str]](), list[str](), dict[str, Counter[str]]()
    for number, name in enumerate(names):
        chance = random.Random(f"{options.seed}/{name}")
        share = options.kills // len(names) + (number < options.kills % len(names))
        with contextlib.ExitStack() as stack:
            top = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kill-")))
            own = stack.enter_context(small_disk(top / "results"))
            target = Target(name, top, top / "results")
            usable = dict(KINDS)
            if not own:
                del usable["full disk"]
            if target.shape.command != "bisect":
                del usable["two at once"]
            kills[name] = disturbed(target, share, usable, chance)
            begun = len((top / "boots").read_text(encoding="utf-8").splitlines())
            booted = sum(outcome != "build failed" for *_, outcome, _ in target.rows)
            if begun > booted + target.shape.at_once * kills[name].total():
                target.fault("boots beyond trials and kills", f"{begun} begun, {booted} finished")
            target.counts |= Counter({"finished trials": len(target.rows), "boots begun": begun})
            counts[name], faults = target.counts, faults + target.faults
    print(f"{machine()}\n\n    python -m bench.kill --kills {options.kills} --seed {options.seed}\n")
    sys.exit(report(names, counts, kills, faults))


def report(
    names: Sequence[str], counts: Mapping[str, Counter[str]], kills: Mapping[str, Counter[str]], faults: Sequence[str]
) -> int:
    """Print what was counted, by shape; the exit status."""
    where = ("in the search, or between boots", "in the verification", "before a trial ended")
    keys = ["runs", *where, "finished trials", "boots begun", *FAULTS]
    rows = [("kills", *(kills[name].total() for name in names))]
    rows += [(f"... {kind}", *(kills[name][kind] for name in names)) for kind in KINDS]
    rows += [(key, *(counts[name][key] for name in names)) for key in keys]
    print(table(("what", *names), rows))
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    main()
