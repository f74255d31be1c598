"""The page, as a strict HTML5 parser reads it, and Chromium where it is here."""

import base64
import hashlib
import itertools
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import html5lib
import pytest

from harness import reports
from harness.assessment import Document
from harness.reports.style import CSS
from tests.reports.conftest import Results

ALLOWED = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "main",
    "section",
    "h1",
    "h2",
    "h3",
    "p",
    "dl",
    "dt",
    "dd",
    "ul",
    "ol",
    "li",
    "pre",
    "mark",
    "code",
    "span",
    "div",
    "a",
    "svg",
    "rect",
    "details",
    "summary",
}
ATTRIBUTES = {
    "lang",
    "charset",
    "http-equiv",
    "content",
    "name",
    "class",
    "href",
    "x",
    "y",
    "width",
    "height",
    "viewBox",
    "preserveAspectRatio",
    "role",
    "aria-label",
    "tabindex",
}


def parsed(text: str) -> Any:
    """The page as a tree; nothing in it may run or load anything."""
    parser = html5lib.HTMLParser(html5lib.getTreeBuilder("etree"), strict=True, namespaceHTMLElements=False)
    tree = parser.parse(text)
    for element in tree.iter():
        assert isinstance(element.tag, str), "a comment"
        assert element.tag.removeprefix("{http://www.w3.org/2000/svg}") in ALLOWED
        assert set(element.attrib) <= ATTRIBUTES
        assert re.match(r"https?://|\./", element.get("href", "./"))
    return tree


def words(tree: Any) -> str:
    return " ".join("".join(tree.find("body").itertext()).split())


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
    assert style.text == CSS
    digest = base64.b64encode(hashlib.sha256(style.text.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_the_bisection_is_drawn(results: Results) -> None:
    told = results.document("bisect")
    tree = parsed(reports.render("html", told))
    bars = [e for e in tree.iter() if str(e.tag).endswith("svg")]
    assert len(bars) == len(told["narrowing"]) >= 3
    left = [int(re.findall(r"(\d+) commits? left", bar.get("aria-label"))[0]) for bar in bars]
    assert left == sorted(left, reverse=True)
    assert left[-1] == 1
    assert "RIP: 0010:toy_read+0x10/0x20" in "".join(next(tree.iter("mark")).itertext())
    assert "line 12" not in "".join(next(tree.iter("mark")).itertext())


def test_links_lead_to_files_of_the_run(results: Results) -> None:
    for name, folder in results.folders.items():
        tree = parsed(reports.render("html", results.document(name)))
        links = [e.get("href") for e in tree.iter("a") if e.get("href").startswith("./")]
        assert all((folder / unquote(link)).is_file() for link in links)
    linked = parsed(reports.render("html", results.document("run"), "https://ci.example.org/r"))
    assert all(e.get("href").startswith("https://") for e in linked.iter("a"))


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(d * 2 for d in digits) if len(digits) == 3 else digits
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_contrast_is_enough_in_light_and_dark() -> None:
    schemes = [dict(re.findall(r"--(\w+): (#\w+)", part)) for part in re.findall(r":root \{([^}]*)\}", CSS)]
    assert len(schemes) == 2
    for scheme in schemes:
        pairs = [(text, back) for text in ("text", "dim", "good", "bad", "skip", "link") for back in ("back", "card")]
        for text, back in [*pairs, ("marked", "mark")]:
            low, high = sorted((luminance(scheme[text]), luminance(scheme[back])))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, back)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not here")
def test_a_browser_shows_it_from_a_file(results: Results, tmp_path: Path) -> None:
    page, told = tmp_path / "report.html", results.document("bisect")
    page.write_text(reports.render("html", told), encoding="utf-8")
    done = subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *(f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--dump-dom", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Content Security Policy" not in done.stderr
    assert told["culprit"] in done.stdout
