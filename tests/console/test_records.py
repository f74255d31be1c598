"""Consoles that loggers have put into JSON objects."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.console import Crash, Follower, find_crashes

GOLDEN = Path(__file__).parent / "golden"
LOGS = sorted(GOLDEN.glob("x86_64-6.12-*.log"))[::4]


def lines_of(log: Path) -> list[str]:
    return log.read_bytes().replace(b"\r", b"").decode("utf-8", "replace").rstrip("\n").split("\n")


def lava(lines: list[str]) -> list[str]:
    noise = {"dt": "2024-07-28T14:08:03.1", "lvl": "info", "msg": "BUG: words of LAVA's own"}
    said = ["- " + json.dumps({"dt": "2024-07-28T14:08:03.1", "lvl": "target", "msg": line}) for line in lines]
    return [said[0], "- " + json.dumps(noise), *said[1:]]


def container(lines: list[str]) -> list[str]:
    return [json.dumps({"log": f"{line}\n", "stream": "stdout", "time": "2024-07-28T14:08:03Z"}) for line in lines]


def collector(lines: list[str]) -> list[str]:
    text = [json.dumps({"ts": 1.5, "host": {"name": "box"}, "message": line}) for line in lines]
    return [f"[{text[0]},", *(f"{one}," for one in text[1:-1]), f"{text[-1]}]"]


def entries(lines: list[str]) -> list[dict[str, object]]:
    """As journald has them: the time of a line, and its caller, are not in its text."""
    found: list[dict[str, object]] = []
    for line in lines:
        told = re.match(r"\[ *(\d+)\.(\d{6})\](?:\[ *[TC]\d+\])? ?(.*)", line)
        stamp, text = (f"{told[1]}{told[2]}", told[3]) if told else ("1", line)
        found.append({"_TRANSPORT": "kernel", "PRIORITY": "4", "MESSAGE": text, "_SOURCE_MONOTONIC_TIMESTAMP": stamp})
        found.append({"_TRANSPORT": "journal", "SYSLOG_IDENTIFIER": "app", "MESSAGE": "kernel BUG at my house!"})
    return found


def journal(lines: list[str]) -> list[str]:
    return [json.dumps(entry) for entry in entries(lines)]


def in_bytes(lines: list[str]) -> list[str]:
    texts = [{**entry, "MESSAGE": list(str(entry["MESSAGE"]).encode())} for entry in entries(lines)]
    return [json.dumps(text, separators=(",", ":")) for text in texts]


def pretty(lines: list[str]) -> list[str]:
    return [
        line for entry in entries(lines)[::2] for line in json.dumps(entry, indent=8).replace('":', '" :').split("\n")
    ]


def facts(crash: Crash) -> tuple[object, ...]:
    told = (crash.title, crash.function, crash.comm, crash.pid, crash.kernel, crash.said, crash.signature, crash.panic)
    return (*told, [frame.function for frame in crash.frames])


@pytest.mark.parametrize("write", [lava, container, collector, journal, in_bytes, pretty])
@pytest.mark.parametrize("log", LOGS, ids=lambda path: path.stem)
def test_a_console_in_json(write: Callable[[list[str]], list[str]], log: Path) -> None:
    lines = lines_of(log)
    whole = find_crashes("\n".join(lines).encode())
    told = find_crashes("\n".join(write(lines)).encode())
    assert [facts(crash) for crash in told] == [facts(crash) for crash in whole]


def test_lines_are_those_of_the_file_and_times_those_of_the_journal() -> None:
    log = journal(
        ["hello", "[   12.500000] kernel BUG at mm/queue.c:62!", "[   12.600000] RIP: 0010:queue_drop+0x17/0x40"]
    )
    [crash] = find_crashes("\n".join(log).encode())
    assert (crash.start_line, crash.time, crash.function) == (3, "12.500000", "queue_drop")


def test_a_text_of_several_lines_is_several_lines() -> None:
    text = "kernel BUG at mm/queue.c:62!\nRIP: 0010:queue_drop+0x17/0x40\nCall Trace:\n queue_all+0x20/0x30\n"
    [crash] = find_crashes(json.dumps({"msg": text}).encode())
    assert (crash.title, crash.start_line, crash.end_line) == ("kernel BUG in queue_drop", 1, 1)


def test_json_does_not_depend_on_the_pieces_that_come() -> None:
    log = "\n".join(journal(lines_of(LOGS[0]))).replace('"PRIORITY"', f'"FIELD": "{"x" * 9000}", "PRIORITY"').encode()
    whole = find_crashes(log)
    assert whole
    for size in (17, 5000):
        follower = Follower()
        events = [event for at in range(0, len(log), size) for event in follower.feed(log[at : at + size])]
        told = {event.crash.start_line: event.crash for event in [*events, *follower.finish()] if event.complete}
        assert list(told.values()) == whole


@pytest.mark.parametrize("line", ['{"msg": 5}', '{"level": "BUG: x"}', '"MESSAGE" : {', '{"MESSAGE":[300]}', "{BUG"])
def test_what_is_no_text_is_none(line: str) -> None:
    assert find_crashes(f"{line}\n".encode()) == []
