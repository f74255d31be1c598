"""Two results, row by row: what came out otherwise, and what was otherwise with kernel, configuration and time."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from harness.changes.sides import Row, Side

Data = dict[str, Any]

SAME, DIFFERENT, ONLY_OLD, ONLY_NEW, UNTOLD = "same", "different", "only old", "only new", "cannot tell"
"""What a row is."""

STATUS = {SAME: 0, DIFFERENT: 1, UNTOLD: 3}
"""The exit status, by what came of it."""

SLOWER, LEAST = 1.25, 1.0
"""A boot or a build takes longer if it takes so many times as long, and so many seconds more."""


def compare(old: Side, new: Side) -> Data:
    """What changed.

    Returns:
        `status`: `same`, `different` or `cannot tell`, with its `reason`; `circumstances` that differ; `rows`, each
        with its `change`, what it is in `old` and `new`, whether `kernel` and `config` differ, `slower` (how many
        times as long boots take; None where that is no news), and the same of its `build`; `options`: those that
        differ, with the rows whose kernels they were set in.
    """
    rows = [_compared(a, b) for a, b in _pairs(old.rows, new.rows)]
    bisections = "steps" in old.document and "steps" in new.document
    if bisections:
        # Each of two searches tries the commits that it needs.
        counted = [row for row in rows if row["change"] not in (ONLY_OLD, ONLY_NEW)]
        found = (old.document["status"], old.document["culprit"]) != (new.document["status"], new.document["culprit"])
    else:
        counted, found = rows, False
    words = [row["change"] for row in counted]
    different = sum(word in (DIFFERENT, ONLY_OLD, ONLY_NEW) for word in words)
    if different or found:
        parts = ["the bisections ended otherwise"] if found else []
        parts += [f"{different} of {len(counted)} rows differ"] if different else []
        status, reason = DIFFERENT, "; ".join(parts)
    elif UNTOLD in words or not words:
        lost = words.count(UNTOLD)
        status, reason = (
            UNTOLD,
            f"of {lost} rows nothing is known on one side" if lost else "there is nothing to compare",
        )
    else:
        status, reason = SAME, f"{len(words)} rows, and the same came out of each"
    return {
        "status": status,
        "reason": reason,
        "old": _head(old),
        "new": _head(new),
        "circumstances": _circumstances(old, new),
        "rows": rows,
        "options": _options(old.rows, new.rows),
    }


def _head(side: Side) -> Data:
    names = ("kind", "scenario", "started", "status", "folder")
    return {name: side.document[name] for name in names}


def _circumstances(old: Side, new: Side) -> list[Data]:
    names = dict.fromkeys((*old.circumstances, *new.circumstances))
    both = ((name, old.circumstances.get(name, "unknown"), new.circumstances.get(name, "unknown")) for name in names)
    return [{"what": name, "old": a, "new": b} for name, a, b in both if a != b]


def _pairs(old: Sequence[Row], new: Sequence[Row]) -> list[tuple[Row | None, Row | None]]:
    """The rows that belong together: those with the same key, else the only ones that are left of one sort."""
    there = {row.key: row for row in new}
    found: dict[int, Row] = {id(row): there[row.key] for row in old if row.key in there}
    taken = {id(row) for row in found.values()}
    left_old = [row for row in old if id(row) not in found and row.loose]
    left_new = [row for row in new if id(row) not in taken and row.loose]
    for loose in dict.fromkeys(row.loose for row in left_old):
        ours, theirs = ([row for row in rows if row.loose == loose] for rows in (left_old, left_new))
        if len(ours) == len(theirs):
            found |= {id(a): b for a, b in zip(ours, theirs, strict=True)}
    taken = {id(row) for row in found.values()}
    return [*((row, found.get(id(row))) for row in old), *((None, row) for row in new if id(row) not in taken)]


def _compared(old: Row | None, new: Row | None) -> Data:
    row = new or old
    assert row is not None
    name = row.name if old is None or new is None or old.name == new.name else f"{old.name} -> {new.name}"
    told: Data = {"row": name, "old": old and _told(old), "new": new and _told(new)}
    if old is None or new is None:
        return {**told, "change": ONLY_NEW if old is None else ONLY_OLD, "kernel": False, "config": False} | {
            "slower": None,
            "build": None,
        }
    builds = [[one.build] if one.build is not None else [] for one in (old, new)]
    return {
        **told,
        "change": _change(old, new),
        "kernel": (old.commit, old.image, old.compiler) != (new.commit, new.image, new.compiler),
        "config": None not in (old.config, new.config) and old.config != new.config,
        "slower": _slower(old.seconds, new.seconds),
        "build": _slower(*builds),
    }


def _change(old: Row, new: Row) -> str:
    if not (old.told and new.told):
        return UNTOLD
    same = old.outcomes.keys() == new.outcomes.keys() and old.failures.keys() == new.failures.keys()
    return SAME if same else DIFFERENT


def _told(row: Row) -> Data:
    return {
        "commit": row.commit,
        "verdict": row.verdict,
        "reason": row.reason,
        "outcomes": dict(row.outcomes),
        "failures": dict(row.failures),
        "seconds": round(statistics.median(row.seconds), 2) if row.seconds else None,
        "image": row.image,
        "config": row.config,
        "compiler": row.compiler,
        "build_seconds": row.build,
    }


def _slower(old: Sequence[float], new: Sequence[float]) -> float | None:
    """How many times as long it takes now, if every time that was measured says that it takes longer, or less."""
    if not old or not new:
        return None
    a, b = statistics.median(old), statistics.median(new)
    apart = min(new) > max(old) or min(old) > max(new)
    if not apart or abs(b - a) < LEAST or max(a, b) < SLOWER * min(a, b) or not a:
        return None
    return round(b / a, 2)


def _options(old: Sequence[Row], new: Sequence[Row]) -> list[Data]:
    """The options that differ: each set of differences once, with the rows whose kernels have it."""
    sets: dict[tuple[tuple[str, str, str], ...], list[str]] = {}
    lost: list[str] = []
    for a, b in _pairs(old, new):
        if a is None or b is None or None in (a.config, b.config) or a.config == b.config:
            continue
        ours, theirs = a.options(), b.options()
        if ours is None or theirs is None:
            lost.append(b.name)
        elif changed := tuple(_changed(ours, theirs)):
            sets.setdefault(changed, []).append(b.name)
    found: list[Data] = [
        {"rows": names, "changed": [{"option": option, "old": a, "new": b} for option, a, b in changed]}
        for changed, names in sets.items()
    ]
    return found + ([{"rows": lost, "changed": None}] if lost else [])


def _changed(old: dict[str, str], new: dict[str, str]) -> Iterable[tuple[str, str, str]]:
    for option in sorted(old.keys() | new.keys()):
        # An option that a tree does not know is not set there.
        a, b = old.get(option, "n"), new.get(option, "n")
        if a != b:
            yield option, a, b
