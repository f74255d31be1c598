"""What several formats say of a run, whatever they write it in.  Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from harness import assessment
from harness.assessment import Document
from harness.reports import safe

LOST = ("infrastructure", "lost", "build failed", "boot failed")
"""Outcomes of trials in which the scenario never came to its end, or to its start, by no fault of its own."""


LONGEST = 4096
"""Characters of a path that a system has."""


def url(document: Document, path: str) -> str | None:
    """The address of a file of the run; None where no base URL is given."""
    base = document.get("base_url")
    if not base or len(path) > LONGEST:
        return None
    return f"{base.rstrip('/')}/{quote(name(document), errors='replace')}/{quote(path, errors='replace')}"


def links(document: Document) -> list[str]:
    """The scenario's links, as far as they are addresses of pages."""
    return [link for link in document["links"] if re.fullmatch(r"https?://[!#-;=?-_a-z~]{1,500}", link)]


def name(document: Document) -> str:
    """The name of the run's folder, by which it is known in the journal."""
    return str(document["folder"]).rstrip("/").rpartition("/")[2]


def digest(*words: object) -> str:
    """A short name for some words, the same wherever and whenever it is asked for."""
    return hashlib.sha256("\0".join(map(str, words)).encode("utf-8", "replace")).hexdigest()[:16]


def answers(document: Document) -> Iterator[tuple[str, Document]]:
    """What was tried, each with the scenario that it was tried with; a bisection's steps are no answers."""
    for answer in document.get("commits", ()):
        yield document["scenario"], answer
    for cell in document.get("cells", ()):
        if cell["answer"]:
            yield cell["scenario"], cell["answer"]


def shows(answer: Document, trial: Document) -> bool:
    """Whether this trial shows what made the verdict bad: the crash that it names, or the script's own word."""
    if answer["verdict"] != "bad":
        return False
    if trial["reason"] == answer["reason"]:
        return True
    named = next((one for one in answer["trials"] if one["reason"] == answer["reason"]), None)
    crash = (named or {}).get("crash")
    return bool(crash and trial["crash"] and trial["crash"]["signature"] == crash["signature"])


def crash(document: Document) -> Document | None:
    """The trial that a reader should see first: that of a bisection, else one that shows the regression."""
    if document.get("crash"):
        found: Document = document["crash"]
        return found
    tried = [(answer, trial) for _, answer in answers(document) for trial in answer["trials"]]
    showing = (trial for answer, trial in tried if shows(answer, trial))
    telling = (trial for _, trial in tried if trial["crash"] or trial.get("excerpt"))
    return next(showing, None) or next(telling, None)


def well(document: Document) -> str:
    """Whether all is well, in a word."""
    return {True: "as expected", False: "not as expected", None: "cannot be told"}[assessment.of(document)]


def title(document: Document) -> str:
    """The scenario's name and title on one line."""
    return safe.line(f"{document['name']}: {document['title']}", 200)


def excerpt(trial: Document) -> list[tuple[str, bool]]:
    """The lines of a trial's console that are kept, and whether each is the crash's."""
    kept: Mapping[str, Any] | None = trial.get("excerpt")
    if not kept:
        return []
    first, last = kept["crash"] or (0, -1)
    return [(safe.shown(text), first <= number <= last) for number, text in enumerate(kept["lines"], kept["first"])]


def oops(trial: Document) -> list[str]:
    """The lines of the crash; of a console without one, all lines that are kept."""
    lines = excerpt(trial)
    return [text for text, marked in lines if marked] or [text for text, _ in lines]


def reproduction(document: Document, sha: str) -> list[str]:
    """How to reproduce it in three lines that need nothing of this program."""
    own = document["programs"] or {}
    build = own.get("build") or 'cp config .config && make olddefconfig && make -j"$(nproc)"'
    boot = own.get("machine") or "sh repro.sh  # boots the kernel and initramfs.cpio in QEMU"
    return [f"git checkout {sha[:12]}", safe.line(build), safe.line(boot)]
