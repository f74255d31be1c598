"""The one place that starts programs: argument lists, an environment made for them, time limits, logs.

A program gets nothing of the caller's environment except what `environment` lists.  A long-running program
(a build, a machine, a fetch) has a supervisor: when it ends, or when this process does, even by SIGKILL,
no process that it started is left.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from threading import Timer
from typing import IO

from harness.errors import ProgramFailed, ProgramMissing, TimedOut

BY_NAME = "REGRESS_PASS_ENV"
"""The caller's variable that names further variables to pass to programs: `"A B"`."""

PATIENCE = 2.0
"""Seconds between the request to end (SIGTERM) and SIGKILL."""

IDLE = (
    "sh",
    "-c",
    # The scheduler's groups by session (sched_autogroup) would make niceness count within make's own session only.
    'echo 19 2>/dev/null >/proc/self/autogroup; command -v chrt >/dev/null && set -- chrt --idle 0 "$@"; '
    'exec nice -n 19 "$@"',
    "idle",
)
"""What a program is started with so that it runs only where nothing else wants a processor."""

# Where things are and how to reach servers; nothing that changes what make, gcc or git do.
_ALLOWED = re.compile(
    r"PATH|LD_LIBRARY_PATH|HOME|USER|LOGNAME|TERM|TMPDIR|SSH_AUTH_SOCK|SUDO_[UG]ID|DEBIAN_FRONTEND|(?:XDG|REGRESS)_\w+"
    r"|(?i:(?:https?|ftp|all|no)_proxy)"
)
_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_END = re.compile(rb"(?<=[\r\n])")


@dataclass(frozen=True)
class Completed:
    """How a program ended.

    Attributes:
        argv: the argument list.
        returncode: exit status; as in a shell, 128 and its number for a signal.
        stdout: what it printed, decoded with replacement; for a program that was followed, the last 4 KiB.
        stderr: the same for its standard error; empty if both streams were followed together.
    """

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


