"""The releases that a thread speaks of, and whether it calls them good or bad."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from harness.thread.message import Message
from harness.thread.prose import Said, sentence


@dataclass(frozen=True)
class Version:
    """A release, such as `4.12` or `4.13-rc1`; `good` is None where the thread does not say."""

    name: str
    good: bool | None
    said: tuple[Said, ...]

    @property
    def key(self) -> tuple[int, ...]:
        """What releases sort by: 4.13-rc1 comes before 4.13."""
        numbers, _, candidate = self.name.partition("-rc")
        return (*[*map(int, numbers.split(".")), 0, 0][:3], int(candidate) if candidate else 1000)


_VERSION = re.compile(r"(?<![\w.#/-])v?(?P<name>[2-9]\.\d{1,2}(?:\.\d{1,3})?(?:-rc\d{1,2})?)(?![\w/-]|\.\d)")
# What stands before the version of another program, as in syzbot's reports: `GNU ld (GNU Binutils for Debian) 2.40`.
_PROGRAM = re.compile(
    r"\b(?:gcc|g?ld|lld|clang|binutils|qemu|git|systemd|cryptsetup|glibc|python)(?: version)?(?: \([^()]{1,60}\))? v?$",
    re.IGNORECASE,
)
_BAD = (
    r"regress\w*[^.]{{0,40}}{v}",
    r"(?:broken|breaks|broke)\b[^.]{{0,50}}{v}",
    r"{v}[^.]{{0,40}}\b(?:crash|oops|hang|break|fail)\w*",
    r"(?:crash|oops|hang|fail)\w* (?:with|on|in|since) (?:\w+ ){{0,2}}{v}",
    r"fix (?:\w+ ){{0,2}}{v}",
    r"(?:since|starting with|first seen in) {v}",
)
_GOOD = (
    r"(?:work(?:s|ed)|fine|used to)\b[^.]{{0,60}}\b(?:in|on|with|until|under) {v}",
    r"{v} (?:\w+ )?(?:works|worked|was fine|is fine|was ok)",
    r"(?:present|have it) in (?:the )?{v}",
    r"last (?:known )?good\b[^.]{{0,30}}{v}",
    r"(?:not|n't) (?:happen|occur|crash|reproduc\w+)[^.]{{0,40}}{v}",
)


def versions(proses: Iterable[tuple[Message, str]]) -> list[Version]:
    """The releases named, the oldest first.

    Args:
        proses: messages with their own words.
    """
    got: dict[str, list[tuple[int, Said]]] = {}
    for message, text in proses:
        flat = " ".join(text.split())
        for found in _VERSION.finditer(flat):
            if _PROGRAM.search(flat, max(0, found.start() - 90), found.start()):
                continue
            said = sentence(message, flat, found.start(), found.end())
            got.setdefault(found["name"], []).append((_leaning(flat, found), said))
    told = []
    for name, entries in got.items():
        leaning = sum(score for score, _ in entries)
        told.append(Version(name, None if leaning == 0 else leaning > 0, tuple(said for _, said in entries)))
    return sorted(told, key=lambda one: one.key)


def _leaning(flat: str, found: re.Match[str]) -> int:
    """+1 where the words around call a version good, -1 bad, 0 neither or both."""
    around = flat[max(0, found.start() - 100) : found.end() + 60]
    place = rf"(?:the |kernel |Linux |block layer ){{0,3}}v?{re.escape(found['name'])}(?![.\d]\d|-rc)"
    good = any(re.search(words.format(v=place), around, re.IGNORECASE) for words in _GOOD)
    bad = any(re.search(words.format(v=place), around, re.IGNORECASE) for words in _BAD)
    return int(good) - int(bad)
