"""Runs one command; what it started ends with it, or with the controller, whichever ends first.

    python supervisor.py LIFELINE PATIENCE PROGRAM [ARGUMENT...]

The lifeline is a pipe whose other end the controller holds: when it closes, however the controller died,
everything is ended.  Orphans are reparented to the supervisor and not to init, so that daemons are found too.

The exit status is the command's, or 128 plus the signal number.

It imports little, as it is started for each build and each boot.
"""
# pathlib and contextlib would have to be imported; running another program is its purpose.
# ruff: noqa: PTH123, PTH208, S606, SIM105

from __future__ import annotations

import ctypes
import os
import select
import sys
import time

# <linux/prctl.h>
SET_PDEATHSIG, SET_CHILD_SUBREAPER = 1, 36
# Importing `signal` would take as long as all the others together.
KILL, PIPE, TERM, XFSZ, DEFAULT = 9, 13, 15, 25, None

GRACE = 0.5
"""Seconds for processes that a command leaves behind to end by themselves: `tee` has a last line to write."""


def supervise(lifeline: int, patience: float, argv: list[str]) -> int:
    """Run a command to its end.

    Args:
        lifeline: a descriptor that reaches end of file when the command has to end.
        patience: seconds between the request to end (SIGTERM) and SIGKILL; with 0, SIGKILL at once.
        argv: program and arguments.

    Returns:
        Its exit status.
    """
    libc = ctypes.CDLL(None)
    libc.prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    command = os.fork()
    if command == 0:
        libc.prctl(SET_PDEATHSIG, KILL, 0, 0, 0)
        _become(argv, libc)
    ended = os.pidfd_open(command)
    ready, _, _ = select.select([ended, lifeline], [], [])
    status = TERM
    if ended in ready:
        status = os.waitpid(command, 0)[1]
    if ended not in ready or not _reaped(GRACE):
        _end_all(patience)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _become(argv: list[str], libc: ctypes.CDLL) -> None:
    """Turn this process into the command, in a session of its own and without the supervisor's descriptors."""
    os.setsid()
    os.closerange(3, 1 + max(map(int, os.listdir("/proc/self/fd"))))
    for number in (PIPE, XFSZ):  # Python ignores them
        libc.signal(number, DEFAULT)
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(126)


def _end_all(patience: float) -> None:
    if patience:
        _signal_all(TERM)
    while not _reaped(patience):
        _signal_all(KILL)
        patience = 0.02


def _reaped(seconds: float) -> bool:
    """Whether no descendants are left, waiting at most some seconds for that."""
    until = time.monotonic() + seconds
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0]:
                continue
        except ChildProcessError:
            return True
        if time.monotonic() >= until:
            return False
        time.sleep(0.005)


def _signal_all(number: int) -> None:
    for pid in _below(os.getpid()):
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            pass  # it has ended, or belongs to another user


def _below(top: int) -> list[int]:
    """The descendants of a process, children first."""
    children: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(parent, []).append(int(name))
    found = [top]
    for pid in found:
        found += children.get(pid, [])
    return found[1:]


if __name__ == "__main__":
    sys.exit(supervise(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
