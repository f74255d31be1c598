"""The files of a draft scenario: what is sure stands in it, what is unsure is marked, the rest is comment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import yaml

from harness.thread import reproducer
from harness.thread.bisection import Tried
from harness.thread.crashes import Found
from harness.thread.draft import Draft
from harness.thread.facts import Facts
from harness.thread.message import printable
from harness.thread.prose import Said
from harness.thread.suspects import Suspect
from harness.thread.syzbot import Syzbot
from harness.thread.versions import Version

RUN = """\
# shellcheck shell=sh
# This test will ... (one line: what it does, and what the kernel must not do then).
#
# A draft: the thread does not say in a form that a program could follow what brings the crash about.
# guest/README.md has the calls, and what pass, fail and skip mean; the scenarios that ship are examples.
skip "this draft does not yet do anything that could bring the crash about"
"""
CONFIG = "reported.config"
"""The configuration of the reported kernel, in a draft."""

MOST = 4
"""Sayings that are shown of one commit or version."""


def files(draft: Draft, fragments: Iterable[str]) -> dict[str, bytes]:
    """The files of a draft, by name: plain names all, of which none leads out of a folder.

    Args:
        fragments: the names of the kconfig fragments that there are.
    """
    made = {"scenario.yaml": scenario(draft, fragments).encode()}
    made |= {reproducer.NAME: draft.repro.encode()} if draft.repro is not None else {"run.sh": RUN.encode()}
    made |= {CONFIG: draft.config.encode()} if draft.config is not None else {}
    for number, patch in enumerate(draft.patches, 1):
        made[patch.file_name(number)] = patch.render()
    return made


def scenario(draft: Draft, fragments: Iterable[str]) -> str:
    """The text of `scenario.yaml`."""
    facts = draft.facts
    unsure = list(draft.unsure)
    if draft.repro is None:
        unsure.append("run.sh does nothing yet: what brings the crash about is yours to write")
    lines = [
        f"# A draft that `regress import` made of {draft.source} ({draft.messages} messages).",
        *_comment("Unsure", unsure),
        f"id: {_scalar(draft.id)}",
        f"aliases: [{', '.join(map(_scalar, draft.aliases))}]",
        f"title: {_scalar(draft.title)}",
        *(("links:", *(f"  - {_scalar(link)}" for link in facts.links)) if facts.links else ()),
        *_kconfig(draft, fragments),
        *_run(draft),
        "",
        *_expect(draft.crashes, repro=draft.repro is not None),
        "",
        *_commits(facts, draft.crashes),
        "",
        *_comment("Bisection", _bisection(facts)),
        *_comment("By syzbot", _syzbot(facts.syzbot, draft.crashes)),
        *_comment("Commits named", (line for one in facts.suspects for line in _suspect(one))),
        *_comment("Versions named", (line for one in facts.versions for line in _version(one))),
        *_comment("Patches", (f"{p.file_name(n)}: {_notes(p.notes)}" for n, p in enumerate(draft.patches, 1))),
        *_comment("Ids, and who gave them", (f"{one}: {said.message.name}" for one, said in facts.ids.items())),
        *_comment(
            "Claims that nothing was made of: sentences that say what code does or must do, picked by their words",
            (f"{said.message.name}: {said.text}" for said in facts.claims),
        ),
    ]
    return "\n".join(lines) + "\n"


def _scalar(text: str) -> str:
    """A text as YAML on one line."""
    return str(yaml.safe_dump(printable(text), default_style='"', allow_unicode=True, width=10**6)).strip()


def _comment(title: str, items: Iterable[str]) -> list[str]:
    told = list(items)
    return [f"# {title}:", *(f"#   {printable(item)}" for item in told), "#"] if told else []


def _notes(notes: Sequence[str]) -> str:
    return "; ".join(notes) or "as sent"


def _kconfig(draft: Draft, fragments: Iterable[str]) -> list[str]:
    if draft.config is not None:
        # Such a kernel is large: it takes more memory than the usual one, and longer to boot.
        return [f"kconfig: {{file: {CONFIG}}}", "machine: {memory: 2G, boot_timeout: 600s, timeout: 300s}"]
    said = [draft.title, *(line for patch in draft.patches for line in patch.origin.lines)]
    text = " ".join([*said, *(claim.text for claim in draft.facts.claims)]).casefold()
    # A name of one word, such as `base`, is also a word like any other.
    near = [name for name in sorted(fragments) if "-" in name and re.search(rf"\b{re.escape(name)}\b", text)]
    near += [name for name in reproducer.fragments(_crash_title(draft)) if draft.repro is not None and name not in near]
    lines = [f"kconfig: [{', '.join(['base', *near])}]"]
    if near:
        lines.insert(0, "# Unsure: the fragments besides base are those whose names the thread has.")
    return lines


def _run(draft: Draft) -> list[str]:
    if draft.repro is None:
        return ["run: run.sh"]
    told = _comment("The kernel needs", reproducer.needs(draft.repro, _crash_title(draft)))
    if draft.config is not None:
        lacking = reproducer.lacking(draft.repro, _crash_title(draft), draft.config)
        told = _comment(f"The kernel needs, and {CONFIG} does not have", lacking)
    # Two at a time for races, on the two processors that a machine has.
    return [*told, f"run: {reproducer.NAME}", "repeat: {for: 60s, procs: 2}"]


def _crash_title(draft: Draft) -> str:
    return draft.crashes[0].crash.title if draft.crashes else draft.title


def _expect(crashes: Sequence[Found], *, repro: bool) -> list[str]:
    if not crashes and repro:
        return ["expect: {crash: {any: true}}"]
    if not crashes:
        return ["# expect:", "#   crash: {title: ...}   # no crash was found in the thread"]
    first, *others = crashes
    crash = first.crash
    place = f", line {first.line}" if first.line else ""
    lines = [f"# {printable(crash.title)}: shown by {printable(first.message.name)}{place}."]
    if crash.null_ip:
        lines.append("# The instruction pointer was null: the function in the title is the caller, by the trace.")
    if crash.corrupted:
        lines.append("# Unsure: what was printed of it is cut short.")
    if crash.function and not any(frame.reliable for frame in crash.frames if frame.function == crash.function):
        lines.append("# Unsure: no frame of that function is reliable, by the kernel's own marks (`?`).")
    wanted = [f"title: {_scalar(_literal(crash.title))}"]
    wanted += [f"workqueue: {_scalar(_literal(crash.workqueue))}"] if crash.workqueue else []
    lines += ["expect:", f"  crash: {{{', '.join(wanted)}}}"]
    lines += [
        f"# Also in the thread, shown by {printable(other.message.name)}: {printable(other.crash.title)}"
        for other in others
    ]
    return lines


def _literal(text: str) -> str:
    """A text as a glob that matches itself alone."""
    return re.sub(r"([*?\[])", r"[\1]", printable(text))


def _commits(facts: Facts, crashes: Sequence[Found]) -> list[str]:
    """The range: by the tracker's command if there is one, else by what is blamed and by the versions."""
    bad, bad_why = _bad(facts, crashes)
    good, good_why = _good(facts)
    if bad is None or good is None:
        return [
            "# The thread does not name both a good and a bad commit in words that were understood; fill them in:",
            *("# commits:", f"#   mainline: {{good: {good or '...'}, bad: {bad or '...'}}}"),
        ]
    fixed = f", fixed: {_scalar(facts.fixed_by.text)}" if facts.fixed_by else ""
    return [f"# good: {good_why}.  bad: {bad_why}.", "commits:", f"  mainline: {{good: {good}, bad: {bad}{fixed}}}"]


