"""Where the program keeps its files, in a checkout and when installed."""

from __future__ import annotations

from pathlib import Path

import platformdirs

_PACKAGE = Path(__file__).resolve().parent
ROOT = next((top for top in (_PACKAGE, _PACKAGE.parent) if (top / "scenarios").is_dir()), _PACKAGE)
"""The folder of the program's data: the checkout, or the package itself if installed from a wheel."""

SCENARIOS = ROOT / "scenarios"
KCONFIGS = ROOT / "kconfigs"
GUEST = ROOT / "guest"


def fragment(name: str, folder: Path) -> Path:
    """The file of a kconfig fragment: one of the program's, or, if the name ends in `.config`, one of the scenario's.

    Args:
        folder: the scenario's.
    """
    return folder / name if name.endswith(".config") else KCONFIGS / f"{name}.config"


def checkout() -> bool:
    """Whether the program runs from a checkout that the user may write to."""
    return ROOT != _PACKAGE


def cache() -> Path:
    """Trees, objects, images, root file systems: all of it can be recreated (`~/.cache/regress`)."""
    return Path(platformdirs.user_cache_path("regress"))


def trees_config() -> Path:
    """The user's own list of kernel trees (`~/.config/regress/trees.yaml`)."""
    return Path(platformdirs.user_config_path("regress")) / "trees.yaml"


def hosts_config() -> Path:
    """The user's hosts (`~/.config/regress/hosts.yaml`)."""
    return Path(platformdirs.user_config_path("regress")) / "hosts.yaml"


def own_scenarios() -> Path:
    """The user's own scenarios, which need not exist (`~/.config/regress/scenarios`)."""
    return Path(platformdirs.user_config_path("regress")) / "scenarios"


def results() -> Path:
    """The default of `--results`: `results/` in the checkout or, if installed, in the current folder."""
    return (ROOT if checkout() else Path.cwd()) / "results"
