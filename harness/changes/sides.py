"""What one result has: its trials and kernels in rows that can be laid beside those of another result."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import document
from harness.model import Outcome
from harness.nightly.history import CONTROL, failure
from harness.record import Run

Data = dict[str, Any]
UNTOLD = (Outcome.INFRASTRUCTURE, Outcome.LOST, Outcome.SKIPPED, Outcome.ERROR)
"""Outcomes that say nothing of the kernel."""

MADE = ("revert", "merge")
"""Roles of commits that a bisection makes for a test: another one makes others."""

_SET = re.compile(r"CONFIG_(\w+)=(.*)")
_UNSET = re.compile(r"# CONFIG_(\w+) is not set")


@dataclass
class Row:
    """Trials of one thing: a commit in a role, a cell of a night, a patch in a scenario, a commit of a bisection.

    Attributes:
        key: what it is known by in another result.
        loose: what it is known by there where no row has the same key; None where nothing else will do.
        name: for people.  commit: its hash.
        outcomes: how many trials ended how.  failures: by what they are known.
        seconds: of each boot.
        image, config: hashes of what was booted last and of its configuration.  compiler: that built it.
        build: seconds that it took; None where it came from the cache.
        verdict: the word on it: a verdict, or the state of a cell.  reason: for that.
        folder: of its artifacts.
    """

    key: tuple[str, ...]
    loose: tuple[str, ...] | None
    name: str
    commit: str
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    image: str | None = None
    config: str | None = None
    compiler: str | None = None
    build: float | None = None
    verdict: str = ""
    reason: str = ""
    folder: Path = Path()

    @property
    def told(self) -> bool:
        """Whether it says something of a kernel."""
        return any(Outcome(outcome) not in UNTOLD for outcome in self.outcomes)

    def take(self, data: Mapping[str, Any], top: Path) -> None:
        """Take a trial: an event's data."""
        outcome, crash = Outcome(data["outcome"]), data["crash"]
        self.outcomes[str(outcome)] += 1
        known = failure(outcome, data["reason"], data["signature"], crash and crash["title"])
        if known:
            self.failures[known] += 1
        if outcome is not Outcome.BUILD_FAILED:
            self.seconds.append(float(data["seconds"]))
        self.reason = self.reason or data["reason"]
        self.image, self.config = data.get("image") or self.image, data.get("config") or self.config
        folder = top / data["folder"]
        self.folder = folder if outcome is Outcome.BUILD_FAILED else folder.parent

    def options(self) -> dict[str, str] | None:
        """The kernel's options by name, `n` for one that is not set; None where its configuration is not kept."""
        path = self.folder / "config"
        if not path.is_file():
            return None
        found = {}
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if option := _SET.fullmatch(line):
                found[option[1]] = option[2]
            elif option := _UNSET.fullmatch(line):
                found[option[1]] = "n"
        return found


@dataclass(frozen=True)
class Side:
    """A result: its document, the circumstances of all of its trials, and its rows."""

    document: Data
    circumstances: Mapping[str, str]
    rows: list[Row]


def side(run: Run) -> Side:
    """What a result has.

    Args:
        run: in the journal.
    """
    told = document.of(run.events, run.folder)
    kind = str(told["kind"])
    rows: dict[tuple[str, ...], Row] = {}
    for data in (event.data for event in run.events if event.kind == "trial"):
        if data["role"].startswith(CONTROL) or (kind == "bisect" and data["role"] in MADE):
            continue
        row = _row(kind, data)
        rows.setdefault(row.key, row).take(data, run.folder)
    _take_words(told, rows)
    _take_kernels(run, told, list(rows.values()))
    return Side(told, _circumstances(run, told), list(rows.values()))


def _row(kind: str, data: Mapping[str, Any]) -> Row:
    sha, role, variant = str(data["sha"]), str(data["role"]), str(data["variant"])
    more = f" {variant}" if variant else ""
    if kind == "nightly":
        return Row((role,), None, role, sha)
    if kind == "try":
        return Row((role, variant), None, f"{role}{more}", sha)
    if kind == "bisect":
        return Row((sha, variant), None, f"{sha[:12]}{more}", sha)
    return Row((role, sha, variant), (role, variant), f"{role} {sha[:12]}{more}", sha)


def _take_words(told: Data, rows: Mapping[tuple[str, ...], Row]) -> None:
    """The word on each row."""
    words: dict[tuple[str, ...], tuple[str, str]]
    if "night" in told:
        words = {(cell["cell"],): (cell["state"], cell["reason"]) for cell in told["night"].get("cells", ())}
    elif "steps" in told:
        words = {(step["commit"],): (step["verdict"], step["reason"]) for step in told["steps"]}
    elif "cells" in told:
        named = ((document.role(one["row"], one["scenario"]), one["answer"]) for one in told["cells"])
        words = {(role,): (answer["verdict"], answer["reason"]) for role, answer in named if answer}
    else:
        words = {(one["role"], one["commit"]): (one["verdict"], one["reason"]) for one in told["commits"]}
    for key, row in rows.items():
        row.verdict, row.reason = words.get(key, words.get(key[:-1], ("", row.reason)))


def _take_kernels(run: Run, told: Data, rows: list[Row]) -> None:
    """What is known of each row's kernel."""
    kernels = run.kernels()
    answers = {one["commit"]: one["kernel"] for one in _answers(told) if one["kernel"]}
    for row in rows:
        if kernel := kernels.get(row.commit):
            row.build = kernel.seconds if kernel.built else None
            row.image = row.image or kernel.signature
        if answer := answers.get(row.commit):
            row.build = answer["seconds"] if answer["built"] else None
            row.image, row.compiler = answer["signature"], answer["compiler"]
        elif (path := row.folder / "kernel.json").is_file():
            try:
                row.compiler = str(json.loads(path.read_text(encoding="utf-8")).get("compiler"))
            except (ValueError, AttributeError):
                row.compiler = None  # a killed process may have left half of it


def _answers(told: Data) -> list[Data]:
    if "steps" in told or "night" in told:
        return []
    return [cell["answer"] for cell in told["cells"] if cell["answer"]] if "cells" in told else list(told["commits"])


def _circumstances(run: Run, told: Data) -> dict[str, str]:
    """What is the same for all trials of a result, and decides what they show."""
    start = next(event for event in run.events if event.kind == "start")
    found = {"tree": told["tree"], "architecture": told["arch"], "machine": start.host}
    if digest := start.data.get("digest"):
        found["scenario's files"] = digest
    if "night" in told:
        found["tag"] = told["night"].get("tag") or "no new tag"
    if "steps" in told:
        found |= {"status": told["status"], "culprit": told["culprit"] or "none"}
        plan = told["plan"]
        found |= {end: ", ".join(sha[:12] for sha in plan.get(end, ())) for end in ("good", "bad")}
    return found
