"""Trials of the same image in earlier runs count in a bisection, each once; the verification is made of fresh ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from harness import journal
from harness.bisect import Economy, Result
from harness.bisect.plan import BisectStatus
from harness.bisect.verification import CRASHES, QUIET_RUNS
from harness.console import Expectation
from harness.digest import conditions
from harness.model import Ignored, MachineSpec, Scenario, Variant
from harness.record import Run
from tests.support.toy import Toy, lay

LINE = {f"c{number}": f"c{number - 1}" if number else "" for number in range(17)}
CULPRIT = "c11"
IMAGES = {name: f"image of {name}" for name in LINE}


def at_each_boot(name: str, _nth: int) -> str:
    return "bad" if name in LINE and int(name[1:]) >= 11 else "good"


def first(top: Path, play: Callable[[str, int], str] = at_each_boot, **changes: object) -> Toy:
    git, names = lay(top / "tree", LINE)
    return Toy(top, git, names, play, machine="emulated", images=IMAGES, **changes)  # type: ignore[arg-type]


def later(toy: Toy, **changes: object) -> Toy:
    """Another run, with results in the same place."""
    return replace(toy, boots=Counter(), **changes)  # type: ignore[arg-type]


def verdicts(result: Result) -> dict[str, str]:
    return {step.commit: step.verdict for step in result.steps if step.role == "commit"}


def test_what_was_tried_is_not_booted_again_but_the_verification_is(tmp_path: Path) -> None:
    toy = first(tmp_path)
    before = toy.bisect("c0", "c16")
    again = later(toy)
    result = again.bisect("c0", "c16")
    assert (again.culprit(result), result.status) == (CULPRIT, BisectStatus.CULPRIT)
    assert verdicts(result) == verdicts(before)
    assert again.boots == {"c11": CRASHES, "c10": QUIET_RUNS, **{n: 5 for n in again.boots if n not in LINE}}
    tried = len(verdicts(before))
    assert (
        f"{tried + CRASHES + QUIET_RUNS} trials of the same images in earlier runs count: {tried} boots saved"
        in (result.notes[-1])
    )
    saved = [step for step in result.steps if step.role == "commit" and step.commit not in (toy.names["c11"],)]
    assert all(f"same image in {toy.run.folder.name}: " in s.reason for s in saved if not s.trials)
    assert result.boots == sum(again.boots.values())


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    toy = first(tmp_path)
    toy.bisect("c0", "c16")
    again = later(toy)
    again.bisect("c0", "c16", without=(Economy.EARLIER,))
    assert again.boots == toy.boots


def test_another_range_takes_what_the_images_have_in_common(tmp_path: Path) -> None:
    """Not the commit counts but the image: here that of a commit with another name."""
    toy = first(tmp_path / "one")
    toy.bisect("c0", "c16")
    git, names = lay(tmp_path / "one" / "other", {"x": "", **LINE, "c0": "x"})
    other = replace(toy, git=git, names=names, boots=Counter())
    assert set(other.names.values()).isdisjoint(toy.names.values())
    assert other.culprit(other.bisect("c0", "c16")) == CULPRIT
    assert other.boots["c0"] == other.boots["c16"] == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"machine": "another emulator"},
        {"machine": ""},
        {"expect": Expectation(title="*in toy_r*")},
        {"ignore": (Ignored(Expectation(title="*in other_*"), "not news"),)},
    ],
)
def test_trials_under_other_conditions_do_not_count(tmp_path: Path, changes: dict[str, object]) -> None:
    toy = first(tmp_path)
    toy.bisect("c0", "c16")
    again = later(toy, **changes)
    result = again.bisect("c0", "c16")
    assert again.boots == toy.boots
    assert not any("earlier runs" in note for note in result.notes)


def test_a_changed_script_or_guest_is_another_condition(tmp_path: Path) -> None:
    scenario = Scenario("toy", "toy", tmp_path / "scenario", build_command="make")
    scenario.folder.mkdir()
    initrd = tmp_path / "initrd"
    initrd.touch()

    def now(**changes: object) -> str:
        given: dict[str, object] = {"scenario": scenario, "variant": Variant("a"), "arch": "i386", "machine": "tcg"}
        return conditions(**{**given, "initrd": initrd, **changes})  # type: ignore[arg-type]

    known = [
        now(),
        now(variant=Variant("b")),
        now(arch="x86_64"),
        now(machine="kvm"),
        now(scenario=replace(scenario, machine=MachineSpec(memory=1024))),
        now(scenario=replace(scenario, machine=MachineSpec(cpus=1))),
    ]
    initrd.write_text("another libc")
    known.append(now())
    (scenario.folder / "run.sh").write_text("true\n")
    known.append(now())
    assert len(set(known)) == len(known)
    assert now() == now()
    assert not now(machine="")


def test_each_trial_counts_once_however_many_commits_have_the_image(tmp_path: Path) -> None:
    """With --runs auto, where evidence is counted: the first commit that has the image gets it, the others none."""
    toy = first(tmp_path, lambda name, nth: at_each_boot(name, nth) if nth % 2 else "good")
    toy.bisect("c0", "c16", runs=None)
    # Now two neighbours have one image.
    again = later(toy, images={**IMAGES, "c9": IMAGES["c8"], "c7": IMAGES["c8"]})
    again.bisect("c0", "c16", runs=None)
    taken = [trial["run"] + trial["folder"] for one in again.run.taken() for trial in one.trials]
    assert len(taken) == len(set(taken)) > 0
    assert len({one.image for one in again.run.taken()}) == len(again.run.taken())


def test_a_resumed_bisection_counts_what_it_counted_before(tmp_path: Path) -> None:
    toy = first(tmp_path, lambda name, nth: at_each_boot(name, nth) if nth % 3 else "good")
    toy.bisect("c0", "c16", runs=None)
    again = later(toy)
    told = again.bisect("c0", "c16", runs=None)
    taken = again.run.taken()
    # More trials come in, from elsewhere.
    later(toy).bisect("c0", "c16", runs=None, without=(Economy.EARLIER,))
    made = again.boots.total()
    assert again.bisect("c0", "c16", runs=None) == told
    assert (again.run.taken(), again.boots.total()) == (taken, made)


def test_one_killed_before_the_journal_had_it_starts_with_the_same(tmp_path: Path) -> None:
    class PowerCut(BaseException):
        pass

    def cut(*_: object) -> None:
        raise PowerCut

    toy = first(tmp_path)
    expected = later(toy)
    toy.bisect("c0", "c16")
    result = expected.bisect("c0", "c16")
    again = later(toy)
    keep, Run.take = Run.take, cut  # type: ignore[method-assign, assignment]
    try:
        with pytest.raises(PowerCut):
            again.bisect("c0", "c16")
    finally:
        Run.take = keep  # type: ignore[method-assign]
    assert not again.run.taken()
    after = again.bisect("c0", "c16")
    assert [step.commit for step in after.steps] == [step.commit for step in result.steps]
    assert after.culprit == result.culprit


def test_silence_and_failures_of_the_machine_do_not_count(tmp_path: Path) -> None:
    """A kernel that did not boot on a busy machine is tried again."""
    toy = first(tmp_path, lambda name, nth: "lost" if name == "c8" else at_each_boot(name, nth))
    toy.bisect("c0", "c16")
    again = later(toy, play=at_each_boot)
    assert again.culprit(again.bisect("c0", "c16")) == CULPRIT
    assert again.boots["c8"] == 1


def test_a_journal_without_conditions_gives_nothing(tmp_path: Path) -> None:
    toy = first(tmp_path)
    toy.bisect("c0", "c16")
    old = later(toy)
    for event in toy.run.events:
        data = {name: value for name, value in event.data.items() if name != "conditions"}
        journal.add(old.run.index, replace(event, run="2020-01-01-000000-toy", data=data))
    [known] = {event.data["conditions"] for event in toy.run.events if event.kind == "trial"}
    assert known
    assert all(data["run"] != "2020-01-01-000000-toy" for one in _taken(old) for data in one)


def _taken(toy: Toy) -> list[tuple[Mapping[str, object], ...]]:
    toy.bisect("c0", "c16")
    return [one.trials for one in toy.run.taken()]


@pytest.mark.parametrize("liar", ["c5", "c10", "c11", "c14"])
@pytest.mark.parametrize("runs", [1, None])
def test_a_lie_of_an_earlier_run_names_no_wrong_culprit(tmp_path: Path, liar: str, runs: int | None) -> None:
    """What other runs say leads the search; only fresh trials name a culprit."""
    lie = {"good": "bad", "bad": "good"}
    toy = first(tmp_path, lambda name, nth: lie[at_each_boot(name, nth)] if name == liar else at_each_boot(name, nth))
    toy.bisect("c0", "c16", runs=runs)
    again = later(toy, play=at_each_boot)
    result = again.bisect("c0", "c16", runs=runs)
    assert again.culprit(result) == CULPRIT


@pytest.mark.parametrize("runs", [1, None])
def test_what_did_not_reproduce_is_tried_afresh(tmp_path: Path, runs: int | None) -> None:
    toy = first(tmp_path, lambda _name, _nth: "good")
    assert toy.bisect("c0", "c16", runs=runs).status is BisectStatus.NOT_REPRODUCED
    again = later(toy)
    assert again.bisect("c0", "c16", runs=runs).status is BisectStatus.NOT_REPRODUCED
    assert again.boots == toy.boots
    found = later(toy, play=at_each_boot)
    result = found.bisect("c0", "c16", runs=runs)
    assert found.culprit(result) == CULPRIT
    assert any("they do not count any more" in note for note in result.notes)


def test_the_record_has_what_was_taken_over(tmp_path: Path) -> None:
    toy = first(tmp_path)
    toy.bisect("c0", "c16")
    again = later(toy)
    again.bisect("c0", "c16")
    told = [event for event in again.run.events if event.kind == "earlier"]
    assert {event.data["image"] for event in told} <= set(IMAGES.values())
    place = again.run.tried_before(told[0].data["trials"][0])
    assert place.folder.is_relative_to(toy.run.folder)
