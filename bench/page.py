"""The page of the nights, large: its size, how soon it is there in Chromium, what a night more costs, memory.

python -m bench.page [--nights 1000] [--cells 200] [--folder DIR]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import playwright.sync_api as playwright

from bench.common import Errors, fresh, machine, table
from bench.nights import TREE, Nights, stored
from harness import site

MEMORY = 10_000
"""Stored trials at which memory is measured."""

TIMES = 5
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
PEAK = "import re; print(int(re.search('VmHWM:.*?(\\\\d+)', Path('/proc/self/status').read_text())[1]) / 1024)"
WORK = {
    "nothing (its modules only)": "",
    "the nightly's compare": f"nights = history.nights(results, {TREE!r}); history.standings(nights); "
    "history.regressions(results, [one.run for one in nights])",
    "the pages, all of them": "site.update(results)",
    "the pages, a night more": "site.update(results)",
}


def took(work: Callable[[], object]) -> float:
    """Seconds."""
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def written(folder: Path, since: int) -> int:
    """How many pages were written after a moment."""
    return sum(1 for one in folder.rglob("*.html") if one.stat().st_mtime_ns >= since)


def shown(index: Path) -> list[dict[str, float]]:
    """How soon the first page is there, each time in a fresh profile."""
    found = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=[*ARGUMENTS], headless=True)
        for _ in range(TIMES):
            context = browser.new_context()
            page = context.new_page()
            page.goto(index.as_uri())
            page.wait_for_selector(".grid a[tabindex='0']")  # the script has been through
            told = page.evaluate(
                """() => ({
                  paint: performance.getEntriesByName("first-contentful-paint")[0].startTime,
                  usable: performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd,
                  loaded: performance.getEntriesByType("navigation")[0].loadEventEnd,
                })"""
            )
            begun = time.monotonic()
            page.fill("input[data-rows]", "new")
            page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            found.append({**told, "filter": 1000 * (time.monotonic() - begun)})
            context.close()
        browser.close()
    return found


def peak(results: Path, code: str) -> float:
    """Peak memory in MiB of a process that does some work."""
    text = (
        "from pathlib import Path; from harness import site; from harness.nightly import history; "
        f"results = Path({str(results)!r}); {code or 'pass'}; {PEAK}"
    )
    return float(subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--nights", type=int, default=1000)
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "regress-bench-page")
    options = parser.parse_args()
    errors = Errors()
    print(f"{machine()}\n")

    small = Nights(fresh(options.folder / "small") / "results", options.cells)
    small.write(max(2, MEMORY // options.cells) - 1)
    rows = []
    for name, code in WORK.items():
        if name.endswith("a night more"):
            small.write(1, max(2, MEMORY // options.cells) - 1)
        rows.append((name, peak(small.results, code)))
    count = stored(small.results)
    print(table([f"peak memory at {count} stored trials", "MiB"], rows), end="\n\n")

    errors.note(f"{options.nights} nights of {options.cells} cells")
    large = Nights(fresh(options.folder / "large") / "results", options.cells)
    large.write(options.nights)
    folder = large.results / site.FOLDER
    whole = took(lambda: site.update(large.results))
    pages = written(folder, 0)
    errors.note("a night more")
    large.write(1, options.nights)
    since = time.time_ns()
    more = took(lambda: site.update(large.results))
    again = written(folder, since)
    nothing = took(lambda: site.update(large.results))
    compare = peak(large.results, WORK["the nightly's compare"])
    sizes = sorted((one.stat().st_size for one in folder.glob("nights/*.html")), reverse=True)
    rows_: list[tuple[str, object]] = [
        ("stored trials", stored(large.results)),
        ("the first page, kB", round((folder / site.INDEX).stat().st_size / 1000)),
        ("the largest page of a night or a month, kB", round(sizes[0] / 1000)),
        (f"all pages at once ({pages} files), s", whole),
        (f"a night more ({again} files written), s", more),
        ("nothing new, s", nothing),
        ("peak memory of the nightly's compare, MiB", compare),
        ("peak memory of the pages, nothing new, MiB", peak(large.results, WORK["the pages, a night more"])),
    ]
    print(table([f"{options.nights} nights of {options.cells} cells", ""], rows_), end="\n\n")
    told = shown(folder / site.INDEX)
    names = {"paint": "first paint", "usable": "usable (script done)", "loaded": "loaded", "filter": "a word filtered"}
    figures = [
        (text, *(round(pick([one[key] for one in told])) for pick in (statistics.median, min, max)))
        for key, text in names.items()
    ]
    print(table([f"the first page in Chromium ({TIMES} times), ms", "median", "min", "max"], figures))
    shutil.rmtree(options.folder)


if __name__ == "__main__":
    main()
