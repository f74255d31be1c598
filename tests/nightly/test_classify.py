"""What a night says of a cell beside the nights before."""

from __future__ import annotations

import functools
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.nightly.classify import (
    CONTROLS,
    MOST,
    NOTHING,
    Sighting,
    Standing,
    State,
    confirmations,
    missing,
    step,
)


def night(
    number: int, trials: str, *, control: str = "..", machine: bool = False, untold: str | None = None
) -> Sighting:
    """A night of trials: `.` passed, a letter failed in that way."""
    failures = Counter(letter for letter in trials if letter != ".")
    return Sighting(
        *(f"n{number}", f"sha{number}", trials.count("."), dict(failures), untold, int(bool(untold)), machine),
        control_quiet=control.count("."),
        control_bad=len(control) - control.count("."),
    )


def stand(nights: Sequence[Sighting]) -> Standing:
    """Where a cell stands after some nights."""
    return functools.reduce(step, nights, NOTHING)


def nights(text: str) -> list[Sighting]:
    """Nights, one a word; `-` was not told, `!` is a machine's fault."""
    return [
        night(
            number,
            "" if word in "-!" else word,
            untold="no" if word in "-!" else None,
            machine=word == "!",
        )
        for number, word in enumerate(text.split(), 1)
    ]


FAILS = "A" * MOST
TABLE = {
    ".": "passes",
    ". .": "passes passes",
    "AA": "never",
    "AA AA": "never never",
    "AA ..........": "never fixed",
    f". {FAILS}": "passes new",
    f". {FAILS} A": "passes new still",
    f". {FAILS} A A": "passes new still still",
    f". {FAILS} {'.' * MOST}": "passes new fixed",
    f". {FAILS} {'.' * MOST} .": "passes new fixed passes",
    f". {FAILS} {'.' * MOST} {FAILS}": "passes new fixed new",
    f". {FAILS} BB": "passes new changed",
    f". {FAILS} BB B A": "passes new changed still still",
    f". {FAILS} - A": "passes new not-run still",
    f". {FAILS} ! A": "passes new infrastructure still",
    ". A.": "passes flaky",
    ". A. .": "passes flaky flaky",
    ". A. AA": "passes flaky flaky",
    f". {FAILS} A.": "passes new flaky",
    "A. . .": "flaky flaky flaky",
    f"A. {FAILS}": "flaky flaky",
    ". A": "passes not-run",  # once is not enough
    ". A .": "passes not-run passes",
    f". A {FAILS}": "passes not-run new",
    ". - .": "passes not-run passes",
    ". ! .": "passes infrastructure passes",
    f"- ! {FAILS}": "not-run infrastructure never",
    f". {FAILS} .": "passes new not-run",  # one quiet trial does not show that it is fixed
}


@pytest.mark.parametrize(("seen", "states"), TABLE.items())
def test_a_table_of_nights(seen: str, states: str) -> None:
    at, told = NOTHING, []
    for tonight in nights(seen):
        at = step(at, tonight)
        told.append(at.state)
    names = {"never": State.NEVER, "not-run": State.NOT_RUN}
    assert told == [names[word] if word in names else State(word) for word in states.split()]


def test_since_when_and_from_what() -> None:
    at = stand(nights(f". . {FAILS} A A"))
    assert (at.since, at.good, at.good_sha, at.signature) == ("n3", "n2", "sha2", "A")
    changed = stand(nights(f". . {FAILS} A BB B"))
    assert (changed.since, changed.good, changed.signature) == ("n5", "n2", "B")
    assert stand(nights(f". - {FAILS}")).good == "n1"


def test_what_comes_back_says_when_it_was_there() -> None:
    at = stand(nights(f". {FAILS} A {'.' * MOST} . {FAILS}"))
    assert at.state is State.NEW
    assert "from n2 to n3" in at.reason
    assert at.since == "n6"


def test_a_new_failure_wants_more_trials_then_the_last_good_night() -> None:
    before = stand(nights(" ".join(["."] * 20)))
    few = confirmations(0, 20)
    assert 2 <= few < confirmations(0, 1) == MOST
    assert missing(before, night(21, "A", control="")).trials == few - 1
    wanted = missing(before, night(21, "A" * few, control=""))
    assert (wanted.trials, wanted.controls) == (0, CONTROLS)
    assert not missing(before, night(21, "A" * few))


