"""Made-up nights in a journal, by the program's own rules, as many as one wants: for `bench.page` and the tests.

Cells pass, fail for some weeks, are flaky or never worked; the states are those that the nightly itself would tell.
"""

from __future__ import annotations

import datetime
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from harness import journal
from harness.git import Git
from harness.model import Scenario
from harness.nightly import told
from harness.nightly.classify import CONTROLS, NOTHING, Sighting, Standing, State, missing
from harness.nightly.config import Cell
from harness.nightly.history import CONTROL, KIND, Night, Regression
from harness.nightly.night import Clock, Lab, Loop
from harness.record import Run

FIRST = datetime.date(2024, 1, 1)
TREE = "linux-next"
NEVER, FLAKY, BEGINS, ENDS = 0.02, 0.03, 0.0015, 0.08
"""How many cells never worked, how many are flaky; how often one begins to fail on a night, and is mended."""

Data = dict[str, Any]


@dataclass
class Made:
    """A cell's nature.

    Attributes:
        rate: how often a trial of it fails now.  number: of the failure that it has.
    """

    cell: Cell
    rate: float = 0.0
    number: int = 0


@dataclass
class Nights:
    """Writes nights into a journal.

    Args:
        results: the folder of all results.
        cells: how many cells a night has.
    """

    results: Path
    cells: int
    chance: random.Random = field(default_factory=lambda: random.Random(13))
    at: dict[str, Standing] = field(default_factory=dict)
    found: list[Regression] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.results.mkdir(parents=True, exist_ok=True)
        self.made = []
        for number in range(self.cells):
            scenario = Scenario(f"scenario-{number:03}", "it works", self.results)
            one = Made(Cell(scenario, "x86_64"), number=number)
            dice = self.chance.random()
            one.rate = 1.0 if dice < NEVER else 0.3 if dice < NEVER + FLAKY else 0.0
            self.made.append(one)

    def write(self, count: int, first: int = 0) -> None:
        """Write some nights, from the `first` on."""
        index = self.results / "index.sqlite"
        for number in range(first, first + count):
            events = [*self._night(number)]
            with journal._writing(index, new=True) as database:
                database.executemany(
                    "INSERT INTO events (kind, run, data, utc, monotonic, boot, host, schema) VALUES "
                    "(?, ?, ?, ?, ?, '', '', 2)",
                    events,
                )

    def _night(self, number: int) -> Iterator[tuple[str, str, str, str, float]]:
        day = FIRST + datetime.timedelta(days=number)
        run, tag, sha = f"{day}-010000-nightly", f"next-{day:%Y%m%d}", f"{number:040x}"
        utc = f"{day}T01:00:00.000+00:00"
        night = Night(run, str(day), tag, sha)

        def event(kind: str, data: Data) -> tuple[str, str, str, str, float]:
            return kind, run, json.dumps(data), utc, 0.0

        head = {"kind": KIND, "name": "nightly", "title": "what is new tonight", "place": TREE, "date": str(day)}
        yield event("start", {"scenario": "nightly", "tree": TREE, "arch": "x86_64", **head})
        yield event("tonight", {"tag": tag, "sha": sha})
        yield event("kernel", {"sha": sha, "signature": "0" * 64, "seconds": 250.0, "built": True, "mended": []})
        for one in self.made:
            self._change(one)
            for data in self._trials(one, night):
                night.take({**data, "title": data["crash"] and data["crash"]["title"]})
                yield event("trial", data)
        run_ = Run(self.results / run, self.results / "index.sqlite")
        cells = [one.cell for one in self.made]
        # It only tells, and so needs neither a laboratory nor a tree.
        nobody, no_tree = cast(Lab, None), cast(Git, None)
        loop = Loop(nobody, run_, no_tree, cells, night, [], self.found, (), day, Clock(None))
        loop.earlier = self.at
        for regression in self._new(loop):
            names = ("signature", "since", "sha", "good", "good_sha", "night", "change", "cells", "notes")
            yield event("regression", {name: getattr(regression, name) for name in names})
            self.found.append(regression)
        findings = told.findings(loop)
        status, reason = told.conclusion(findings)
        yield event("end", {"status": status, "reason": reason, **findings})
        self.at = {one.cell.name: loop.standing(one.cell) for one in self.made}

    def _change(self, one: Made) -> None:
        dice = self.chance.random()
        if one.rate == 0.0 and dice < BEGINS:
            one.rate, one.number = 1.0, one.number + self.cells
        elif one.rate == 1.0 and one.number >= self.cells and dice < ENDS:
            one.rate = 0.0

    def _trials(self, one: Made, night: Night) -> Iterator[Data]:
        """As many as the rules ask for."""
        before = self.at.get(one.cell.name, NOTHING)
        seen = Sighting(night.tag or "", night.sha or "")
        scratch = Night("", "", night.tag, night.sha)
        for _ in range(20 + CONTROLS):
            control = False
            if seen.bad or seen.quiet:
                wanted = missing(before, seen)
                if not wanted:
                    return
                control = not wanted.trials
            data = self._trial(one, control, fails=not control and self.chance.random() < one.rate)
            scratch.take({**data, "title": data["crash"] and data["crash"]["title"]})
            seen = scratch.cells[one.cell.name]
            yield data

    def _trial(self, one: Made, control: bool, *, fails: bool) -> Data:
        boot = self.chance.uniform(1.8, 2.4)
        function = f"subsys{one.number}_read"
        crash = {
            "title": f"BUG: unable to handle kernel NULL pointer dereference in {function}",
            "kind": "null-deref",
            "function": function,
            "signature": f"null-deref:{function}<worker_thread",
            "start_line": 11,
            "end_line": 40,
            "comm": "kworker/0:1",
            "pid": 12,
            "cpu": 0,
            "kernel": "6.15.0",
            "taint": "",
            "workqueue": None,
            "frames": [
                {
                    "function": f"frame_{number}",
                    "offset": 16,
                    "size": 64,
                    "module": None,
                    "reliable": True,
                    "source": None,
                }
                for number in range(12)
            ],
        }
        lines = [f"[    {number}.000000] a line of the console, as long as they are" for number in range(45)]
        name = one.cell.name
        return {
            "sha": "",
            "role": f"{CONTROL}{name}" if control else name,
            "variant": "",
            "outcome": "crashed" if fails else "passed",
            "reason": crash["title"] if fails else "",
            "seconds": round(boot + self.chance.uniform(4, 6), 3),
            "phases": [["up", round(boot, 3)], ["write", round(boot + 0.5, 3)], ["read", round(boot + 3, 3)]],
            "signature": crash["signature"] if fails else None,
            "crash": crash if fails else None,
            "excerpt": {"first": 1, "lines": lines, "crash": [11, 40]} if fails else None,
            "files": [f"{name.replace(' ', '_')}/trial-1/{file}" for file in ("console.log", "status.log")],
            "folder": f"{name}/trial-1",
            "digest": None,
            "image": None,
            "config": None,
        }

    def _new(self, loop: Loop) -> list[Regression]:
        found = []
        for one in self.made:
            at = loop.standing(one.cell)
            if at.state in (State.NEW, State.CHANGED) and at.signature and at.good and at.good_sha:
                ends = (at.since or at.night, at.sha, at.good, at.good_sha)
                found.append(Regression(at.signature, *ends, (one.cell.name,), loop.run.folder.name))
        return found


def stored(results: Path) -> int:
    """How many trials a journal has."""
    with journal.reading(results / "index.sqlite") as database:
        return int(database.execute("SELECT count(*) FROM events WHERE kind = 'trial'").fetchone()[0])
