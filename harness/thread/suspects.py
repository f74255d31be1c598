"""The commits that a thread speaks of, and whether it blames them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from harness.thread.bisection import Bisection
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
# A subject may have quotation marks in it: `("Revert "toy: read"")`.
_TITLED = r"""(?:\s{0,4}[:(]\s{0,4}["'“](?P<subject>(?:(?!\n\s*\n)[^“”]){3,200}?)["'”]\s{0,4}\))?"""
_CALLED = (
    r"\b(?:[Cc]ommit|[Pp]atch|[Cc]hange|introduced (?:in|by|with)|since|bisected to|[Ff]ixes:|[Rr]evert(?:ed|ing|s)?"
    r"(?: of)?)\s{0,4}:?\s{1,4}(?:commit\s{1,4})?"
)
_DAY = r"Date: {1,4}\w{3} \w{3} {1,2}\d{1,2} [\d:]{5,8} \d{4} [+-]\d{4}\s{1,60}"
_MENTIONS = (
    # (pattern, whether it surely blames), those that say most first
    (
        re.compile(
            rf"[Cc]ommit {_LONG}\s{{1,40}}(?:Merge: [^\n]{{1,200}}\s{{1,40}})?Author: [^\n]{{1,200}}\s{{1,40}}{_DAY}"
            r"(?P<subject>\S[^\n]{2,200})"
        ),
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
# `Revert "..."` may be the subject of a commit that is named by its hash, too.
_BY_SUBJECT = re.compile(
    r"""(?<![0-9a-f]{7} )(?<!\(")(?<!    )\b(?:[Cc]ommit|[Rr]evert:?)\s{1,4}["“](?P<subject>[^"”\n]{6,200})["”]"""
)
# People's words for a culprit, in the sentence that names it.
_BLAME = re.compile(
    r"first bad commit|bad commit\b|introduced (?:in|by|with)|[Aa]fter (?:the|this) commit|[Rr]evert|\bbreaks?\b"
    r"|\bbroken?\b|regress|caused by|causes\b|(?:since|starting with) commit|culprit|guilty|offending|faulty"
    r"|to blame|\bblames?\b|implicat|where (?:\w+ ){0,3}(?:troubles?|problems?|issues?)"
    r" (?:begins?|starts?|started|began)"
    r"|(?:traced|narrowed)(?: \w+){0,3} (?:down |back )?to"
    r"|[Bb]isect\w*\b[^.]{0,60}\b(?:to|at|on|that|points?|pointed|finds?|found|identified|says|gave|yields?|is|was)\b"
)
_INNOCENT = re.compile(r"[Uu]pstream commit|HEAD commit|base-commit|cherry picked from|[Ff]ixed by|[Ff]ixed in")
# A commit that is only in the way of a revert.
_ASIDE = re.compile(r"\b(?:first|also) (?:have to |has to |need to |must )?revert|conflict")
# Right before and right after a commit that is called good.
_GOOD_BEFORE = re.compile(
    r"\b(?:preceding|previous|(?:last|known)[ -]good|good|parent)(?: \w+)? ?(?:commit|one|revision)?"
    r"(?: is| was)?\W{0,4}$"
    r"|\b(?:fine|good|ok|works?|boots?)\b (?:\w+ )?(?:at|on|with|in|until|before|up to) (?:commit )?$",
    re.IGNORECASE,
)
_GOOD_AFTER = re.compile(
    r"(?:is|was|are|still|also|itself|alone|\s)*\b(?:good|fine|ok|okay|works?|boots?|innocent|unrelated"
    r"|does(?: not|n't) (?:crash|hang|fail|oops|break|happen|trigger|show)"
    r"|not (?:bad|guilty|affected|to blame|the (?:culprit|problem|cause)))\b"
    r"|\s*(?:fixe[sd]|should fix|solve[sd]|helps|helped)\b",
    re.IGNORECASE,
)


@dataclass
class _Named:
    """A commit by its hash, while its mentions are collected."""

    sha: str
    subject: str | None = None
    blamed: bool = False
    sure: bool = False
    cleared: bool = False
    said: list[Said] = field(default_factory=list)


def suspects(
    proses: Iterable[tuple[Message, str]],
    bisection: Bisection | None = None,
    log: Said | None = None,
    undecided: Collection[str] = (),
) -> list[Suspect]:
    """The commits named, those blamed and named oftenest first; a short hash is the same as a long one it begins.

    Nobody is blamed whom a bisection or the text calls good.

    Args:
        proses: messages with their own words, without the log of a bisection.
        bisection: what that log says.  log: where it stands.
        undecided: hashes of commits between which a bisection could not decide.
    """
    named: list[_Named] = []
    if bisection and bisection.first_bad:
        first = bisection.first_bad
        named.append(_Named(first.revision, first.subject, blamed=True, sure=True, said=[log] if log else []))
    titles: dict[str, list[Said]] = {}
    for message, text in proses:
        for found, sure in _mentions(text):
            one = _known(named, found["sha"])
            one.subject = one.subject or (printable(subject) if (subject := found["subject"]) else None)
            one.sure |= sure
            one.cleared |= _clears(text, found)
            one.blamed |= sure or _blames(text, found)
            one.said.append(sentence(message, text, found.start(), found.end()))
        for found in _BY_SUBJECT.finditer(f"{message.subject}\n{text}"):
            titles.setdefault(printable(found["subject"]), []).append(Said(printable(found[0]), message))
    for tried in bisection.good if bisection else ():
        for one in named:
            one.cleared |= one.sha.startswith(tried.revision) or tried.revision.startswith(one.sha)
    for one in named:
        one.cleared |= one.sha in undecided
    told = [
        Suspect(one.sha, one.subject, one.blamed and (one.sure or not one.cleared), tuple(one.said)) for one in named
    ]
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


_WITH = re.compile(r"\b(?:with|on|at)\s+(?:commit\s+)?$", re.IGNORECASE)
_IT_WORKS = re.compile(r"(?:it|all|everything|that) (?:still )?(?:works?|boots?|is (?:fine|good|ok))\b")


def _clears(text: str, found: re.Match[str]) -> bool:
    """Whether the words right around a commit call it good."""
    before = " ".join(text[max(0, found.start("sha") - 60) : found.start("sha")].split("\n"))
    after = text[found.end() : found.end() + 60].lstrip("\"') ,\n")
    if _GOOD_BEFORE.search(before.rstrip("(")) or _GOOD_AFTER.match(after):
        return True
    return bool(_WITH.search(before) and _IT_WORKS.match(after))


def _blames(text: str, found: re.Match[str]) -> bool:
    """Whether the sentence that names a commit blames it."""
    near = text[max(0, found.start() - 60) : found.end() + 60]
    said = _sentence_around(text, found.start(), found.end())
    return bool(_BLAME.search(said)) and not (_INNOCENT.search(near) or _ASIDE.search(said))


# Where a sentence ends.  One that ends in a colon, or says that the commit follows, goes on past the empty line.
_ENDS = re.compile(r"[.!?](?=\s+[A-Z])|\n[ \t]*\n|\n(?=[ \t]*[-*] )")
_GOES_ON = re.compile(r"(?::|\b(?:below|following|this)\b[^.\n]{0,30}[.:]?)\s*$")


def _sentence_around(text: str, start: int, end: int) -> str:
    begin = max(0, start - 250)
    for found in _ENDS.finditer(text, begin, start):
        if not _GOES_ON.search(text[begin : found.end()]):
            begin = found.end()
    after = _ENDS.search(text, end, end + 250)
    return text[begin : after.start() if after else end + 250]
