"""What a night says of a cell beside the nights before.  Pure: counts in, a state with its reason out.

A cell is a scenario, booted in one way, in one configuration, for one architecture.  Its nights are taken one after the
other (`step`), the oldest first.  The rules:

- only trials that ended with the guest's word or with a crash count; a machine that failed says nothing of a kernel;
- one commit that fails and passes is flaky: that is proof, and no other commit is needed for it;
- a failure after nights that passed is tried again until chance is out of the question, and so is the commit of the
  last good night: where that one fails too, it is not tonight's kernel that is at fault;
- a failure that is gone is called fixed after so many quiet trials as show it, by how often it came before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from harness.search.posterior import OFTEN, SELDOM, enough, log_beta

CONFIDENCE = 0.99
MOST = 10
"""Trials of one commit that are enough in any case."""

CONTROLS = 2
"""Trials of the last good night's commit that have to be quiet tonight before tonight's is blamed."""


class State(StrEnum):
    """What a cell is tonight."""

    NEW = "new"
    """it fails, and did not before"""
    CHANGED = "changed"
    """it failed before, and fails in another way"""
    STILL = "still"
    """it fails as before"""
    FIXED = "fixed"
    """it failed before, and does not any more"""
    FLAKY = "flaky"
    """one commit fails and passes"""
    NEVER = "never worked"
    """it has failed since it was first tried"""
    INFRASTRUCTURE = "infrastructure"
    """the machine failed: nothing can be said"""
    NOT_RUN = "not run"
    """it could not be told, for the reason given"""
    PASSES = "passes"
    """it passes, and did before"""


@dataclass(frozen=True)
class Sighting:
    """What the trials of one night have shown of a cell.

    Attributes:
        night: its name: the tag.  sha: the commit.
        quiet: trials that passed.
        failures: trials that failed, by signature, in the order of the first of each.
        untold: why the last trial that said nothing did so; None where there is none.
        untold_count: how many trials said nothing; a build that failed is told at once.
        machine: whether the machine was at fault for that.
        control_quiet, control_bad: trials, this night, of the last good night's commit.
        control_untold: why that cannot be tried any more.
    """

    night: str
    sha: str
    quiet: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    untold: str | None = None
    untold_count: int = 0
    machine: bool = False
    control_quiet: int = 0
    control_bad: int = 0
    control_untold: str | None = None

    @property
    def bad(self) -> int:
        """Trials that failed."""
        return sum(self.failures.values())

    @property
    def signature(self) -> str | None:
        """The failure that came most often; of several, the first."""
        return max(self.failures, key=lambda one: self.failures[one], default=None)


@dataclass(frozen=True)
class Episode:
    """A failure that was there, and went away.

    Attributes:
        signature: how it failed.  first, last: nights.
    """

    signature: str
    first: str
    last: str


@dataclass(frozen=True)
class Standing:
    """Where a cell stands after a night; all that later nights need of it.

    Attributes:
        state, reason: the answer, and why.
        signature: of the failure that is there, or has gone.
        since: the first night of the failure; of one that passes, None.
        night, sha: of the night itself.
        good, good_sha: the last night that passed, and its commit.
        seen: how often the failure came, and how often it did not, since `since`.
        streak: all signatures since `since`.
        passed: trials that passed in nights that were good.
        calm: quiet trials since the failure came last.
        last_bad, last_bad_sha: the night on which the failure came last, and its commit.
        settled: the failure was confirmed, so that it is no news any more.
        flaky: whether one commit failed and passed since `since`.
        over: failures that were there, and went away.
    """

    state: State
    reason: str
    signature: str | None = None
    since: str | None = None
    night: str = ""
    sha: str = ""
    good: str | None = None
    good_sha: str | None = None
    seen: tuple[int, int] = (0, 0)
    streak: tuple[str, ...] = ()
    passed: int = 0
    calm: int = 0
    last_bad: str = ""
    last_bad_sha: str = ""
    settled: bool = False
    flaky: bool = False
    over: tuple[Episode, ...] = ()


NOTHING = Standing(State.NOT_RUN, "it was not tried yet")


def fails_by_chance(bad: int, quiet: int, runs: int) -> float:
    """How probable it is that `runs` further trials all fail, where failures come as they did before."""
    return math.exp(log_beta(OFTEN + bad + runs, SELDOM + quiet) - log_beta(OFTEN + bad, SELDOM + quiet))


def confirmations(bad: int, quiet: int) -> int:
    """How many trials in a row have to fail before a failure is called one.

    Args:
        bad, quiet: how often the cell failed, and did not, in nights that were no worse than flaky.
    """
    return next((n for n in range(2, MOST) if fails_by_chance(bad, quiet, n) <= 1 - CONFIDENCE), MOST)


@dataclass(frozen=True)
class Missing:
    """What has to be tried before a night says what it says for sure.

    Attributes:
        trials: of tonight's commit.  controls: of the last good night's.
        why: for people.
    """

    trials: int = 0
    controls: int = 0
    why: str = ""

    def __bool__(self) -> bool:
        return bool(self.trials or self.controls)


def missing(before: Standing, tonight: Sighting) -> Missing:
    """What has to be tried yet; nothing where the night can be told.

    Args:
        before: after the last night.
        tonight: what was seen until now.
    """
    if tonight.bad and tonight.quiet:
        return Missing()
    if tonight.bad:
        if before.settled and (before.good is None or tonight.signature in before.streak):
            return Missing()  # it fails as before, or as it always did
        wanted = _confirmations(before) - tonight.bad
        if wanted > 0:
            return Missing(wanted, why=f"a failure is called one after {_confirmations(before)} in a row")
        controls = tonight.control_quiet + tonight.control_bad
        possible = before.good is not None and tonight.control_untold is None
        if not before.settled and possible and controls < CONTROLS:
            return Missing(controls=CONTROLS - controls, why=f"does {before.good} still pass tonight?")
        return Missing()
    if tonight.quiet and before.settled:
        # A flaky one shows by itself over the nights that it has gone.
        wanted = _quiet_enough(before) - before.calm - tonight.quiet
        return Missing(max(0, wanted), why="is it fixed?") if wanted > 0 else Missing()
    return Missing()


def _quiet_enough(before: Standing) -> int:
    """How many quiet trials show that a failure is gone: as many as it takes for one that comes so often."""
    bad, quiet = before.seen
    # What came after the last failure is what is asked about.
    wanted = enough(bad, quiet - before.calm if before.flaky else quiet, CONFIDENCE)
    return wanted if before.flaky else min(MOST, wanted)


def _confirmations(before: Standing) -> int:
    if before.flaky:
        return confirmations(*before.seen)
    if before.settled or before.good is None:
        return 2  # it fails anyway; only in which way is in question
    return confirmations(0, before.passed)


def step(before: Standing, tonight: Sighting) -> Standing:
    """Where a cell stands after a night.

    Args:
        before: after the night before; `NOTHING` at first.
        tonight: what the night has shown.
    """
    at = replace(before, night=tonight.night, sha=tonight.sha)
    if not tonight.bad and not tonight.quiet:
        if tonight.machine:
            return replace(at, state=State.INFRASTRUCTURE, reason=tonight.untold or "the machine failed")
        return replace(at, state=State.NOT_RUN, reason=tonight.untold or "there was no time")
    if tonight.bad and tonight.quiet:
        return _flaky(before, at, tonight)
    return _fails(before, at, tonight) if tonight.bad else _passes(before, at, tonight)


def _often(bad: int, quiet: int) -> str:
    return f"{bad} of {bad + quiet} trials failed"


def _flaky(before: Standing, at: Standing, tonight: Sighting) -> Standing:
    """One commit failed and passed."""
    here = _began(before, tonight)
    seen = (here.seen[0] + tonight.bad, here.seen[1] + tonight.quiet)
    since = here.since or tonight.night
    reason = f"{_often(tonight.bad, tonight.quiet)} of one commit; since {since}, {_often(*seen)}"
    if not before.flaky and before.since is not None:
        reason = f"{_often(tonight.bad, tonight.quiet)} of one commit, where all had failed since {before.since}"
    return replace(
        at,
        signature=tonight.signature,
        since=since,
        streak=here.streak,
        state=State.FLAKY,
        reason=reason,
        seen=seen,
        flaky=True,
        calm=0,
        last_bad=tonight.night,
        last_bad_sha=tonight.sha,
        settled=False,
    )


def _began(before: Standing, tonight: Sighting) -> Standing:
    """The failure as it stands with tonight's signatures, its first night if it begins."""
    since = before.since or tonight.night
    # What a flaky one did before it began is no part of how often it comes.
    return replace(before, since=since, streak=tuple(dict.fromkeys((*before.streak, *tonight.failures))))


