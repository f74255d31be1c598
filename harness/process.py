"""The one place that starts programs: argument lists, time limits, logs.

Every program runs in a session of its own, so that it and all that it starts can be
ended together; on any way out of `run`, Ctrl-C included, nothing of it is left.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from threading import Timer

from harness.errors import ProgramFailed, ProgramMissing, TimedOut

_END = re.compile(rb"(?<=[\r\n])")


@dataclass(frozen=True)
class Completed:
    """How a program ended.

    Attributes:
        argv: the argument list.
        returncode: exit status; negative for a signal.
        stdout, stderr: what it printed, decoded with replacement; both are empty where a log took them.
    """

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


def environment(changes: Mapping[str, str] | None) -> dict[str, str]:
    """This process's environment in the C locale, so that messages can be read, with `changes` on top."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**mine, "LC_ALL": "C.UTF-8", **(changes or {})}


def end(process: subprocess.Popen[bytes], patience: float = 2.0) -> None:
    """End a program started in its own session, and all that it started there.

    Args:
        process: started with `start_new_session=True`.
        patience: seconds between the request (SIGTERM) and the order (SIGKILL).
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def started(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: int | None = subprocess.DEVNULL,
    stdout: int | None = None,
    stderr: int | None = None,
    pass_fds: Sequence[int] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """A running program; when the block is left it is ended, with all that it started.

    It also gets SIGTERM when this process dies (setpriv, of util-linux), so that a killed
    controller leaves no build behind.

    Raises:
        ProgramMissing: there is no such program.
    """
    if shutil.which(argv[0]) is None:
        raise ProgramMissing(argv[0])
    tied = ["setpriv", "--pdeathsig", "TERM", "--", *argv] if shutil.which("setpriv") else list(argv)
    process = subprocess.Popen(
        tied,
        cwd=cwd,
        env=environment(env),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=pass_fds,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        end(process)


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    input: bytes | None = None,  # noqa: A002  the name that subprocess.run gives it
    log: Path | None = None,
    on_line: Callable[[str], None] | None = None,
    check: bool = True,
    pass_fds: Sequence[int] = (),
) -> Completed:
    """Run a program to its end.

    Args:
        argv: program and arguments; never a shell line.
        cwd: where to run it.
        env: changes to the environment.
        timeout: seconds, or None for no limit.
        input: bytes for its standard input, which is otherwise empty.
        log: a file to append both output streams to; `Completed` then has them not.
        on_line: is given each line of the output, both streams together, as it comes; what a carriage return
            ends, as git's progress, is a line too.
        check: raise when the exit status is not 0.
        pass_fds: descriptors that the program keeps open (a lock that shall outlive us).

    Returns:
        The exit status and what was printed.

    Raises:
        ProgramMissing: there is no such program.
        ProgramFailed: the exit status is not 0 and `check` is set.
        TimedOut: the time was over; the program and its children were ended.
    """
    follow = log is not None or on_line is not None
    expired = False
    with started(
        argv,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if follow else subprocess.PIPE,
        pass_fds=pass_fds,
    ) as process:

        def expire() -> None:
            nonlocal expired
            expired = True
            end(process)

        timer = Timer(timeout, expire) if timeout is not None else None
        if timer is not None:
            timer.daemon = True
            timer.start()
        try:
            if follow:
                tail = _follow(process, log, on_line)
                out, err = tail, b""
                process.wait()
            else:
                out, err = process.communicate(input)
        finally:
            if timer is not None:
                timer.cancel()
    if expired:
        raise TimedOut(f"{argv[0]} did not end within {timeout:g} s")
    stdout, stderr = out.decode(errors="replace"), err.decode(errors="replace")
    if check and process.returncode != 0:
        raise ProgramFailed(argv, process.returncode, stderr or stdout)
    return Completed(tuple(argv), process.returncode, "" if follow else stdout, stderr)


def _follow(process: subprocess.Popen[bytes], log: Path | None, on_line: Callable[[str], None] | None) -> bytes:
    """Copy the output to the log and to `on_line`; return its last 4 KiB or so."""
    assert isinstance(process.stdout, BufferedReader)
    tail = b""
    with log.open("ab") if log is not None else contextlib.nullcontext() as file:
        for line in _lines(process.stdout):
            if file is not None:
                file.write(line)
                file.flush()
            if on_line is not None and (text := line.decode(errors="replace").rstrip("\r\n")):
                on_line(text)
            tail = (tail + line)[-4096:]
    return tail


def _lines(stream: BufferedReader) -> Iterator[bytes]:
    """Its lines, each with the newline or the carriage return that ends it."""
    rest = b""
    while block := stream.read1():
        *lines, rest = _END.split(rest + block)
        yield from lines
    if rest:
        yield rest
