"""A run as a few lines for people."""

from __future__ import annotations

from harness import assessment
from harness.assessment import Document
from harness.reports import hosts

_SAID = {
    "shows": "The regression shows.",
    "holds": "The claim holds.",
    "does not hold": "The claim does not hold: {}.",
    "does not show": "The regression does not show: {}.",
    "inconclusive": "Inconclusive: {}.",
    "infrastructure": "Nothing can be said: {}.",
    "interrupted": "Interrupted: {}.",
    "running": "Not finished, or killed: {}.",
}


def head(document: Document) -> str:
    """The first line: what is tried, and on which tree."""
    arch = "" if document["arch"] == "x86_64" else f", {document['arch']}"
    own = document.get("configuration")
    config = f", configuration {own['name']}" if own else ""
    return f"{document['name']}  {document['title']}       tree {document['tree']}{arch}{config}"


def short(subject: str) -> str:
    """A subject line that fits into a column."""
    return subject if len(subject) <= 46 else subject[:43] + "..."


def row(answer: Document) -> str:
    """One commit's line."""
    trials, verdict = answer["trials"], answer["verdict"]
    word = {"good": "passed", "bad": "REPRODUCED", "skip": "cannot tell"}[verdict]
    if verdict == "bad" and (answer["role"] == "claim" or not any(one["crash"] for one in trials)):
        word = "FAILED"  # nothing was to be reproduced, or it is the script's own word
    seconds = f"{trials[-1]['seconds']:6.1f} s" if answer["kernel"] and trials else " " * 8
    if any("variant" in one for one in trials):
        seconds = f"{sum(one['seconds'] for one in trials):6.1f} s"
    note = "" if verdict == "good" else answer["reason"]
    if verdict == "good" and len(trials) == 1:
        note = trials[0]["reason"]  # the evidence
    if len(trials) > 1:
        note = f"{note}  ({len(trials)} trials)".strip()
    ways = "".join(f"\n{_way(one)}" for one in trials if "variant" in one)
    what = f"  {answer['role']:7}{answer['commit'][:8]}  {short(answer['subject']):46}"
    return f"{what}  {word:11}{seconds}  {note}".rstrip() + ways


def _way(trial: Document) -> str:
    """One variant's line, with what the script told of itself."""
    return f"    {trial['variant']:24}{trial['outcome']:12}{trial['seconds']:6.1f} s  {trial['reason']}".rstrip()


def conclusion(document: Document) -> str:
    """The last line: what it all says, and where the artifacts are."""
    said = _SAID[document["status"]].format(document["reason"])
    if document["status"] == "shows" and not assessment.of(document):
        said = f"The regression shows: {document['reason']}."  # on a commit that was named by hand
    return "\n".join([*hosts.lines(document), f"{said}   console, config, JUnit: {document['folder']}/"])
