"""What `bench.kill` tries: small histories whose builds and machines are shell scripts."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

CRASH = """\
echo 'BUG: kernel NULL pointer dereference, address: 0000000000000000'
echo 'RIP: 0010:{function}+0x10/0x20'
echo '---[ end trace 0000000000000000 ]---'
"""
GOOD = "echo regress: passed\n"
BAD = CRASH.format(function="toy_read")
SOMETIMES = f"if [ $(od -An -N1 -tu1 /dev/urandom) -ge 205 ]; then\n{GOOD}exit\nfi\n{BAD}"
PATCH = f"""\
Subject: [PATCH] no crash

--- a/console.sh
+++ b/console.sh
@@ -1,3 +1 @@
{"".join(f"-{line}" for line in BAD.splitlines(keepends=True))}+{GOOD}"""
"""Ends the crash of a bad commit."""

CONSOLES = {"good": GOOD, "bad": BAD, "other": CRASH.format(function="other_write"), "sometimes": SOMETIMES}


@dataclass
class Shape:
    """A history, and what is asked about it.

    Attributes:
        commits: parents and kind of each; `unbuildable` is a kind too.
        answer: the commit that is to be named.
        good, bad: the ends.
        options: further arguments.
        exact: every undisturbed run makes the same trials.
        command: what is killed; only a bisection goes on where it was.
        at_once: boots.
    """

    commits: list[tuple[tuple[int, ...], str]] = field(default_factory=list)
    answer: int = 0
    good: int = 0
    bad: int = 0
    options: tuple[str, ...] = ()
    exact: bool = True
    command: str = "bisect"
    at_once: int = 1

    def line(self, count: int, kind: str, *parents: int) -> int:
        """Add commits in a row, after the last one or after others; the last of them."""
        for number in range(count):
            last = (len(self.commits) - 1,) if self.commits else ()
            self.commits.append((parents if parents and number == 0 else last, kind))
        return len(self.commits) - 1


def line() -> Shape:
    """A line with three commits that do not build and two that crash elsewhere."""
    shape = Shape()
    for count, kind in ((20, "good"), (3, "unbuildable"), (14, "good"), (7, "bad"), (2, "other"), (14, "bad")):
        shape.line(count, kind)
    shape.answer, shape.bad = 37, len(shape.commits) - 1
    return shape


def merges() -> Shape:
    """The culprit is on a branch; another branch does not build for a while."""
    shape = Shape()
    fork = shape.line(10, "good")
    main = shape.line(8, "good")
    side = shape.line(5, "good", fork)
    shape.answer = side + 1
    side = shape.line(6, "bad")
    main = shape.line(3, "bad", main, side)
    shape.line(4, "unbuildable", fork)
    other = shape.line(4, "good")
    shape.bad = shape.line(8, "bad", main, other)
    return shape


def find_fix() -> Shape:
    """The fix came by a branch that forked when the bug was there."""
    shape = Shape()
    shape.line(3, "good")
    shape.bad = fork = shape.line(6, "bad")
    main = shape.line(7, "bad")
    shape.line(3, "bad", fork)
    shape.answer = len(shape.commits)
    side = shape.line(4, "good")
    shape.good = shape.line(8, "good", main, side)
    shape.options = ("--find-fix",)
    return shape


def auto() -> Shape:
    """The crash comes four times of five."""
    shape = Shape()
    shape.line(13, "good")
    shape.answer = len(shape.commits)
    shape.bad = shape.line(11, "sometimes")
    shape.options, shape.exact = ("--runs", "auto", "--confidence", "0.999"), False
    return shape


def fleet() -> Shape:
    """The line, by two workers."""
    shape = line()
    shape.options, shape.exact, shape.at_once = ("--fleet", "local:2"), False, 2
    return shape


def run() -> Shape:
    """A good commit and a bad one, a few boots each."""
    shape = line()
    shape.command, shape.options = "run", ("--runs", "12")
    return shape


def patches() -> Shape:
    """A patch for a bad commit."""
    shape = line()
    shape.command, shape.options = "try", ("--runs", "12")
    return shape


SHAPES: dict[str, Callable[[], Shape]] = {
    "line": line,
    "merges": merges,
    "find-fix": find_fix,
    "auto": auto,
    "fleet": fleet,
    "run": run,
    "try": patches,
}


def lay(shape: Shape, tree: Path) -> dict[int, str]:
    """Make a shape's repository.

    Args:
        tree: a folder that is not there yet; git's marks go beside it.

    Returns:
        The hash of each commit.
    """
    tree.mkdir()
    stream = []
    for number, (parents, kind) in enumerate(shape.commits):
        stream += [f"commit refs/heads/main\nmark :{number + 1}", f"committer a <a@example.org> {10**9 + number} +0000"]
        stream.append(_data(f"commit {number}"))
        stream += [f"{'merge' if place else 'from'} :{one + 1}" for place, one in enumerate(parents)]
        build = "exit 1\n" if kind == "unbuildable" else "true\n"
        files = {"console.sh": CONSOLES.get(kind, GOOD), "build.sh": build, f"n/{number}": "x\n"}
        stream += [f"M 644 inline {name}\n{_data(text)}" for name, text in files.items()]
    import_ = ("fast-import", "--quiet", "--export-marks=../marks")
    for argv, text in ((("init", "--quiet"), ""), (import_, "\n".join(stream) + "\n")):
        subprocess.run(["git", *argv], cwd=tree, input=text, text=True, check=True)
    marks = (row.split() for row in (tree.parent / "marks").read_text(encoding="ascii").splitlines())
    return {int(mark[1:]) - 1: sha for mark, sha in marks}


def _data(text: str) -> str:
    return f"data {len(text)}\n{text}"
