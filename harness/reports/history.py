"""What all results say of a scenario or a failure, as text."""

from __future__ import annotations

from harness.assessment import Document
from harness.reports import safe

MOST = 12
"""Commits of one failure that are listed."""


def render(document: Document) -> str:
    """The text."""
    asked = safe.line(document["asked"])
    if not document["trials"]:
        return f"{asked}: no trial of it is stored in {safe.line(document['results'])}"
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in document["outcomes"].items())
    first, last = document["first"]["utc"][:10], document["last"]["utc"][:10]
    span = first if first == last else f"{first} to {last}"
    lines = [f"{asked}: {_count(document['trials'], 'trial')} in {_count(document['runs'], 'run')}, {span}: {outcomes}"]
    for one in document["failures"]:
        lines += ["", *_failure(one)]
    lines.append("")
    for cell in document["cells"]:
        count = f"{cell['passed']} of {_count(cell['trials'], 'trial')} passed, {cell['failed']} failed"
        lines.append(f"  {safe.line(cell['cell'])}: {count}")
    return "\n".join(lines)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _place(place: Document) -> str:
    tag = f", {safe.line(place['tag'])}" if place["tag"] else ""
    return f"{place['utc'][:10]}{tag}, commit {place['commit'][:12]}"


def _failure(one: Document) -> list[str]:
    lines = [safe.line(one["failure"])]
    if one["title"] and one["title"] != one["failure"]:
        lines.append(f"  {safe.line(one['title'])}")
    nights, flaky = one["nights"], one["flaky"]
    if nights:
        before = f"; {_place(nights['passed_before'])} passed" if nights["passed_before"] else ""
        lines.append(f"  since      {_place(nights['since'])}{before}")
        gone = f"; {_count(nights['passed_since'], 'trial')} passed since" if nights["passed_since"] else ""
        lines.append(f"  last       {_place(nights['last'])}{gone}")
        lines.append(f"  how often  {nights['failed']} of {_count(nights['trials'], 'trial')} of the nights since then")
    else:
        lines.append(f"  first      {_place(one['first'])}")
        lines.append(f"  last       {_place(one['last'])}")
    count = _count(flaky["commits"], "commit")
    both = f"{count} failed and passed, in {flaky['failed']} of {_count(flaky['trials'], 'trial')}"
    lines.append(f"  flaky      {both if flaky['commits'] else 'no: no commit that failed has passed too'}")
    lines.append(f"  on         {safe.line(', '.join(one['cells']), 1000)}")
    for told in one["culprits"]:
        tree = f", tree {safe.line(told['tree'])}" if told["tree"] else ""
        lines.append(
            f'  by         {told["commit"][:12]} ("{safe.line(told["subject"])}"){tree}; {safe.line(told["run"])}'
        )
    for number, told in enumerate(one["commits"][-MOST:]):
        name = safe.line(told["tag"]) if told["tag"] else ""
        head = "commits" if not number else ""
        lines.append(
            f"  {head:9}  {told['commit'][:12]}  {told['failed']} of {told['failed'] + told['passed']}  {name}".rstrip()
        )
    left = len(one["commits"]) - MOST
    return [*lines, *([f"  {'':9}  and {left} before these"] if left > 0 else [])]
