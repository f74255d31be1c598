"""A culprit as a mail in the form that kernel lists expect, to be looked over and sent by a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.assessment import Document
from harness.git import Git
from harness.kernel.tree import REPLAY, Tree
from harness.model import Scenario, Trial
from harness.reports.bisect import checks

MADE_UP = "NOT TO BE SENT: this is a bisection of the replay, a history that was made up for this program."


def render(document: Document, scenario: Scenario, tree: Tree, crash: Trial | None, people: Sequence[str]) -> str:
    """The text.

    Args:
        document: a bisection that found its culprit.
        crash: a trial that showed the crash.
        people: whom it concerns, the first to be written to.
    """
    git, culprit, fix = tree.workspace, document["culprit"], document["sought"] == "fix"
    about = git.text(
        "log", "-1", "--no-show-signature", "--format=commit %H%nAuthor: %an <%ae>%nDate:   %ad", culprit, "--"
    )
    body = git.text("log", "-1", "--no-show-signature", "--format=%B", culprit, "--")
    what = "fixes" if fix else "is the first bad commit for"
    head = "[fix found]" if fix else "[REGRESSION]"
    addressed = [f"{'To' if not number else 'Cc'}: {person}" for number, person in enumerate(people)]
    made_up = tree.name.startswith(REPLAY)
    parts = [
        f"Subject: {head} {scenario.title}",
        *(["", MADE_UP] if made_up else addressed),
        "",
        f"This commit {what} the problem described below:",
        "",
        *(f"    {line}".rstrip() for line in (*about.splitlines(), "", *(f"    {text}" for text in body.splitlines()))),
        "",
        f"Problem: {scenario.title}",
        *(f"Link: {link}" for link in scenario.links),
        f"Tree: {tree.description}, {document['arch']}",
        *_neighbours(git, culprit, fix=fix),
        "",
        "How sure this is:",
        *(f"- {line}" for line in checks(document)),
        f"- {_trials(document)}",
        *(f"- {note}" for note in (*document["notes"], *([document["merge"]["reason"]] if document["merge"] else []))),
        "",
        *_oops(crash),
        "",
        "The bisection:",
        "",
        *(Path(document["folder"]) / "bisect.log").read_text(encoding="utf-8").splitlines(),
        "",
    ]
    if not fix:
        parts += [
            f'#regzbot introduced: {culprit[:12]} ("{document["subject"]}")',
            f"#regzbot title: {scenario.title}",
            "",
        ]
    return "\n".join(parts)


def _neighbours(git: Git, culprit: str, *, fix: bool) -> list[str]:
    """The last commit before, and the first one with, what was looked for."""
    before = " ".join(sha[:12] for sha in git.parents(culprit))
    names = ("Last broken", "First fixed") if fix else ("Last good", "First bad")
    return [f"{names[0]}: {before}", f"{names[1]}: {culprit[:12]}"]


def _trials(document: Document) -> str:
    counts = f"{document['builds']} builds and {document['boots']} boots in all"
    return f"{counts}; confidence {document['confidence']:.3g}"


def _oops(trial: Trial | None) -> list[str]:
    """The crash as the console showed it, and where the artifacts of that kernel are."""
    if trial is None:
        return []
    console, folder = trial.folder / "console.log", trial.folder.parent
    lines: list[str] = []
    if trial.crash and console.exists():
        # Lines are counted by their newlines; a serial console puts carriage returns before these.
        text = console.read_bytes().decode(errors="replace").split("\n")
        lines = [line.rstrip("\r") for line in text[trial.crash.start_line - 1 : trial.crash.end_line]]
    artifacts = (("Console", console), ("Config", folder / "config"), ("Reproducer", folder / "repro.sh"))
    return ["The crash:", "", *lines, "", *(f"{name}: {path}" for name, path in artifacts if path.exists())]
