"""What a thread says of a regression: ids, links, commits, versions, claims.  Each with the message that says it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.thread.bisection import Bisection, bisection_in
from harness.thread.message import Message, printable
from harness.thread.prose import Said, claims, prose, sentence
from harness.thread.suspects import Suspect, suspects
from harness.thread.syzbot import Syzbot, syzbot_in
from harness.thread.versions import Version, versions


@dataclass(frozen=True)
class Introduced:
    """What `#regzbot introduced` says: a commit, or a range of two."""

    good: str | None
    bad: str
    said: Said


@dataclass
class Facts:
    """All of it.

    Attributes:
        ids: of trackers, such as `lr#35498d`, the one that is surest first.
        bisection: what a `git bisect log` in it says.  syzbot: what a report of that robot does.
        title: what a tracker calls it.  fixed_by: the commit that a tracker knows to fix it.
    """

    ids: dict[str, Said] = field(default_factory=dict)
    title: Said | None = None
    links: dict[str, Said] = field(default_factory=dict)
    introduced: Introduced | None = None
    bisection: Bisection | None = None
    syzbot: Syzbot | None = None
    fixed_by: Said | None = None
    suspects: list[Suspect] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    claims: list[Said] = field(default_factory=list)


_IDS = (
    # The id that the regression reports of 2017 gave; then those of today's trackers.
    (re.compile(r"Linux-Regression-ID:\s*(lr#[0-9a-zA-Z]{3,16})\b"), "{}"),
    (re.compile(r"\b(lr#[0-9a-f]{6})\b"), "{}"),
    (re.compile(r"syzbot\+([0-9a-f]{12,40})@syzkaller"), "syzbot-{}"),
    (re.compile(r"syzkaller\.appspot\.com/bug\?(?:ext)?id=([0-9a-f]{12,40})"), "syzbot-{}"),
    (re.compile(r"bugzilla\.kernel\.org/show_bug\.cgi\?id=(\d{1,8})\b"), "bugzilla-{}"),
)
_LINKS = (
    re.compile(r"^\s*(?:Closes|Link|BugLink|Buglink):\s*(https?://[!-~]{4,300})", re.MULTILINE),
    re.compile(r"(https?://(?:bugzilla\.kernel\.org|syzkaller\.appspot\.com/bug)[!-~]{2,200})"),
)
_REGZBOT = re.compile(r"^\s*#regzb(?:ot)?\s+\^?(introduced|title|link|monitor|fixed-by)\s*:?\s+(\S.*)$", re.MULTILINE)
_REVISION = r"[A-Za-z0-9][\w/-]*(?:\.[\w/-]+)*"
_RANGE = re.compile(rf"^({_REVISION})(?:\s*\.\.\.?\s*({_REVISION}))?(?=\s|$)")


def gather(messages: Sequence[Message]) -> Facts:
    """What the messages say; pure.

    Quoted lines, diffs and register dumps are left aside: what is quoted was said elsewhere.
    """
    facts = Facts()
    proses: list[tuple[Message, str]] = []
    logs: list[tuple[Bisection, Message]] = []
    for message in messages:
        log, text = bisection_in(prose(message))
        proses.append((message, text))
        logs += [(log, message)] if log else []
    log_said = None
    if logs:
        facts.bisection, author = max(logs, key=lambda log: log[0].reached)
        log_said = Said(_told(facts.bisection), author)
    facts.syzbot = syzbot_in(messages)
    undecided = [sha for sha, _ in facts.syzbot.candidates] if facts.syzbot else []
    undecided += [one.revision for one in facts.bisection.possible] if facts.bisection else []
    for pattern, form in _IDS:
        for message, text in proses:
            for found in pattern.finditer(f"{text}\n\n{message.subject}"):
                facts.ids.setdefault(form.format(found[1]), sentence(message, text, found.start(), found.end()))
    for message, text in proses:
        for pattern in _LINKS:
            for found in pattern.finditer(text):
                said = sentence(message, text, found.start(), found.end())
                facts.links.setdefault(printable(found[1].rstrip(">.,)")), said)
        for found in _REGZBOT.finditer(text):
            _regzbot(facts, found[1], found[2].strip(), Said(printable(found[0]), message))
    facts.suspects = suspects(proses, facts.bisection, log_said, undecided)
    facts.versions = versions(proses)
    facts.claims = [claim for message, text in proses for claim in claims(message, text)]
    return facts


def _told(log: Bisection) -> str:
    """A bisection's log in a line."""
    end = f"first bad commit {log.first_bad.revision}" if log.first_bad else "not come to its end"
    return f"git bisect log: {len(log.good)} good, {len(log.bad)} bad, {len(log.skipped)} skipped, {end}"


def _regzbot(facts: Facts, command: str, value: str, said: Said) -> None:
    if command == "title":
        facts.title = facts.title or Said(printable(value, 200), said.message)
    elif command == "introduced" and facts.introduced is None and (found := _RANGE.match(value)):
        good, bad = (found[1], found[2]) if found[2] else (None, found[1])
        facts.introduced = Introduced(good, bad, said)
    elif command == "fixed-by" and re.fullmatch(r"[0-9a-f]{7,40}", value):
        facts.fixed_by = Said(value, said.message)
    elif command in ("link", "monitor") and value.startswith("http"):
        facts.links.setdefault(printable(value.split()[0]), said)
