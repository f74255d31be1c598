"""Where the program keeps its things, in a checkout and where it is installed."""

from __future__ import annotations

from pathlib import Path

import platformdirs

_PACKAGE = Path(__file__).resolve().parent
ROOT = next((top for top in (_PACKAGE, _PACKAGE.parent) if (top / "scenarios").is_dir()), _PACKAGE)
"""What holds the program's data: the checkout, or the package itself where a wheel was installed."""

SCENARIOS = ROOT / "scenarios"
KCONFIGS = ROOT / "kconfigs"
GUEST = ROOT / "guest"


def checkout() -> bool:
    """Whether the program runs from a checkout, into which its user may write."""
    return ROOT != _PACKAGE


def cache() -> Path:
    """Trees, objects, images, root file systems: all of it can be made again (`~/.cache/regress`)."""
    return Path(platformdirs.user_cache_path("regress"))


def trees_config() -> Path:
    """The user's own list of kernel trees (`~/.config/regress/trees.yaml`)."""
    return Path(platformdirs.user_config_path("regress")) / "trees.yaml"


def own_scenarios() -> Path:
    """The user's own scenarios, which need not exist (`~/.config/regress/scenarios`)."""
    return Path(platformdirs.user_config_path("regress")) / "scenarios"


def results() -> Path:
    """Where results go without `--results`: the checkout's `results/`; if installed, the same in the current folder."""
    return (ROOT if checkout() else Path.cwd()) / "results"
