"""The pages of the nights as people use them: by mouse, by keyboard, on a phone, in the dark, with hostile text."""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import journal, site
from harness.cli.serve import Server
from harness.files import locked
from harness.nightly import demo
from harness.nightly.history import CONTROL
from harness.progress import SILENT
from harness.site import reading
from tests.nightly.conftest import Weeks, serving
from tests.nightly.test_site import page_of, without
from tests.support.browsers import Browser
from tests.support.hostile import NASTY
from tests.support.html import parsed


def kinds(pages: Path, weeks: Weeks) -> dict[str, Path]:
    """A page of each kind."""
    night = pages / "nights" / f"{Path(weeks.nights[9].document['folder']).name}.html"
    [cell] = night.with_suffix("").glob("net-rx*.html")
    return {
        "nights": pages / "index.html",
        "month": pages / "nights" / "2026-05.html",
        "night": night,
        "trial": cell,
        "regression": page_of(pages, "ring-refill"),
        "merge": page_of(pages, "swap-in"),
        "regressions": pages / "regressions.html",
        "durations": pages / "durations.html",
    }


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing(browser: Browser, pages: Path, weeks: Weeks, scheme: str, width: int) -> None:
    with browser.page(scheme, width) as page:
        for name, path in kinds(pages, weeks).items():
            page.goto(path.as_uri())
            browser.shoot(page, f"{name}-{scheme}-{width}", whole=True)
            browser.check(page)
            # Only what is meant to scrolls sideways.
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name


def test_from_what_is_new_to_the_console(browser: Browser, pages: Path) -> None:
    """Clicked through as a maintainer does, from a file."""
    with browser.page() as page:
        page.goto((pages / "index.html").as_uri())
        page.click("text=→ >> nth=3")
        assert page.inner_text("h1") == "BUG: unable to handle kernel NULL pointer dereference in ring_refill"
        page.click("dd >> text=net-rx x86_64")
        assert page.inner_text("h1") == "net-rx x86_64"
        assert "RIP: 0010:ring_refill" in page.inner_text("mark >> nth=0")
        page.click("text=console.log >> nth=0")
        assert page.url.endswith("/console.log")
        page.go_back()
        page.click(f"text={demo.tag(9)} >> nth=0")
        assert page.inner_text("h1") == demo.tag(9)
        page.click("nav >> text=Durations")
        assert page.inner_text("h1") == "Durations"


def test_the_reason_is_told_on_hover(browser: Browser, pages: Path) -> None:
    with browser.page() as page:
        page.goto((pages / "index.html").as_uri())
        tip = page.locator(".tip")
        assert tip.is_hidden()
        page.hover("#grid1 tbody tr:nth-child(4) td.new a")
        assert "net-rx x86_64" in tip.inner_text()
        assert demo.tag(9) in tip.inner_text()
        assert f"new: it passed until {demo.tag(8)}" in tip.inner_text()
        browser.shoot(page, "reason")
        page.mouse.move(5, 5)
        assert tip.is_hidden()


def test_the_grid_is_walked_by_the_keyboard(browser: Browser, pages: Path) -> None:
    with browser.page() as page:
        page.goto((pages / "index.html").as_uri())
        page.focus("#filter1")
        page.keyboard.press("Tab")  # the signs
        page.keyboard.press("Tab")  # the region that scrolls
        page.keyboard.press("Tab")
        here = "[document.activeElement.closest('tr').rowIndex, document.activeElement.closest('td, th').cellIndex]"
        assert page.evaluate(here) == [2, 1]
        assert "rtc-alarm" in page.inner_text(".tip")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowRight")
        assert page.evaluate(here) == [3, 2]
        for _ in range(12):  # over the day without a tag, where there is nothing
            page.keyboard.press("ArrowRight")
        assert page.evaluate(here) == [3, 15]
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowUp")
        assert page.evaluate(here) == [1, 15]
        page.keyboard.press("Escape")
        assert page.locator(".tip").is_hidden()
        page.keyboard.press("Tab")
        page.keyboard.press("Shift+Tab")
        assert page.evaluate(here) == [1, 15]  # one stop, where one was last
        page.keyboard.press("Enter")
        page.wait_for_load_state()
        assert page.inner_text("h1").startswith("next-")


def test_rows_are_filtered_by_what_is_in_them(browser: Browser, pages: Path) -> None:
    with browser.page() as page:
        page.goto((pages / "index.html").as_uri())
        shown = "[...grid1.tBodies[0].rows].filter(r => !r.hidden).map(r => r.cells[0].innerText.split(' ')[0])"
        page.fill("#filter1", "NET")
        assert page.evaluate(shown) == ["net-rx", "net-tx"]
        page.fill("#filter1", "flaky")
        assert page.evaluate(shown) == ["fs-sync"]
        page.fill("#filter1", "refill tx")
        assert page.evaluate(shown) == ["net-tx"]
        page.fill("#filter1", "")
        assert len(page.evaluate(shown)) == len(demo.SCENARIOS)


