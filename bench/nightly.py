"""What a night costs beside its trials, and what many stored nights cost.

    python -m bench.nightly [SECONDS [CELLS]]

Part 1 plays two nights of CELLS scenarios: a trial is a command that sleeps for SECONDS (default 12.7, what a boot of
`lr#35498d` takes to its verdict under TCG); on the second night one of them fails, is confirmed, and is bisected.  Own
time is the time of the whole night without that of its trials.  Part 2 makes a journal of 10,000 trials and asks it.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.common import machine, measured, table
from harness import catalog, journal, record
from harness.cli import nightly
from harness.cli.nightly import _Quiet
from harness.nightly import config, demo
from harness.nightly.config import Config

NIGHTS, CELLS = 50, 200
LINES = [
    f"[   {number}.123456] a line of a console as long as they are, with a number or two: {number}"
    for number in range(40)
]


def scenarios(top: Path, cells: int, seconds: float) -> None:
    """Scenarios whose machine sleeps; one of them looks for the demo's flaw in usb."""
    demo.scenarios(top)
    script = top / "sleep.sh"
    script.write_text(f"sleep {seconds}\n. {top / 'machine.sh'}\n")
    for number in range(cells):
        name = "usb-plug" if not number else f"quiet-{number}"
        folder = top / "slow" / name
        folder.mkdir(parents=True)
        (folder / "scenario.yaml").write_text(
            f"id: {name}\ntitle: {name}\nclaim: {name}\ntags: [slow]\nbuild: {{command: sh build.sh}}\n"
            f"machine: {{command: sh {script} {name}, timeout: 60s}}\n"
        )


def share(top: Path, seconds: float, cells: int) -> list[tuple[object, ...]]:
    """Two nights: what they took, and what of that was trials."""
    scenarios(top, cells, seconds)
    tree = demo.repository(top / "next.git", 3)
    results, rows = top / "results", list[tuple[object, ...]]()
    for day in (2, 3):
        demo.publish(tree, day)
        demo.tonight(top, day)
        chosen = Config(str(tree.path), tags=("slow",))
        found = config.cells(chosen, catalog.scenarios([top / "slow"]))
        now = datetime.datetime.combine(demo.date(day), datetime.time(1), datetime.UTC)
        began, used = time.monotonic(), os.times()
        told = nightly.conduct(chosen, found, results, _Quiet(), now)
        whole, after = time.monotonic() - began, os.times()
        trials, count = _trials(results, told.document["started"])
        cpu = sum(after[:4]) - sum(used[:4])
        what = f"{cells} cells, quiet" if day == 2 else "one is new, and bisected"
        rows.append((what, count, whole, trials, f"{(whole - trials) / whole:.1%}", f"{cpu / whole:.1%}"))
    return rows


def _trials(results: Path, since: str) -> tuple[float, int]:
    with contextlib.closing(sqlite3.connect(results / "index.sqlite")) as database:
        rows = database.execute(
            "SELECT json_extract(data, '$.seconds') FROM events WHERE kind = 'trial' AND utc >= ?", (since,)
        ).fetchall()
    return sum(seconds for (seconds,) in rows), len(rows)


