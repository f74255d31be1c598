"""A result as one page of HTML that needs nothing else: no script, no file beside it, no server."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Iterable
from urllib.parse import quote

from harness.assessment import Document
from harness.reports import cases, parts, safe
from harness.reports.bisect import checks
from harness.reports.cases import Case
from harness.reports.markup import Child, Markup, tag
from harness.reports.style import CSS

_POLICY = "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'"
_VERDICTS = {"good": "✓ good", "bad": "✗ bad", "skip": "? cannot tell"}
_KINDS = {
    cases.PASS: ("good", "✓ as expected"),
    cases.FAILURE: ("bad", "✗ not as expected"),
    cases.ERROR: ("skip", "! the machine failed"),
    cases.SKIPPED: ("skip", "? cannot tell"),
}
_SIGNS = {"G": "good", "B": "bad", "S": "skip"}
_CELL = 10


def render(document: Document) -> str:
    """The page."""
    policy = _POLICY.format(base64.b64encode(hashlib.sha256(CSS.encode()).digest()).decode())
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{safe.line(document['status'])}: {parts.title(document)}"),
        Markup(f"<style>{CSS}</style>"),
    )
    trial = parts.crash(document)
    body: list[Child | Iterable[Child]] = [
        tag("h1", safe.line(document["title"])),
        _facts(document, trial),
        _bisection(document) if "steps" in document else None,
        _section("The crash", _console(trial), _files(document, trial)) if trial and trial.get("excerpt") else None,
        None
        if "steps" in document
        else _section("What was tried", *(_case(document, one) for one in cases.of(document))),
        _people(document),
        _reproduce(document),
        _section("Git's log of it", _pre(safe.block(document["log"].rstrip("\n")))) if document.get("log") else None,
    ]
    return f"<!DOCTYPE html>\n{tag('html', head, tag('body', tag('main', *body)), lang='en').text}\n"


def _section(title: str, *children: Child | Iterable[Child]) -> Markup:
    return tag("section", tag("h2", title), *children)


def _facts(document: Document, trial: Document | None) -> Markup:
    kinds = [case.kind for case in cases.of(document)]
    order = (cases.ERROR, cases.FAILURE, cases.SKIPPED, cases.PASS)
    kind = next(kind for kind in order if kind in kinds)
    colour, word = _KINDS[kind]
    if "steps" in document:
        word = {cases.PASS: "✓ found", cases.FAILURE: "✗ not found"}.get(kind, word)
    crash = trial and trial["crash"]
    links = [tag("a", link, href=link) for link in parts.links(document)]
    facts: list[tuple[str, Child | Iterable[Child]]] = [
        ("Result", [tag("span", word, class_=f"word {colour}"), f": {safe.line(document['status'])}"]),
        ("Reason", safe.line(document["reason"])),
        ("Scenario", safe.line(document["name"])),
        ("Tree", safe.line(f"{document['tree']}, {document['arch']}")),
        ("Crash", safe.line(crash["title"]) if crash else None),
        ("Function", tag("code", safe.line(crash["function"])) if crash and crash["function"] else None),
        ("Kernel", safe.line(crash["kernel"]) if crash and crash["kernel"] else None),
        ("Taint", safe.line(crash["taint"] or "none") if crash else None),
        ("Started", safe.line(document["started"])),
        ("Links", [part for link in links for part in (link, " ")]),
    ]
    return tag("dl", [one for name, value in facts if value for one in (tag("dt", name), tag("dd", value))])


def _bisection(document: Document) -> list[Child]:
    found: list[Child] = []
    if document["culprit"]:
        commit = document["commit"] or {}
        fix = document["sought"] == "fix"
        about = [f"commit {document['culprit']}"]
        about += [f"Author: {commit['author']}", f"Date:   {commit['date']}", ""] if commit else []
        about += [f"    {line}" for line in (commit.get("message") or document["subject"] or "").split("\n")]
        sure = [*checks(document), f"confidence {document['confidence']:.3g}"]
        found.append(
            _section("The commit that fixed it" if fix else "The commit that brought it", _pre(about), _list(sure))
        )
    elif document["candidates"]:
        lines = [
            f"{sha[:12]} {document['candidate_subjects'][sha]}: {document['candidate_reasons'][sha]}"
            for sha in document["candidates"][:100]
        ]
        found.append(_section("What it may be", _list(lines)))
    notes = [*document["notes"], *([document["merge"]["reason"]] if document["merge"] else [])]
    if notes:
        found.append(_section("Notes", _list(notes)))
    narrowed = {one["commit"]: one for one in document["narrowing"]}
    steps = [_step(step, narrowed.get(step["commit"])) for step in document["steps"]]
    words = "Each bar is the range, the oldest commit on the left; what is coloured may still be the one."
    said = tag("p", words, class_="dim") if narrowed else None
    if steps:
        found.append(_section("How the range narrowed", said, tag("ol", steps, class_="steps")))
    return found


def _step(step: Document, narrowed: Document | None) -> Markup:
    verdict = step["verdict"]
    role = "" if step["role"] == "commit" else f" ({step['role']})"
    left = f"{narrowed['left']} {'commit' if narrowed['left'] == 1 else 'commits'} left" if narrowed else None
    told = [f"{step['seconds']:.1f} s", f"{step['trials']} {'boot' if step['trials'] == 1 else 'boots'}", left]
    return tag(
        "li",
        tag("span", _VERDICTS[verdict], class_=f"word {verdict}"),
        " ",
        tag("code", step["commit"][:12]),
        f" {safe.line(step['subject'])}{role}",
        _bar(narrowed["bar"], f"after {step['commit'][:12]}: {left}") if narrowed else None,
        tag("div", safe.line(step["reason"]), " ", tag("span", ", ".join(filter(None, told)), class_="dim")),
    )


def _bar(bar: str, label: str) -> Markup:
    """A range, drawn; runs of equal signs are one rectangle."""
    place, found = 0, []
    for sign, run in itertools.groupby(bar):
        width = len(list(run)) * _CELL
        name = _SIGNS.get(sign, "open" if sign == "=" else "gone")
        inset = 0 if sign in _SIGNS else 4
        found.append(tag("rect", x=place, y=inset, width=width, height=20 - 2 * inset, class_=name))
        place += width
    box = f"0 0 {place} 20"
    return tag("svg", found, viewBox=box, preserveAspectRatio="none", role="img", aria_label=label)


def _case(document: Document, case: Case) -> Markup:
    colour, word = _KINDS[case.kind]
    return tag(
        "section",
        tag("h3", tag("span", word, class_=f"word {colour}"), f" {case.name}"),
        tag("p", tag("span", f"{case.suite}, {case.seconds:.1f} s: ", class_="dim"), case.reason),
        [_trial(document, trial, number) for number, trial in enumerate(case.trials, 1)],
        None if case.trials or not case.lines else _pre(case.lines),
        class_="card",
    )


def _trial(document: Document, trial: Document, number: int) -> Markup:
    name = safe.line(trial.get("variant") or f"trial {number}")
    phases = ", ".join(f"{safe.line(one['name'], 60)} at {one['at']:.1f} s" for one in trial["phases"][:50])
    console = _console(trial)
    return tag(
        "div",
        tag("p", f"{name}: {safe.line(trial['outcome'])}, {trial['seconds']:.1f} s: {safe.line(trial['reason'])}"),
        tag("p", phases, class_="dim") if phases else None,
        tag("details", tag("summary", f"Console of {name}"), console) if console else None,
        _files(document, trial),
    )


def _console(trial: Document) -> Markup | None:
    """The part of the console that is kept, the crash's lines marked."""
    lines = parts.excerpt(trial)
    if not lines:
        return None
    told: list[Child] = []
    for marked, run in itertools.groupby(lines, key=lambda line: line[1]):
        text = "".join(f"{line}\n" for line, _ in run)
        told.append(tag("mark", text) if marked else text)
    return tag("pre", told, tabindex=0, aria_label="console")


