"""Unified diffs inside other text, whole or damaged on their way."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

HUNK = re.compile(r"^@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@(.*)$")
_GIT = re.compile(r'^diff --git ("?a/.*|\S+) ("?b/.*|\S+)$')
_EXTENDED = re.compile(
    r"^(?:index [0-9a-f]+\.\.[0-9a-f]+|old mode |new mode |deleted file mode |new file mode |copy from |copy to "
    r"|rename from |rename to |similarity index |dissimilarity index |Binary files |--- |\+\+\+ )"
)
_INDEX = re.compile(r"^index ([0-9a-f]{7,40})\.\.([0-9a-f]{7,40})")
_SIGNATURE = re.compile(r"^-- ?$")
_NAME = re.compile(r"^(?:---|\+\+\+) (?:[ab]/)?([^\t]+?)\s*(?:\t.*)?$")


@dataclass(frozen=True)
class Hunk:
    """A hunk.

    Attributes:
        old, new: first line and number of lines, before and after.
        section: what stands after the second `@@`.
        lines: with their first character; where `whole` is False, as they were found.
        whole: the lines add up to what the head says.
    """

    old: tuple[int, int]
    new: tuple[int, int]
    section: str
    lines: tuple[str, ...]
    whole: bool

    @property
    def head(self) -> str:
        """The line with the numbers."""
        return f"@@ -{self.old[0]},{self.old[1]} +{self.new[0]},{self.new[1]} @@{self.section}"


@dataclass(frozen=True)
class FileDiff:
    """What a diff does to one file.

    Attributes:
        head: the lines before the first hunk, and a binary patch.
        path: of the file before, None for a new one.  blob: its hash in git, where it is told.
    """

    head: tuple[str, ...]
    path: str | None
    blob: str | None
    hunks: tuple[Hunk, ...]


@dataclass(frozen=True)
class Diff:
    """A diff: lines `start` up to `end` (not included) of the text that it was found in."""

    files: tuple[FileDiff, ...]
    start: int
    end: int

    @property
    def whole(self) -> bool:
        """Whether every hunk adds up."""
        return all(hunk.whole for file in self.files for hunk in file.hunks)

    def text(self) -> str:
        """The diff, as `git apply` takes it."""
        lines: list[str] = []
        for file in self.files:
            lines += file.head
            for hunk in file.hunks:
                lines += (hunk.head, *hunk.lines)
        return "".join(f"{line}\n" for line in lines)


def find(lines: Sequence[str]) -> Diff | None:
    """The first diff in a text, with all the files that follow one another; None where there is none.

    Hunks are read by the counts in their heads.  One that does not add up ends at the next thing that
    is surely not of it, and is marked.
    """
    start = next((number for number in range(len(lines)) if _begins(lines, number)), None)
    if start is None:
        return None
    files: list[FileDiff] = []
    end = number = start
    while number < len(lines):
        if _begins(lines, number):
            file, number = _file(lines, number)
            files.append(file)
            end = number
        elif not lines[number].strip():
            number += 1  # an empty line may stand between two files
        else:
            break
    return Diff(tuple(files), start, end)


def _begins(lines: Sequence[str], number: int) -> bool:
    if _GIT.match(lines[number]):
        return True
    if not lines[number].startswith("--- ") or number + 2 >= len(lines):
        return False
    return lines[number + 1].startswith("+++ ") and HUNK.match(lines[number + 2]) is not None


def _file(lines: Sequence[str], start: int) -> tuple[FileDiff, int]:
    number = start + 1
    while number < len(lines) and _EXTENDED.match(lines[number]):
        number += 1
    if number < len(lines) and lines[number] == "GIT binary patch":
        number = _past_binary(lines, number)
    head = tuple(lines[start:number])
    hunks: list[Hunk] = []
    while number < len(lines) and HUNK.match(lines[number]):
        hunk, number = _hunk(lines, number)
        beyond = _beyond(lines, number)
        if beyond > number:
            hunk = replace(hunk, lines=(*hunk.lines, *lines[number:beyond]), whole=False)
        hunks.append(hunk)
        number = beyond
    blob = next((found[1] for line in head if (found := _INDEX.match(line))), None)
    return FileDiff(head, _path(head), blob, tuple(hunks)), number


def _path(head: Sequence[str]) -> str | None:
    found = next((found for line in head if line.startswith("--- ") and (found := _NAME.match(line))), None)
    return None if found is None or found[1] == "/dev/null" else found[1]


def _past_binary(lines: Sequence[str], number: int) -> int:
    while number < len(lines) and not (_GIT.match(lines[number]) or _SIGNATURE.match(lines[number])):
        number += 1
    return number


def _hunk(lines: Sequence[str], start: int) -> tuple[Hunk, int]:
    found = HUNK.match(lines[start])
    assert found
    old = (int(found[1]), int(found[2] or 1))
    new = (int(found[3]), int(found[4] or 1))
    number, left = start + 1, [old[1], new[1]]
    body: list[str] = []
    while number < len(lines) and (left[0] > 0 or left[1] > 0):
        mark = lines[number][:1] or " "  # mailers cut the space off an empty context line
        if mark not in " +-\\" or _begins(lines, number):
            break
        left[0] -= mark in " -"
        left[1] -= mark in " +"
        body.append(lines[number] or " ")
        number += 1
    if left == [0, 0]:
        if number < len(lines) and lines[number].startswith("\\"):
            body.append(lines[number])
            number += 1
        return Hunk(old, new, found[5], tuple(body), whole=True), number
    return _damaged(lines, start, Hunk(old, new, found[5], (), whole=False))


def _beyond(lines: Sequence[str], start: int) -> int:
    """Where a hunk ends that is longer than it says: the next hunk of the same file, or the last changed line.

    A part of a patch that is left out unseen would be worse than a patch that does not apply.
    """
    number = end = start
    while number < len(lines) and not (_begins(lines, number) or _SIGNATURE.match(lines[number])):
        if HUNK.match(lines[number]):
            return number
        if number == end and lines[number][:1] in ("+", "-"):
            end = number + 1
        number += 1
    return end


def _damaged(lines: Sequence[str], start: int, hunk: Hunk) -> tuple[Hunk, int]:
    """A hunk that does not add up: all up to the next head, the signature, or as many lines as it can have."""
    number = start + 1
    removed = added = kept = 0
    while number < len(lines):
        line = lines[number]
        if HUNK.match(line) or _begins(lines, number) or _SIGNATURE.match(line):
            break
        removed, added = removed + line.startswith("-"), added + line.startswith("+")
        kept += not line.startswith(("-", "+"))
        if removed + kept > hunk.old[1] or added + kept > hunk.new[1]:
            break
        number += 1
    return Hunk(hunk.old, hunk.new, hunk.section, tuple(lines[start + 1 : number]), whole=False), number
