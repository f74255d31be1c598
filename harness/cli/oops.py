"""`regress oops [FILE...]`: the crashes in console logs, mails and threads.

Exit status: 0 the logs were read, with or without crashes; 2 a log cannot be read.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BufferedReader
from itertools import chain
from pathlib import Path

from harness.cli import streams
from harness.compressed import DAMAGED, uncompressed
from harness.console import Crash, Follower, find_crashes
from harness.console.crash import TAINT, Frame
from harness.errors import UserError
from harness.thread.crashes import crashes as shown_in
from harness.thread.read import LONGEST, is_thread, read

BLOCK = 1 << 20
"""Bytes to read at once."""
_PAUSE = 0.2
"""Seconds between polls of a followed file."""
_SHOWN = 16
"""Frames of a trace to show."""
_LINES = 8
"""Places of further crashes with the same signature to show."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress oops`."""
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        help="a console log, a mail, an mbox (optionally .gz, .xz or .bz2); - or none: standard input",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document per line and file")
    parser.add_argument(
        "--follow",
        action="store_true",
        help="print each crash as it comes, waiting for more input; with --json one line per event",
    )
    parser.add_argument(
        "--source",
        type=Path,
        metavar="TREE|VMLINUX",
        help="a built kernel with debug info, to show file and line of each frame",
    )


def run(options: argparse.Namespace) -> int:
    """Print the crashes in each file."""
    names = options.files or ["-"]
    if options.follow:
        if len(names) > 1:
            raise UserError(f"--follow takes one FILE, not {len(names)}")
        _follow(names[0], options)
        return 0
    status = 0
    for name in names:
        try:
            with _opened(name) as file:
                crashes = _crashes(file)
        except (*DAMAGED, UserError) as error:
            # Readers of the documents expect one per file.
            status = 2
            reason = getattr(error, "strerror", None) or str(error)
            if options.json:
                print(json.dumps({"file": name, "crashes": [], "error": reason}), flush=True)
            print(f"regress: {name}: {reason}", file=sys.stderr)
            continue
        if options.json:
            print(json.dumps({"file": name, "crashes": [_document(crash, options) for crash in crashes]}), flush=True)
        else:
            _show_all(name, crashes, options)
    return status


def _opened(name: str) -> BufferedReader:
    return os.fdopen(os.dup(sys.stdin.fileno()), "rb") if name == "-" else Path(name).open("rb")


def _crashes(opened: BufferedReader) -> list[Crash]:
    """The crashes in a file of any kind."""
    file = uncompressed(opened)
    head = file.read(BLOCK)
    if not is_thread(head):
        return find_crashes(chain([head], iter(lambda: file.read(BLOCK), b"")), notices=True)
    data = head + file.read(LONGEST)
    if len(data) > LONGEST:
        raise UserError(f"a mail or thread of more than {LONGEST >> 20} MiB; extract the relevant part")
    return [found.crash for found in shown_in(read(data).messages, notices=True)]


def _show_all(name: str, crashes: Sequence[Crash], options: argparse.Namespace) -> None:
    causes = sum(crash.follows is None for crash in crashes)
    more = f", {len(crashes) - causes} more that follow from them" if len(crashes) > causes else ""
    count = "no crash" if not crashes else f"{causes} crash{'es' if causes != 1 else ''}{more}"
    print(f"{'standard input' if name == '-' else name}: {count}")
    groups: dict[str, list[Crash]] = {}
    for crash in crashes:
        groups.setdefault(crash.signature, []).append(crash)
    for group in groups.values():
        _show(group[0], options)
        if len(group) > 1:
            _show_again(group)


def _follow(name: str, options: argparse.Namespace) -> None:
    follower = Follower(notices=True)
    told: dict[int, Crash] = {}

    def tell(events: Sequence[object]) -> None:
        for event in events:
            crash, complete = event.crash, event.complete  # type: ignore[attr-defined]
            if options.json:
                print(json.dumps({"event": "crash" if complete else "head", **_document(crash, options)}), flush=True)
            elif not complete:
                print(_colour("1", f"line {crash.start_line}: a crash begins: {crash.kind}"), flush=True)
            elif told.get(crash.start_line) != crash:
                _show(crash, options)
                sys.stdout.flush()
            if complete:
                told.clear()  # only the last one can be shown again
                told[crash.start_line] = crash

    try:
        for chunk in _live(name):
            tell(follower.feed(chunk))
    finally:
        tell(follower.finish())


def _live(name: str) -> Iterator[bytes]:
    """The input; of a file also what is appended to it from now on, from its start after a truncation."""
    with _opened(name) as file:
        descriptor = file.fileno()
        waits = name != "-" and Path(name).is_file()
        position = 0
        while True:
            chunk = os.read(descriptor, BLOCK)
            position += len(chunk)
            if chunk:
                yield chunk
            elif not waits:
                return
            elif os.fstat(descriptor).st_size < position:
                position = os.lseek(descriptor, 0, os.SEEK_SET)
            else:
                time.sleep(_PAUSE)


