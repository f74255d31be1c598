"""The generator of hostile histories: what it takes for the truth, and a few of its histories through the program."""

import random
from pathlib import Path

from bench.hostile_histories import Pool, report
from bench.hostile_shapes import Grower, Node, Shape

CRASH = frozenset({"crash"})


def test_first_bad_commit_is_the_answer() -> None:
    shape = Shape([Node(()), Node((0,)), Node((1,), CRASH), Node((2,), CRASH)], good=(0,), bad=3)
    assert shape.answers() == shape.decidable() == {2}


def test_commit_whose_parent_cannot_be_told_is_not_decidable() -> None:
    nodes = [Node(()), Node((0,), frozenset({"nobuild"})), Node((1,), CRASH), Node((2,), CRASH)]
    shape = Shape(nodes, good=(0,), bad=3)
    assert (shape.answers(), shape.decidable()) == ({2}, set())


def test_bad_commit_at_a_cut_is_an_answer_only_if_its_real_parent_is_good() -> None:
    nodes = [Node(()), Node((0,), CRASH), Node((1,), CRASH, seen=(), cut=True), Node((2,), CRASH)]
    shape = Shape(nodes, good=(0,), bad=3)
    assert not shape.turns(2)
    nodes[1].files = frozenset()
    assert shape.turns(2)
    assert shape.decidable() == set()


def test_merge_that_brings_two_halves_together() -> None:
    nodes = [Node(()), Node((0,), frozenset({"half-a"})), Node((0,), frozenset({"half-b"}))]
    nodes.append(Node((1, 2), frozenset({"half-a", "half-b"})))
    assert Shape(nodes, good=(0,), bad=3).answers() == {3}


def test_quiet_commit_without_a_broken_one_in_its_history_is_no_fix() -> None:
    """0 -- 1 broken -- 2 fix -- 4 merge, and 3 forks before the bug."""
    nodes = [Node(()), Node((0,), CRASH), Node((1,)), Node((0,)), Node((2, 3))]
    shape = Shape(nodes, good=(4,), bad=1, find_fix=True)
    assert shape.answers() == {2}


def test_no_end_lies_below_the_other() -> None:
    for number in range(200):
        shape = Grower(random.Random(number)).grow()
        new, old = (shape.good, [shape.bad]) if shape.find_fix else ([shape.bad], shape.good)
        assert not set(new) & shape.below(old)


def test_some_histories_through_the_program(tmp_path: Path) -> None:
    verdicts = Pool(7, tmp_path).run(range(12), 1)
    bad = [one for one in verdicts if one.kind == "error" or (one.kind == "WRONG" and one.shape.rate == 1)]
    assert not bad, report(verdicts)
    assert any(one.kind == "right" for one in verdicts)
