"""Which commits bring a change into a history, and which take it out again.  Pure: messages in, marks out.

A commit is recognised as the change that is looked for, the surest way first:

1. its hash;
2. its message, which says of which commit it is the backport: `commit X upstream`, `[ Upstream commit X ]`,
   `(cherry picked from commit X)`;
3. its subject and patch-id; or its subject alone, which is a guess.

`This reverts commit X` takes the change out again, and a revert of that brings it back.  `Fixes: X` makes a commit
a fix, where none is named.  (The forms are those of `Documentation/process/stable-kernel-rules.rst` and
`submitting-patches.rst`.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

LEAST = 7
"""Digits of a hash that a message has to give to mean a commit."""
SURE = 12
"""Digits of a hash that mean one commit only, in a history as long as the kernel's."""

_HEX = r"([0-9a-f]{7,64})\b"
_UPSTREAM = re.compile(
    rf"\bcommit {_HEX} upstream\b|\bupstream commit:? {_HEX}|\((?:cherry[ -]picked|backported) from commit {_HEX}",
    re.IGNORECASE,
)
_REVERTS = re.compile(
    rf"\breverts (?:upstream )?commit {_HEX}(?:\W+which (?:is|was) (?:upstream )?commit {_HEX})?", re.IGNORECASE
)
_FIXES = re.compile(rf"^Fixes: {_HEX}", re.IGNORECASE | re.MULTILINE)
_REVERT_OF = re.compile(r'(?:Revert|Reapply) "(.*)"$')


class Kind(StrEnum):
    """What a commit has to do with the regression."""

    CULPRIT = "culprit"
    FIX = "fix"


@dataclass(frozen=True)
class Change:
    """A commit that is looked for, as far as it is known.

    Attributes:
        sha: its hash, whole or abbreviated; None if unknown.
        subject: its subject line; None if unknown.
        patch: its patch-id; None if it is in no tree.
    """

    sha: str | None = None
    subject: str | None = None
    patch: str | None = None

    @property
    def name(self) -> str:
        """For people: `7c20f11680a4 ("bio-integrity: ...")`."""
        sha, subject = (self.sha or "")[:12], f'"{self.subject}"' if self.subject else ""
        return f"{sha} ({subject})" if sha and subject else sha or subject


@dataclass(frozen=True)
class Message:
    """A commit with its message: hash, subject line, the text below it."""

    sha: str
    subject: str
    body: str


@dataclass(frozen=True)
class Mark:
    """A commit that brings a change, or takes it out.

    Attributes:
        kind: which change: the culprit or a fix.  number: the how manieth fix, from 0 on.
        undoes: whether it takes it out.
        how: how it was recognised, for people.
        guess: whether it may be another change.
    """

    sha: str
    subject: str
    kind: Kind
    number: int
    undoes: bool
    how: str
    guess: bool = False


def patterns(wanted: Iterable[Change]) -> list[str]:
    """Texts, one of which stands in each message that may mean one of these changes."""
    told = [text for one in wanted for text in ((one.sha or "")[:LEAST], one.subject or "") if text]
    return list(dict.fromkeys(told))


@dataclass(frozen=True)
class _Looked:
    change: Change
    kind: Kind
    number: int


def recognise(
    messages: Sequence[Message],
    culprit: Change,
    fixes: Sequence[Change],
    patch_id: Callable[[str], str | None],
) -> tuple[list[Mark], list[Message]]:
    """The commits that bring or take out the culprit and its fixes.

    Args:
        messages: those that may, parents before children.
        fixes: where there are none, commits with a `Fixes:` tag are.
        patch_id: gives a commit's.

    Returns:
        The marks, in the order of the messages; and, where fixes were named, further commits with such a tag.
    """
    looked = [_Looked(culprit, Kind.CULPRIT, 0), *(_Looked(one, Kind.FIX, n) for n, one in enumerate(fixes))]
    known: dict[str, Mark] = {}
    count = -1
    # A message may name a commit of another branch, which comes later here.
    while len(known) > count:
        count = len(known)
        for message in messages:
            if message.sha not in known and (mark := _mark(message, looked, known, patch_id)):
                known[message.sha] = mark
    tagged = [
        message
        for message in messages
        if message.sha not in known and _names_culprit(_FIXES.findall(message.body), culprit.sha, known)
    ]
    if not fixes:
        known |= {
            one.sha: Mark(one.sha, one.subject, Kind.FIX, 0, undoes=False, how="Fixes: tag", guess=True)
            for one in tagged
        }
    marks = [known[message.sha] for message in messages if message.sha in known]
    return marks, tagged if fixes else []


