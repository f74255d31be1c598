"""What a mail of syzbot says of a bug: where it was found, with what, and where everything lies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.thread.message import Message, quoted

_ID = re.compile(r"syzbot\+([0-9a-f]{12,40})@syzkaller")
_FIELD = re.compile(r"^(?P<name>[A-Za-z][\w +/#()-]{1,40}?):[ \t]*(?P<value>\S.*?)\s*$")
_HEAD = re.compile(r"^(?P<sha>[0-9a-f]{7,40})(?:\s+(?P<subject>\S.*))?$")
_CULPRIT = re.compile(
    r"^The issue was bisected to:\s+commit (?P<sha>[0-9a-f]{7,40})\nAuthor: [^\n]*\nDate: [^\n]*\n\s*\n?"
    r"[ \t]*(?P<subject>\S[^\n]*)",
    re.MULTILINE,
)
_CANDIDATES = re.compile(r"could be any of:\n\s*((?:[0-9a-f]{7,40} [^\n]*\n)+)")
_NUMBER = re.compile(r"\s+\(\d{1,3}\)$")
_SUBSYSTEM = re.compile(r"\[([\w.-]{1,40})\?\]")
_LINKS = {
    "console output": "console",
    "console+strace": "console",
    "kernel config": "config",
    "dashboard link": "dashboard",
    "syz repro": "syz_repro",
    "C reproducer": "c_repro",
    "bisection log": "bisection_log",
}
_LAST_FIELD = "IMPORTANT: if you fix the issue"
"""What stands below is the crash."""


@dataclass(frozen=True)
class Syzbot:
    """A bug as syzbot reports it; None or empty where the mail does not tell.

    Attributes:
        id: the bug's, as it stands in `Reported-by: syzbot+ID@...`.
        title: as the mail's subject has it, without tags and the number of a repetition.
        subsystems: whom syzbot takes it to concern.
        head, head_subject: the commit that was tested.  tree: where it comes from, as syzbot names it.
        compiler, arch: with what and for what (user space) it was built.
        config, console, dashboard, syz_repro, c_repro, bisection_log: links.
        assets: links to images, by name.
        culprit, culprit_subject: the commit that syzbot's own bisection came to.
        conclusion: what it says where it came to none.  candidates: hashes and subjects of those that it leaves.
    """

    id: str
    title: str | None = None
    subsystems: tuple[str, ...] = ()
    head: str | None = None
    head_subject: str | None = None
    tree: str | None = None
    compiler: str | None = None
    arch: str | None = None
    config: str | None = None
    console: str | None = None
    dashboard: str | None = None
    syz_repro: str | None = None
    c_repro: str | None = None
    bisection_log: str | None = None
    assets: dict[str, str] = field(default_factory=dict)
    culprit: str | None = None
    culprit_subject: str | None = None
    conclusion: str | None = None
    candidates: tuple[tuple[str, str], ...] = ()


def syzbot_in(messages: Sequence[Message]) -> Syzbot | None:
    """What the first of its reports in a thread says; a quoted one where it is only quoted."""
    for strip in (False, True):
        for message in messages:
            kept = [_unquoted(line) if strip else line for line in message.lines if strip or not quoted(line)]
            if found := _report(message, kept):
                return found
    return None


def _unquoted(line: str) -> str:
    return re.sub(r"^(?:\s*>)+ ?", "", line)


def _report(message: Message, lines: Sequence[str]) -> Syzbot | None:
    start = next((number for number, line in enumerate(lines) if line.startswith("HEAD commit:")), None)
    if start is None:
        return None
    end = next((at for at, line in enumerate(lines) if at > start and line.startswith(_LAST_FIELD)), len(lines))
    bug = _ID.search("\n".join(lines[start : end + 4]))
    if bug is None:
        return None
    told: dict[str, str] = {}
    assets: dict[str, str] = {}
    head = _HEAD.match(lines[start].partition(":")[2].strip())
    below = False
    conclusion = None
    for line in lines[start + 1 : end]:
        below = line.startswith("Downloadable assets:") or (below and bool(line.strip()))
        found = _FIELD.match(line)
        if found is None:
            continue
        name, value = found["name"], found["value"]
        if name == "Bisection is inconclusive":
            conclusion = line.strip()
        elif link := _LINKS.get(name):
            if value.startswith("http"):
                told.setdefault(link, value.split()[0])
        elif name == "userspace arch":
            told.setdefault("arch", value)
        elif name in ("git tree", "compiler"):
            told.setdefault(name.removeprefix("git "), value)
        elif below and value.startswith("http"):
            assets.setdefault(name, value.split()[0])
    culprit = _CULPRIT.search("\n".join(lines[start:end]))
    left = _CANDIDATES.search("\n".join(lines[start:end]))
    candidates = (line.partition(" ") for line in left[1].splitlines()) if left else ()
    title = _NUMBER.sub("", message.title)
    return Syzbot(
        bug[1],
        title or None,
        tuple(_SUBSYSTEM.findall(message.subject)),
        head["sha"] if head else None,
        head["subject"] if head else None,
        assets=assets,
        culprit=culprit["sha"] if culprit else None,
        culprit_subject=culprit["subject"].strip() if culprit else None,
        conclusion=conclusion,
        candidates=tuple((sha, subject) for sha, _, subject in candidates),
        **told,
    )
