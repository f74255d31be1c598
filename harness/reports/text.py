"""A run as a command tells it to people."""

from __future__ import annotations

from harness.assessment import Document
from harness.reports import bisect, kconfig, night, patch_table, summary
from harness.reports.safe import terminal


def render(document: Document) -> str:
    """What `run`, `step`, `try`, `bisect`, `kconfig` or `nightly` printed, without the progress."""
    if document["kind"] == "bisect":
        return terminal(bisect.render(document))
    if document["kind"] == "kconfig":
        return terminal(kconfig.search(document))
    if document["kind"] == "nightly":
        return terminal(night.render(document))
    parts = [summary.head(document)]
    if document["kind"] == "try":
        return terminal("\n".join([*parts, *patch_table.base(document), patch_table.conclusion(document)]))
    return terminal("\n".join([*parts, *map(summary.row, document["commits"]), summary.conclusion(document)]))
