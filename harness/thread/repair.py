"""Gives a diff back the white space that it has lost, from the files that it is for.

A page or a mailer may have cut indentation, squeezed runs of spaces and dropped empty context lines.  What
a diff removes and keeps stands in the old file, so it can be had back exactly; what it adds cannot, and is
laid out anew where that changes nothing but looks: in C.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from harness.thread.diff import Diff, FileDiff, Hunk

CONTEXT = 3
"""Lines that git shows around a change."""

_C = re.compile(r"\.(?:c|h)$")
_CONTROL = re.compile(r"^(?:\} )?(?:if|else|for|while|do|switch|list_for_each\w*|for_each\w*)\b")


class Unclear(Exception):
    """A diff cannot be repaired without guessing; the text says why."""


@dataclass(frozen=True)
class Repaired:
    """A repaired diff.

    Attributes:
        laid_out: added lines whose white space is told nowhere.
        placed: groups of added lines that may stand before or after an empty line.
    """

    diff: Diff
    laid_out: int
    placed: int


@dataclass(frozen=True)
class Old:
    """A file that a diff is for; `exact` where it is the very one, so that the numbers in the diff hold."""

    lines: Sequence[str]
    exact: bool


def squeezed(line: str) -> str:
    """A line without what may be lost."""
    return " ".join(line.split())


def repair(diff: Diff, old: Callable[[FileDiff], Old | None]) -> Repaired:
    """The diff with its white space.

    Args:
        diff: as it was found.
        old: gives the file that a part of the diff is for; None where there is none.

    Raises:
        Unclear: it cannot be done without guessing at what the diff means.
    """
    work = _Work()
    files = tuple(work.file(one, old(one)) for one in diff.files)
    return Repaired(replace(diff, files=files), work.laid_out, work.placed)


@dataclass(frozen=True)
class _Group:
    """What happens between two kept lines: `at` old lines of the window lie before it, `removed` are taken."""

    at: int
    removed: int
    added: tuple[str, ...]


@dataclass
class _Work:
    laid_out: int = 0
    placed: int = 0

    def file(self, file: FileDiff, old: Old | None) -> FileDiff:
        if not file.hunks:
            return file
        if file.path is None:
            raise Unclear("it makes a new file, whose white space is told nowhere")
        if old is None:
            raise Unclear(f"there is no {file.path}")
        known: dict[str, set[str]] = {}
        for line in old.lines:
            known.setdefault(squeezed(line), set()).add(line)
        return replace(file, hunks=tuple(self._hunk(file.path, hunk, old, known) for hunk in file.hunks))

    def _hunk(self, path: str, hunk: Hunk, old: Old, known: dict[str, set[str]]) -> Hunk:
        lines = old.lines
        fits = [
            (start, groups)
            for start in range(len(lines) - hunk.old[1] + 1)
            if (groups := _fit(hunk, lines[start : start + hunk.old[1]])) is not None
        ]
        name = f"{path}, hunk {hunk.head[: hunk.head.index('@@', 2) + 2]}"
        if not fits:
            raise Unclear(f"{name}: its lines are not in that file")
        if len(fits) > 1:
            # An empty line more above or below: git shows three lines on either side.
            fits = [(s, g) for s, g in fits if _framed(s, g, lines[s : s + hunk.old[1]], len(lines))] or fits
        if len(fits) > 1 and old.exact:
            fits = [(s, g) for s, g in fits if s == hunk.old[0] - 1]
        if len(fits) != 1:
            raise Unclear(f"{name}: its lines are in that file in more than one place")
        start, groups = fits[0]
        return self._written(path, hunk, (start, lines[start : start + hunk.old[1]]), groups, known)

    def _written(
        self,
        path: str,
        hunk: Hunk,
        window: tuple[int, Sequence[str]],
        groups: Sequence[_Group],
        known: dict[str, set[str]],
    ) -> Hunk:
        start, old = window
        body: list[str] = []
        after: list[str] = []
        done = 0
        for number, group in enumerate(groups):
            at = group.at
            room = _empty_before(old, at, done)
            if not group.removed and group.added and room:
                at -= self._place(group, room, old, first=number == 0, last=number == len(groups) - 1)
            body += [f" {line}" for line in old[done:at]]
            after += old[done:at]
            body += [f"-{line}" for line in old[at : at + group.removed]]
            for text in group.added:
                line = self._added(path, text, after, known)
                body.append(f"+{line}")
                after.append(line)
            done = at + group.removed
        body += [f" {line}" for line in old[done:]]
        added = sum(len(group.added) for group in groups)
        removed = sum(group.removed for group in groups)
        if hunk.old[1] - removed + added != hunk.new[1]:
            raise Unclear(f"{path}: lines that were added are missing")
        moved = start + 1 - hunk.old[0]
        new = (hunk.new[0] + moved, hunk.new[1])
        return replace(hunk, old=(start + 1, hunk.old[1]), new=new, lines=tuple(body), whole=True)

    def _place(self, group: _Group, room: int, old: Sequence[str], *, first: bool, last: bool) -> int:
        """How many of the empty lines before a kept line come after what is added before that line."""
        for back in range(room + 1):
            above, below = group.at - back, len(old) - group.at + back
            if (not first or above == CONTEXT) and (not last or below == CONTEXT) and (first or last):
                return back
        self.placed += 1
        return room

    def _added(self, path: str, text: str, after: Sequence[str], known: dict[str, set[str]]) -> str:
        """An added line: as the old file has the same line, if it has; in C with the indentation of its place."""
        if not text.strip():
            return ""
        same = known.get(squeezed(text), set())
        if not _C.search(path):
            if len(same) != 1:
                raise Unclear(f"{path}: the white space of what is added counts there, and is told nowhere")
            return next(iter(same))
        self.laid_out += 1
        inside = {line.strip() for line in same}
        return _indent(squeezed(text), after) + (next(iter(inside)) if len(inside) == 1 else squeezed(text))


def _empty_before(old: Sequence[str], at: int, done: int) -> int:
    """How many empty lines lie right before a place."""
    count = 0
    while at - count > done and not old[at - count - 1].strip():
        count += 1
    return count


def _marked(hunk: Hunk) -> Iterator[tuple[str, str]]:
    for line in hunk.lines:
        if line.startswith("\\"):
            continue
        mark = line[0] if line[:1] in ("+", "-") else " "
        yield mark, line[1:] if mark != " " else line


def _fit(hunk: Hunk, window: Sequence[str]) -> list[_Group] | None:
    """How a hunk, which may lack empty lines that it keeps, lies on a stretch of the old file; None: not at all."""
    groups: list[_Group] = []
    at = removed = 0
    added: list[str] = []

    def close() -> None:
        nonlocal removed, added
        if removed or added:
            groups.append(_Group(at - removed, removed, tuple(added)))
        removed, added = 0, []

    for mark, text in _marked(hunk):
        if mark == "+":
            if not removed and not added:
                # The empty lines that the hunk lacks here: where among them this stands is decided later.
                while at < len(window) and not window[at].strip():
                    at += 1
            added.append(text)
            continue
        skip = at
        while skip < len(window) and text.strip() and not window[skip].strip():
            skip += 1
        if skip == len(window) or squeezed(window[skip]) != squeezed(text):
            return None
        if mark == " " or skip > at or added:
            close()
        at = skip + 1
        removed += mark == "-"
    close()
    return groups if all(not line.strip() for line in window[at:]) else None


def _framed(start: int, groups: Sequence[_Group], window: Sequence[str], count: int) -> bool:
    """Whether a hunk can have as much around it as git shows.

    Args:
        window: the old lines that the hunk lies on.
        count: the lines of the whole old file.
    """
    if not groups:
        return False
    first, last = groups[0], groups[-1]
    above, below = (one.at for one in (first, last)), len(window) - last.removed
    # What is added among empty lines may stand before any of them.
    rooms = [0 if one.removed else _empty_before(window, one.at, 0) for one in (first, last)]
    tops, ends = ({at - back for back in range(room + 1)} for at, room in zip(above, rooms, strict=True))
    return (CONTEXT in tops or start == 0) and (CONTEXT in {below - at for at in ends} or start + len(window) == count)


def _indent(text: str, before: Sequence[str]) -> str:
    """The indentation of a line of C, by the lines before it."""
    told = [line for line in before if line.strip()]
    if not told or text.startswith("#") or re.fullmatch(r"(?!default)\w+:", text):
        return ""
    last = told[-1]
    word = last.strip()
    indent = last[: len(last) - len(last.lstrip())]
    in_comment = (word.startswith(("/*", "*"))) and "*/" not in word
    if text.startswith("*") and (in_comment or word.startswith("*")):
        return indent if word.startswith("*") else f"{indent} "
    if word.endswith("*/") and word.startswith("*"):
        indent = indent.removesuffix(" ")
    if word.count("(") > word.count(")") or word.endswith(("&&", "||", ",", "=")):
        return f"{indent}\t\t" if not _continues(told) else indent
    if _continues(told):
        indent = indent.removesuffix("\t\t")
    if word.endswith(("{", ":")) or (_CONTROL.match(word) and word.endswith((")", "else"))):
        indent += "\t"
    elif len(told) > 1 and _CONTROL.match(told[-2].strip()) and told[-2].rstrip().endswith((")", "else")):
        indent = indent.removesuffix("\t")
    if text.startswith(("}", "case ", "default:")):
        indent = indent.removesuffix("\t")
    return indent


def _continues(told: Sequence[str]) -> bool:
    """Whether the last line goes on with the one before it."""
    if len(told) < 2:
        return False
    before = told[-2].strip()
    return before.count("(") > before.count(")") or before.endswith(("&&", "||", "="))
