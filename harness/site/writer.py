"""Pages on the disk: each is whole or absent, and one that says the same as before stays untouched."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.files import write_atomically
from harness.reports.html import environment


@dataclass(frozen=True)
class Writer:
    """Writes into the folder of the pages."""

    folder: Path

    def page(self, path: str, template: str, **context: Any) -> str:
        """Write a page; returns its path from the folder."""
        self._write(path, environment.page(template, "../" * path.count("/"), **context))
        return path

    def assets(self) -> None:
        """The style sheet, the script and the icon; those of an older version stay for the pages that have them."""
        for name in environment.ASSETS:
            self._write(environment.asset_name(name), environment.asset(name))

    def there(self, path: str) -> bool:
        """Whether a page is there."""
        return (self.folder / path).is_file()

    def only(self, folder: str, paths: Collection[str]) -> None:
        """Remove the pages of a folder that are not among these any more."""
        for path in (self.folder / folder).glob("*.html"):
            if str(path.relative_to(self.folder)) not in paths:
                path.unlink()

    def _write(self, path: str, text: str) -> None:
        target, data = self.folder / path, text.encode()
        if target.is_file() and target.stat().st_size == len(data) and target.read_bytes() == data:
            return
        write_atomically(target, text)
