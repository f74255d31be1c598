"""Whether a crash is the one that a scenario expects, and the reason that is told."""

from pathlib import Path

import pytest

from harness.console import expectation_from, find_crashes, match

[CRASH] = find_crashes((Path(__file__).parent / "golden" / "x86_64-6.1-replay-bad.log").read_bytes())
SIGNATURE = "null-deref:bio_integrity_process<bio_integrity_verify_fn"


@pytest.mark.parametrize(
    ("expected", "reason"),
    [
        ({"title": "*NULL pointer dereference in bio_integrity_process"}, "it is title '*NULL"),
        ({"title": "NULL pointer dereference in bio_integrity_verify_fn"}, "it is title 'NULL"),
        ({"kind": "null-deref", "workqueue": "bio_integrity_*"}, "it is kind 'null-deref', workqueue"),
        ({"frames": "worker_thread"}, "it is frames 'worker_thread'"),
        ({"signature": SIGNATURE}, "it is signature 'null-deref:"),
        ({"signature": "null-deref:*<bio_integrity_verify_fn"}, "it is signature 'null-deref:*"),
        ({"any": True}, "any crash counts"),
    ],
)
def test_the_one_that_is_expected(expected: dict[str, object], reason: str) -> None:
    got = match(expectation_from(expected), CRASH)
    assert got.ok, got.reason
    assert got.reason.startswith(reason)


@pytest.mark.parametrize(
    ("expected", "reason"),
    [
        ({"title": "general protection fault in *"}, "its title 'BUG: unable to handle kernel NULL pointer"),
        ({"kind": "gpf"}, "its kind 'null-deref' is not 'gpf'"),
        ({"workqueue": "kintegrityd"}, "its work function 'bio_integrity_verify_fn' is not 'kintegrityd'"),
        ({"frames": "dm_*"}, "no frame of it is 'dm_*'"),
        ({"signature": "null-deref:bio_endio*"}, f"its signature '{SIGNATURE}' is not 'null-deref:bio_endio*'"),
        ({"kind": "null-deref", "signature": "gpf:*"}, "its signature"),
    ],
)
def test_another_one(expected: dict[str, object], reason: str) -> None:
    got = match(expectation_from(expected), CRASH)
    assert not got.ok
    assert got.reason.startswith(reason)


def test_two_panics_are_not_one() -> None:
    logs = ("Kernel panic - not syncing: Fatal exception\n", "Kernel panic - not syncing: No working init found.\n")
    first, second = (find_crashes(log.encode())[0] for log in logs)
    expected = expectation_from({"signature": first.signature})
    assert match(expected, first).ok
    assert not match(expected, second).ok


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"signatur": "x"}, "did you mean 'signature'?"),
        ({"kind": 3}, "kind: 3 is not a text"),
        ({"any": "yes"}, "any: 'yes' is not true or false"),
        ({}, "a mapping is wanted here"),
        ([], "a mapping is wanted here"),
    ],
)
def test_what_is_no_expectation(data: object, message: str) -> None:
    with pytest.raises(ValueError, match=r"mapping|did you mean|is not") as raised:
        expectation_from(data)
    assert message in str(raised.value)