def _colour(code: str, text: str) -> str:
    return f"\033[{code}m{text}\033[0m" if streams.coloured(sys.stdout) else text


def _show(crash: Crash, options: argparse.Namespace) -> None:
    """A crash as a block: what, where, who, and the relevant part of the trace."""
    cut = ", cut short or mixed with other output" if crash.corrupted else ""
    print(f"\n{_colour('1;31', crash.title)}\n  lines {crash.start_line}-{crash.end_line}{cut}")
    if crash.follows is not None:
        print(f"  follows from the crash in line {crash.follows}")
    where = crash.function or "unknown"
    called = ", which called a NULL pointer" if crash.null_ip else ""
    print(f"  at fault   {_colour('1', where)}{called}" + (f" (a guess: {crash.doubt})" if crash.doubt else ""))
    for number, line in enumerate(crash.said):
        print(f"  {'said' if number == 0 else '':10} {line}")
    task = " ".join(
        part
        for part in (
            crash.comm,
            f"(pid {crash.pid})" if crash.pid is not None else "",
            f"on CPU {crash.cpu}" if crash.cpu is not None else "",
            f"running work {crash.workqueue}" if crash.workqueue else "",
        )
        if part
    )
    for label, text in (
        ("time", crash.time),
        ("task", task),
        ("kernel", crash.kernel),
        ("machine", crash.hardware),
        ("panic", crash.panic),
    ):
        if text:
            print(f"  {label:10} {text}")
    if crash.taint:
        print(f"  taint      {crash.taint}: " + "; ".join(TAINT.get(letter, "?") for letter in crash.taint))
    for number, wait in enumerate(crash.waits[:_LINES]):
        what = f" ({wait.what})" if wait.what else ""
        print(f"  {'waits' if number == 0 else '':10} {wait.who} for {wait.on or 'nobody knows whom'}{what}")
    _show_frames(crash, options)
    print(f"  signature  {crash.signature}")


def _show_again(group: Sequence[Crash]) -> None:
    """How often, where and when there were crashes of one signature."""
    again = len(group) - 1
    cpus = sorted({crash.cpu for crash in group if crash.cpu is not None})
    on = f", on CPU{'s' if len(cpus) > 1 else ''} {' '.join(map(str, cpus))}" if cpus else ""
    times = [crash.time for crash in group if crash.time]
    span = f", first at {times[0]}, last at {times[-1]}" if len(times) > 1 else ""
    lines = ", ".join(str(crash.start_line) for crash in group[1 : 1 + _LINES])
    more = ", ..." if again > _LINES else ""
    print(f"  again      {again} more time{'s' if again > 1 else ''}{on}{span}; lines {lines}{more}")


def _show_frames(crash: Crash, options: argparse.Namespace) -> None:
    own = [frame for frame in crash.frames if not frame.trace]
    some = any(frame.reliable for frame in own)
    shown = [frame for frame in own if frame.reliable or not some or frame.function == crash.function][:_SHOWN]
    folded = len(crash.frames) - len(shown)
    for number, (frame, places) in enumerate(zip(shown, _places(crash, shown, options), strict=True)):
        module = f" [{frame.module}]" if frame.module else ""
        stack = f" ({frame.stack})" if frame.stack else ""
        print(f"  {'trace' if number == 0 else '':10} {_spelled(frame)}{module}{stack}")
        for place in places:
            print(f"  {'':12} {_colour('36', place)}")
    if folded:
        print(f"  {'':10} {_colour('2', f'... {folded} more frames: the rest, unreliable ones, other traces')}")


def _places(crash: Crash, frames: Sequence[Frame], options: argparse.Namespace) -> list[list[str]]:
    """Where in the source frames of a crash are: what `--source` says, innermost inlined function first, or the log."""
    told = [[frame.source] if frame.source else [] for frame in frames]
    if options.source is None or not frames:
        return told
    from harness.kernel.symbolize import decode

    # All but the first, where the processor was, are addresses that calls return to.
    calls = [_spelled(frame, back=frame is not crash.frames[0]) for frame in frames]
    found = decode(options.source, [call for call, frame in zip(calls, frames, strict=True) if not frame.module])
    return [found.get(call, source) for call, source in zip(calls, told, strict=True)]


def _document(crash: Crash, options: argparse.Namespace) -> dict[str, object]:
    """A crash for JSON; the source of a frame is the place in its own function, not in one inlined there."""
    if options.source is None:
        return {**crash.to_json(), "time": crash.time}
    own = (places[-1].rpartition(" at ")[2] if places else None for places in _places(crash, crash.frames, options))
    frames = tuple(replace(frame, source=source) for frame, source in zip(crash.frames, own, strict=True))
    return {**replace(crash, frames=frames).to_json(), "time": crash.time}


def _spelled(frame: Frame, *, back: bool = False) -> str:
    """A frame as the kernel spells it, or, for the call that it returns from, a byte `back`."""
    if frame.offset is None:
        return frame.function
    offset = max(frame.offset - back, 0)
    return f"{frame.function}+{offset:#x}" + (f"/{frame.size:#x}" if frame.size is not None else "")
