"""Several scenarios on several commits as one table: how each boot ended, and whether that is as expected."""

from __future__ import annotations

from collections.abc import Sequence

from harness import assessment
from harness.assessment import Document


def expected(document: Document) -> str:
    """Whether all was as expected, in a word; of a regression on commits named by hand, whether it is there."""
    if document["status"] is None:
        return "not tried"
    well = assessment.of(document)
    if well is None:
        return str(document["status"])
    if document["commits"] and all(answer["role"] == "commit" for answer in document["commits"]):
        return "absent" if well else "SHOWS"
    return "yes" if well else "NO"


def render(documents: Sequence[Document]) -> str:
    """The table, the commits' subjects under it, and a line for each scenario that is not well.

    Args:
        documents: a run of each scenario; one that was not tried has only its name, status None and a reason.
    """
    commits: dict[str, str] = {}
    for document in documents:
        commits |= {answer["commit"]: answer["subject"] for answer in _answers(document)}
    grid = [["scenario", *(sha[:8] for sha in commits), "as expected"]]
    for document in documents:
        by_sha = {answer["commit"]: answer["trials"] for answer in _answers(document)}
        for number, name in enumerate(_ways(document)):
            cells = [_cell([t for t in by_sha.get(sha, ()) if name in ("", t.get("variant"))]) for sha in commits]
            label = f"{document['scenario']}:{name}" if name else document["scenario"]
            grid.append([label, *cells, expected(document) if number == 0 else ""])
    widths = [max(len(row[column]) for row in grid) for column in range(len(grid[0]))]
    lines = ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in grid]
    lines.insert(1, "  ".join("-" * width for width in widths))
    lines += ["", *(f"{sha[:8]}  {subject}" for sha, subject in commits.items())]
    lines += [f"{d['scenario']}: {d['reason']}" for d in documents if d["status"] is None or not assessment.of(d)]
    answers = [answer for document in documents for answer in _answers(document)]
    trials = [trial for answer in answers for trial in answer["trials"]]
    built = [answer["kernel"] for answer in answers if answer["kernel"] and answer["kernel"]["built"]]
    lines.append(
        f"{len(trials)} boots in {sum(t['seconds'] for t in trials):.0f} s"
        f", {len(built)} builds in {sum(k['seconds'] for k in built):.0f} s"
    )
    return "\n".join(lines)


def _answers(document: Document) -> Sequence[Document]:
    return tuple(document.get("commits", ()))


def _ways(document: Document) -> list[str]:
    """The names of a scenario's rows: one a variant, or one without a name where no variant was booted."""
    trials = [trial for answer in _answers(document) for trial in answer["trials"]]
    return list(dict.fromkeys(trial["variant"] for trial in trials if "variant" in trial)) or [""]


def _cell(trials: Sequence[Document]) -> str:
    """How the last of these trials ended (it is the one that decided), and seconds from power-on."""
    if not trials:
        return "-"
    times = f" x{len(trials)}" if len(trials) > 1 else ""
    return f"{trials[-1]['outcome']}{times} {trials[-1]['seconds']:.1f} s"
