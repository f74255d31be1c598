"""A bisection as JSON, as a few lines for people, and as a mail to a kernel list."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.bisect import BisectStatus, Plan, Result, Step
from harness.git import Git
from harness.kernel.tree import REPLAY, Tree
from harness.model import Scenario, Verdict


def document(
    scenario: Scenario, tree: Tree, plan: Plan, result: Result, top: Path, command: Sequence[str]
) -> dict[str, Any]:
    """The whole result as JSON data."""
    git = tree.workspace
    return {
        "status": str(result.status),
        "reason": result.reason,
        "sought": "fix" if plan.find_fix else "regression",
        "culprit": result.culprit,
        "subject": git.commit(result.culprit).subject if result.culprit else None,
        "candidates": list(result.candidates),
        "candidate_reasons": dict(result.candidates),
        "confidence": round(result.confidence, 4),
        "steps": [_step(step) for step in result.steps],
        "builds": result.builds,
        "boots": result.boots,
        "checks": dict(result.checks),
        "merge": result.interaction
        and {
            "parents": {sha: str(word) for sha, word in result.interaction.parents.items()},
            "needs": list(result.interaction.needs),
            "reason": result.interaction.reason,
        },
        "notes": list(result.notes),
        "scenario": scenario.id,
        "title": scenario.title,
        "tree": tree.description,
        "arch": plan.arch,
        "plan": plan.to_json(),
        "command": list(command),
        "folder": str(top),
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "commit": step.commit,
        "role": step.role,
        "subject": step.subject,
        "verdict": str(step.verdict),
        "reason": step.reason,
        "built": step.built,
        "trials": step.trials,
        "seconds": step.seconds,
        **({"mended": list(step.mended)} if step.mended else {}),
    }


_CHECKS = {
    "good_end": ("the good end is good", "the good end is not good"),
    "bad_end": ("the bad end is bad", "the bad end is not bad"),
    "broken_end": ("the broken end is broken", "the broken end is not broken"),
    "fixed_end": ("the fixed end is fixed", "the fixed end is not fixed"),
    "culprit_again": ("tried again: bad", "tried again: not bad"),
    "fix_again": ("tried again: good", "tried again: not good"),
    "parent_good": ("its parent, tried again: good", "its parent, tried again: bad"),
    "parent_broken": ("its parent, tried again: bad", "its parent, tried again: good"),
}
_REVERTS = {
    "revert_on_culprit": "reverted where it stands",
    "revert_on_bad": "reverted on the bad end",
    "revert_on_fix": "reverted where it stands",
    "revert_on_fixed": "reverted on the fixed end",
}


def checks(result: Result) -> list[str]:
    """What was checked, a line each."""
    lines = []
    for name, value in result.checks.items():
        if name in _CHECKS:
            lines.append(_CHECKS[name][0 if value else 1] if value is not None else f"{name}: cannot be told")
        elif value is not None:
            lines.append(f"{_REVERTS[name]}: {'it does not apply' if value == 'conflict' else value}")
    return lines


def summary(scenario: Scenario, tree: Tree, plan: Plan, result: Result, top: Path) -> str:
    """What was found, in a few lines."""
    git = tree.workspace
    name = scenario.aliases[0] if scenario.aliases else scenario.id
    lines = [f"{name}  {scenario.title}       tree {tree.description}"]
    for step in result.steps:
        subject = step.subject if len(step.subject) <= 46 else step.subject[:43] + "..."
        note = (
            step.reason
            if step.verdict is not Verdict.GOOD or not step.trials
            else f"{step.trials} of {step.trials} quiet"
        )
        role = "" if step.role == "commit" else f"({step.role}) "
        mended = f"  [mended: {'; '.join(step.mended)}]" if step.mended else ""
        lines.append(f"  {step.verdict:5}{step.commit[:12]}  {subject:46}  {step.seconds:6.1f} s  {role}{note}{mended}")
    lines.append(_said(git, plan, result))
    lines += [f"  {line}" for line in checks(result)]
    if result.interaction:
        lines.append(f"  {result.interaction.reason}")
    lines += [f"  note: {note}" for note in result.notes]
    for sha, why in list(result.candidates.items())[:20]:
        lines.append(f"  candidate {sha[:12]}  {git.commit(sha).subject}  ({why})")
    if (more := len(result.candidates) - 20) > 0:
        lines.append(f"  and {more} more candidates (result.json)")
    lines.append(f"{result.builds} builds, {result.boots} boots   all of it: {top}/")
    return "\n".join(lines)


def _said(git: Git, plan: Plan, result: Result) -> str:
    if result.status is BisectStatus.CULPRIT and result.culprit:
        what = "fixed" if plan.find_fix else "bad"
        subject = git.commit(result.culprit).subject
        return f'{result.culprit} is the first {what} commit: "{subject}"  (confidence {result.confidence:.3g})'
    said = {
        BisectStatus.NOT_REPRODUCED: "There is no such regression here",
        BisectStatus.INFRASTRUCTURE: "Nothing can be said",
        BisectStatus.INTERRUPTED: "Interrupted",
    }.get(result.status, "Inconclusive")
    return f"{said}: {result.reason}."


MADE_UP = "NOT TO BE SENT: this is a bisection of the replay, a history that was made up for this program."


def mail(scenario: Scenario, tree: Tree, plan: Plan, result: Result, top: Path, people: Sequence[str]) -> str:
    """A report on a culprit in the form that kernel lists expect, to be looked over and sent by a person."""
    assert result.culprit is not None
    git = tree.workspace
    subject = git.commit(result.culprit).subject
    about = git.text(
        "log", "-1", "--no-show-signature", "--format=commit %H%nAuthor: %an <%ae>%nDate:   %ad", result.culprit, "--"
    )
    body = git.text("log", "-1", "--no-show-signature", "--format=%B", result.culprit, "--")
    what = "fixes" if plan.find_fix else "is the first bad commit for"
    head = "[fix found]" if plan.find_fix else "[REGRESSION]"
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
        f"Tree: {tree.description}, {plan.arch}",
        *_neighbours(git, plan, result),
        "",
        "How sure this is:",
        *(f"- {line}" for line in checks(result)),
        f"- {_trials(result)}",
        *(f"- {note}" for note in (*result.notes, *([result.interaction.reason] if result.interaction else []))),
        "",
        *_oops(result),
        "",
        "The bisection:",
        "",
        *(top / "bisect.log").read_text(encoding="utf-8").splitlines(),
        "",
    ]
    if not plan.find_fix:
        parts += [f'#regzbot introduced: {result.culprit[:12]} ("{subject}")', f"#regzbot title: {scenario.title}", ""]
    return "\n".join(parts)


def _neighbours(git: Git, plan: Plan, result: Result) -> list[str]:
    """The last commit before, and the first one with, what was looked for."""
    assert result.culprit is not None
    before = " ".join(sha[:12] for sha in git.parents(result.culprit))
    names = ("Last broken", "First fixed") if plan.find_fix else ("Last good", "First bad")
    return [f"{names[0]}: {before}", f"{names[1]}: {result.culprit[:12]}"]


def _trials(result: Result) -> str:
    return f"{result.builds} builds and {result.boots} boots in all; confidence {result.confidence:.3g}"


def _oops(result: Result) -> list[str]:
    """The crash as the console showed it, and where the artifacts of that kernel are."""
    trial = result.crash
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
