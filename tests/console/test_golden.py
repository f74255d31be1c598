"""Whole logs, each beside what is found in it: `NAME.log` and `NAME.json`.

`pytest tests/console/test_golden.py --update-golden` writes what is found now, and shows how it differs.
"""

import difflib
import json
import sys
from pathlib import Path

import pytest

from harness.console import find_crashes

GOLDEN = Path(__file__).parent / "golden"
LOGS = sorted(GOLDEN.glob("*.log"))


@pytest.mark.parametrize("log", LOGS, ids=[log.stem for log in LOGS])
def test_a_log_gives_what_stands_beside_it(log: Path, pytestconfig: pytest.Config) -> None:
    found = [crash.to_json() for crash in find_crashes(log.read_bytes())]
    now = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    beside = log.with_suffix(".json")
    before = beside.read_text() if beside.exists() else ""
    difference = "\n".join(
        difflib.unified_diff(before.splitlines(), now.splitlines(), f"{beside.name} as kept", "now", lineterm="", n=2)
    )
    if pytestconfig.getoption("--update-golden"):
        if difference:
            beside.write_text(now)
            sys.stdout.write(difference + "\n")
        return
    assert not difference, f"\n{difference}\n\n--update-golden keeps this"


def test_no_answer_without_its_log() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == {log.stem for log in LOGS}


def test_one_bug_has_one_signature() -> None:
    same = ("i386-4.13-quoted-in-mail", "i386-6.1-replay-bad", "x86_64-6.1-replay-bad")
    signatures = {find_crashes((GOLDEN / f"{name}.log").read_bytes())[0].signature for name in same}
    assert signatures == {"null-deref:bio_integrity_process<bio_integrity_verify_fn"}
