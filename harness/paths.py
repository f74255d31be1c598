"""Where the program keeps its things."""

from __future__ import annotations

from pathlib import Path

import platformdirs

from harness.catalog import ROOT


def cache() -> Path:
    """Trees, objects, images, root file systems: all of it can be made again (`~/.cache/regress`)."""
    return Path(platformdirs.user_cache_path("regress"))


def trees_config() -> Path:
    """The user's own list of kernel trees (`~/.config/regress/trees.yaml`)."""
    return Path(platformdirs.user_config_path("regress")) / "trees.yaml"


def results() -> Path:
    """Where results go without `--results`: the checkout's `results/`, else the same in the working folder."""
    return (ROOT if (ROOT / "pyproject.toml").exists() else Path.cwd()) / "results"