def test_commands_are_copied(browser: Browser, pages: Path) -> None:
    with browser.page() as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(page_of(pages, "ring-refill").as_uri())
        page.click("button:has-text('Copy')")
        page.wait_for_selector("button:has-text('Copied')")
        assert page.evaluate("navigator.clipboard.readText()").startswith("git checkout ")


def test_without_a_script_all_is_there(browser: Browser, pages: Path) -> None:
    context = browser.chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((pages / "index.html").as_uri())
    page.click("#grid1 td.new a >> nth=0")
    assert page.inner_text("h1") == "rtc-alarm x86_64"
    context.close()


@pytest.fixture
def served(copy: Path) -> Iterator[Server]:
    with serving(copy) as one:
        yield one


def test_it_is_fresh_while_a_night_runs(browser: Browser, served: Server) -> None:
    """What the night finds comes into the open page, without losing the filter or one's place."""
    results = served.results
    last = sorted(one.name for one in results.glob("*-nightly*"))[-1]
    with journal.reading(results / "index.sqlite") as database:
        [head] = [one for one in reading.heads(database) if one.run == last]
        found = reading.findings(database, results, head)
    without(results, lambda *event: event != ("end", last))
    (results / "site" / ".summaries.json").unlink()
    cells = [dict(cell, state="not run", reason="there was no time", tried=False) for cell in found["cells"]]
    reading.keep_progress(results / last, {**found, "cells": cells, "reason": "nothing new"})
    with browser.page() as page:
        with locked(results / "nightly.lock", SILENT):
            page.clock.install()
            page.goto(served.address)
            assert "running: 0 of 10 cells" in page.inner_text("main")
            page.fill("#filter1", "net")
            page.focus("#grid1 tbody tr:not([hidden]) a")
            page.clock.run_for(6000)
            reading.keep_progress(results / last, {**found, "reason": "nothing new"})
            journal.add(results / "index.sqlite", journal.event("tonight", last, {"tag": head.tag, "sha": None}))
            page.clock.run_for(6000)
            page.wait_for_selector("text=running: 10 of 10 cells")
            assert page.input_value("#filter1") == "net"
            assert page.evaluate("document.activeElement.closest('tr').cells[0].innerText").startswith("net-rx")
        journal.add(
            results / "index.sqlite",
            journal.event("end", last, {"status": "nothing new", "reason": "nothing new", **found}),
        )
        page.clock.run_for(6000)
        page.wait_for_selector("text=running", state="detached")
        assert not page.evaluate("'live' in document.documentElement.dataset")


FIXED = {
    *(
        "status",
        "kind",
        "verdict",
        "outcome",
        "state",
        "run",
        "runs",
        "night",
        "date",
        "folder",
        "place",
        "tree",
        "role",
    ),
    *("confidence", "started", "sought", "command"),
}


def hostile(value: Any, key: str = "") -> Any:
    """Text that somebody else wrote, with something nasty in it; the same for the same text."""
    if key in ("plan", "narrowing", "checks", "parents"):
        return value
    if isinstance(value, dict):
        return {
            hostile(name) if " " in name or ":" in name else name: hostile(one, name) for name, one in value.items()
        }
    if isinstance(value, list):
        return [hostile(one, key) for one in value]
    if key == "role" and isinstance(value, str):
        control = CONTROL if value.startswith(CONTROL) else ""
        return control + hostile(value.removeprefix(control))
    if not isinstance(value, str) or key in FIXED:
        return value
    return value + NASTY[zlib.crc32(value.encode()) % len(NASTY)].encode("utf-8", "replace").decode()


def test_hostile_text_runs_nowhere(browser: Browser, copy: Path) -> None:
    """Every text of the journal but the program's own words is hostile; each page still is what it is to be."""
    index = copy / "index.sqlite"
    with journal.reading(index) as database:
        events = database.execute("SELECT * FROM events ORDER BY id").fetchall()
    index.unlink()
    with journal._writing(index, new=True) as database:
        for *head, text in events:
            data = json.dumps(hostile(json.loads(text)))
            database.execute(f"INSERT INTO events VALUES ({', '.join('?' * 9)})", (*head, data))
    shutil.rmtree(copy / "site")
    site.update(copy)
    written = sorted((copy / "site").rglob("*.html"))
    assert len(written) > 100
    for path in written:
        text = path.read_text(encoding="utf-8")
        assert not [c for c in text if not c.isprintable() and c != "\n"], path
        parsed(text)
    with browser.page() as page:
        for path in [*written[:5], *written[5::7], copy / "site" / "index.html"]:
            page.goto(path.as_uri())
            assert page.evaluate("document.querySelectorAll('script').length") == 1
            assert page.inner_text("h1")
        browser.shoot(page, "hostile")


def test_the_journal_was_hostile() -> None:
    told = hostile({"reason": "x" * 3, "crash": {"title": "y", "function": "z"}, "status": "good"})
    assert told["status"] == "good"
    assert {told["reason"], told["crash"]["title"]} & {one + two for one in ("xxx", "y") for two in NASTY}
