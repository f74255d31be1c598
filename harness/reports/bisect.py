"""A bisection as a few lines for people."""

from __future__ import annotations

from harness.assessment import Document
from harness.reports import hosts
from harness.reports.summary import short

_CHECKS = {
    "good_end": ("the good end is good", "the good end is not good"),
    "bad_end": ("the bad end is bad", "the bad end is not bad"),
    "broken_end": ("the broken end is broken", "the broken end is not broken"),
    "fixed_end": ("the fixed end is fixed", "the fixed end is not fixed"),
    "culprit_again": ("tried again: bad", "tried again: not bad"),
    "fix_again": ("tried again: good", "tried again: not good"),
    "parent_good": ("its parent, tried again: good", "its parent, tried again: bad"),
    "parent_broken": ("its parent, tried again: bad", "its parent, tried again: good"),
    "image_differs": ("its image differs from its parent's", "its image is its parent's, byte for byte"),
}
_REVERTS = {
    "revert_on_culprit": "reverted where it stands",
    "revert_on_bad": "reverted on the bad end",
    "revert_on_fix": "reverted where it stands",
    "revert_on_fixed": "reverted on the fixed end",
    "newest": "the newest commit of the tree",
    "revert_on_newest": "reverted on the newest commit",
}


def checks(document: Document) -> list[str]:
    """What was checked, a line each."""
    lines = []
    for name, value in document["checks"].items():
        if name in _CHECKS:
            lines.append(_CHECKS[name][0 if value else 1] if value is not None else f"{name}: cannot be told")
        elif value is not None:
            what = _REVERTS.get(name, name)
            lines.append(f"{what}: {'it does not apply' if value == 'conflict' else value}")
    return lines


def verdict(document: Document) -> str:
    """What the check of an accused commit came to, in capitals."""
    return {"confirmed": "CONFIRMED", "refuted": "REFUTED"}.get(document["status"], "CANNOT TELL")


def render(document: Document) -> str:
    """What was found."""
    lines = [f"{document['name']}  {document['title']}       tree {document['tree']}"]
    lines += map(_step, document["steps"])
    lines.append(_said(document))
    lines += [f"  {line}" for line in checks(document)]
    if document["merge"]:
        lines.append(f"  {document['merge']['reason']}")
    lines += [f"  note: {note}" for note in document["notes"]]
    for sha in document["candidates"][:20]:
        subject, why = document["candidate_subjects"][sha], document["candidate_reasons"][sha]
        lines.append(f"  candidate {sha[:12]}  {subject}  ({why})")
    if (more := len(document["candidates"]) - 20) > 0:
        lines.append(f"  and {more} more candidates (result.json)")
    lines += [f"  {line}" for line in hosts.lines(document)]
    lines.append(f"{document['builds']} builds, {document['boots']} boots   all of it: {document['folder']}/")
    return "\n".join(lines)


def _step(step: Document) -> str:
    trials = step["trials"]
    note = step["reason"] if step["verdict"] != "good" or not trials else f"{trials} of {trials} quiet"
    role = "" if step["role"] == "commit" else f"({step['role']}) "
    mended = f"  [mended: {'; '.join(step['mended'])}]" if "mended" in step else ""
    what = f"  {step['verdict']:5}{step['commit'][:12]}  {short(step['subject']):46}"
    return f"{what}  {step['seconds']:6.1f} s  {role}{note}{mended}"


def _said(document: Document) -> str:
    if accused := document.get("accused"):
        return f'{verdict(document)}: {accused["commit"]} "{accused["subject"]}": {document["reason"]}.'
    if document["culprit"]:
        what = "fixed" if document["sought"] == "fix" else "bad"
        subject, confidence = document["subject"], document["confidence"]
        return f'{document["culprit"]} is the first {what} commit: "{subject}"  (confidence {confidence:.3g})'
    said = {
        "not-reproduced": "There is no such regression here",
        "infrastructure": "Nothing can be said",
        "interrupted": "Interrupted",
        "running": "Not finished, or killed",
    }.get(document["status"], "Inconclusive")
    return f"{said}: {document['reason']}."