def _blamed(facts: Facts) -> Suspect | None:
    return next((one for one in facts.suspects if one.blamed and one.sha), None)


def _bad(facts: Facts, crashes: Sequence[Found]) -> tuple[str | None, str]:
    if facts.introduced is not None:
        told, message = facts.introduced.bad, facts.introduced.said.message
        same = (one for one in facts.suspects if one.sha and len(told) > 6 and one.sha.startswith(told))
        return _revision(told, next(same, None)), f"by #regzbot introduced, {printable(message.name)}"
    if facts.bisection and facts.bisection.ends:
        return _tried(facts.bisection.ends[1]), "unsure, by the bisection in the thread"
    if (blamed := _blamed(facts)) and blamed.sha:
        return _revision(blamed.sha[:12], blamed), "unsure, the commit blamed"
    if facts.syzbot and facts.syzbot.head:
        return _tried(Tried(facts.syzbot.head, facts.syzbot.head_subject)), "the commit that syzbot tested"
    kernel = next((found.crash.kernel for found in crashes if found.crash.kernel), "")
    if release := re.match(r"(\d{1,2}\.\d{1,3})(?:\.0|(\.\d{1,3}))?(-rc\d{1,2})?", kernel):
        version = "".join(part or "" for part in release.groups())
        return _scalar(f"v{version}"), "unsure, the release that the crashed kernel calls itself"
    bads = [one for one in facts.versions if one.good is False]
    return (_scalar(f"v{bads[0].name}"), "unsure, the oldest version that is called bad") if bads else (None, "")