def _files(document: Document, trial: Document | None) -> Markup | None:
    """Links to files: where they are served, else from the folder of the run."""
    found: list[Child] = []
    for path in (trial or {}).get("files", ()):
        if len(path) > parts.LONGEST:
            continue
        link = parts.url(document, path) or f"./{quote(path, errors='replace')}"
        found += [tag("a", safe.line(path.rpartition("/")[2]), href=link), " "]
    return tag("p", "Files: ", found) if found else None


def _people(document: Document) -> Markup | None:
    people = (document.get("commit") or {}).get("people") or ()
    if not people or document["synthetic"]:
        return None
    return _section("Who is to be told", _list(people))


def _reproduce(document: Document) -> Markup | None:
    tried = [answer["commit"] for _, answer in parts.answers(document) if answer["verdict"] == "bad"]
    sha = document.get("culprit") if document.get("sought") != "fix" else (document["plan"].get("bad") or [None])[0]
    sha = sha or next(iter(tried), None)
    return _section("How to reproduce it", _pre(parts.reproduction(document, sha))) if sha else None


def _list(lines: Iterable[str]) -> Markup:
    return tag("ul", (tag("li", safe.line(line)) for line in lines))


def _pre(lines: Iterable[str]) -> Markup:
    return tag("pre", "\n".join(map(safe.shown, lines)), tabindex=0)
