"""What changed between two results, as text."""

from __future__ import annotations

from collections.abc import Sequence

from harness.assessment import Document
from harness.reports import safe

_SIGNS = {"different": "!", "only old": "-", "only new": "+", "cannot tell": "?"}
MOST = 40
"""Options of one kind that are listed."""


def render(document: Document) -> str:
    """The text."""
    lines = [f"{name}  {_head(document[key])}" for name, key in (("old", "old"), ("new", "new"))]
    lines += [f"{one['what']}: {_short(one['old'])} -> {_short(one['new'])}" for one in document["circumstances"]]
    rows = [row for row in document["rows"] if row["change"] != "same"]
    width = max((len(safe.line(row["row"])) for row in rows), default=0)
    lines += [""] if rows else []
    for row in rows:
        old, new = (_side(row[key]) for key in ("old", "new"))
        lines.append(f"{_SIGNS[row['change']]} {safe.line(row['row']):{width}}  {old} -> {new}")
    lines += _times(document["rows"])
    lines += _kernels(document["rows"])
    for one in document["options"]:
        lines += ["", *_options(one)]
    return "\n".join([*lines, "", f"{document['reason'][0].upper()}{document['reason'][1:]}."])


def _head(side: Document) -> str:
    return f"{safe.line(side['folder']).rpartition('/')[2]}  {side['kind']}, {safe.line(side['status'])}"


def _short(text: str) -> str:
    told = safe.line(text)
    return told[:12] if len(told) in (40, 64) and all(sign in "0123456789abcdef" for sign in told) else told


def _side(side: Document | None) -> str:
    """What came out: `2 passed`, or with a failure `crashed null-deref:f`."""
    if side is None:
        return "not tried"
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in side["outcomes"].items())
    failures = f" ({safe.line(', '.join(side['failures']))})" if side["failures"] else ""
    word = f"{side['verdict']}: " if side["verdict"] else ""
    return f"{word}{outcomes}{failures}"


def _times(rows: Sequence[Document]) -> list[str]:
    lines = []
    for row in rows:
        name = safe.line(row["row"])
        for key, what, seconds in (("slower", "boots", "seconds"), ("build", "builds", "build_seconds")):
            if row[key]:
                old, new = row["old"][seconds], row["new"][seconds]
                lines.append(f"{name}: {what} in {new:.1f} s, before in {old:.1f} s ({row[key]:.2f} times)")
    return ["", *lines] if lines else []


def _kernels(rows: Sequence[Document]) -> list[str]:
    """How many kernels are others, and in what."""
    both = [row for row in rows if row["old"] and row["new"] and row["kernel"]]
    told = []
    for what, key in (("commit", "commit"), ("image", "image"), ("compiler", "compiler")):
        pairs = {(row["old"][key], row["new"][key]) for row in both if row["old"][key] != row["new"][key]}
        if len(pairs) == 1:
            [(old, new)] = pairs
            told.append(f"{what} {_short(old or 'unknown')} -> {_short(new or 'unknown')}")
        elif pairs:
            told.append(f"{what}s of {len(pairs)} kernels")
    return ["", f"other kernels in {len(both)} of {len(rows)} rows: {'; '.join(told)}"] if told else []


def _options(one: Document) -> list[str]:
    more = f" and {len(one['rows']) - 4} more" if len(one["rows"]) > 4 else ""
    rows = f"{safe.line(', '.join(one['rows'][:4]))}{more}"
    if one["changed"] is None:
        return [f"configuration of {rows}: it is another, but the file `config` of one side is gone"]
    lines = [f"configuration of {rows}:"]
    for change in one["changed"][:MOST]:
        old, new = (safe.line(change[key], 60) for key in ("old", "new"))
        lines.append(f"  CONFIG_{safe.line(change['option'])}  {old} -> {new}")
    left = len(one["changed"]) - MOST
    return [*lines, *([f"  and {left} more"] if left > 0 else [])]
