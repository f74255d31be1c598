"""Chromium, as a person uses it, and axe, which looks for what keeps people out."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import playwright.sync_api as playwright

from tests.support import ROOT

SHOTS = ROOT / "results" / "tests" / "pages"
"""Where pictures of the pages are kept."""

ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
_AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


def chromium() -> str | None:
    """The browser, if it is here."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@dataclass
class Browser:
    """A running Chromium.

    Attributes:
        said: what the pages that were open printed to the console, and what failed in them.
    """

    chromium: playwright.Browser
    said: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def page(self, scheme: Any = "light", width: int = 1280, height: int = 800) -> Iterator[playwright.Page]:
        """A page of a fresh profile; nothing may fail in it, and no script but the site's own may have said a word."""
        context = self.chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
        self.said = []
        page = context.new_page()
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", self._dialog)
        try:
            yield page
            assert self.said == []
        finally:
            context.close()

    def _dialog(self, dialog: playwright.Dialog) -> None:
        self.said.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def check(self, page: playwright.Page) -> None:
        """What axe finds; it is given to the page by the debugger, which the page's policy does not bind."""
        found = page.evaluate(f"{_AXE}\n; axe.run({{preload: false}})")
        told = [
            f"{one['id']}: {node['target']}: {node['failureSummary']}"
            for one in found["violations"]
            for node in one["nodes"][:3]
        ]
        assert found["passes"]
        assert not told, "\n".join(told)

    def shoot(self, page: playwright.Page, name: str, *, whole: bool = False) -> Path:
        """Keep a picture of a page."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        path = SHOTS / f"{name}.png"
        page.screenshot(path=path, full_page=whole)
        return path


@contextlib.contextmanager
def started() -> Iterator[Browser]:
    """Chromium, without a window; it ends with the block."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=[*ARGUMENTS], headless=True)
        try:
            yield Browser(browser)
        finally:
            browser.close()


def lacking() -> str | None:
    """Why there is no browser here."""
    if chromium():
        return None
    why = "chromium is not here; run: make setup"
    if os.environ.get("CI"):
        raise AssertionError(why)
    return why