def _revision(name: str, suspect: Suspect | None) -> str:
    """A commit, with the subject to find it by where that is known."""
    if suspect is None or suspect.subject is None:
        return _scalar(name)
    return f"{{sha: {_scalar(name)}, subject: {_scalar(suspect.subject)}}}"


def _tried(one: Tried) -> str:
    """A commit that somebody tried, with its subject where that is whole."""
    name = one.revision[:12] if re.fullmatch(r"[0-9a-f]{13,40}", one.revision) else one.revision
    if one.subject is None or one.subject.endswith(".."):
        return _scalar(name)
    return f"{{sha: {_scalar(name)}, subject: {_scalar(one.subject)}}}"


def _bisection(facts: Facts) -> Iterator[str]:
    log = facts.bisection
    if log is None:
        return
    for word, tried in (("good", log.good), ("bad", log.bad), ("skipped", log.skipped), ("possible", log.possible)):
        yield from (f"{word}: {one.revision[:12]} {one.subject or ''}".rstrip() for one in tried)
    yield f"first bad commit: {log.first_bad.revision[:12]}" if log.first_bad else "it did not come to its end"


def _syzbot(report: Syzbot | None, crashes: Sequence[Found]) -> Iterator[str]:
    if report is None:
        return
    others = [title for found in crashes[:1] for title in (found.crash.title, *found.crash.alt_titles)]
    told = {
        "HEAD commit": " ".join(filter(None, (report.head, report.head_subject))),
        "git tree": report.tree,
        "compiler": report.compiler,
        "architecture of user space": report.arch,
        "other titles": ", ".join(title for title in others if title != report.title),
        "config": report.config,
        "console": report.console,
        "syz reproducer": report.syz_repro,
        "C reproducer": report.c_repro,
        **report.assets,
        "bisected to": " ".join(filter(None, (report.culprit, report.culprit_subject))),
        "bisection": report.conclusion,
        **{f"candidate {sha}": subject for sha, subject in report.candidates},
    }
    yield from (f"{name}: {value}" for name, value in told.items() if value)


def _good(facts: Facts) -> tuple[str | None, str]:
    if facts.introduced is not None and facts.introduced.good is not None:
        return _scalar(facts.introduced.good), "by #regzbot introduced"
    if facts.introduced is None and facts.bisection and facts.bisection.ends:
        return _tried(facts.bisection.ends[0]), "unsure, the last that the bisection in the thread calls good"
    bads = [one.key for one in facts.versions if one.good is False]
    below = [one for one in facts.versions if one.good and (not bads or one.key < bads[0])]
    if below:
        return _scalar(f"v{below[-1].name}"), "unsure, the newest version that is called good"
    sha = facts.introduced.bad if facts.introduced else (blamed := _blamed(facts)) and blamed.sha and blamed.sha[:12]
    return (_scalar(f"{sha}~"), "unsure, the parent of the bad commit") if sha else (None, "")


def _suspect(one: Suspect) -> Iterator[str]:
    name = " ".join(part for part in (one.sha, one.subject and f'("{one.subject}")') if part)
    yield f"{name}: {'blamed' if one.blamed else 'mentioned'}, {len(one.said)} times"
    yield from _sayings(one.said)


def _version(one: Version) -> Iterator[str]:
    word = {True: "called good", False: "called bad", None: "called neither good nor bad"}[one.good]
    yield f"{one.name}: {word}"
    yield from _sayings(one.said)


def _sayings(said: Sequence[Said]) -> Iterator[str]:
    for one in said[:MOST]:
        yield f"- {one.message.name}: {one.text}"
    if len(said) > MOST:
        yield f"- and {len(said) - MOST} more"
