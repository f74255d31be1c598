"""A part of a history, and the words that failures are known by."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.model import Outcome
from harness.nightly.history import failure
from harness.search.graph import only


@st.composite
def histories(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    above: dict[str, tuple[str, ...]] = {}
    for number in range(draw(st.integers(1, 12))):
        parents = draw(st.lists(st.sampled_from(sorted(above)), max_size=3, unique=True)) if above else []
        above[f"c{number:02}"] = tuple(parents)
    return above


def ancestors(above: dict[str, tuple[str, ...]], sha: str) -> set[str]:
    return {sha}.union(*(ancestors(above, parent) for parent in above[sha]))


@given(histories(), st.data())
def test_a_part_of_a_history_descends_as_the_whole_does(above: dict[str, tuple[str, ...]], data: st.DataObject) -> None:
    kept = data.draw(st.sets(st.sampled_from(sorted(above))))
    part = only(above, kept)
    assert list(part) == [sha for sha in above if sha in kept]
    for sha in part:
        assert ancestors(part, sha) == ancestors(above, sha) & kept


def test_what_a_failure_is_known_by() -> None:
    assert failure(Outcome.CRASHED, "BUG", "null-deref:f", "BUG: f") == "null-deref:f"
    assert failure(Outcome.BOOT_FAILED, "BUG", None, "BUG: f") == "crash: BUG: f"
    assert failure(Outcome.FAILED, "64 of 65 reads at 0x1f", None, None) == "failed: N of N reads at N"
    for outcome in (Outcome.PASSED, Outcome.HUNG, Outcome.LOST, Outcome.INFRASTRUCTURE, Outcome.BUILD_FAILED):
        assert failure(outcome, "x", None, None) is None
