"""Writes the generated files."""

from __future__ import annotations

from pathlib import Path

from manual import FILES

for name, text in FILES.items():
    path = Path(__file__).resolve().parent.parent / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(), encoding="utf-8")
