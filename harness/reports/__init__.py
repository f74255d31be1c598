"""Reports: the forms in which people and other programs read a result.

A format is a module with `render(document) -> str`; a document is a run as JSON data (`harness.document`).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

FORMATS = {"text": "text", "json": "json_", "junit": "junit"}
"""The formats of `regress report`, and the module of each."""


def render(name: str, document: Mapping[str, Any]) -> str:
    """A run in one of the formats.

    Args:
        name: one of `FORMATS`.
    """
    return str(importlib.import_module(f"harness.reports.{FORMATS[name]}").render(document))
