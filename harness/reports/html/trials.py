"""A trial as the pages show it: its console with the crash's lines marked, the crash, its phases, its files."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from harness.assessment import Document
from harness.reports import parts, safe

_PHASES = 50
"""More than these are not drawn."""

_COLOURS = 6

Shown = dict[str, Any]


def shown(document: Document, trial: Document, name: str) -> Shown:
    """A trial.

    Args:
        document: of the run; its `base_url` is where the folder of results is.
        name: for people.
    """
    return {
        "name": safe.line(trial.get("variant") or name),
        "outcome": trial["outcome"],
        "well": trial["outcome"] == "passed",
        "reason": safe.line(trial["reason"]),
        "seconds": trial["seconds"],
        "phases": phases(trial),
        "console": console(trial),
        "crash": crash(trial),
        "files": files(document, trial),
    }


def phases(trial: Document) -> list[Shown]:
    """What a boot went through, each phase with its beginning and length in seconds; before the first it boots."""
    told = trial["phases"][:_PHASES]
    if not told:
        return []
    begins = [0.0, *(one["at"] for one in told)]
    ends = [*begins[1:], max(trial["seconds"], begins[-1])]
    names = ["boot", *(safe.line(one["name"], 60) for one in told)]
    return [
        {"name": name, "at": begin, "seconds": max(0.0, end - begin), "colour": number % _COLOURS}
        for number, (name, begin, end) in enumerate(zip(names, begins, ends, strict=True))
    ]


def console(trial: Document) -> list[tuple[bool, list[str]]]:
    """The lines that are kept, in runs: whether they are the crash's, and the lines."""
    lines = parts.excerpt(trial)
    return [(marked, [text for text, _ in run]) for marked, run in itertools.groupby(lines, key=lambda line: line[1])]


def crash(trial: Document) -> Shown | None:
    """What crashed: the function at fault, and the call trace, as far as it was decoded."""
    found = trial["crash"]
    if not found:
        return None
    frames = [_frame(one) for one in found.get("frames", ())]
    fault = next((one for one in frames if one["function"] == found["function"] and one["reliable"]), None)
    facts = [
        ("Kernel", found.get("kernel")),
        ("Process", _process(found)),
        ("Workqueue", found.get("workqueue")),
        ("Taint", found.get("taint") or "none"),
        ("Signature", found.get("signature")),
    ]
    return {
        "title": safe.line(found["title"]),
        "function": found["function"] and safe.line(found["function"]),
        "place": fault and fault["place"],
        "fault": frames.index(fault) if fault else None,
        "frames": frames,
        "facts": [(name, safe.line(value)) for name, value in facts if value],
    }


def _process(found: Document) -> str | None:
    comm, pid = found.get("comm"), found.get("pid")
    told = [str(comm) if comm else None, f"pid {pid}" if pid is not None else None]
    told.append(f"on CPU {found['cpu']}" if found.get("cpu") is not None else None)
    return ", ".join(filter(None, told)) or None


def _frame(one: Document) -> Shown:
    where = f"+{one['offset']:#x}/{one['size']:#x}" if one.get("offset") is not None and one.get("size") else ""
    return {
        "function": one["function"],
        "where": where,
        "module": one.get("module"),
        "reliable": bool(one.get("reliable")),
        "place": one.get("source") and safe.line(one["source"], 200),
    }


def files(document: Document, trial: Document) -> list[tuple[str, str]]:
    """Its files: name and address, from the folder of the run where no other is known."""
    found = [path for path in trial.get("files", ()) if len(path) <= parts.LONGEST]
    return [
        (safe.line(path.rpartition("/")[2]), parts.url(document, path) or f"./{quote(path, errors='replace')}")
        for path in found
    ]


def named(document: Document, trials: Sequence[Document]) -> list[Shown]:
    """Some trials, numbered where they have no name of their own; `first`: none before ended in the same way."""
    found, seen = [], set()
    for number, one in enumerate(trials, 1):
        how = (one["crash"] or {}).get("signature") or one["reason"]
        found.append({**shown(document, one, f"trial {number}"), "first": how not in seen})
        seen.add(how)
    return found
