"""The crashes that messages show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.console import Crash, Event, Follower, complete
from harness.thread.message import Message, quoted


@dataclass(frozen=True)
class Found:
    """A crash, the message that shows it, and the line of the file that it begins at (0: not known)."""

    crash: Crash
    message: Message
    line: int


def crashes(messages: Sequence[Message], *, own: bool = False, notices: bool = False) -> list[Found]:
    """The crashes that messages show, each once, with the lines of the file that they span.

    Args:
        own: leave out what they quote.
        notices: tell lines that begin like a report and are none (`Crash.notice`) too.
    """
    follower = Follower(notices)
    events: dict[int, Event] = {}
    places: list[tuple[Message, int]] = []
    for message in messages:
        for lines, numbers in zip(message.texts(), message.places(), strict=True):
            kept = ["" if own and quoted(line) else line for line in lines]
            places += ((message, number) for number in numbers)
            text = "".join(f"{line}\n" for line in kept).encode("utf-8", "surrogateescape")
            told = [*follower.feed(text), *follower.finish()]
            events.update((event.crash.start_line, event) for event in told if event.complete)
    return list(_each_once(complete(events.values()), places))


def _each_once(told: Sequence[Crash], places: Sequence[tuple[Message, int]]) -> Iterator[Found]:
    """Those that are not told again: in an excerpt and a whole log, or by another message."""
    seen: set[tuple[object, ...]] = set()
    for crash in told:
        trace = tuple((frame.function, frame.offset) for frame in crash.frames)
        what = (crash.title, crash.comm, crash.pid, crash.cpu, crash.kernel, trace)
        if what not in seen:
            seen.add(what)
            message, line = places[crash.start_line - 1]
            follows = places[crash.follows - 1][1] if crash.follows else None
            end = places[crash.end_line - 1][1]
            placed = replace(crash, start_line=line, end_line=end, follows=follows) if line else crash
            yield Found(placed, message, line)
