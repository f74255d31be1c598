"""The tags of a tree in series: mainline, each stable series, linux-next, others.  Pure.

Before Linux 3.0 a series was `2.6.N`, and its stable releases `2.6.N.M`; since then these are `X.Y` and `X.Y.Z`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MAINLINE, NEXT = "mainline", "linux-next"

_RELEASE = re.compile(r"v(2\.6\.\d+|[013-9]\.\d+|2\.[0-5]|\d\d+\.\d+)((?:\.\d+)*)(-rc\d+)?")
_FLAVOUR = re.compile(r"-([A-Za-z]+)")

Key = tuple[tuple[int, int, str], ...]


def series(tag: str) -> str:
    """The series of a tag.

    Returns:
        `mainline` for `v6.1` and `v6.1-rc3`, `6.1.y` for `v6.1.7`, `6.1.y-rt` for `v6.1.7-rt5`, `linux-next` for its
        days; for any other tag the letters that it begins with.
    """
    if re.fullmatch(r"next-\d{8}", tag):
        return NEXT
    found = _RELEASE.match(tag)
    if not found:
        return re.match(r"[^\d]*", tag)[0].rstrip("-_./") or "other"  # type: ignore[index]  # it may be empty
    rest = tag[found.end() :]
    if not rest:
        return f"{found[1]}.y" if found[2] else MAINLINE
    flavour = _FLAVOUR.match(rest)
    return f"{found[1]}.y-{flavour[1] if flavour else rest.strip('-_.')}"


def key(tag: str) -> Key:
    """What to sort tags by: numbers count as such, and `-rc` comes before the release."""
    words = re.findall(r"\d+|[^\d]+", tag)
    told = [
        (1, int(word), "") if word.isdecimal() else (-1 if word.startswith("-rc") else 2, 0, word) for word in words
    ]
    return (*told, (0, 0, ""))


def grouped(tags: Iterable[str]) -> dict[str, list[str]]:
    """Tags by series, each oldest first; mainline first, then the newest series."""
    found: dict[str, list[str]] = {}
    for tag in tags:
        found.setdefault(series(tag), []).append(tag)
    rest = sorted(found.keys() - {MAINLINE, NEXT}, key=lambda name: (not name[0].isdigit(), _newest(name)))
    return {name: sorted(found[name], key=key) for name in (MAINLINE, NEXT, *rest) if name in found}


def _newest(name: str) -> tuple[object, ...]:
    """Series of releases the newest first, all others by name."""
    if not name[0].isdigit():
        return (name,)
    numbers = [-int(word) for word in re.findall(r"\d+", name)]
    return (tuple(numbers), name)
