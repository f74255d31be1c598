"""Patches by scenarios as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from harness.assessment import Document
from harness.reports import hosts
from harness.thread.message import printable

_WORDS = {"good": "passed", "bad": "REPRODUCED", "skip": "cannot tell"}


def base(document: Document) -> list[str]:
    """What the patches were applied to, on a line; nothing where that is not known."""
    on = document["base"]
    return [f"patches on {on['commit'][:12]}  {on['subject']}"] if on else []


def word(cell: Document) -> str:
    """What a cell says: its verdict, and whether that is as expected."""
    answer = cell["answer"]
    if answer is None:
        return "does not apply"
    if cell["broken"]:
        return "does not build"
    if cell["in_doubt"]:
        return "cannot tell"
    # By the script's own word, where there was no crash.
    failed = answer["verdict"] == "bad" and not any(trial["crash"] for trial in answer["trials"])
    said = "FAILED" if failed else _WORDS[answer["verdict"]]
    expected = {True: ", as expected", False: ", NOT as expected", None: ""}[cell["as_expected"]]
    return f"{said}{expected}"


def progress(cell: Document) -> str:
    """One cell on a line of its own."""
    trials = cell["answer"]["trials"] if cell["answer"] else ()
    boots = f", {len(trials)} boots" if len(trials) > 1 else ""
    seconds = f"  {sum(trial['seconds'] for trial in trials):.1f} s{boots}" if trials else ""
    return f"  {cell['row']} in {cell['scenario']}: {word(cell)}{seconds}"


def render(document: Document) -> str:
    """The table, a row a patch, the base first; below it what needs more words than one."""
    cells: Sequence[Document] = document["cells"]
    rows = list(dict.fromkeys(cell["row"] for cell in cells))
    columns = list(dict.fromkeys(cell["scenario"] for cell in cells))
    at = {(cell["row"], cell["scenario"]): word(cell) for cell in cells}
    first = max(map(len, rows), default=0)
    widths = {c: max([len(c), *(len(at.get((r, c), "")) for r in rows)]) for c in columns}
    lines = ["  ".join([" " * first, *(f"{c:{widths[c]}}" for c in columns)]).rstrip()]
    lines += [
        "  ".join([f"{r:{first}}", *(f"{at.get((r, c), ''):{widths[c]}}" for c in columns)]).rstrip() for r in rows
    ]
    rejected = [row for row in document["rows"] if row["rejected"] and row["name"] in rows]
    return "\n".join([*lines, "", *_reasons(cells), *_rejects(rejected)]).rstrip()


def _reasons(cells: Sequence[Document]) -> list[str]:
    return [
        f"{cell['row']} in {cell['scenario']}: "
        f"{printable(cell['in_doubt'] or cell['answer']['reason'])}{_ways(cell['answer'])}"
        for cell in cells
        if cell["answer"] and (cell["in_doubt"] or cell["answer"]["verdict"] != "good")
    ]


def _ways(answer: Document) -> str:
    """Which of several ways to boot did not pass."""
    trials = answer["trials"]
    ways = [trial["variant"] for trial in trials if "variant" in trial and trial["outcome"] != "passed"]
    return f"  ({', '.join(ways)}: {len(ways)} of {len(trials)} boots)" if ways else ""


def _rejects(rows: Sequence[Document]) -> list[str]:
    lines: list[str] = []
    for row in rows:
        why = row["rejected"]
        lines.append(f"{row['name']} does not apply ({printable(why['patch'])}): {why['reason']}")
        lines += [f"    {printable_line(line)}" for line in (why["hunk"] or "").splitlines()]
    return lines


def printable_line(line: str) -> str:
    """A line of a patch with its tabs and spaces, and nothing else that a terminal would act on."""
    return "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in line)


def conclusion(document: Document) -> str:
    """The table, and the last line: what it all says, and where the artifacts are."""
    reason = document["reason"]
    said = {
        "not reproduced": f"Not reproduced: {reason}.",
        "inconclusive": f"Inconclusive: {reason}.",
        "infrastructure": f"Nothing can be said: {reason}.",
        "interrupted": f"Interrupted: {reason}.",
        "running": f"Not finished, or killed: {reason}.",
    }.get(document["status"], f"{reason[:1].upper()}{reason[1:]}.")
    last = f"{said}   consoles, patches, JUnit: {document['folder']}/"
    return "\n".join([render(document), *hosts.lines(document), last])
