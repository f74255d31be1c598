"""A run as a few lines for people."""

from __future__ import annotations

from pathlib import Path

from harness.model import Scenario, Trial, Verdict
from harness.runner import Answer, RunStatus


def head(scenario: Scenario, tree: str, arch: str) -> str:
    """The first line: what is tried, and on which tree."""
    name = scenario.aliases[0] if scenario.aliases else scenario.id
    return f"{name}  {scenario.title}       tree {tree}{'' if arch == 'x86_64' else f', {arch}'}"


def row(answer: Answer) -> str:
    """One commit's line."""
    commit, trials, verdict = answer.subject.commit, answer.trials, answer.verdict
    word = {Verdict.GOOD: "passed", Verdict.BAD: "REPRODUCED", Verdict.SKIP: "cannot tell"}[verdict.word]
    if verdict.word is Verdict.BAD and (answer.subject.role == "claim" or not any(one.crash for one in trials)):
        word = "FAILED"  # nothing was to be reproduced, or it is the script's own word
    subject = commit.subject if len(commit.subject) <= 46 else commit.subject[:43] + "..."
    seconds = f"{trials[-1].seconds:6.1f} s" if answer.kernel and trials else " " * 8
    if any(one.variant for one in trials):
        seconds = f"{sum(one.seconds for one in trials):6.1f} s"
    note = "" if verdict.word is Verdict.GOOD else verdict.reason
    if verdict.word is Verdict.GOOD and len(trials) == 1:
        note = trials[0].reason  # the evidence
    if len(trials) > 1:
        note = f"{note}  ({len(trials)} trials)".strip()
    ways = "".join(f"\n{_way(one)}" for one in trials if one.variant)
    return f"  {answer.subject.role:7}{commit.sha[:8]}  {subject:46}  {word:11}{seconds}  {note}".rstrip() + ways


def _way(trial: Trial) -> str:
    """One variant's line, with what the script told of itself."""
    return f"    {trial.variant:24}{trial.outcome:12}{trial.seconds:6.1f} s  {trial.reason}".rstrip()


def conclusion(status: RunStatus, reason: str, folder: Path) -> str:
    """The last line: what it all says, and where the artifacts are."""
    said = {
        RunStatus.SHOWS: "The regression shows.",
        RunStatus.HOLDS: "The claim holds.",
        RunStatus.DOES_NOT_HOLD: f"The claim does not hold: {reason}.",
        RunStatus.DOES_NOT_SHOW: f"The regression does not show: {reason}.",
        RunStatus.INCONCLUSIVE: f"Inconclusive: {reason}.",
        RunStatus.INFRASTRUCTURE: f"Nothing can be said: {reason}.",
        RunStatus.INTERRUPTED: f"Interrupted: {reason}.",
    }[status]
    return f"{said}   console, config, JUnit: {folder}/"
