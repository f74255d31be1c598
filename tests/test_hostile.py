"""Hostile mails; `python -m bench.hostile` makes thousands of them."""

from bench import hostile


def test_hostile_mails_do_no_harm() -> None:
    got = hostile.attack(200, seed=20170802)
    assert got.faults == []
    assert got.drafts > 150
    assert got.patches > 100
    assert got.applied > 5
