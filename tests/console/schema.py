"""What `Crash.to_json` promises, for tests and for the fuzzer."""

from __future__ import annotations

import json
from typing import Any

_CRASH: dict[str, tuple[type, ...]] = {
    "title": (str,),
    "kind": (str,),
    "function": (str, type(None)),
    "start_line": (int,),
    "end_line": (int,),
    "alt_titles": (list,),
    "doubt": (str,),
    "frames": (list,),
    "null_ip": (bool,),
    "workqueue": (str, type(None)),
    "comm": (str, type(None)),
    "pid": (int, type(None)),
    "cpu": (int, type(None)),
    "kernel": (str, type(None)),
    "taint": (str,),
    "corrupted": (bool,),
    "fatal": (bool,),
    "notice": (bool,),
    "signature": (str,),
    "follows": (int, type(None)),
    "panic": (str, type(None)),
    "hardware": (str, type(None)),
    "modules": (list,),
    "registers": (dict,),
    "said": (list,),
    "waits": (list,),
}
_FRAME: dict[str, tuple[type, ...]] = {
    "function": (str,),
    "offset": (int, type(None)),
    "size": (int, type(None)),
    "module": (str, type(None)),
    "reliable": (bool,),
    "inlined": (bool,),
    "stack": (str, type(None)),
    "source": (str, type(None)),
    "trace": (str,),
}


def check(data: dict[str, Any], lines: int) -> None:
    """Raise AssertionError unless a crash, as JSON data, is what the documentation says.

    Args:
        lines: how many lines the log has.
    """
    data = json.loads(json.dumps(data))
    assert data.keys() == _CRASH.keys()
    for key, types in _CRASH.items():
        assert isinstance(data[key], types), key
    assert data["title"]
    assert data["title"] == " ".join(data["title"].split())
    assert data["title"].isprintable()
    assert 1 <= data["start_line"] <= data["end_line"] <= lines
    assert all(isinstance(title, str) for title in data["alt_titles"])
    assert data["follows"] is None or data["follows"] < data["start_line"]
    assert all(isinstance(line, str) and line and line.isprintable() for line in data["said"])
    for wait in data["waits"]:
        assert wait.keys() == {"who", "on", "what"}
        assert all(isinstance(value, str) and (value.isprintable() or not value) for value in wait.values())
        assert wait["who"]
    for frame in data["frames"]:
        assert frame.keys() == _FRAME.keys()
        for key, types in _FRAME.items():
            assert isinstance(frame[key], types), key
