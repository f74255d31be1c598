from __future__ import annotations

import math
import random
from collections.abc import Mapping, Set
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.search import Culprit, Evidence, History, Inconclusive
from harness.search import Probe as Try
from harness.search.bayes import LEARN, Bayes
from harness.search.gain import MOST_RUNS, Gain, entropy
from harness.search.graph import Graph, members
from harness.search.halving import Halving
from harness.search.posterior import ALREADY, ALWAYS, posterior, stays_quiet
from harness.testing import MadeUp, play
from tests.search.conftest import Parents, graphs, history, line


def settled(range_: History, quiet: int = 20) -> dict[str, Evidence]:
    """Both ends as they should be, of a crash that comes one time in four."""
    return {range_.new: Evidence(bad=5, quiet=15), **dict.fromkeys(range_.old, Evidence(quiet=quiet))}


def likelihood(seen: Mapping[str, Evidence], has: Set[str]) -> float:
    """How probable the trials are, if these have the crash: a sum over every crash probability of a fine grid."""
    # Jeffreys' prior: the sine of an angle, squared, all angles being as likely.
    grid = [(math.sin(math.pi / 2 * (step + 0.5) / 800) ** 2, (1 - ALWAYS) / 800) for step in range(800)]
    total = 0.0
    for chance, prior in [*grid, (1.0, ALWAYS)]:
        product = prior
        for sha, trials in seen.items():
            here = chance if sha in has else 0.0
            product *= here**trials.bad * (1 - here) ** trials.quiet
        total += product
    return total


def by_definition(range_: History, seen: dict[str, Evidence]) -> dict[str, float]:
    """How probable each commit, and each good end, is."""
    weights = {
        sha: (1 - ALREADY) / len(range_.commits) * likelihood(seen, MadeUp(range_, frozenset({sha})).bad)
        for sha in range_.commits
    }
    for end in range_.old:
        weights[end] = ALREADY / len(range_.old) * likelihood(seen, {*range_.commits, end})
    total = sum(weights.values())
    return {sha: weight / total for sha, weight in weights.items()}