def test_a_failure_that_the_last_good_night_has_too_is_not_tonights() -> None:
    before = stand(nights(". . ."))
    at = step(before, night(4, FAILS, control="AA"))
    assert at.state is State.INFRASTRUCTURE
    assert "n3" in at.reason
    # And the next night begins as if that one had not been.
    assert step(at, night(5, ".")).state is State.PASSES
    assert step(at, night(5, FAILS)).state is State.NEW
    assert step(before, night(4, FAILS, control="A.")).state is State.FLAKY


def test_what_was_flaky_and_fails_always_is_new_only_when_chance_is_out_of_the_question() -> None:
    seldom = stand(nights(". A......... . . . . . . . . ."))
    assert seldom.state is State.FLAKY
    wanted = confirmations(*seldom.seen)
    assert step(seldom, night(99, "A" * (wanted - 1))).state is State.FLAKY
    assert step(seldom, night(99, "A" * wanted)).state is State.NEW
    often = stand(nights(". AAA. AAA. AAA."))
    assert step(often, night(99, FAILS)).state is State.FLAKY


def test_a_flaky_one_is_fixed_when_it_was_quiet_for_long() -> None:
    at = stand(nights(". AA.. A. AA.."))
    for number in range(200):
        at = step(at, night(10 + number, ".", control=""))
        if at.state is State.FIXED:
            break
        assert at.state is State.FLAKY
    assert 5 < number < 100


def play(letters: Sequence[float], chance: random.Random) -> list[Standing]:
    """Nights of a cell that fails so often on each commit, tried as often as is asked for."""
    at, told = NOTHING, []
    rates = [0.0, *letters]
    for number, rate in enumerate(letters, 1):
        tonight = night(number, "", control="")
        first = True
        while first or (wanted := missing(at, tonight)):
            if first or wanted.trials:
                bad = chance.random() < rate
                tonight = (
                    replace(tonight, failures={"A": tonight.bad + 1})
                    if bad
                    else replace(tonight, quiet=tonight.quiet + 1)
                )
            else:
                good = rates[int((at.good or "n0")[1:])]
                bad = chance.random() < good
                tonight = replace(
                    tonight,
                    control_quiet=tonight.control_quiet + (not bad),
                    control_bad=tonight.control_bad + bad,
                )
            first = False
        at = step(at, tonight)
        told.append(at)
    return told


@given(st.lists(st.booleans(), min_size=1, max_size=12), st.integers())
def test_what_fails_always_is_told_exactly(bad: list[bool], seed: int) -> None:
    told = play([float(one) for one in bad], random.Random(seed))
    for number, one in enumerate(bad):
        before = bad[:number]
        if one:
            want = State.NEVER if all(before) else State.STILL if before[-1] else State.NEW
        else:
            want = State.FIXED if before and before[-1] else State.PASSES
        assert told[number].state is want
        if one:
            start = number
            while start and bad[start - 1]:
                start -= 1
            assert told[number].since == f"n{start + 1}"


def test_a_flaky_one_seldom_gives_a_false_alarm() -> None:
    """Over 20,000 nights of cells that fail now and then for no reason, hardly one is called new."""
    chance, alarms, all_nights = random.Random(7), 0, 0
    for rate in (0.01, 0.05, 0.1, 0.2, 0.33, 0.5):
        for _ in range(110):
            told = play([rate] * 30, chance)
            all_nights += len(told)
            alarms += sum(one.state in (State.NEW, State.CHANGED) for one in told)
    assert all_nights == 19_800
    assert alarms <= 20, alarms


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(st.text("AB.", max_size=MOST), st.text("A.", max_size=2), st.booleans()), min_size=1, max_size=10
    )
)
def test_whatever_comes_the_rules_hold(seen: list[tuple[str, str, bool]]) -> None:
    at, passed, failed = NOTHING, False, False
    for number, (trials, control, machine) in enumerate(seen):
        tonight = night(number, trials, control=control, machine=machine, untold="no" if not trials else None)
        before, at = at, step(at, tonight)
        if not trials:
            assert at.state is (State.INFRASTRUCTURE if machine else State.NOT_RUN)
        if "." in trials and set(trials) != {"."}:
            assert at.state is State.FLAKY
        if at.state in (State.NEW, State.CHANGED):
            assert tonight.bad >= 2
            assert not tonight.quiet
        if at.state is State.NEW:
            assert passed
            assert tonight.control_quiet >= CONTROLS
            assert not tonight.control_bad
        if at.state is State.FIXED:
            assert failed
            assert not tonight.bad
        if at.state is State.STILL:
            assert before.settled
        passed, failed = passed or "." in trials, failed or bool(tonight.bad)
