"""HTML that is escaped by being made: text becomes markup only through `tag`."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass

from harness.reports import safe

_EMPTY = {"meta", "rect", "br"}


@dataclass(frozen=True)
class Markup:
    """HTML that is whole and escaped."""

    text: str


Child = Markup | str | None
"""What may stand in an element: markup, text, which is escaped, or nothing."""


def tag(name: str, /, *children: Child | Iterable[Child], **attributes: str | int | float | None) -> Markup:
    """An element.

    Args:
        attributes: `class_` is `class`, and `_` within is `-`; one that is None is left out.
    """
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(safe.line(value, 4000))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY:
        return Markup(f"<{name}{told}>" if name != "rect" else f"<{name}{told}/>")
    return Markup(f"<{name}{told}>{joined(children).text}</{name}>")


def joined(children: Iterable[Child | Iterable[Child]]) -> Markup:
    """Elements and text, one after the other."""
    return Markup("".join(map(_escaped, children)))


def _escaped(child: Child | Iterable[Child]) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child.text
    if isinstance(child, str):
        return html.escape(safe.terminal(child))
    return joined(child).text