def _mark(
    message: Message,
    looked: Sequence[_Looked],
    known: Mapping[str, Mark],
    patch_id: Callable[[str], str | None],
) -> Mark | None:
    text = f"{message.subject}\n{message.body}"
    for one in looked:
        if one.change.sha and message.sha.startswith(one.change.sha):
            return Mark(message.sha, message.subject, one.kind, one.number, undoes=False, how="hash")
    if mark := _reverted(message, text, looked, known):
        return mark
    # "reverts commit K which is commit C upstream" is no backport of C.
    upstream = [name for groups in _UPSTREAM.findall(_REVERTS.sub("", text)) for name in groups if name]
    for name in upstream:
        for one in looked:
            if _same(name, one.change.sha):
                how = f'says "commit {name[:SURE]} upstream"'
                guess = min(len(name), len(one.change.sha or "")) < SURE
                return Mark(message.sha, message.subject, one.kind, one.number, undoes=False, how=how, guess=guess)
        for mark in known.values():
            if _same(name, mark.sha):
                how = f'says "commit {name[:SURE]} upstream"'
                return Mark(message.sha, message.subject, mark.kind, mark.number, mark.undoes, how, mark.guess)
    for one in looked:
        if not upstream and one.change.subject and message.subject == one.change.subject:
            return _by_subject(message, one, patch_id)
    return None


def _reverted(message: Message, text: str, looked: Sequence[_Looked], known: Mapping[str, Mark]) -> Mark | None:
    for name in (name for names in _REVERTS.findall(text) for name in names if name):
        for mark in known.values():
            if _same(name, mark.sha):
                how = f'says "reverts commit {name[:SURE]}"'
                return Mark(message.sha, message.subject, mark.kind, mark.number, not mark.undoes, how, mark.guess)
        for one in looked:
            if _same(name, one.change.sha):
                how = f'says "reverts commit {name[:SURE]}"'
                return Mark(message.sha, message.subject, one.kind, one.number, undoes=True, how=how)
    quoted = _REVERT_OF.match(message.subject)
    for one in looked if quoted and not _REVERTS.search(text) else ():
        if quoted and quoted[1] == one.change.subject:
            return Mark(message.sha, message.subject, one.kind, one.number, undoes=True, how="its subject", guess=True)
    return None


def _by_subject(message: Message, one: _Looked, patch_id: Callable[[str], str | None]) -> Mark:
    patch = patch_id(message.sha) if one.change.patch else None
    if patch is not None and patch == one.change.patch:
        return Mark(message.sha, message.subject, one.kind, one.number, undoes=False, how="subject and patch-id")
    how = "subject; another patch" if patch is not None else "subject"
    return Mark(message.sha, message.subject, one.kind, one.number, undoes=False, how=how, guess=True)


def _same(name: str, sha: str | None) -> bool:
    """Whether two hashes, each perhaps abbreviated, may be of one commit."""
    name = name.lower()
    return bool(sha) and (name.startswith(sha or "") or (sha or "").startswith(name))


def _names_culprit(names: Iterable[str], sha: str | None, known: Mapping[str, Mark]) -> bool:
    targets = [sha, *(mark.sha for mark in known.values() if mark.kind is Kind.CULPRIT and not mark.undoes)]
    return any(_same(name, target) for name in names for target in targets)
