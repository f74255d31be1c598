"""A night as a page of text: what is new first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.assessment import Document

_SAID = {"infrastructure": "Not finished", "interrupted": "Interrupted", "running": "Not finished, or killed"}


def render(document: Document) -> str:
    """The text."""
    night = document["night"]
    lines = [f"{document['tree']}  {night.get('tag') or 'no new tag'}  ({document['date']})"]
    for title, key in (("NEW", "new"), ("CULPRIT FOUND", "news")):
        for one in night.get(key, ()):
            lines += ["", f"{title}  {one['signature']}", *_regression(one)]
    for title, key in (("FIXED", "fixed"), ("GONE (known)", "gone"), ("still", "still"), ("flaky", "flaky")):
        lines += [""] if night.get(key) else []
        lines += [_old(title, one) for one in night.get(key, ())]
    lines += _cells(night)
    lines += ["", f"carried over: {_listed(night['carried'])}"] if night.get("carried") else []
    said = _SAID.get(document["status"])
    end = f"{said}: {document['reason']}" if said else f"{document['reason'][0].upper()}{document['reason'][1:]}"
    return "\n".join([*lines, "", f"{end}.   {document['folder']}/"])


def _regression(one: Document) -> list[str]:
    lines = [f"  since {one['since']}; {one['last_good']} was good", f"  on {', '.join(one['cells'])}"]
    if one["before"]:
        lines.append(f"  it failed before in another way: {one['before']}; not bisected, that failure hides this one")
    found = one["bisection"]
    if found is None:
        lines += [f"  {note}" for note in one["notes"]]
        return [*lines, *([] if one["before"] else ["  its commit has not been found yet"])]
    if found["culprit"]:
        lines.append(f'  {found["culprit"][:12]} ("{found["subject"]}"), confidence {found["confidence"]:.2f}')
        lines += [f"  tree: {found['tree']}"] if found["tree"] else []
        lines += [f"  {found['merge']['reason']}"] if found["merge"] else []
        checks = found["checks"]
        if revert := checks.get("revert_on_bad"):
            lines.append(f"  reverted on {one['since']}: {revert}")
        return lines
    lines += [f"  no single commit can be named: {found['reason']}"]
    subjects = found.get("candidate_subjects") or {}
    lines += [f'    {sha[:12]} ("{subject}")' for sha, subject in list(subjects.items())[:8]]
    return [*lines, *(f"  {note}" for note in one["notes"])]


def _old(title: str, one: Document) -> str:
    since = f" since {one['since']}" if one["since"] else ""
    known = " (known)" if one.get("known") else ""
    found = one.get("bisection")
    by = f', by {found["culprit"][:12]} ("{found["subject"]}")' if found and found["culprit"] else ""
    return f"{title:6} {one['signature']}{known}{since}{by}: {', '.join(one['cells'])}"


def _listed(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _cells(night: Document) -> list[str]:
    """What could not be told, with the reason, and a count of all."""
    cells = night.get("cells", ())
    told: dict[tuple[str, str], list[str]] = {}
    for one in cells:
        if one["state"] in ("infrastructure", "not run", "never worked"):
            told.setdefault((one["state"], one["reason"]), []).append(one["cell"])
    lines = [f"{state:14} {_listed(names)}: {reason}" for (state, reason), names in told.items()]
    counts = Counter(one["state"] for one in cells)
    count = ", ".join(f"{number} {state}" for state, number in counts.most_common())
    return [*([""] if lines else []), *lines, *(["", f"{len(cells)} cells: {count}"] if cells else [])]
