"""What the output of a build says: its first error, and whether the machine is at fault.  Pure."""

from __future__ import annotations

import re
import signal

from harness.errors import BuildError, InfrastructureError, RegressError

_ERROR = re.compile(
    r"(?:\S+:\d+(?::\d+)?: )?(?:fatal )?error:? |: undefined reference to |^ld(?:\.\w+)?: |^Error: |: Error: "
    r"|error: |\bld(?:\.\w+)?: cannot find |^\S+: multiple definition of |^ERROR: "
    r"|: \*\*\* .*[Nn]o rule to make target|: syntax error"
    r"|Makefile:\d+: \*\*\* "
)
_SECONDARY = re.compile(r"^make(\[\d+\])?: \*\*\* .*Error \d+$|^make(\[\d+\])?: \*\*\* Waiting")
# Errors of the machine, at the end of a line as in an error message: a compiler quotes source lines, and those may
# contain anything.
_MACHINERY = re.compile(
    r"(?:^|[:)] ?)(?:No space left on device|Cannot allocate memory|Read-only file system|Input/output error"
    r"|Disk quota exceeded|Too many open files(?: in system)?|Resource temporarily unavailable|Stale file handle"
    r"|memory exhausted)\.?$"
    r"|^\w*Error: \[Errno (?:5|12|23|24|28|30|122)\] "
    r"|out of memory allocating \d+ bytes"
    r"|(?:fatal|internal compiler) error: Killed\b|terminated with signal \d+ \[(?:Killed|Bus error)\]"
    r"|^(?:\S+: (?:line )?(?:\d+: )?(?:\d+ )?)?(?:Killed|Bus error)(?:$|  | \(core dumped\))"
    r"|^make(?:\[\d+\])?: \*\*\* .*(?:\] (?:Killed|Terminated|Interrupt|Hangup|Bus error.*)|Error 1(?:29|30|35|37|43))$"
    r"|source directory cannot contain spaces or colons"
)
# Source lines quoted by gcc and clang: after a line number and a bar, or (before gcc 9) above a caret.
_QUOTED = re.compile(r"^\s*\d*\s*\|.*|^ .*\n\s*~*\^.*", re.MULTILINE)
_DIRECTIVE = re.compile(r"(?:error|warning): (?:#|static assertion)")

ENDED_FROM_OUTSIDE = {
    128 + number for number in (signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGBUS, signal.SIGTERM)
}
"""Exit statuses of a program that was killed, or lost its memory or disk; a shell passes them on."""


def first_error(log: str) -> str:
    """The first error in the output of a build, on one line.

    The last lines only say which makefile gave up; with parallel jobs the error is well above
    them.
    """
    lines = [line.strip() for line in log.splitlines()]
    for line in lines:
        if _ERROR.search(line) and not _SECONDARY.search(line) and "warning:" not in line:
            return line
    for line in lines:
        if "***" in line:
            return line
    return next((line for line in reversed(lines) if line), "the build printed nothing")


def machinery_fault(log: str, status: int = 1) -> str | None:
    """The line of output that shows that a build failed because of the machine, such as a full disk.

    Args:
        log: the output.
        status: the exit status of the build.

    Returns:
        None if there is none.
    """
    for line in _QUOTED.sub("", log).splitlines():
        if _MACHINERY.search(line.strip()) and not _DIRECTIVE.search(line):
            return line.strip()
    return (
        f"exit status {status}, a signal ({signal.Signals(status - 128).name})"
        if status in ENDED_FROM_OUTSIDE
        else None
    )


def failure(log: str, status: int = 1) -> RegressError:
    """The error of a failed build: the machine's fault, or else the kernel's, with its first error.

    Args:
        log: the output.
        status: the exit status of the build.
    """
    if fault := machinery_fault(log, status):
        return InfrastructureError(f"the build failed because of this machine: {fault}")
    return BuildError(first_error(log))