def passed() -> dict[str, str]:
    """The variables that the caller passes to programs by name (`REGRESS_PASS_ENV`).

    They may change what is built and what a trial shows, so they are part of every key for these.
    """
    names = re.split(r"[\s,]+", os.environ.get(BY_NAME, ""))
    return {name: os.environ[name] for name in sorted(names) if name in os.environ}


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a program.

    Args:
        changes: variables to set on top.

    Returns:
        The allowed part of this process's environment, what the caller passes by name, and the C locale, so
        that messages are in English.
    """
    allowed = {name: value for name, value in os.environ.items() if _ALLOWED.fullmatch(name)}
    return {**allowed, "LC_ALL": "C.UTF-8", **passed(), **(changes or {})}


def _assert_there(program: str, cwd: Path | None, path: str | None) -> None:
    """Look up a program as it will be when it runs: by path relative to its folder, or in `PATH`."""
    place = str((cwd or Path.cwd()) / program) if "/" in program else program
    if shutil.which(place, path=path) is None:
        raise ProgramMissing(program)


@dataclass(frozen=True)
class Job:
    """A running program under a supervisor.

    Attributes:
        process: the supervisor, with the exit status of the program; when it has ended, everything has.
    """

    process: subprocess.Popen[bytes]
    _lifeline: IO[bytes]

    def end(self) -> None:
        """End the program and everything that it started, without waiting for the end."""
        self._lifeline.close()

    def wait(self) -> int:
        """The exit status, once everything has ended; see `Completed`."""
        return _status(self.process)


def _status(process: subprocess.Popen[bytes]) -> int:
    code = process.wait()
    return code if code >= 0 else 128 - code


@contextlib.contextmanager
def started(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: int | None = subprocess.DEVNULL,
    stdout: int | None = None,
    stderr: int | None = None,
    locks: Sequence[int] = (),
    patience: float = PATIENCE,
) -> Iterator[Job]:
    """A running program under a supervisor; when the block ends it is ended, with everything that it started.

    Args:
        argv: program and arguments; never a shell line.
        cwd: where to run it.
        env: changes to the environment.
        stdin: a descriptor, as in `subprocess.Popen`.
        stdout: the same.
        stderr: the same.
        locks: descriptors of locks to hold until everything has ended, even if this process dies first.
        patience: seconds between SIGTERM and SIGKILL; with 0 only SIGKILL.

    Raises:
        ProgramMissing: no such program.
    """
    made = environment(env)
    _assert_there(argv[0], cwd, made.get("PATH"))
    read, write = os.pipe()
    lifeline = os.fdopen(write, "wb")
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SUPERVISOR), str(read), str(patience), *argv],
            cwd=cwd,
            env=made,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=(read, *locks),
            start_new_session=True,
        )
    finally:
        os.close(read)
    job = Job(process, lifeline)
    try:
        yield job
    finally:
        # An interrupt of the wait does not interrupt the supervisor.
        job.end()
        process.wait()


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
    locks: Sequence[int] = (),
) -> Completed:
    """Run a program to its end.

    A program that is followed or has a time limit gets a supervisor (see `started`).  A short
    query, as of git, gets none: starting it would take longer than the query.

    Args:
        argv: program and arguments; never a shell line.
        cwd: where to run it.
        env: changes to the environment.
        timeout: seconds, or None for no limit.
        input: bytes for its standard input, which is otherwise empty; not for one that is followed.
        log: a file to append both output streams to.
        on_line: called with each line of the output, both streams together, as it comes; a carriage return
            ends a line too, as in git's progress.
        check: raise if the exit status is not 0.
        locks: see `started`; for a program that is followed.

    Returns:
        The exit status and what was printed.

    Raises:
        ProgramMissing: no such program.
        ProgramFailed: the exit status is not 0 and `check` is set.
        TimedOut: it timed out; the program and everything that it started were ended.
    """
    followed = log is not None or on_line is not None
    if followed or timeout is not None:
        with (
            started(
                argv,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if followed else subprocess.PIPE,
                locks=locks,
            ) as job,
            _limited(job, argv[0], timeout),
        ):
            out, err = (_follow(job.process, log, on_line), b"") if followed else job.process.communicate(input)
            code = job.wait()
    else:
        code, out, err = _ask(argv, cwd, environment(env), input)
    stdout, stderr = out.decode(errors="replace"), err.decode(errors="replace")
    if check and code != 0:
        raise ProgramFailed(argv, code, stderr or stdout)
    return Completed(tuple(argv), code, stdout, stderr)


def _ask(
    argv: Sequence[str], cwd: Path | None, env: Mapping[str, str], words: bytes | None
) -> tuple[int, bytes, bytes]:
    """Run a program without children that matter; it gets SIGTERM when this process dies (setpriv)."""
    _assert_there(argv[0], cwd, env.get("PATH"))
    tied = ["setpriv", "--pdeathsig", "TERM", "--", *argv] if shutil.which("setpriv") else list(argv)
    process = subprocess.Popen(
        tied,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL if words is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(words)
    except BaseException:  # Ctrl-C too: the program must not outlive the call; the error goes on
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(PATIENCE)
        process.kill()
        raise
    return _status(process), out, err


@contextlib.contextmanager
def _limited(job: Job, name: str, timeout: float | None) -> Iterator[None]:
    """End a job that times out.

    Raises:
        TimedOut: it did.
    """
    if timeout is None:
        yield
        return
    expired = False

    def expire() -> None:
        nonlocal expired
        expired = True
        job.end()

    timer = Timer(timeout, expire)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if expired:
        raise TimedOut(f"{name} did not end within {timeout:g} s")


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
    """Its lines, each with its final newline or carriage return."""
    rest = b""
    while block := stream.read1():
        *lines, rest = _END.split(rest + block)
        yield from lines
    if rest:
        yield rest