def stored(results: Path, place: str, arch: str = "x86_64") -> Path:
    """A journal of 50 nights of 200 trials each, with what a real one holds; returns the last night's folder."""
    shas = [f"{number:040x}" for number in range(1, NIGHTS + 1)]
    rows: list[tuple[Any, ...]] = []
    run = record.start(results, "nightly", place, arch, kind="nightly", place=place, date="2026-01-01")
    for night in range(NIGHTS):
        if night:
            folder = results / f"2026-01-01-{night:06}-nightly"
            folder.mkdir()
            run = record.Run(folder, results / "index.sqlite")
        date = (datetime.date(2026, 1, 1) + datetime.timedelta(days=night)).isoformat()
        head = {"kind": "nightly", "scenario": "nightly", "tree": place, "arch": arch, "place": place, "date": date}
        events: list[tuple[str, dict[str, Any]]] = [("start", head)] if night else []
        events.append(("tonight", {"tag": f"next-{date.replace('-', '')}", "sha": shas[night]}))
        events += [("trial", _trial(shas[night], cell, night)) for cell in range(CELLS)]
        cells = [{**_cell(cell), "state": "passes", "reason": "1 of 1 trials passed"} for cell in range(CELLS)]
        lists: dict[str, Any] = {key: [] for key in ("new", "news", "fixed", "gone", "still", "flaky", "carried")}
        end = {"status": "nothing new", "reason": "nothing new", "cells": cells, "commit": shas[night], **lists}
        events.append(("end", end))
        for kind, data in events:
            one = journal.event(kind, run.folder.name, data)
            rows.append(
                (one.kind, one.run, json.dumps(one.data), one.utc, one.monotonic, one.boot, one.host, one.schema)
            )
    with contextlib.closing(sqlite3.connect(results / "index.sqlite")) as database:
        database.executemany(
            "INSERT INTO events (kind, run, data, utc, monotonic, boot, host, schema) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        database.commit()
    return run.folder


def _cell(number: int) -> dict[str, Any]:
    known = {"scenario": f"made-{number}", "variant": "", "arch": "x86_64", "configuration": "plain"}
    return {"cell": f"made-{number} x86_64", **known, "signature": None, "since": None, "known": False, "failed": 0}


def _trial(sha: str, cell: int, night: int) -> dict[str, Any]:
    """A trial as it is stored: each tenth cell crashes on some nights."""
    crashed = cell % 10 == 0 and night % 7 == 0
    frames = [{"function": f"f{n}", "offset": 16, "size": 96, "module": None, "reliable": True} for n in range(12)]
    crash = {
        "title": f"BUG: crash in f{cell}",
        "signature": f"null-deref:f{cell}",
        "frames": frames,
        "lines": LINES[:20],
    }
    return {
        "sha": sha,
        "role": f"made-{cell} x86_64",
        "variant": "",
        "outcome": "crashed" if crashed else "passed",
        "reason": crash["title"] if crashed else "the scenario ran to its end",
        "seconds": 12.7 + cell / 100,
        "phases": [["boot", 1.0], ["up", 2.0], ["read", 9.0]],
        "signature": crash["signature"] if crashed else None,
        "crash": crash if crashed else None,
        "excerpt": {"first": 1, "lines": LINES, "crash": [5, 25] if crashed else None},
        "files": [f"made-{cell}/trial-1/console.log", f"made-{cell}/config", f"made-{cell}/build.log"],
        "folder": f"made-{cell}_x86_64/trial-1",
        "digest": "0" * 16,
        "image": "1" * 64,
        "config": "2" * 64,
    }


def asked(top: Path) -> Iterator[tuple[object, ...]]:
    """What each command takes with 10,000 trials stored; a night first without them."""
    demo.scenarios(top)
    tree = demo.repository(top / "next.git", 2)
    demo.publish(tree, 2)
    yaml = top / "nightly.yaml"
    yaml.write_text("tree: ./next.git\ntags: [demo]\n")
    place = config.load(yaml).tree
    full, empty = top / "full", top / "empty"
    last = stored(full, place)
    size = (full / "index.sqlite").stat().st_size / 2**20
    night = ("nightly", "--config", str(yaml), "--scenarios", str(top / "scenarios"), "--results")
    yield "regress nightly, ten cells, nothing stored", *_measured(top, *night, str(empty))
    yield f"the same, 10,000 trials stored ({size:.0f} MiB)", *_measured(top, *night, str(full))
    yield "regress history SIGNATURE", *_measured(top, "history", "null-deref:f10", "--results", str(full))
    yield "regress diff NIGHT NIGHT", *_measured(top, "diff", str(last), str(last))
    yield "regress report NIGHT", *_measured(top, "report", str(last))


def _measured(top: Path, *args: str) -> tuple[float, float, int]:
    done = measured(top, *args)
    assert done.status in (0, 1), f"{args}: exit status {done.status}"
    return done.seconds, done.cpu, done.peak


def main() -> None:
    """Measure, and print both tables."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 12.7
    cells = int(sys.argv[2]) if len(sys.argv) > 2 else 8
    print(f"{machine()}; a trial sleeps {seconds} s\n")
    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_CACHE_HOME"] = str(Path(name) / "cache")
        rows = share(Path(name), seconds, cells)
    print(table(("night", "trials", "s", "of that trials, s", "own time", "processor time"), rows))
    with tempfile.TemporaryDirectory() as name:
        rows = list(asked(Path(name)))
    print("\n" + table(("with", "s", "CPU s", "peak MiB"), rows))


if __name__ == "__main__":
    main()