@settings(max_examples=40, deadline=None)
@given(graphs(most=9), st.data())
def test_the_posterior_is_what_its_definition_says(parents: Parents, data: st.DataObject) -> None:
    range_ = history(parents)
    made_up = MadeUp(range_, frozenset({data.draw(st.sampled_from(range_.commits))}))
    seen = {range_.new: Evidence(bad=1)}
    for sha in data.draw(st.lists(st.sampled_from((*range_.commits, *range_.old)), unique=True)):
        crashes = data.draw(st.integers(0, 3)) if sha in made_up.bad else 0
        seen[sha] = Evidence(bad=crashes + (sha == range_.new), quiet=data.draw(st.integers(0, 6)))
    expected = by_definition(range_, seen)
    belief = posterior(range_, Graph(range_), seen)
    assert belief
    for place, sha in enumerate(range_.commits):
        assert belief.of(place) == pytest.approx(expected[sha], abs=1e-6)
    assert [chance for chance, _ in belief.already] == pytest.approx([expected[sha] for sha in range_.old], abs=1e-6)
    assert belief.entropy() == pytest.approx(-sum(p * math.log2(p) for p in expected.values() if p), abs=1e-4)
    for place, mass in belief.masses(Graph(range_), belief.candidates).items():
        before = [expected[range_.commits[one]] for one in members(Graph(range_).reach(place))]
        assert mass == pytest.approx(sum(before) + sum(expected[sha] for sha in range_.old), abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(graphs(most=9), st.data())
def test_the_posterior_of_a_fix_is_what_its_definition_says(parents: Parents, data: st.DataObject) -> None:
    plain = history(parents)
    range_ = replace(plain, fix=True)
    fix = data.draw(st.sampled_from(range_.commits))
    fixed = MadeUp(plain, frozenset({fix})).bad
    seen = {range_.old[0]: Evidence(bad=2, quiet=data.draw(st.integers(0, 3)))}
    for sha in data.draw(st.lists(st.sampled_from(range_.commits), unique=True)):
        seen[sha] = Evidence(0 if sha in fixed else data.draw(st.integers(0, 3)), data.draw(st.integers(0, 6)))
    crashing = {sha: {*range_.old, *range_.commits} - MadeUp(plain, frozenset({sha})).bad for sha in range_.commits}
    weights = {sha: (1 - ALREADY) / len(range_.commits) * likelihood(seen, has) for sha, has in crashing.items()}
    weights[""] = ALREADY * likelihood(seen, {*range_.old, *range_.commits})
    belief = posterior(range_, Graph(range_), seen)
    assert belief
    for place, sha in enumerate(range_.commits):
        assert belief.of(place) == pytest.approx(weights[sha] / sum(weights.values()), abs=1e-6)
    for place, mass in belief.masses(Graph(range_), Graph(range_).everything).items():
        having = [weights[sha] for sha, has in crashing.items() if range_.commits[place] in has]
        assert mass == pytest.approx((sum(having) + weights[""]) / sum(weights.values()), abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(graphs(), st.sampled_from((1.0, 0.5)), st.integers(0, 9), st.data())
def test_a_fix_is_found_over_merges(parents: Parents, rate: float, seed: int, data: st.DataObject) -> None:
    """All of the range but the fix and what has it crashes: what forked before the regression is not in it."""
    plain = history(parents)
    range_ = replace(plain, fix=True)
    fix = data.draw(st.sampled_from(range_.commits))
    fixed = MadeUp(plain, frozenset({fix})).bad
    broken = frozenset({*range_.old, *range_.commits} - fixed)
    end = play(Bayes(range_), MadeUp(range_, broken, rate, given=broken), random.Random(seed)).decision
    assert isinstance(end, Culprit)
    if rate == 1.0:
        assert end.commit == fix
    end = play(Halving(range_), MadeUp(range_, broken, given=broken), random.Random(seed)).decision
    assert isinstance(end, Culprit)
    assert end.commit == fix


def test_the_likeliest_come_first() -> None:
    range_ = line(4)
    belief = posterior(range_, Graph(range_), {**settled(range_), range_.commits[1]: Evidence(quiet=3)})
    assert belief
    assert belief.likeliest(1.0) == [3, 2, 1, 0]
    assert belief.likeliest(0.5) == [3, 2]


def test_what_a_trial_tells_is_the_mutual_information() -> None:
    under = [(0.3, 4), (0.25, 9)]
    scale = Gain(5, 0.0, 1.0)
    choice = scale.best("x", under, built=True)
    quiet = [stays_quiet(5, against, choice.runs) for _, against in under]
    silent = 1 - sum(mass for mass, _ in under) + sum(mass * q for (mass, _), q in zip(under, quiet, strict=True))
    known = sum(mass * entropy(q) for (mass, _), q in zip(under, quiet, strict=True))
    assert choice.bits == pytest.approx(entropy(silent) - known)
    assert 0 < choice.bits < 1


def test_a_dear_build_is_worth_more_runs() -> None:
    under = [(0.5, 10)]
    dear, cheap = (Gain(5, build, 15.0).best("x", under, built=False) for build in (1800.0, 1.0))
    assert dear.runs > cheap.runs
    assert Gain(5, 180.0, 15.0).best("x", under, built=True).rate > Gain(5, 180.0, 15.0).best("x", under, False).rate
    assert 1 <= cheap.runs <= dear.runs <= MOST_RUNS


@settings(max_examples=60, deadline=None)
@given(graphs(), st.data())
def test_never_a_wrong_culprit_where_the_crash_always_comes(parents: Parents, data: st.DataObject) -> None:
    range_ = history(parents)
    culprit = data.draw(st.sampled_from(range_.commits))
    broken = data.draw(st.frozensets(st.sampled_from(range_.commits))) - {range_.new}
    elsewhere = data.draw(st.frozensets(st.sampled_from(range_.commits))) - {range_.new}
    made_up = MadeUp(range_, frozenset({culprit}), broken=broken, elsewhere=elsewhere)
    end = play(Bayes(range_), made_up, random.Random(1)).decision
    if isinstance(end, Culprit):
        assert end.commit == culprit
        assert end.confidence >= 0.95
    else:
        assert not end.not_reproduced
        assert culprit in end.candidates
        assert (broken | elsewhere) & set(end.candidates)


@settings(max_examples=30, deadline=None)
@given(graphs(), st.sampled_from((0.2, 0.5, 0.9)), st.integers(0, 9), st.data())
def test_it_ends_and_decides_from_the_evidence_alone(
    parents: Parents, rate: float, seed: int, data: st.DataObject
) -> None:
    range_ = history(parents)
    made_up = MadeUp(range_, frozenset({data.draw(st.sampled_from(range_.commits))}), rate)
    played = play(Bayes(range_), made_up, random.Random(seed))
    assert Bayes(range_).decide(played.evidence) == played.decision
    backwards = dict(reversed(played.evidence.items()))
    assert Bayes(range_).decide(backwards) == played.decision


def test_as_few_builds_as_a_halving_needs() -> None:
    range_ = line(1000)
    for culprit in (0, 1, 333, 500, 998, 999):
        made_up = MadeUp(range_, frozenset({range_.commits[culprit]}))
        ours, halved = (play(search, made_up, random.Random(2)) for search in (Bayes(range_), Halving(range_)))
        assert isinstance(ours.decision, Culprit)
        assert ours.decision.commit == range_.commits[culprit]
        assert ours.builds <= halved.builds + 2
        assert ours.boots <= 4 * halved.boots


@pytest.mark.parametrize("rate", [0.7, 0.25])
def test_it_is_right_as_often_as_it_says(rate: float) -> None:
    range_, chance = line(60), random.Random(3)
    search = Bayes(range_, confidence=0.9)
    wrong = allowed = 0.0
    for _ in range(80):
        made_up = MadeUp(range_, frozenset({chance.choice(range_.commits)}), rate)
        end = play(search, made_up, chance).decision
        assert isinstance(end, Culprit)
        wrong += end.commit not in made_up.culprits
        allowed += 1 - end.confidence
    assert wrong <= allowed + 3 * math.sqrt(allowed)
    assert allowed <= 8


def test_the_bad_end_first_until_it_is_known_how_often_it_crashes() -> None:
    range_ = line(30)
    first = Bayes(range_).decide({})
    assert isinstance(first, Try)
    assert (first.commit, first.runs) == (range_.new, 90)
    again = Bayes(range_).decide({range_.new: Evidence(bad=1, quiet=4)})
    assert isinstance(again, Try)
    assert again.commit == range_.new
    then = Bayes(range_).decide({range_.new: Evidence(bad=LEARN, quiet=12)})
    assert isinstance(then, Try)
    assert then.commit == range_.old[0]
    assert then.runs > 5


def test_each_good_end_is_tried() -> None:
    names = [f"{here:040x}" for here in range(5)]
    range_ = History(
        tuple(names[2:]), {names[2]: (), names[3]: (), names[4]: (names[2], names[3])}, (names[0], names[1])
    )
    seen = {range_.new: Evidence(bad=3)}
    for end in range_.old:
        decision = Bayes(range_).decide(seen)
        assert isinstance(decision, Try)
        assert decision.commit == end
        seen[end] = Evidence(quiet=decision.runs)
    decision = Bayes(range_).decide({**seen, names[1]: Evidence(bad=1, quiet=9)})
    assert decision == Inconclusive(f"the good end {names[1][:12]} shows the crash too", not_reproduced=True)


def test_a_bad_end_that_never_crashes() -> None:
    range_ = line(30)
    end = play(Bayes(range_), MadeUp(range_, frozenset()), random.Random(4))
    assert isinstance(end.decision, Inconclusive)
    assert end.decision.not_reproduced
    assert "ran 90 times without the crash" in end.decision.reason
    assert end.builds == 1


def test_a_good_end_that_crashes_now_and_then() -> None:
    range_ = line(30)
    found = 0
    for seed in range(20):
        end = play(Bayes(range_), MadeUp(range_, frozenset(), 0.3, everywhere=True), random.Random(seed)).decision
        found += isinstance(end, Inconclusive) and end.not_reproduced
    assert found >= 19


def test_one_quiet_run_of_a_rare_crash_makes_nothing_good() -> None:
    range_ = line(2)
    decision = Bayes(range_).decide({**settled(range_), range_.commits[0]: Evidence(quiet=1)}, {range_.commits[0]})
    assert isinstance(decision, Try)
    assert decision.commit == range_.commits[0]


def test_what_is_built_is_preferred() -> None:
    range_ = line(100)
    seen = settled(range_)
    plain = Bayes(range_).decide(seen)
    assert isinstance(plain, Try)
    near = range_.commits[range_.commits.index(plain.commit) + 5]
    built = Bayes(range_).decide(seen, {near})
    assert isinstance(built, Try)
    assert built.commit == near


def test_a_broken_stretch_is_kept_away_from() -> None:
    range_ = line(100)
    seen = settled(range_)
    plain = Bayes(range_).decide(seen)
    assert isinstance(plain, Try)
    middle = range_.commits.index(plain.commit)
    decision = Bayes(range_).decide({**seen, plain.commit: Evidence(skip="does not build")})
    assert isinstance(decision, Try)
    assert abs(range_.commits.index(decision.commit) - middle) > 5


def test_commits_that_nothing_can_tell_apart() -> None:
    range_ = line(10)
    seen = {
        **settled(range_),
        range_.commits[3]: Evidence(quiet=40),
        range_.commits[4]: Evidence(skip="does not build"),
        range_.commits[5]: Evidence(skip="does not build"),
        range_.commits[6]: Evidence(bad=1),
    }
    decision = Bayes(range_).decide(seen)
    assert decision == Inconclusive(
        "it is one of 3 commits, and those between them cannot be tested",
        (range_.commits[6], range_.commits[5], range_.commits[4]),
    )


def test_crashes_that_share_no_commit() -> None:
    left, right, top = (letter * 40 for letter in "abc")
    range_ = History((left, right, top), {left: (), right: (), top: (left, right)}, ("d" * 40,))
    decision = Bayes(range_).decide({**settled(range_), left: Evidence(bad=1), right: Evidence(bad=1)})
    assert isinstance(decision, Inconclusive)
    assert "none in common" in decision.reason


def test_nobody_is_blamed_unheard() -> None:
    root, left, right, top = (letter * 40 for letter in "abcd")
    range_ = History(
        (root, left, right, top), {root: (), left: (root,), right: (root,), top: (left, right)}, ("e" * 40,)
    )
    seen = {**settled(range_, quiet=60), left: Evidence(bad=1), right: Evidence(bad=1)}
    decision = Bayes(range_).decide(seen)
    assert isinstance(decision, Try)
    assert decision.commit == root
    decision = Bayes(range_).decide({**seen, root: Evidence(skip="does not boot")})
    assert isinstance(decision, Inconclusive)
    assert decision.candidates == (root,)


@pytest.mark.parametrize("wrong", [{"confidence": 1.0}, {"confidence": 0.4}, {"boot_seconds": 0.0}, {"rarest": 0.0}])
def test_arguments_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="between"):
        Bayes(line(3), **wrong)


def test_a_crash_that_came_once_in_very_many_boots_is_not_waited_for() -> None:
    history = line(20)
    search = Bayes(history)
    decision = search.decide({history.new: Evidence(1, search.patience)})
    assert isinstance(decision, Inconclusive)
    assert f"crashed once in {search.patience + 1} boots" in decision.reason
    assert isinstance(search.decide({history.new: Evidence(2, search.patience)}), Try)
