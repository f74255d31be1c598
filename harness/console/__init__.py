r"""Crashes in console output.  Pure: bytes in, crashes out.

>>> from harness.console import find_crashes
>>> [crash.title for crash in find_crashes(b"Kernel panic - not syncing: Attempted to kill init!\n")]
['kernel panic: Attempted to kill init!']
"""

from harness.console.crash import Crash, Frame, Wait
from harness.console.expect import Expectation, Match, expectation_from, match
from harness.console.finder import Event, Follower, complete, find_crashes

__all__ = [
    "Crash",
    "Event",
    "Expectation",
    "Follower",
    "Frame",
    "Match",
    "Wait",
    "complete",
    "expectation_from",
    "find_crashes",
    "match",
]
