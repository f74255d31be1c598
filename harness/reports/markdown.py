"""A result as Markdown, to be pasted into a bug tracker.

What others wrote stands in code spans and fences: there it is no link, no mention, no number of an issue and no HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from harness.assessment import Document
from harness.reports import cases, parts, safe
from harness.reports.bisect import checks

SIGN = {"good": "✓ good", "bad": "✗ bad", "skip": "? cannot tell"}
_KINDS = {cases.PASS: "✓", cases.FAILURE: "✗", cases.ERROR: "! machine", cases.SKIPPED: "?"}


def render(document: Document) -> str:
    """The text."""
    trial = parts.crash(document)
    crash = trial and trial["crash"]
    facts = [
        ("Status", f"{document['status']}: {document['reason']}"),
        ("Scenario", document["name"]),
        ("Tree", f"{document['tree']}, {document['arch']}"),
        ("Kernel", crash and crash["kernel"]),
        ("Taint", crash and (crash["taint"] or "none")),
    ]
    lines = [f"# {code(document['title'])}", "", *(f"- {name}: {code(text)}" for name, text in facts if text)]
    lines += [f"- Link: <{link}>" for link in parts.links(document)]
    lines += _bisection(document) if "steps" in document else _cases(document)
    console = parts.oops(trial) if trial else []
    if console:
        lines += ["", "## Crash" if crash else "## Console", "", *fence(console)]
    lines += _files(document, trial)
    if document.get("culprit") and document["sought"] != "fix":
        lines += ["", "## How to reproduce it", "", *fence(parts.reproduction(document, document["culprit"]))]
    return "\n".join(lines) + "\n"


def _bisection(document: Document) -> list[str]:
    lines: list[str] = []
    if document["culprit"]:
        what = "First fixed commit" if document["sought"] == "fix" else "First bad commit"
        lines += ["", f"## {what}", "", f"{document['culprit']} {code(document['subject'])}", ""]
        lines += [f"- {code(line)}" for line in checks(document)]
        lines.append(f"- confidence {document['confidence']:.3g}")
    elif document["candidates"]:
        lines += ["", "## Candidates", ""]
        for sha in document["candidates"][:20]:
            subject, why = document["candidate_subjects"][sha], document["candidate_reasons"][sha]
            lines.append(f"- {sha[:12]} {code(subject)}: {code(why)}")
        more = len(document["candidates"]) - 20
        lines += [f"- and {more} more"] if more > 0 else []
    told = [*document["notes"], *([document["merge"]["reason"]] if document["merge"] else [])]
    lines += ["", *(f"- {code(note)}" for note in told)] if told else []
    left = {one["commit"]: one["left"] for one in document["narrowing"]}
    rows = [
        (
            *(SIGN[step["verdict"]], step["commit"][:12], code(step["subject"]), step["role"]),
            *(str(left.get(step["commit"], "")), f"{step['seconds']:.1f} s", code(step["reason"])),
        )
        for step in document["steps"]
    ]
    heads = ("Verdict", "Commit", "Subject", "Tried as", "Left", "Time", "Reason")
    return [*lines, "", "## Steps", "", *table(heads, rows)] if rows else lines


def _cases(document: Document) -> list[str]:
    rows = [
        (_KINDS[case.kind], code(case.suite), code(case.name), f"{case.seconds:.1f} s", code(case.reason))
        for case in cases.of(document)
    ]
    return ["", "## Results", "", *table(("", "Scenario", "What", "Time", "Reason"), rows)]


def _files(document: Document, trial: Document | None) -> list[str]:
    links = [(path, parts.url(document, path)) for path in (trial or {}).get("files", ())]
    found = [f"- [{code(path.rpartition('/')[2]) or 'file'}](<{link}>)" for path, link in links if link]
    return ["", "## Files", "", *found] if found else []


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table; cells are Markdown already."""
    body = ["| " + " | ".join(row) + " |" for row in rows]
    return ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads), *body]


def code(text: object) -> str:
    """Text as a code span that also stands in a table."""
    told = safe.line(text).replace("|", "\N{BROKEN BAR}")
    if not told:
        return ""
    ticks = "`" * (max(map(len, re.findall("`+", told)), default=0) + 1)
    pad = " " if told.startswith("`") or told.endswith("`") else ""
    return f"{ticks}{pad}{told}{pad}{ticks}"


def fence(lines: Sequence[str]) -> list[str]:
    """Lines as a block of code."""
    ticks = "`" * max(3, max((len(run) for line in lines for run in re.findall("`+", line)), default=0) + 1)
    return [ticks, *lines, ticks]
