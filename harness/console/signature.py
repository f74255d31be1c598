"""A short name for a crash, to compare crashes across kernels."""

from __future__ import annotations

from collections.abc import Sequence

from harness.console.blame import DISPATCH, canonical, first_at_fault

_CALLERS = 2
"""Callers that a signature names: enough to tell two ways into one function apart, few enough to survive a merge."""


def signature(kind: str, function: str | None, names: Sequence[str], title: str = "") -> str:
    """The signature of a crash.

    It holds no addresses, offsets, compiler's suffixes or system call wrappers, so that it is the same for one
    bug on two architectures, from two compilers, in two versions.

    Args:
        kind: the crash's kind.  function: the one at fault.
        names: the functions of its trace, from the innermost outwards.
        title: what tells it from others where, by its nature, no function is at fault.

    Returns:
        Such as `null-deref:read_done<read_all<disk_scan`, or `panic:kernel panic: Fatal exception`.
    """
    if function is None:
        return f"{kind}:{title}" if title else kind
    callers: list[str] = []
    rest = list(names[names.index(function) + 1 :] if function in names else names)
    while len(callers) < _CALLERS and (found := first_at_fault(rest, DISPATCH)):
        rest = rest[rest.index(found) + 1 :]
        if (name := canonical(found)) not in (*callers, canonical(function)):
            callers.append(name)
    return f"{kind}:{'<'.join((canonical(function), *callers))}"
