"""A result as a mail in the form that kernel lists expect, to be looked over and sent by a person.

It is a file for `git send-email`.  Only a regression is addressed to anybody, and never one of a history that was
made up.  Whatever others wrote stands indented or behind words of ours, so that no line of it is taken for a tag.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from email.header import Header
from email.utils import formataddr

from harness.assessment import Document
from harness.reports import parts, safe, text
from harness.reports.bisect import checks

MADE_UP = "NOT TO BE SENT: this is a bisection of the replay, a history that was made up for this program."
REGRESSIONS, STABLE = "regressions@lists.linux.dev", "stable@vger.kernel.org"
WIDTH = 75
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_STABLE = re.compile(r"([3-9]|\d\d+)\.\d+\.[1-9]")


def render(document: Document) -> str:
    """The mail: headers, an empty line, and the body, which ends with the paragraph for regzbot."""
    fix = document.get("sought") == "fix"
    if document.get("accused"):
        head, body = "Re:", _audit(document)
    elif document.get("culprit"):
        head, body = ("[fix found]" if fix else "[REGRESSION]"), _culprit(document, fix=fix)
    elif range_ := _range(document):
        head, body = "[REGRESSION]", _narrowed(document, range_)
    else:
        head, body = (
            f"[{safe.line(document['status'])}]",
            [_indented(text.render({**document, **_public(document)}).splitlines())],
        )
    to, cc = _addresses(document, head)
    fields = [
        _header("Subject", f"{head} {safe.line(document['title'], 200)}"),
        *(_header("To", ", ".join(to)) if to else "",),
        *(_header("Cc", ",\n ".join(cc)) if cc else "",),
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=UTF-8",
        "Content-Transfer-Encoding: 8bit",
    ]
    paragraphs = [[MADE_UP], *body] if document["synthetic"] else body
    told = "\n\n".join("\n".join(_short(line) for line in lines) for lines in paragraphs if lines)
    return "\n".join(filter(None, fields)) + f"\n\n{told}\n"


def _culprit(document: Document, *, fix: bool) -> list[list[str]]:
    """The body about a commit."""
    sha, commit, plan = document["culprit"], document["commit"], document["plan"]
    what = "fixes" if fix else "is the first bad commit for"
    names = ("Last broken", "First fixed") if fix else ("Last good", "First bad")
    before = " ".join(parent[:12] for parent in commit["parents"])
    about = [f"commit {sha}", f"Author: {safe.line(commit['author'])}", f"Date:   {safe.line(commit['date'])}", ""]
    message = safe.block(commit["message"].strip("\n"))
    message = [*message[:60], *(["[...]"] if len(message) > 60 else [])]
    place = [f"{names[0]}: {before}", f"{names[1]}: {sha[:12]}"]
    place += (
        [] if fix else [*_line(f"Newest commit tried: {plan['bad'][0][:12]}, which shows it"), *_mainline(document)]
    )
    place += [] if fix else _revert(document)
    parts_ = [
        [f"This commit {what} the problem described below:"],
        _indented([*about, *(f"    {line}" for line in message)]),
        _problem(document),
        place,
        ["How sure this is:", *(line for one in _sure(document) for line in _line(f"- {one}"))],
        *_crash(document),
        _reproduce(document, plan["bad"][0] if fix else sha),
        ["The bisection:", *_indented(safe.block((document["log"] or "").rstrip("\n")))],
        _files(document),
    ]
    return [*parts_, *([] if fix else [_regzbot(document, sha[:12])])]


def _audit(document: Document) -> list[list[str]]:
    """The reply to somebody who named a culprit."""
    accused, plan = document["accused"], document["plan"]
    what = "fixed" if document["sought"] == "fix" else "introduced"
    said = {
        "confirmed": "I can confirm that: without it the kernel does not show the problem, with it it does."
        if what == "introduced"
        else "I can confirm that: without it the kernel shows the problem, with it it does not.",
        "refuted": "My trials contradict that:",
    }.get(document["status"], "I cannot tell whether that is so:")
    reason = [] if document["status"] == "confirmed" else _line(document["reason"])
    tried = [f"{step['verdict']:5}{step['commit'][:12]} {safe.line(step['subject'])}" for step in document["steps"]]
    return [
        _line(f'It was said that commit {accused["commit"][:12]} ("{accused["subject"]}") {what} the problem below.'),
        [*_line(said), *reason],
        _problem(document),
        ["What was checked:", *(line for one in _sure(document) for line in _line(f"- {one}"))],
        ["What was tried:", *_indented(tried)],
        *_crash(document),
        _reproduce(document, plan["bad"][0]),
        _files(document),
    ]


def _range(document: Document) -> str | None:
    """The range that brought a regression which was seen, where no commit can be named."""
    if document.get("sought") == "fix":
        return None
    if document["kind"] == "bisect":
        plan = document["plan"]
        seen = {step["commit"]: step["verdict"] for step in document["steps"]}
        ends = [(sha, "good") for sha in plan.get("good", ())[:1]] + [(sha, "bad") for sha in plan.get("bad", ())[:1]]
        whole = document["status"] == "inconclusive" and len(ends) == 2
        return f"{ends[0][0][:12]}..{ends[1][0][:12]}" if whole and all(seen.get(s) == v for s, v in ends) else None
    by_role = {answer["role"]: answer["commit"][:12] for answer in reversed(document.get("commits", ()))}
    if document["status"] == "shows" and {"good", "bad"} <= by_role.keys():
        return f"{by_role['good']}..{by_role['bad']}"
    return None


def _narrowed(document: Document, range_: str) -> list[list[str]]:
    """The body about a range."""
    good, _, bad = range_.partition("..")
    found = []
    for sha in document.get("candidates", ())[:20]:
        found += _line(f"- {sha[:12]} {document['candidate_subjects'][sha]}: {document['candidate_reasons'][sha]}")
    more = len(document.get("candidates", ())) - 20
    return [
        _line("The problem described below came with one of the commits of a range; which one is not known."),
        _problem(document),
        [f"Last good: {good}", f"First bad: {bad}", *_line(f"State: {document['reason']}")],
        ["Candidates:", *found, *([f"- and {more} more"] if more > 0 else [])] if found else [],
        *_crash(document),
        _reproduce(document, bad),
        _files(document),
        _regzbot(document, range_),
    ]


def _problem(document: Document) -> list[str]:
    links = [f"Link: {link}" for link in parts.links(document)]
    trial = parts.crash(document)
    crash = trial and trial["crash"]
    kernel = (document.get("commit") or {}).get("version") or (crash and crash["kernel"])
    taint = [*_line(f"Taint: {crash['taint'] or 'none'}")] if crash else []
    about = [
        *_line(f"Tree: {_public(document)['tree']}, {document['arch']}"),
        *(_line(f"Kernel: {kernel}") if kernel else []),
    ]
    return [*_line(f"Problem: {document['title']}"), *links, *about, *taint]


def _public(document: Document) -> dict[str, str]:
    """Folder and tree without the paths of this machine."""
    tree = document["tree"]
    return {"folder": parts.name(document), "tree": tree.rpartition("/")[2] if tree.startswith("/") else tree}


def _mainline(document: Document) -> list[str]:
    """The state of mainline's newest release, as far as that was tried."""
    newest = document.get("mainline")
    if not newest:
        return []
    at = (newest["at"] or "")[:12]
    said = {"good": f"does not show it (tried at {at})", "bad": f"shows it (tried at {at})"}
    return _line(f"Newest mainline: {newest['tag']}, {said.get(newest['state'], 'not tried')}")


