"""How the pages are called: by what they show, so that a page keeps its name for ever."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.nightly.history import Regression
from harness.reports.html.night import is_told


def slug(text: str, *more: str) -> str:
    """A name of a file for some words: what is legible of the first, and a digest of all."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:48].lower()
    whole = hashlib.sha256("\0".join((text, *more)).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{plain}-{whole}" if plain else whole


@dataclass(frozen=True)
class Names:
    """The pages of a tree.

    Attributes:
        tree: as the configuration names it.
        found: its regressions, in order.
        number: which of the trees it is.
    """

    tree: str
    found: Sequence[Regression]
    number: int

    def regression(self, one: Regression) -> str:
        """The page of a regression."""
        return f"regressions/{slug(one.signature, self.tree, one.since)}.html"

    def until(self, runs: Collection[str]) -> list[Regression]:
        """The regressions that were known when these nights were over."""
        return [one for one in self.found if one.night in runs]

    def hrefs(self, top: str, runs: Collection[str]) -> dict[str, str]:
        """The page of the latest regression of each signature that was known when some nights were over.

        Args:
            top: the way to the top from the page that is to have the links.
            runs: those nights, and all before them.
        """
        return {one.signature: f"{top}{self.regression(one)}" for one in self.until(runs)}

    def month(self, date: str) -> str:
        """The page of the nights of a month."""
        return f"nights/{slug(self.tree)}-{date[:7]}.html" if self.number else f"nights/{date[:7]}.html"

    @staticmethod
    def cells(run: str, cells: Iterable[Any]) -> dict[str, str]:
        """The page of each cell that has something to tell on a night, from the folder of the nights."""
        return {one["cell"]: f"{run}/{slug(one['cell'])}.html" for one in cells if is_told(one)}
