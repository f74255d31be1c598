"""Reports: the forms in which people and other programs read a result.

A format is a module with `render(document) -> str`; a document is a run as JSON data (`harness.document`), with
`base_url` where the folder of results is served.  The same document gives the same text, byte for byte.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

FORMATS = {
    "text": "text",
    "json": "json_",
    "junit": "junit",
    "ktap": "ktap",
    "kcidb": "kcidb",
    "mail": "mail",
    "markdown": "markdown",
    "html": "html",
}
"""The formats of `regress report`, and the module of each."""


def render(name: str, document: Mapping[str, Any], base_url: str | None = None) -> str:
    """A run in one of the formats.

    Args:
        name: one of `FORMATS`.
        base_url: where the folder of results is served.
    """
    module = importlib.import_module(f"harness.reports.{FORMATS[name]}")
    return str(module.render({**document, "base_url": base_url} if base_url else document))
