"""A thread -> what a draft scenario is made of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.thread.crashes import Found, crashes
from harness.thread.facts import Facts, gather
from harness.thread.message import Message, printable
from harness.thread.patch import Patch, patches
from harness.thread.read import Kind, Thread


@dataclass(frozen=True)
class Draft:
    """What a thread gives.

    Attributes:
        source: the file's name, for people.  messages: how many there were.
        id, aliases, title: of the scenario.
        facts, crashes, patches: what was found.
        unsure: what a person has to look at, one sentence each.
        repro: a reproducer in C.
        config: the text of the reported kernel's configuration.
    """

    source: str
    messages: int
    id: str
    aliases: tuple[str, ...]
    title: str
    facts: Facts
    crashes: tuple[Found, ...]
    patches: tuple[Patch, ...]
    unsure: tuple[str, ...]
    repro: str | None = None
    config: str | None = None


def draft(thread: Thread, source: str, repro: str | None = None, config: str | None = None) -> Draft:
    """All that is found in a thread; pure.

    Args:
        source: the file's name, for people.
        repro: a reproducer in C that goes with it.
        config: the text of the reported kernel's configuration.
    """
    facts = gather(thread.messages)
    shown = tuple(_crashes(thread.messages))
    if thread.kind is Kind.TEXT and shown:
        facts.claims = []  # a console log has no sentences, only lines
    ids = list(facts.ids)
    title = _title(thread, facts, shown) or (f"the reproducer {ids[0] if ids else source}" if repro is not None else "")
    name = _slug(ids[0] if ids else title or "draft")
    return Draft(
        source=printable(source),
        messages=len(thread.messages),
        id=name,
        aliases=tuple(one for one in ids if one != name),
        title=title or "(the thread has no subject)",
        facts=facts,
        crashes=shown,
        patches=tuple(patch for message in thread.messages for patch in patches(message)),
        unsure=tuple(_unsure(thread, facts, shown, title, any_crash=repro is not None)),
        repro=repro,
        config=config,
    )


def _unsure(thread: Thread, facts: Facts, shown: Sequence[Found], title: str, *, any_crash: bool) -> Iterator[str]:
    if not facts.ids:
        yield "the id is made of the title: there is no tracker's id in the thread"
    if not title:
        yield "there is nothing to make a title of"
    if not shown and any_crash:
        yield "which crash the reproducer is to show is not known: any counts"
    elif not shown:
        yield "no crash was found: `expect` is left out, so only the script's own word counts"
    if facts.bisection and facts.bisection.first_bad is None:
        yield "the bisection in the thread did not come to its end: the range is what it left"
    if facts.introduced is None and any(one.blamed for one in facts.suspects):
        yield "which commit is to blame is what the thread says, not what was tried"
    if facts.introduced is None and any(one.good is not None for one in facts.versions):
        yield "which version is good and which is bad was taken from the words around them"
    for message in thread.messages:
        yield from (f"{message.name}: {note}" for note in message.notes)


def _slug(text: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", text.casefold()).strip("-")
    return words[:50].strip("-") or "draft"


def _title(thread: Thread, facts: Facts, shown: Sequence[Found]) -> str:
    if facts.title:
        return facts.title.text
    if facts.syzbot and facts.syzbot.title:
        return printable(facts.syzbot.title, 120)
    subjects = (printable(message.title, 120) for message in thread.messages)
    return next(filter(None, subjects), printable(shown[0].crash.title) if shown else "")


def _crashes(messages: Sequence[Message]) -> list[Found]:
    """The crashes that messages show, each title once: quoted ones only where nobody shows them himself."""
    first: dict[tuple[str, str | None], Found] = {}
    for found in crashes(messages, own=True) or crashes(messages):
        first.setdefault((found.crash.title, found.crash.workqueue), found)
    return list(first.values())
