"""What a terminal gets: colours, lines that are drawn again, or neither."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.git import Git
from tests.support import ROOT
from tests.test_run import BAD, GOOD, SCENARIO

LOG = ROOT / "tests" / "console" / "golden" / "x86_64-6.1-replay-bad.log"
REDRAWN = re.compile(r"\x1b|\r(?!\n)")


def seen(*args: str, **env: str) -> str:
    """All that the program sends to a terminal."""
    ours, theirs = pty.openpty()
    argv = [str(ROOT / "regress"), *args]
    with subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, **env}) as process:
        os.close(theirs)
        text = b""
        while True:
            try:
                text += os.read(ours, 65536)
            except OSError:  # nobody has the other end open
                break
        process.wait()
    os.close(ours)
    return text.decode()


@pytest.mark.parametrize(
    ("env", "coloured"),
    [
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, True),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb", "NO_COLOR": ""}, False),
    ],
)
def test_colours(env: dict[str, str], coloured: bool) -> None:
    assert ("\x1b[" in seen("oops", str(LOG), **env)) == coloured


@pytest.fixture
def bisection(tmp_path: Path, history: Callable[..., tuple[Git, list[str]]]) -> list[str]:
    """The arguments of one that takes a moment."""
    ok = {"build.sh": "true\n"}
    tree, shas = history(*(ok | {"console.sh": text, "n": str(n)} for n, text in enumerate([GOOD] * 3 + [BAD] * 2)))
    folder = tmp_path / "scenarios" / "toy"
    folder.mkdir(parents=True)
    (folder / "scenario.yaml").write_text(SCENARIO.format(timeouts="timeout: 30s"))
    places = ("--scenarios", str(tmp_path / "scenarios"), "--results", str(tmp_path / "results"))
    return ["bisect", "toy", "--tree", str(tree.path), "--good", shas[0], "--bad", shas[-1], *places]


def test_a_dumb_terminal_gets_plain_lines(bisection: list[str]) -> None:
    text = seen(*bisection, TERM="dumb")
    assert not REDRAWN.search(text)
    assert "commits left" in text
    assert text.isascii()


def test_a_terminal_of_any_width_gets_lines_that_are_drawn_again(bisection: list[str]) -> None:
    text = seen(*bisection, TERM="xterm", COLUMNS="50", NO_COLOR="1")
    assert REDRAWN.search(text)
    assert not re.search(r"\x1b\[(?:\d+;)*3[0-7]m", text)
    for line in re.findall(r"\r\x1b\[K(\[[^\r\n\x1b]*)", text):
        assert len(line) < 50
