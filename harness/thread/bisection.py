"""`git bisect log` in a message: what its author tried, in git's own words."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SHA = r"[0-9a-f]{7,40}"
_WORDS = {"good": "good", "old": "good", "bad": "bad", "new": "bad", "skip": "skip"}
_LINE = re.compile(
    r"^[ \t]*(?:"
    r"#\s+(?P<what>good|bad|skip|old|new|(?P<possible>possible )?first (?:bad|new) commit):"
    rf"\s+\[(?P<sha>{_SHA})\](?:[ \t]*(?P<subject>\S[^\n]*(?:\n(?![ \t]*(?:#|git bisect|$))[^\n]*)?))?"
    r"|git bisect (?P<word>good|bad|skip|old|new)\s+(?P<revision>[\w./~^-]{3,80})"
    r"|git bisect start(?P<ends>[^\n]*)"
    r"|#\s+(?:only skipped commits left|status: waiting)[^\n]*"
    r")[ \t]*$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Tried:
    """A commit that was tried, or that git named: its hash (or another name), and its subject where it is told."""

    revision: str
    subject: str | None = None


@dataclass(frozen=True)
class Bisection:
    """What such a log says.

    Attributes:
        good, bad, skipped: what was found of which commits, in order.
        first_bad: the culprit, where it came to its end.
        possible: those of which it is one, where too many were skipped.
    """

    good: tuple[Tried, ...]
    bad: tuple[Tried, ...]
    skipped: tuple[Tried, ...] = ()
    first_bad: Tried | None = None
    possible: tuple[Tried, ...] = ()

    @property
    def ends(self) -> tuple[Tried, Tried] | None:
        """The last good and the last bad commit: between them is the culprit."""
        return (self.good[-1], self.first_bad or self.bad[-1]) if self.good and self.bad else None

    @property
    def reached(self) -> tuple[bool, int]:
        """How far it came, to compare with others."""
        return self.first_bad is not None, len(self.good) + len(self.bad)


def bisection_in(text: str) -> tuple[Bisection | None, str]:
    """The log of a bisection in a text, and the rest of the text.

    Advice such as `git bisect good v6.1` is no log: it takes git's own comments, or a start and two verdicts.
    """
    found = list(_LINE.finditer(text))
    told: dict[str, list[Tried]] = {"good": [], "bad": [], "skip": [], "first": [], "possible": []}
    for line in found:
        if line["sha"]:
            what = "possible" if line["possible"] else "first" if line["what"].startswith("first") else line["what"]
            subject = " ".join(line["subject"].split()) if line["subject"] else None
            _add(told[_WORDS.get(what, what)], Tried(line["sha"], subject))
        elif line["word"]:
            _add(told[_WORDS[line["word"]]], Tried(line["revision"]))
        elif line["ends"]:
            ends = [end.strip("'\"") for end in line["ends"].split() if not end.startswith("-")]
            for end, kind in zip(ends, ["bad", *["good"] * len(ends)], strict=False):
                _add(told[kind], Tried(end))
    commented = any(line["sha"] for line in found)
    verdicts = sum(len(told[kind]) for kind in ("good", "bad", "skip"))
    if not (told["first"] or (commented and verdicts > 1) or (verdicts > 2 and told["good"] and told["bad"])):
        return None, text
    first = told["first"][0] if told["first"] else None
    log = Bisection(tuple(told["good"]), tuple(told["bad"]), tuple(told["skip"]), first, tuple(told["possible"]))
    return log, _LINE.sub("", text)


def _add(known: list[Tried], new: Tried) -> None:
    """Add a commit, once: git writes each verdict as a comment with the subject, then as a command."""
    for one in known:
        if one.revision.startswith(new.revision) or new.revision.startswith(one.revision):
            return
    known.append(new)