def _revert(document: Document) -> list[str]:
    said = {
        "good": "the regression is gone",
        "bad": "the regression stays",
        "skip": "it cannot be told",
        "conflict": "it does not apply",
    }
    where, found = document["plan"]["bad"][0][:12], document["checks"].get("revert_on_bad")
    return _line(f"Reverted on {where}: {said.get(str(found), 'not tried')}")


def _sure(document: Document) -> Iterable[str]:
    yield from checks(document)
    counts = f"{document['builds']} builds and {document['boots']} boots in all"
    yield f"{counts}; confidence {document['confidence']:.3g}"
    yield from document["notes"]
    if document["merge"]:
        yield document["merge"]["reason"]


def _crash(document: Document) -> list[list[str]]:
    """The crash as the console showed it."""
    trial = parts.crash(document)
    lines = parts.oops(trial) if trial else []
    return [["The crash:" if trial and trial["crash"] else "The console:"], _indented(lines)] if lines else []


def _reproduce(document: Document, sha: str) -> list[str]:
    return ["How to reproduce it:", *_indented(parts.reproduction(document, sha))]


def _files(document: Document) -> list[str]:
    trial = parts.crash(document)
    paths = [path for path in (trial or {}).get("files", ()) if not path.endswith((".json", ".command", "status.log"))]
    names = [path.rpartition("/")[2] for path in paths]
    if not names:
        return []
    if document.get("base_url"):
        return ["Files:", *(f"  {parts.url(document, path)}" for path in paths)]
    return _line(f"Available on request: {', '.join(names)}")


def _regzbot(document: Document, introduced: str) -> list[str]:
    title = safe.line(document["title"], 200)
    return [f"#regzbot introduced: {introduced}", f"#regzbot title: {title}"]


def _addresses(document: Document, head: str) -> tuple[list[str], list[str]]:
    """To and Cc."""
    if document["synthetic"] or head not in ("[REGRESSION]", "[fix found]"):
        return [], []
    commit = document.get("commit") or {"people": [], "version": None}
    people = list(dict.fromkeys(filter(None, map(_address, commit["people"]))))
    lists = [REGRESSIONS] if head == "[REGRESSION]" else []
    lists += [STABLE] if lists and _STABLE.match(commit["version"] or "") else []
    told = [*people, *(one for one in lists if not any(one in person for person in people))]
    return told[:1], told[1:]


def _address(person: str) -> str | None:
    """A person as a header has it; None for what is no address."""
    told = safe.line(person) if person.isprintable() else ""
    # A name may have a comma, and stand without quotes, in a commit.
    found = re.fullmatch(r"([^<>]*)<([^<>]*)>", told)
    name, address = (found[1].strip().strip('"'), found[2]) if found else ("", told)
    return formataddr((name, address)) if _ADDRESS.fullmatch(address) else None


def _header(name: str, value: str) -> str:
    if value.isascii():
        return f"{name}: {value}"
    return f"{name}: {Header(value, 'utf-8', header_name=name).encode()}"


def _line(text_: str) -> list[str]:
    """Words of ours and what follows them, wrapped; no later line begins in the first column."""
    told = safe.line(text_, 2000)
    return textwrap.wrap(told, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {safe.shown(line)}".rstrip() for line in lines]


def _short(line: str) -> str:
    """A line within what mail servers take."""
    return line if len(line.encode()) <= 900 else f"{line.encode()[:890].decode(errors='ignore')}..."
