"""A coverage-guided fuzzer of the crash finder, under atheris (`pip install atheris`, which is no dependency here):

    python -m tests.fuzz.console -max_total_time=1200 [CORPUS...]

The input is a console.  Nothing may be raised, what is found must fit its schema, and cutting the stream into pieces
may not change what is told.  The examples of the rules and the golden logs are what it starts from.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["harness.console"]):
    from harness.console import Crash, Follower, find_crashes
    from harness.console.rules import RULES

from tests.console.schema import check

GOLDEN = Path(__file__).parent.parent / "console" / "golden"


def told(data: bytes, size: int) -> list[tuple[bool, Crash]]:
    """All events of a stream that comes in pieces of one size."""
    follower = Follower(notices=True)
    events = [event for at in range(0, len(data), size) for event in follower.feed(data[at : at + size])]
    return [(event.complete, event.crash) for event in events + follower.finish()]


def one_input(data: bytes) -> None:
    """Try one console; its first byte says how it is cut."""
    size, data = (data[0] if data else 0) + 1, data[1:]
    for crash in find_crashes(data, notices=True):
        check(crash.to_json(), data.count(b"\n") + 1)
    assert told(data, size) == told(data, len(data) + 1)


def main() -> None:
    """Fuzz, from the examples."""
    with tempfile.TemporaryDirectory() as seeds:
        texts = [rule.example.encode() for rule in RULES] + [log.read_bytes() for log in GOLDEN.glob("*.log")]
        for number, text in enumerate(texts):
            Path(seeds, f"{number:03d}").write_bytes(b"\x40" + text)
        atheris.Setup([*sys.argv, "-max_len=16384", seeds], one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
