"""Reads pages as a strict HTML5 parser does."""

from __future__ import annotations

import re
from typing import Any

import html5lib

ALLOWED = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "link",
        "script",
        "body",
        "main",
        "header",
        "nav",
        "section",
        "article",
    ),
    *("h1", "h2", "h3", "h4", "p", "dl", "dt", "dd", "ul", "ol", "li", "pre", "mark", "code", "span", "div", "strong"),
    *("a", "br", "details", "summary", "table", "caption", "thead", "tbody", "tr", "th", "td", "figure", "figcaption"),
    *("svg", "rect", "path", "circle", "polyline", "text", "input", "label"),
}
ATTRIBUTES = {
    *("lang", "charset", "http-equiv", "content", "name", "class", "id", "href", "rel", "src", "defer", "role", "for"),
    *("tabindex", "aria-label", "aria-hidden", "aria-current", "scope", "colspan", "open", "type", "autocomplete"),
    *("spellcheck", "data-live", "data-rows", "data-copy"),
    *("x", "y", "width", "height", "viewBox", "preserveAspectRatio", "d", "cx", "cy", "r", "points", "text-anchor"),
    *("vector-effect",),
}
ADDRESS = re.compile(r"https?://|\./|(\.\./)*[\w./%+-]+(#[ct]\d+)?$|#[\w]+$")


def parsed(text: str) -> Any:
    """The page as a tree; nothing in it runs or loads anything but what is the site's own."""
    parser = html5lib.HTMLParser(html5lib.getTreeBuilder("etree"), strict=True, namespaceHTMLElements=False)
    tree = parser.parse(text)
    for element in tree.iter():
        assert isinstance(element.tag, str), "a comment"
        assert element.tag.removeprefix("{http://www.w3.org/2000/svg}") in ALLOWED
        assert set(element.attrib) <= ATTRIBUTES
        assert ADDRESS.match(element.get("href", "./")), element.get("href")
        assert re.fullmatch(r"(\.\./)*page-[0-9a-f]{8}\.js", element.get("src", "page-00000000.js"))
        assert element.tag != "script" or (element.text is None and element.get("src"))
    return tree


def words(tree: Any) -> str:
    """What a reader sees."""
    return " ".join("".join(tree.find("body").itertext()).split())