def _fails(before: Standing, at: Standing, tonight: Sighting) -> Standing:
    """Every trial failed."""
    here = _began(before, tonight)
    seen = (before.seen[0] + tonight.bad, before.seen[1])
    failed = replace(
        at,
        signature=tonight.signature,
        since=here.since,
        streak=here.streak,
        seen=seen,
        calm=0,
        last_bad=tonight.night,
        last_bad_sha=tonight.sha,
    )
    if before.good is None and not before.flaky:
        return replace(failed, state=State.NEVER, settled=True, reason="no night has passed yet")
    if left := missing(before, tonight):
        if before.flaky:
            return replace(failed, state=State.FLAKY, reason=f"it was flaky before; {_often(*seen)} since {here.since}")
        often = "once" if tonight.bad == 1 else f"{tonight.bad} times"
        wanted = "trials of it" if left.trials else f"trials of {before.good}"
        reason = f"it failed {often} ({tonight.signature}); the night ended before the {wanted} that show what it is"
        return replace(failed, state=State.NOT_RUN, reason=reason)
    if not before.settled:
        return _news_or_not(before, failed, tonight)
    if tonight.signature in before.streak:
        return replace(failed, state=State.STILL, reason=f"it fails as it has since {here.since}")
    over = (*before.over, Episode(before.signature or "", before.since or "", before.last_bad))
    reason = f"it failed before, since {before.since}, in another way: {before.signature}"
    seen = (tonight.bad, 0)
    return replace(failed, state=State.CHANGED, since=tonight.night, seen=seen, over=over, reason=reason)


