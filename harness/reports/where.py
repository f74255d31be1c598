"""Which releases have a regression, and which its fix, as text."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from harness.assessment import Document
from harness.reports import safe

MOST, MOST_COMMITS = 3, 30
"""Commits that are listed for a range, and for a tree."""


def render(document: Document) -> str:
    """The text."""
    lines = [safe.line(document["title"])] if document["title"] else []
    lines += [f"culprit  {_name(document['culprit'])}"]
    lines += [f"fix      {_name(one)}" for one in document["fixes"]]
    lines += [] if document["fixes"] else ["fix      none is named: what says `Fixes:` of the culprit counts"]
    for tree in document["trees"]:
        lines += ["", *_tree(tree, len(document["fixes"]))]
    return "\n".join([*lines, "", f"{document['reason'][0].upper()}{document['reason'][1:]}."])


def _name(change: Document) -> str:
    sha, subject = (change["commit"] or "")[:12], safe.line(change["subject"])
    return f'{sha} ("{subject}")' if sha and subject else sha or f'"{subject}"'


def _tree(tree: Document, fixes: int) -> list[str]:
    if "error" in tree:
        return [f"{safe.line(tree['tree'])}: {safe.line(tree['error'])}"]
    cut = ", a cut history" if tree["cut"] else ""
    lines = [f"{safe.line(tree['tree'])}  ({tree['tags']} tags{cut})"]
    commits = {one["commit"]: one for one in tree["commits"]}
    rows: list[tuple[str, str, str, str]] = []
    whole: dict[tuple[str, str], list[int]] = {}
    names = [safe.line(series["series"]) for series in tree["series"]]
    for place, series in enumerate(tree["series"]):
        ranges = series["ranges"]
        told = [(one["state"], _by(one, commits, fixes)) for one in ranges]
        if len(ranges) == 1 and series["series"] != "mainline":
            whole.setdefault(told[0], []).append(place)
            continue
        for number, one in enumerate(ranges):
            name = names[place] if not number else ""
            rows.append((name, _span(one, last=number == len(ranges) - 1), *told[number]))
    for what, places in sorted(whole.items()):
        rows += [(name, "all", *what) for name in _neighbours(names, places)]
    widths = [max((len(row[at]) for row in rows), default=0) for at in range(3)]
    for row in rows:
        told_ = "  ".join(text.ljust(width) for text, width in zip(row, (*widths, 0), strict=True))
        lines.append(f"  {told_.rstrip()}")
    return [*lines, *_commits(tree)]


def _neighbours(names: Sequence[str], places: Sequence[int]) -> list[str]:
    """Series of which all tags are the same; those next to each other as one range, `5.4.y to 5.10.y`."""
    found = []
    for _, group in itertools.groupby(enumerate(places), key=lambda pair: pair[1] - pair[0]):
        newest, *rest = (names[place] for _, place in group)
        found.append(f"{rest[-1]} to {newest}" if rest else newest)
    return found


def _span(one: Document, *, last: bool) -> str:
    first, end = safe.line(one["first"]), safe.line(one["last"])
    if last:
        return f"{first} on"
    return first if first == end else f"{first} to {end}"


def _by(one: Document, commits: Document, fixes: int) -> str:
    """The commits that decide it; of one that is affected, the culprit, and how much of the fix there is."""
    by = [commits[sha] for sha in one["by"]]
    culprits = [mark for mark in by if mark["kind"] == "culprit"]
    mended = {mark["number"] for mark in by if mark["kind"] == "fix"}
    shown = culprits if one["state"] == "affected" else by
    told = ", ".join(mark["commit"][:12] for mark in shown[:MOST])
    told += f" and {len(shown) - MOST} more" if len(shown) > MOST else ""
    part = f"; {len(mended)} of {fixes} fixes" if one["state"] == "affected" and mended else ""
    return f"{told}{part}{' (a guess)' if one['guess'] else ''}"


def _commits(tree: Document) -> list[str]:
    """How each commit was recognised, and where it is first."""
    there = [mark for mark in tree["commits"] if mark["first"]]
    lines = []
    for mark in there[:MOST_COMMITS]:
        what = ("brings it back" if mark["kind"] == "fix" else "revert") if mark["undoes"] else mark["kind"]
        first = mark["first"].get("mainline") or _listed(list(mark["first"].values()))
        guess = ", a guess" if mark["guess"] else ""
        lines.append(f"  {mark['commit'][:12]}  {what:8} by {safe.line(mark['how'])}{guess}; first in {first}")
    rest = len(tree["commits"]) - len(there), len(there) - len(there[:MOST_COMMITS])
    lines += [f"  and {count} {what}" for count, what in zip(rest, ("in no tag", "more"), strict=True) if count]
    for one in tree["also"]:
        lines.append(f'  {one["commit"][:12]}  says Fixes: of it too, "{safe.line(one["subject"])}"')
    return ["", *lines] if lines else []


def _listed(names: Sequence[str], most: int = 4) -> str:
    told = [safe.line(name) for name in names]
    return ", ".join(told[:most]) + (f" and {len(told) - most} more series" if len(told) > most else "")
