"""Where the kernel's functions live, as far as it tells whether they are at fault.

`helpers.txt` has those that report, check or serve their caller, `common.txt` those of the core of drivers, file
systems and memory management, which others call.  Both are made by `python -m tests.console.places TREE`.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def helpers() -> frozenset[str]:
    """Functions that are never at fault, but for those that have patterns of names in `blame`."""
    return _names("helpers.txt")


@cache
def common() -> frozenset[str]:
    """Functions of common code: at fault at times, and at times it is their caller."""
    return _names("common.txt")


def _names(table: str) -> frozenset[str]:
    lines = files(__package__).joinpath(table).read_text().splitlines()
    return frozenset(name for line in lines if not line.startswith("#") for name in line.split())