def _news_or_not(before: Standing, failed: Standing, tonight: Sighting) -> Standing:
    """A failure that is sure: tonight's kernel's, or that of whatever the last good night has in common with it."""
    if tonight.control_bad:
        whole = tonight.control_quiet + tonight.control_bad
        told = f"{tonight.control_bad} of {whole} trials of {before.good}, which had passed, fail tonight too"
        if tonight.control_quiet:
            return replace(failed, state=State.FLAKY, flaky=True, reason=told)
        # Nothing of this night counts for later ones.
        kept = replace(before, night=tonight.night, sha=tonight.sha)
        reason = f"{told}: the machine or the scenario has changed, not the kernel"
        return replace(kept, state=State.INFRASTRUCTURE, reason=reason)
    if before.flaky:
        if before.good is None or fails_by_chance(*before.seen, tonight.bad) > 1 - CONFIDENCE:
            told = f"it was flaky before; {_often(*failed.seen)} since {failed.since}"
            return replace(failed, state=State.FLAKY, reason=told)
        # What came sometimes comes always now: another failure, with a beginning of its own.
        failed = replace(failed, since=tonight.night, seen=(tonight.bad, 0), streak=tuple(tonight.failures))
        told = f"it came sometimes before ({before.seen[0]} of {sum(before.seen)} trials), and comes always now"
        return replace(failed, state=State.NEW, settled=True, flaky=False, reason=told)
    back = next((one for one in reversed(before.over) if one.signature in tonight.failures), None)
    told = f"it has come back: it was there from {back.first} to {back.last}" if back else "it passed until"
    reason = told if back else f"{told} {before.good}; {_often(tonight.bad, 0)}"
    if tonight.control_untold:
        reason += f"; {before.good} could not be tried again ({tonight.control_untold})"
    return replace(failed, state=State.NEW, settled=True, reason=reason)


def _passes(before: Standing, at: Standing, tonight: Sighting) -> Standing:
    """Every trial passed."""
    quiet = replace(at, calm=before.calm + tonight.quiet)
    if not before.settled and not before.flaky:
        passed = before.passed + tonight.quiet
        reason = f"{tonight.quiet} of {tonight.quiet} trials passed"
        if before.since is not None:
            reason += f"; it failed on {before.last_bad}, which was not confirmed"
        clean = replace(quiet, signature=None, since=None, seen=(0, 0), streak=())
        return _good(replace(clean, state=State.PASSES, reason=reason, passed=passed), tonight)
    wanted = _quiet_enough(before)
    if quiet.calm < wanted:
        if before.flaky:
            seen = (before.seen[0], before.seen[1] + tonight.quiet)
            reason = f"it passed; since {before.since}, {_often(*seen)}"
            return replace(quiet, state=State.FLAKY, reason=reason, seen=seen)
        reason = (
            f"it passed {tonight.quiet} times; the night ended before the {wanted} trials that show that it is fixed"
        )
        return replace(quiet, state=State.NOT_RUN, reason=reason)
    over = (*before.over, Episode(before.signature or "", before.since or "", before.last_bad))
    gone = replace(
        quiet,
        state=State.FIXED,
        reason=f"{quiet.calm} quiet trials in a row; it was there from {before.since} to {before.last_bad}",
        since=None,
        seen=(0, 0),
        streak=(),
        passed=before.passed + tonight.quiet,
        settled=False,
        flaky=False,
        over=over,
    )
    return _good(gone, tonight)


def _good(one: Standing, tonight: Sighting) -> Standing:
    return replace(one, good=tonight.night, good_sha=tonight.sha)
