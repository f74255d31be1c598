"""The verdict on one commit.  Pure: trials and an expectation in, a verdict with its reason out.

- bad needs the expected crash, or, if the scenario says so, the script's own "failed".
- good needs the guest's own "passed" in every trial.
- everything else is skip: inconclusive.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from harness.console import Expectation, match
from harness.model import Judgement, Outcome, Trial, Verdict
from harness.search import Evidence


def judge(trials: Sequence[Trial], expected: Expectation | None, failure: bool | None = None) -> Judgement:
    """The verdict of the trials of one commit.

    Args:
        trials: one or more, in order.
        expected: the crash that means "bad".
        failure: whether "failed" means "bad"; by default, only if no crash is expected.

    Returns:
        The verdict with its reason.  The confidence of "bad" is 1: the crash was seen.  That of
        "good" after n quiet trials is (n + 1) / (n + 2), Laplace's rule of succession: how likely the
        next trial is to be quiet too, if nothing is known about how often the crash comes.
    """
    failure = expected is None if failure is None else failure
    for trial in trials:
        if trial.crash is not None and expected is not None:
            told = match(expected, trial.crash)
            if told.ok:
                return Judgement(Verdict.BAD, trial.reason, 1.0)
        if trial.outcome is Outcome.FAILED and failure:
            return Judgement(Verdict.BAD, trial.reason, 1.0)
    for trial in trials:
        if trial.outcome is not Outcome.PASSED:
            which = f"{trial.variant}: " if trial.variant else ""
            return Judgement(Verdict.SKIP, f"{which}{trial.outcome}: {trial.reason}", 0.0)
    if not trials:
        return Judgement(Verdict.SKIP, "there was no trial", 0.0)
    quiet = f"the scenario ran to its end, {len(trials)} of {len(trials)} times"
    return Judgement(Verdict.GOOD, quiet, (len(trials) + 1) / (len(trials) + 2))


CERTAIN = (Outcome.BUILD_FAILED, Outcome.SKIPPED)
"""Inconclusive outcomes that another trial would not change. All others may be chance."""


def weigh(trials: Sequence[Trial], expected: Expectation | None, failure: bool | None = None) -> Evidence:
    """The evidence of the trials of one commit, for a search.

    A trial in which the machine failed counts for nothing.  A commit is skipped if the last trial
    was inconclusive and none showed the expected crash.
    """
    told = [trial for trial in trials if trial.outcome is not Outcome.INFRASTRUCTURE]
    words = [judge([trial], expected, failure) for trial in told]
    bad = sum(one.verdict is Verdict.BAD for one in words)
    untold = len(list(itertools.takewhile(lambda one: one.verdict is Verdict.SKIP, reversed(words))))
    skip = words[-1].reason if untold and not bad else None
    if told and told[-1].outcome in CERTAIN:
        untold = 0
    return Evidence(bad, sum(one.verdict is Verdict.GOOD for one in words), skip, untold)


def telling(trials: Sequence[Trial], expected: Expectation | None, failure: bool | None = None) -> tuple[Trial, ...]:
    """The trials that decide the verdict: the conclusive ones if the last one is, or else all."""
    told = tuple(trial for trial in trials if judge([trial], expected, failure).verdict is not Verdict.SKIP)
    return told if told and told[-1] is trials[-1] else tuple(trials)
