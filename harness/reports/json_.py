"""A run as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def render(document: Mapping[str, Any]) -> str:
    """The document as `result.json` and `--json` have it."""
    return json.dumps(document, indent=2)
