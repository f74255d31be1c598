"""Delta debugging against made-up oracles: monotone and not, doubtful, and by chance."""

import random
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from harness.search.subsets import isolate, minimise

Numbers = frozenset[int]
SETS = st.sets(st.integers(0, 15)).map(frozenset)
GROUPS = st.lists(st.lists(st.integers(0, 4), max_size=5), max_size=4)


def grouped(sizes: list[list[int]]) -> list[list[int]]:
    """Numbers from 0 on, in groups of these lengths."""
    numbers = iter(range(100))
    return [[next(numbers) for _ in group] for group in sizes]


def all_of(groups: list[list[int]]) -> Numbers:
    return frozenset(one for group in groups for one in group)


def counted(shows: Callable[[Numbers], bool | None]) -> tuple[Callable[[Numbers], bool | None], list[Numbers]]:
    asked: list[Numbers] = []

    def ask(wanted: Numbers) -> bool | None:
        assert wanted not in asked, "asked twice"
        asked.append(wanted)
        return shows(wanted)

    return ask, asked


@given(GROUPS, SETS)
def test_what_is_needed_is_found_and_nothing_else(sizes: list[list[int]], wanted: Numbers) -> None:
    groups = grouped(sizes)
    everything = all_of(groups)
    needed = wanted & everything
    ask, asked = counted(lambda kept: needed <= kept)
    assert minimise(groups, ask) == needed  # type: ignore[arg-type]
    assert everything not in asked


@given(GROUPS, st.lists(SETS, max_size=4), st.integers(0, 1 << 30))
def test_any_oracle_gives_a_set_that_shows_it_and_from_which_nothing_can_be_left_out(
    sizes: list[list[int]], doubtful: list[Numbers], seed: int
) -> None:
    groups = grouped(sizes)
    everything = all_of(groups)

    def shows(kept: Numbers) -> bool:
        if kept == everything:
            return True
        # By its content alone, otherwise at random: the contrary of monotone.
        return kept not in doubtful and random.Random(f"{seed} {sorted(kept)}").random() < 0.4

    kept = minimise(groups, shows)
    assert shows(kept)
    assert not any(shows(kept - {one}) for one in kept)


@given(GROUPS, SETS)
def test_what_depends_on_another_goes_with_it(sizes: list[list[int]], wanted: Numbers) -> None:
    """Each number needs the one below it, as an option its menu: a set with a hole does not even build."""
    groups = grouped(sizes)
    needed = wanted & all_of(groups)
    top = max(needed, default=-1)

    def shows(kept: Numbers) -> bool:
        return needed <= kept and kept == frozenset(range(len(kept)))

    assert minimise([group[::-1] for group in groups[::-1]], shows) == frozenset(range(top + 1))


def test_few_of_many_take_few_questions() -> None:
    groups = [list(range(start, start + 16)) for start in range(0, 128, 16)]
    ask, asked = counted(lambda kept: {3, 77} <= kept)
    assert minimise(groups, ask) == {3, 77}  # type: ignore[arg-type]
    assert len(asked) <= 8 + 2 * 2 * 4


def test_a_crash_by_chance_keeps_too_much_and_never_too_little() -> None:
    """A set that failed to crash by chance counts as needed; one that crashed did."""
    needed = frozenset({2, 9})
    for seed in range(50):
        chance, crashed = random.Random(seed), set[Numbers]()

        def shows(kept: Numbers, chance: random.Random = chance, crashed: set[Numbers] = crashed) -> bool:
            if needed <= kept and chance.random() < 0.5:
                crashed.add(kept)
                return True
            return False

        kept = minimise([list(range(6)), list(range(6, 12))], shows)
        assert needed <= kept
        assert kept in crashed or kept == frozenset(range(12))


@given(st.integers(1, 30), SETS)
def test_one_decisive_thing_is_isolated(count: int, more: Numbers) -> None:
    culprit = min(more, default=0) % count
    ask, asked = counted(lambda kept: culprit in kept)
    quiet, failing = isolate(range(count), ask)
    assert failing - quiet == {culprit}
    assert len(asked) <= 2 * max(1, count.bit_length())


@given(st.integers(1, 16), SETS, st.integers(0, 1 << 30), st.floats(0, 0.6))
def test_isolation_keeps_both_sides_true(count: int, wanted: Numbers, seed: int, doubt: float) -> None:
    needed = (wanted & frozenset(range(count))) or frozenset({0})

    def shows(kept: Numbers) -> bool | None:
        if kept and len(kept) < count and random.Random(f"{seed} {sorted(kept)}").random() < doubt:
            return None
        return needed <= kept

    quiet, failing = isolate(range(count), shows)
    assert shows(quiet) is False
    assert shows(failing) is True
    assert quiet < failing
    between = failing - quiet
    assert between & needed
    if len(between) > 1:
        assert not any(shows(quiet | {one}) is not None for one in between)
        assert not any(shows(failing - {one}) is not None for one in between)


def test_two_that_only_fail_together_are_both_between_or_one_is_on_both_sides() -> None:
    quiet, failing = isolate(range(32), lambda kept: {5, 20} <= kept)
    assert len(failing - quiet) == 1
    assert {5, 20} <= failing
    assert not {5, 20} <= quiet
