"""The releases that a thread speaks of, and whether it calls them good or bad."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
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


_NAME = r"[2-9]\.\d{1,2}(?:\.\d{1,3})?(?:-rc\d{1,2})?"
_UNIT = r"\s?(?:%|[KMGT]i?B|[KMG]?Hz|[KMGT]?bps|seconds?\b|sec\b|ms\b|s\b|minutes?\b|hours?\b|times\b|x\b)"
_VERSION = re.compile(
    rf"(?<![\w.#/-])(?:(?:[Ll]inux|[Kk]ernel)-)?v?(?P<name>{_NAME})(?:\.[xy]\b)?(?![\w/-]|\.\d|{_UNIT})"
)
# What stands before the version of another program, as in syzbot's reports: `GNU ld (GNU Binutils for Debian) 2.40`.
_PROGRAM = re.compile(
    r"\b(?:gcc|g?ld|lld|clang|binutils|qemu|git|systemd|cryptsetup|glibc|python)(?: version)?(?: \([^()]{1,60}\))? v?$"
    r"|\b[a-z]\w*-[a-z][\w-]*(?<!next)(?: version)? v?$"  # util-linux 2.40
    r"|\b(?:from|of|using|package) (?!linux|kernel|mainline|stable|vanilla|upstream|version|the |lts)[a-z][\w+]* v?$",
    re.IGNORECASE,
)

_CRASHES = r"(?:crash|oops|hang|hung|fail|freez|froze|panic|regress|trouble|problem|corrupt|lock(?:s|ed)? ?up)\w*"
_BROKEN = rf"\b(?:{_CRASHES}|break\w*|broken?|bad|affected|reproduc\w+)\b"
_WORKS = r"\b(?:works?|worked|working|fine|ok|okay|good|boots?|booted|helps?|helped|unaffected)\b"
_NOT = r"\b(?:no|not|never|cannot|without|nor)\b(?: any(?:more)?| longer)?|n't\b|\b(?:stopped|stops|used to)\b"
_HAPPENS = r"\b(?:happens?|happened|occurs?|occurred|present|there|exists?|visible|seen|triggers?|appears?(?! to))\b"
_IT = re.compile(
    r"\b(?:problem|issue|bug|it|this|crash|oops|panic|regression|error|warning|still|same)\b", re.IGNORECASE
)
# The end of a clause: words there are said of other versions.
_CLAUSE = re.compile(r"[,;:](?=\s)|\s(?:but|while|whereas|although|though)\s|(?<=[\w)])\s-{1,2}\s")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(+#$-])|\n\s*\n")
_ARTICLES = re.compile(r"(?:\b(?:the|kernels?|version|release|linux|block layer|mainline|stable) )+$", re.IGNORECASE)
_OTHER = re.compile(
    rf"(?:\b(?:the|kernels?|version|release|linux|mainline|stable)[ -])*\bv?{_NAME}(?:\.[xy])?", re.IGNORECASE
)
_FIX = r"\b(?:fix(?:e[sd])?|patch(?:es)?|solution|it's)\b"

# {v} is the version; the first that fits decides.
_RULES = tuple(
    (re.compile(pattern, re.IGNORECASE), good)
    for pattern, good in (
        (rf"{_FIX}[^.]{{0,60}}\b(?:present|have it|landed|merged|included|queued|is|was|are) in (?:the )?<V>", True),
        (
            r"\bhave it in (?:the )?<V>|\b(?:fixed|gone|resolved|solved)\b (?:\w+ ){0,2}(?:in|with|by|since|as of) <V>",
            True,
        ),
        (r"\b(?:back|downgrad\w+|revert\w*|return\w*)\b(?: \w+){0,2} to <V>", True),
        (r"\b(?:last|latest|newest) (?:known )?(?:good|working)\b[^.]{0,30}<V>", True),
        (r"\b(?:first|oldest|earliest) (?:known )?(?:bad|broken|failing|affected)\b[^.]{0,30}<V>", False),
        (r"\bfrom <V> to <O>", True),
        (r"\bfrom <O> to <V>", False),
        (r"\bbetween <V> and <O>", True),
        (r"\bbetween <O> and <V>", False),
        (r"\b(?:after|newer than|later than|above|past) <V>(?! (?:\w+ ){0,2}(?:works|is fine|boots))", True),
        (r"\b(?:until|up to|before|prior to) <V>", True),
        (r"\b(?:since|starting (?:with|in|from)|as of|first seen in|introduced in|beginning with) <V>", False),
        (r"\bfix (?:\w+ ){0,2}<V>", False),
    )
)


def versions(proses: Iterable[tuple[Message, str]]) -> list[Version]:
    """The releases named, the oldest first.

    Where several say different things of one, who wrote first is believed: the reporter has the machine.

    Args:
        proses: messages with their own words.
    """
    got: dict[str, list[tuple[int, Said]]] = {}
    first = None
    for message, text in proses:
        first = first or message.author
        for part in _sentences(text):
            for found in _VERSION.finditer(part):
                if _PROGRAM.search(part, max(0, found.start() - 90), found.start()):
                    continue
                said = sentence(message, part, found.start(), found.end())
                weight = 100 if message.author == first else 1
                got.setdefault(found["name"], []).append((weight * _leaning(part, found), said))
    told = []
    for name, entries in got.items():
        leaning = sum(score for score, _ in entries)
        told.append(Version(name, None if leaning == 0 else leaning > 0, tuple(said for _, said in entries)))
    return sorted(told, key=lambda one: one.key)


def _sentences(text: str) -> Iterator[str]:
    """The sentences of a text, each on one line."""
    return filter(None, (" ".join(part.split()) for part in _SENTENCE.split(text)))


def _leaning(part: str, found: re.Match[str]) -> int:
    """+1 where the words around call a version good, -1 bad, 0 neither or both.

    Args:
        part: the sentence.  found: the version in it.
    """
    marked = f"{_OTHER.sub('<O>', _ARTICLES.sub('', part[: found.start()]))}<V>{_OTHER.sub('<O>', part[found.end() :])}"
    for pattern, good in _RULES:
        if pattern.search(marked):
            return 1 if good else -1
    clauses = _CLAUSE.split(marked)
    number = next((number for number, clause in enumerate(clauses) if "<V>" in clause), 0)
    if found_sign := _sign(clauses[number]):
        return found_sign
    if number and re.search(r"<V> (?:does|do|did|is|was)(?: not|n't)\s*[.!]?$", clauses[number]):
        return -_sign(clauses[number - 1])  # `5.19 boots, 6.0 does not`
    if (number + 1 < len(clauses) and "<O>" not in clauses[number + 1]) and (
        after := _sign(clauses[number + 1], needs_version=False)
    ):
        return after  # `6.18-rc2 (on the laptop), broken`
    return 0


def _sign(clause: str, *, needs_version: bool = True) -> int:
    """+1 where a clause calls what it names good, -1 bad; the words nearest to the version count."""
    at = clause.find("<V>")
    at = clause.find("<O>") if at < 0 else at
    if at < 0 and needs_version:
        return 0
    signs = []
    happens = _HAPPENS if _IT.search(clause) else r"(?!)"
    for words, sign in ((_BROKEN, -1), (happens, -1), (_WORKS, 1)):
        for found in re.finditer(words, clause, re.IGNORECASE):
            before = clause[max(0, found.start() - 25) : found.start()]
            turned = re.search(rf"(?:{_NOT})(?:\W+\w+){{0,2}}\W*$", before, re.IGNORECASE)
            used = turned and turned[0].lower().startswith("used to")
            distance = min(abs(found.start() - at), abs(found.end() - at)) if at >= 0 else found.start()
            signs.append((distance, sign if used or not turned else -sign))
    return min(signs)[1] if signs else 0
