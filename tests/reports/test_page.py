"""The page of a result, as a strict HTML5 parser reads it, and Chromium."""

import base64
import hashlib
import itertools
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from harness import reports
from harness.assessment import Document
from harness.reports.html.environment import asset
from tests.reports.conftest import Results
from tests.support.browsers import Browser
from tests.support.html import parsed, words


def test_it_is_strict_html(told: Document) -> None:
    text = reports.render("html", told)
    assert text == reports.render("html", told)
    tree = parsed(text)
    levels = [int(e.tag[1]) for e in tree.iter() if re.fullmatch(r"h[1-6]", str(e.tag))]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert told["reason"].split(": ")[0] in words(tree)
    assert len(text) < 1_000_000


def test_the_policy_allows_its_style_and_nothing_else(results: Results) -> None:
    tree = parsed(reports.render("html", results.document("bisect")))
    [policy] = [e.get("content") for e in tree.iter("meta") if e.get("http-equiv") == "Content-Security-Policy"]
    [style] = tree.iter("style")
    assert style.text == asset("page.css")
    digest = base64.b64encode(hashlib.sha256(style.text.encode()).digest()).decode()
    assert policy == f"default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-{digest}'"


def test_the_bisection_is_drawn(results: Results) -> None:
    told = results.document("bisect")
    tree = parsed(reports.render("html", told))
    bars = [e for e in tree.iter() if str(e.tag).endswith("svg") and "left" in e.get("aria-label", "")]
    assert len(bars) == len(told["narrowing"]) >= 3
    left = [int(re.findall(r"(\d+) commits? left", bar.get("aria-label"))[0]) for bar in bars]
    assert left == sorted(left, reverse=True)
    assert left[-1] == 1
    assert "RIP: 0010:toy_read+0x10/0x20" in "".join(next(tree.iter("mark")).itertext())
    assert "line 12" not in "".join(next(tree.iter("mark")).itertext())


def test_the_function_at_fault_comes_first(results: Results) -> None:
    text = words(parsed(reports.render("html", results.document("bisect"))))
    assert "in toy_read" in text
    assert text.index("in toy_read") < text.index("RIP: 0010:toy_read")


def test_patches_are_a_table(results: Results) -> None:
    tree = parsed(reports.render("html", results.document("try")))
    [table] = tree.iter("table")
    rows = [[" ".join("".join(cell.itertext()).split()) for cell in row] for row in table.iter("tr")]
    assert rows[0][0] == "Patch"
    assert [row[0].split()[0] for row in rows[1:]] == ["(no", "fix.patch", "junk.patch"]
    assert "passed, as expected" in rows[2][1]
    assert "does not apply" in rows[3][1]


def test_links_lead_to_files_of_the_run(results: Results) -> None:
    for name, folder in results.folders.items():
        tree = parsed(reports.render("html", results.document(name)))
        links = [e.get("href") for e in tree.iter("a") if e.get("href").startswith("./")]
        assert all((folder / unquote(link)).is_file() for link in links)
    linked = parsed(reports.render("html", results.document("run"), "https://ci.example.org/r"))
    assert all(e.get("href").startswith(("https://", "#main")) for e in linked.iter("a"))


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(d * 2 for d in digits) if len(digits) == 3 else digits
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_contrast_is_enough_in_light_and_dark() -> None:
    roots = re.findall(r":root \{([^}]*)\}", asset("page.css"))
    schemes = [dict(re.findall(r"--([\w-]+): (#\w+)", part)) for part in roots]
    assert len(schemes) == 2
    for scheme in schemes:
        pairs = [(text, back) for text in ("text", "dim", "good", "bad", "skip", "link") for back in ("back", "card")]
        pairs += [(name, name.removeprefix("on-")) for name in scheme if name.startswith("on-")]
        assert len(pairs) == 21
        for text, back in [*pairs, ("marked", "mark"), ("text", "mark"), ("back", "text")]:
            low, high = sorted((luminance(scheme[text]), luminance(scheme[back])))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, back)


@pytest.mark.parametrize("name", ["bisect", "run", "try"])
def test_a_browser_shows_it_from_a_file(results: Results, browser: Browser, tmp_path: Path, name: str) -> None:
    path, told = tmp_path / "report.html", results.document(name)
    path.write_text(reports.render("html", told), encoding="utf-8")
    with browser.page() as page:
        page.goto(path.as_uri())
        assert told["reason"].split(": ")[0] in page.inner_text("main")
        assert page.evaluate("getComputedStyle(document.querySelector('.card')).borderLeftWidth") == "3px"
        browser.check(page)
