"""The commits that a thread speaks of, and whether it blames them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from harness.thread.message import Message, printable
from harness.thread.prose import Said, sentence


@dataclass(frozen=True)
class Suspect:
    """A commit that the thread speaks of.

    Attributes:
        sha: as much of its hash as was given; None where only its subject was.
        subject: its subject line, where it was given.
        blamed: it is said to have brought the regression; else it was only mentioned.
        said: where.
    """

    sha: str | None
    subject: str | None
    blamed: bool
    said: tuple[Said, ...]


# A word that is a hash: git prints 12 digits or more; shorter ones count only where the text calls them a commit.
_HASH = r"(?P<sha>\b(?=[0-9a-f]{{0,39}}[0-9])(?=[0-9a-f]{{0,39}}[a-f])[0-9a-f]{{{least},40}}\b)"
_LONG, _SHORT = _HASH.format(least=12), _HASH.format(least=7)
_TITLED = r"""(?:\s{0,4}\(\s{0,4}["'“](?P<subject>[^"”]{3,200})["'”]\s{0,4}\))?"""
_CALLED = (
    r"\b(?:[Cc]ommit|[Pp]atch|[Cc]hange|introduced (?:in|by|with)|since|bisected to|[Ff]ixes:|[Rr]evert(?:ed|ing|s)?"
    r"(?: of)?)\s{0,4}:?\s{1,4}(?:commit\s{1,4})?"
)
_DAY = r"Date: {1,4}\w{3} \w{3} {1,2}\d{1,2} [\d:]{5,8} \d{4} [+-]\d{4}\s{1,8}"
_MENTIONS = (
    # (pattern, whether it surely blames), those that say most first
    (
        re.compile(rf"[Cc]ommit {_LONG}\s{{1,4}}Author: [^\n]{{1,200}}\s{{1,8}}{_DAY}(?P<subject>\S[^\n]{{2,200}})"),
        False,
    ),
    (re.compile(rf"{_SHORT}(?P<subject>) is the first bad commit"), True),
    # Build robots: `kernel test robot noticed "..." on:`, and before 2022 `we noticed the following commit (...):`.
    (re.compile(rf"\bnoticed [^\n]{{3,300}}:\s{{1,8}}commit: {_LONG}{_TITLED}"), True),
    (re.compile(rf"^Fixes:\s{{1,4}}{_SHORT}{_TITLED}", re.MULTILINE), True),
    (re.compile(_CALLED + _SHORT + _TITLED), False),
    (re.compile(rf"(?:kernel\.org|github\.com)/\S*?/(?:c|commit)/(?:\?\S*?id=)?{_LONG}(?P<subject>)"), False),
    # 16 digits alone are an address, and what stands in other links is not a commit's hash.
    (re.compile(rf"(?<![=/+&])(?!\b[0-9a-f]{{16}}\b){_LONG}{_TITLED}"), False),
)
_BY_SUBJECT = re.compile(r"""\b(?:[Cc]ommit|[Rr]evert:?)\s{1,4}["“](?P<subject>[^"”\n]{6,200})["”]""")
_BLAME = re.compile(
    r"first bad commit|bisected to|introduced (?:in|by|with)|[Aa]fter (?:the|this) commit|[Rr]evert"
    r"|breaks|broke\b|regress|caused by|since commit|culprit|guilty"
)
_INNOCENT = re.compile(r"[Uu]pstream commit|HEAD commit|base-commit|cherry picked from|[Ff]ixed by|[Ff]ixed in")


@dataclass
class _Named:
    """A commit by its hash, while its mentions are collected."""

    sha: str
    subject: str | None = None
    blamed: bool = False
    said: list[Said] = field(default_factory=list)


def suspects(proses: Iterable[tuple[Message, str]]) -> list[Suspect]:
    """The commits named, those blamed and named oftenest first; a short hash is the same as a long one it begins.

    Args:
        proses: messages with their own words.
    """
    named: list[_Named] = []
    titles: dict[str, list[Said]] = {}
    for message, text in proses:
        for found, sure in _mentions(text):
            one = _known(named, found["sha"])
            one.subject = one.subject or (printable(subject) if (subject := found["subject"]) else None)
            one.blamed |= sure or _blames(text, found)
            one.said.append(sentence(message, text, found.start(), found.end()))
        for found in _BY_SUBJECT.finditer(f"{message.subject}\n{text}"):
            titles.setdefault(printable(found["subject"]), []).append(Said(printable(found[0]), message))
    told = [Suspect(one.sha, one.subject, one.blamed, tuple(one.said)) for one in named]
    known = [one.subject for one in named if one.subject]
    told += [
        Suspect(None, title, True, tuple(said))
        for title, said in titles.items()
        if not any(subject.endswith(title) for subject in known)
    ]
    return sorted(told, key=lambda one: (not one.blamed, one.sha is None, -len(one.said)))


def _mentions(text: str) -> Iterator[tuple[re.Match[str], bool]]:
    taken: set[int] = set()
    for pattern, sure in _MENTIONS:
        for found in pattern.finditer(text):
            if found.start("sha") not in taken:
                taken.add(found.start("sha"))
                yield found, sure


def _known(named: list[_Named], sha: str) -> _Named:
    for one in named:
        if one.sha.startswith(sha) or sha.startswith(one.sha):
            one.sha = max(one.sha, sha, key=len)
            return one
    named.append(_Named(sha))
    return named[-1]


def _blames(text: str, found: re.Match[str]) -> bool:
    near = text[max(0, found.start() - 60) : found.end() + 60]
    return _BLAME.search(text, max(0, found.start() - 120), found.end() + 250) is not None and not _INNOCENT.search(
        near
    )
