"""Object folders: each combination of tree, architecture, configuration and toolchain is built in its own.

A folder that is new begins as a copy of the nearest one that is there, so that make compiles what the options alter
and nothing else.  What a folder is of is noted in it (`regress.json`).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

STATE = "regress.json"
"""In an object folder: the tree that is configured there and the options that were asked for."""

SHARED = "-like"
"""Ends the name of a folder that many configurations share, one after the other."""

FAR = 0.5
"""How many options may differ, of those of both.  A copy takes seconds; but what a build reads is told from all that is
in its folder (`harness.kernel.inputs`), and leftovers of another kernel make more commits suspects."""


def state(folder: Path) -> Mapping[str, Any]:
    """What is noted in an object folder; nothing, if it was not configured to the end."""
    try:
        told = json.loads((folder / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def begin(own: Path, kin: str, options: Collection[str]) -> Path | None:
    """Let a folder that is not there begin as a copy of the nearest one.  The caller holds the tree's lock.

    Args:
        own: the folder; its name ends in a hyphen and what tells it from the others of its tree and architecture.
        kin: what both have to have in common: a digest of toolchain, base and environment.
        options: those that are asked for, as lines of `.config`.

    Returns:
        The one that was copied; None if there was none near enough, or `own` is there.
    """
    if own.exists():
        return None
    mine = set(options)
    near: list[tuple[float, Path]] = []
    for other in sorted(own.parent.glob(f"{own.name.rpartition('-')[0]}-*")):
        told = state(other)
        if told.get("kin") == kin and not other.name.endswith(SHARED):
            theirs = set(told.get("options", ()))
            near.append((len(mine ^ theirs) / len(mine | theirs or {""}), other))
    apart, nearest = min(near, default=(1.0, own))
    if apart > FAR:
        return None
    copy(nearest, own)
    # It is configured anew, and what that alters is told.
    (own / STATE).unlink()
    return nearest


def copy(folder: Path, to: Path) -> None:
    """Copy an object folder; what is there under the new name is whole.

    The commands of some of the kernel's tools name the folder.  If these differed, make would build the tools again,
    and after objtool every object.
    """
    half = to.with_name(f".{to.name}")
    shutil.rmtree(half, ignore_errors=True)
    shutil.copytree(folder, half, symlinks=True)
    old, new = os.fsencode(folder), os.fsencode(to)
    for path in half.rglob(".*.cmd"):
        content, times = path.read_bytes(), path.stat()
        if old in content:
            path.write_bytes(content.replace(old, new))
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    half.rename(to)
