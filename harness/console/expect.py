"""The crash that a scenario expects, and whether a crash is that one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Any

from harness.console.crash import Crash

# Kernels word the same fault in several ways; a pattern need not know which.
_LEAD = re.compile(r"^(?:BUG: )?(?:unable to handle )?(?:kernel )?")


@dataclass(frozen=True)
class Expectation:
    """What a crash must be; each pattern that is given must match.

    Attributes:
        title: a glob for the title, with or without its leading `BUG: unable to handle kernel`.
        kind: the kind.  workqueue: a glob for the work function.
        frames: a glob that some frame's function must match, reliable or not.
        signature: a glob for the signature, such as `null-deref:*<bio_integrity_verify_fn*`.
        any: any crash will do.
    """

    title: str | None = None
    kind: str | None = None
    workqueue: str | None = None
    frames: str | None = None
    signature: str | None = None
    any: bool = False

    def __str__(self) -> str:
        given = ((f.name, getattr(self, f.name)) for f in fields(self))
        return ", ".join(f"{name} {value!r}" for name, value in given if value) or "no crash"


@dataclass(frozen=True)
class Match:
    """Whether a crash is the expected one, and why (not)."""

    ok: bool
    reason: str


def expectation_from(data: object) -> Expectation:
    """An expectation from a scenario's `crash:` mapping.

    Raises:
        ValueError: a key or a value is wrong; the message names the nearest right word.
    """
    if not isinstance(data, Mapping) or not data:
        raise ValueError("a mapping is wanted here, such as {title: 'general protection fault in f*'}")
    known = [field.name for field in fields(Expectation)]
    for key, value in data.items():
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            raise ValueError(f"unknown key {key!r}; " + (f"did you mean {close[0]!r}?" if close else f"known: {known}"))
        wanted: type = bool if key == "any" else str
        if not isinstance(value, wanted):
            raise ValueError(f"{key}: {value!r} is not {'true or false' if key == 'any' else 'a text'}")
    return Expectation(**dict[str, Any](data))


def match(expected: Expectation, crash: Crash) -> Match:
    """Compare a crash with the expected one; pure."""
    if expected.title is not None:
        pattern = _LEAD.sub("", expected.title)
        titles = (crash.title, *crash.alt_titles)
        if not any(fnmatchcase(_LEAD.sub("", title), pattern) for title in titles):
            return Match(False, f"its title {crash.title!r} is not {expected.title!r}")
    if expected.kind is not None and crash.kind != expected.kind:
        return Match(False, f"its kind {crash.kind!r} is not {expected.kind!r}")
    if expected.workqueue is not None and not fnmatchcase(crash.workqueue or "", expected.workqueue):
        return Match(False, f"its work function {crash.workqueue or 'none'!r} is not {expected.workqueue!r}")
    if expected.frames is not None and not any(fnmatchcase(f.function, expected.frames) for f in crash.frames):
        return Match(False, f"no frame of it is {expected.frames!r}")
    if expected.signature is not None and not fnmatchcase(crash.signature, expected.signature):
        return Match(False, f"its signature {crash.signature!r} is not {expected.signature!r}")
    return Match(True, "any crash counts" if expected.any else f"it is {expected}")
