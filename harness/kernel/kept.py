"""Finished kernels in the cache: image, configuration, log and what was built beside, in a folder of their own.

What was damaged since, by a disk or by somebody, is no kernel: it is taken away, and built again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from harness import architecture
from harness.cache import touch
from harness.errors import UserError
from harness.files import copy, sha256, whole_folder
from harness.kernel import inputs, modules, selftests
from harness.model import Kernel

FACTS = "kernel.json"
BESIDE = ("config", "build.log", FACTS)
"""The files of a kernel beside its image."""

PACKED = (modules.FILE, selftests.FILE)
"""What is built beside an image and is part of its signature: its modules and its selftests, as far as it has any."""

BUILT_WITH = (inputs.FILE, *PACKED)
"""More of them: what it read, which is not known of all, and what is packed."""


def signature(image: Path, folder: Path) -> str:
    """What tells a kernel from another; see `harness.kernel.modules.signature`.

    Args:
        folder: where what is packed is.
    """
    return modules.signature(sha256(image), *(modules.digest(folder / name) for name in PACKED))


def facts(kept: Path) -> Mapping[str, Any] | None:
    """What is known of a kernel (`kernel.json`); None if there is none, or it is damaged."""
    try:
        told = json.loads((kept / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None


def whole(kept: Path) -> bool:
    """Whether a kernel is there as it was built."""
    told = facts(kept)
    if told is None:
        return False
    try:
        image = kept / architecture.load(told["arch"]).image.name
        return signature(image, kept) == told["signature"] and all((kept / name).exists() for name in BESIDE)
    except (OSError, UserError, LookupError, TypeError):
        return False


def keep(made: tuple[Path, Mapping[str, object]], image: Path, kept: Path, folder: Path) -> Kernel:
    """Keep a finished build, in place of a damaged one.

    Args:
        made: its object folder, and the facts about it.
        image: the image, in the object folder.
        kept: where to.
        folder: where its log is, and what was built beside; and where all of it goes.
    """
    objects, told = made
    shutil.rmtree(kept, ignore_errors=True)
    with whole_folder(kept) as new:
        shutil.copyfile(objects / image, new / image.name)
        shutil.copyfile(objects / ".config", new / "config")
        for name in ("build.log", *BUILT_WITH):
            if (folder / name).exists():
                shutil.copyfile(folder / name, new / name)
        (new / FACTS).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return replace(load(kept, folder), built=True, seconds=cast(float, told["seconds"]))


def load(kept: Path, folder: Path) -> Kernel:
    """A kernel that is kept, with its artifacts copied to a result folder."""
    touch(kept)
    told = json.loads((kept / FACTS).read_text(encoding="utf-8"))
    folder.mkdir(parents=True, exist_ok=True)
    image = architecture.load(told["arch"]).image.name
    for name in (image, *BESIDE, *(name for name in BUILT_WITH if (kept / name).exists())):
        copy(kept / name, folder / name)
    return Kernel(
        folder=kept,
        image=kept / image,
        arch=told["arch"],
        signature=told["signature"],
        compiler=told["compiler"],
        built=False,
        seconds=0.0,
    )
