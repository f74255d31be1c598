"""The pages of the nights: what they say, that every link leads somewhere, and that little is written again."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from harness import journal, reports, site
from harness.cli import main
from harness.files import locked
from harness.git import Git
from harness.nightly import demo
from harness.progress import SILENT
from harness.site import reading
from tests.nightly.conftest import Weeks
from tests.support.html import parsed, words

RING = "null-deref:ring_refill<net_rx_action"


def texts(element: Any) -> list[str]:
    return [" ".join("".join(one.itertext()).split()) for one in element]


def rows(page: Path, name: str = "grid1") -> dict[str, list[Any]]:
    tree = parsed(page.read_text())
    [table] = [one for one in tree.iter("table") if one.get("id") == name]
    return {texts(row)[0].split()[0]: list(row)[1:] for row in table.find("tbody")}


def page_of(pages: Path, words_: str) -> Path:
    [found] = [one for one in pages.glob("regressions/*.html") if words_ in one.name]
    return found


def test_every_page_is_strict_html_and_every_link_leads_somewhere(pages: Path) -> None:
    found = sorted(pages.rglob("*.html"))
    assert len(found) > 100
    anchors = {page: set(re.findall(r' id="(\w+)"', page.read_text())) for page in found}
    for page in found:
        tree = parsed(page.read_text())
        places = [one.get(name) for one in tree.iter() for name in ("href", "src") if one.get(name)]
        for place in places:
            path, _, anchor = place.partition("#")
            target = (page.parent / unquote(path)).resolve() if path else page
            assert target.is_file(), (page, place)
            assert not anchor or anchor in anchors[target], (page, place)


def test_the_grid_has_every_state_of_every_night(weeks: Weeks, pages: Path) -> None:
    found = rows(pages / "index.html")
    days = sorted(weeks.nights, reverse=True)
    assert set(found) == set(demo.SCENARIOS)
    for scenario, cells in found.items():
        states = weeks.states(scenario)
        for day, cell in zip(days, cells, strict=False):
            links = list(cell)
            told = links[0].get("aria-label").partition(":")[0] if links else None
            assert told == states.get(day), (scenario, day)


def test_what_is_wrong_is_on_top_the_newest_first(pages: Path) -> None:
    order = [*rows(pages / "index.html")]
    assert order[:2] == ["rtc-alarm", "timer-tick"]
    assert order[-2:] == ["lab-board", "usb-plug"]
    about = {name: texts([cells[-1]])[0] for name, cells in rows(pages / "index.html").items()}
    assert about["net-rx"].startswith(f"since {demo.tag(9)} ")
    assert "net: refill the ring early" in about["net-rx"]
    assert re.match(r"\d+ % of \d+ trials since", about["fs-sync"])


def test_a_night_says_what_is_new_first(weeks: Weeks, pages: Path) -> None:
    name = Path(weeks.nights[9].document["folder"]).name
    tree = parsed((pages / "nights" / f"{name}.html").read_text())
    assert texts(tree.iter("h2"))[0] == "New"
    assert texts(tree.iter("h3"))[0] == RING
    text = words(tree)
    assert "by " in text
    assert text.index("net: refill the ring early") < text.index("Still there")


def test_a_night_as_one_page_that_needs_no_other(weeks: Weeks) -> None:
    text = reports.render("html", weeks.nights[9].document)
    tree = parsed(text)
    anchors = {one.get("id") for one in tree.iter() if one.get("id")}
    links = [one.get("href") for one in tree.iter("a")]
    assert {link[1:] for link in links if link.startswith("#")} <= anchors
    assert not [one for one in tree.iter() if one.tag in ("script", "link")]
    assert texts(tree.iter("h2"))[0] == "New"
    assert "RIP: 0010:ring_refill" in text
    folder = Path(weeks.nights[9].document["folder"])
    assert all((folder / unquote(link)).is_file() for link in links if link.startswith("./"))


def test_a_regression_has_all_that_is_known(weeks: Weeks, pages: Path) -> None:
    page = page_of(pages, "ring-refill")
    tree = parsed(page.read_text())
    text = words(tree)
    assert texts(tree.iter("h1")) == ["BUG: unable to handle kernel NULL pointer dereference in ring_refill"]
    for told in (
        "tree net",
        "reverted on that day's head, it is gone",
        "in ring_refill",
        "Some Body <some.body@example.org>",
        "git checkout",
        "sh build.sh",
    ):
        assert told in text, told
    facts = dict(zip(texts(tree.iter("dt")), texts(tree.iter("dd")), strict=True))
    assert facts["Since"] == f"{demo.tag(9)} (last good {demo.tag(8)})"
    assert facts["On"] == "net-rx x86_64, net-tx x86_64"
    [one] = weeks.night(9)["new"]
    steps = [one for one in tree.iter("table") if one.get("class") == "steps"]
    assert len(list(steps[0].find("tbody"))) >= 5
    left = [
        int(texts([row])[0])
        for table in steps[:1]
        for row in table.iter("td")
        if row.get("class") == "number" and texts([row])[0].isdigit()
    ]
    assert left == sorted(left, reverse=True)
    assert left[-1] == 1
    assert one["bisection"]["culprit"] in text


def test_two_sides_of_a_merge_are_drawn(pages: Path) -> None:
    tree = parsed(page_of(pages, "swap-in").read_text())
    [figure] = tree.iter("figure")
    assert "neither side does it alone" in texts([figure])[0]
    drawn = [one for one in figure.iter() if str(one.tag).endswith("circle")]
    assert [one.get("class") for one in drawn] == ["good", "good", "bad"]


def test_where_each_regression_stands(pages: Path) -> None:
    told = {
        row[2].split(":")[1].partition("<")[0]: row[1]
        for row in map(texts, parsed((pages / "regressions.html").read_text()).iter("tr"))
        if ":" in row[2]
    }
    assert told["hub_event"].endswith(f"fixedin {demo.tag(15)}")
    assert "still" in told["ring_refill"]
    assert told["aes_encrypt"].endswith(f"it fails in another way since {demo.tag(13)}")


def test_a_trial_is_shown_with_its_phases_console_and_files(weeks: Weeks, pages: Path) -> None:
    name = Path(weeks.nights[9].document["folder"]).name
    [page] = (pages / "nights" / name).glob("net-rx*.html")
    tree = parsed(page.read_text())
    first = next(tree.iter("mark"))
    assert "RIP: 0010:ring_refill+0x10/0x20" in "".join(first.itertext())
    bars = [one.get("aria-label") for one in tree.iter() if (one.get("aria-label") or "").startswith("phases: ")]
    assert all(re.match(r"phases: boot [\d.]+ m?s, up ", bar) for bar in bars)
    assert bars
    files = [one.get("href") for one in tree.iter("a") if one.get("href", "").endswith("console.log")]
    assert len(files) == 2 + 2  # confirmed once more, and the last good night's commit twice
    assert page_of(pages, "ring-refill").name in page.read_text()


def test_patches_that_were_tried_are_on_the_page(weeks: Weeks, copy: Path, tmp_path: Path) -> None:
    [one] = weeks.night(9)["new"]
    git = Git(weeks.top / "next.git")
    fix, other = tmp_path / "fix.patch", tmp_path / "other.patch"
    text = git.text("show", f"{one['commit']}:net/net-rx.c")
    fix.write_text(f"--- a/net/net-rx.c\n+++ b/net/net-rx.c\n@@ -1 +1 @@\n-{text}\n+true\n")
    other.write_text("--- a/arm/Makefile\n+++ b/arm/Makefile\n@@ -1 +1 @@\n-obj-y += arm.o\n+obj-m += arm.o\n")
    patches = [str(fix), str(other), "--bad", one["commit"], "--tree", str(git.path)]
    main(["try", "net-rx", *patches, "--scenarios", str(weeks.top / "scenarios"), "--results", str(copy)])
    site.update(copy)
    tree = parsed(page_of(copy / "site", "ring-refill").read_text())
    assert "Patches that were tried" in texts(tree.iter("h2"))
    [table] = [found for found in tree.iter("table") if texts(found.iter("th"))[0] == "Patch"]
    told = {texts(row)[0].split()[0]: texts(row)[1] for row in table.find("tbody")}
    assert told["fix.patch"].startswith("passed, as expected")
    assert told["other.patch"].startswith("cannot tell")


def test_durations_are_drawn(pages: Path) -> None:
    tree = parsed((pages / "durations.html").read_text())
    lines = [one for one in tree.iter() if str(one.tag).endswith("polyline")]
    assert len(lines) == 3 + len(demo.SCENARIOS)
    nights = demo.DAYS - 3  # without a tag, without a build, without time
    assert len(lines[0].get("points").split()) == nights


def test_a_night_that_was_cut_short_says_what_is_left(weeks: Weeks, copy: Path) -> None:
    later = {Path(one.document["folder"]).name for day, one in weeks.nights.items() if day > demo.CUT_SHORT}
    without(copy, lambda _kind, run: run not in later)
    shutil.rmtree(copy / "site")
    site.update(copy)
    text = words(parsed((copy / "site" / "index.html").read_text()))
    assert f"Nothing new in {demo.tag(demo.CUT_SHORT)}" in text
    assert f"{len(demo.SCENARIOS)} tasks carried over" in text


def test_pages_are_a_function_of_the_journal(pages: Path, copy: Path) -> None:
    shutil.rmtree(copy / site.FOLDER)
    assert site.update(copy) == copy / "site" / "index.html"
    ours = {one.relative_to(pages): one.read_bytes() for one in pages.rglob("*.html")}
    again = {one.relative_to(copy / "site"): one.read_bytes() for one in (copy / "site").rglob("*.html")}
    assert again == ours


def stamps(folder: Path) -> dict[str, int]:
    return {str(one.relative_to(folder)): one.stat().st_mtime_ns for one in folder.rglob("*.html")}


def test_a_night_more_writes_a_few_pages(copy: Path) -> None:
    """What earlier nights have stays untouched; the night before leads to the new one."""
    last = sorted(one.name for one in copy.glob("*-nightly*"))[-1]
    without(copy, lambda _kind, run: run != last)
    shutil.rmtree(copy / "site")
    site.update(copy)
    before = stamps(copy / "site")
    shutil.copy(copy / "whole.sqlite", copy / "index.sqlite")
    site.update(copy)
    after = stamps(copy / "site")
    written = {name for name in after if after[name] != before.get(name)}
    assert "index.html" in written
    assert f"nights/{last}.html" in written
    assert len([name for name in written if re.fullmatch(r"nights/[^/]+-nightly(-\d)?\.html", name)]) == 2
    assert all(last in name for name in written if name.count("/") == 2)
    site.update(copy)
    assert stamps(copy / "site") == after


def without(results: Path, keep: Callable[[str, str], bool]) -> None:
    """Let the journal have only events of some kinds and runs; the whole one lies beside it."""
    index, whole = results / "index.sqlite", results / "whole.sqlite"
    shutil.copy(index, whole)
    with journal.reading(whole) as database:
        events = database.execute("SELECT * FROM events ORDER BY id").fetchall()
    index.unlink()
    with journal._writing(index, new=True) as database:
        for event in events:
            if keep(event[6], event[7]):
                database.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", event)


def test_a_night_that_goes_on(copy: Path) -> None:
    last = sorted(one.name for one in copy.glob("*-nightly*"))[-1]
    with journal.reading(copy / "index.sqlite") as database:
        [head] = [one for one in reading.heads(database) if one.run == last]
        found = reading.findings(database, copy, head)
    for cell in found["cells"][3:]:
        cell.update(state="not run", reason="there was no time", tried=False)
    without(copy, lambda *event: event != ("end", last))
    reading.keep_progress(copy / last, {**found, "reason": "nothing new"})
    with locked(copy / "nightly.lock", SILENT):
        site.update(copy)
        text = (copy / "site" / "index.html").read_text()
        assert "running: 3 of 10 cells" in words(parsed(text))
        assert "data-live" in text
        assert text.count("it is yet to be tried tonight") == 7 + 1  # and once in the legend
    (copy / "site" / ".summaries.json").unlink()
    site.update(copy)  # killed: nobody holds the lock
    text = (copy / "site" / "index.html").read_text()
    assert "data-live" not in text
    assert "it has not ended, or was killed" in text


@pytest.mark.parametrize("text", ["", "{", '{"format": 0}', '{"format": 1}', "[]"])
def test_a_damaged_file_of_summaries_is_made_anew(copy: Path, text: str) -> None:
    before = json.loads((copy / "site" / ".summaries.json").read_text())
    (copy / "site" / ".summaries.json").write_text(text)
    site.update(copy)
    assert json.loads((copy / "site" / ".summaries.json").read_text()) == before


def test_no_results_no_page(tmp_path: Path) -> None:
    assert site.update(tmp_path) is None
    assert not list(tmp_path.iterdir())
