"""What each night came to, kept beside the pages, so that a night is read once.

All of it follows from the journal: where the file is missing, old or damaged, it is made anew, and so are the pages.
"""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.assessment import Document
from harness.files import write_atomically

FORMAT = 1
"""Of the file; pages of another format are written anew."""

NAME = ".summaries.json"
_THERE = ("new", "changed", "still")

Data = dict[str, Any]


@dataclass
class Summaries:
    """What is known of the nights.

    Attributes:
        last: the newest event that was read.
        nights: by run, in the order in which they were begun.
        standings: what the page of each regression says of it, by the page's name.
    """

    last: int = 0
    nights: dict[str, Data] = field(default_factory=dict)
    standings: dict[str, str] = field(default_factory=dict)


def load(folder: Path) -> Summaries:
    """What is kept; nothing where it cannot be used."""
    try:
        data = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return Summaries(data["last"], data["nights"], data["standings"]) if data["format"] == FORMAT else Summaries()
    except (OSError, ValueError, LookupError, TypeError):
        return Summaries()


def keep(folder: Path, one: Summaries) -> None:
    """Write it, when all pages are there."""
    data = {"format": FORMAT, "last": one.last, "nights": one.nights, "standings": one.standings}
    write_atomically(folder / NAME, json.dumps(data))


def of(night: Document, events: Sequence[tuple[str, Mapping[str, Any]]]) -> Data:
    """What a night came to.

    Args:
        night: its document.
        events: kind and data of its events.
    """
    told = night["night"]
    cells = told.get("cells", [])
    builds = [data["seconds"] for kind, data in events if kind == "kernel" and data["built"]]
    boots = [
        data["seconds"]
        for kind, data in events
        if kind == "trial" and data["outcome"] not in ("build failed", "skipped", "infrastructure")
    ]
    return {
        "date": night["date"],
        "tag": told.get("tag"),
        "counts": dict(Counter(one["state"] for one in cells)),
        "there": sorted({one["signature"] for one in cells if one["state"] in _THERE and one["signature"]}),
        "fixed": sorted({one["signature"] for key in ("fixed", "gone") for one in told.get(key, ())}),
        "builds": _figures(builds),
        "boots": _figures(boots),
    }


def _figures(seconds: Sequence[float]) -> Data:
    return {
        "count": len(seconds),
        "median": round(statistics.median(seconds), 3) if seconds else 0.0,
        "total": round(sum(seconds), 3),
    }


def standing(signature: str, run: str, nights: Mapping[str, Data], tree: Iterable[str], over: str | None) -> Data:
    """Whether a regression is there yet.

    Args:
        signature: how it fails.  run: the night that reported it.
        nights: what each night came to.
        tree: the nights of its tree, in order.
        over: the night on which the same failure began anew; None where it did not.

    Returns:
        `state` (`new`, `still`, `fixed` or `not run`) and `said`.
    """
    later = list(tree)
    later = later[later.index(run) :]
    if over is not None:
        later = later[: later.index(over)]
    told = [nights[one] for one in later if one in nights and nights[one]["tag"] and nights[one]["counts"]]
    seen: Data | None = None
    for one in told:
        if signature in one["fixed"]:
            return {"state": "fixed", "said": f"in {one['tag']}"}
        if signature in one["there"]:
            seen = one
    if not seen:
        return {"state": "not run", "said": "it was not seen again"}
    if seen is told[-1]:
        number = sum(1 for one in told if signature in one["there"])
        state = "new" if number == 1 and over is None else "still"
        return {"state": state, "said": f"seen on {number} {'night' if number == 1 else 'nights'}, last {seen['tag']}"}
    return {"state": "not run", "said": f"last seen in {seen['tag']}"}
