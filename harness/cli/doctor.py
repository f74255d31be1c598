"""`regress doctor`."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from harness import paths, prerequisites
from harness.cli.progress import Talk
from harness.errors import RegressError
from harness.machine import accelerator

SPACE = 8
"""GiB that a tree, its objects and a few images take."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress doctor`."""
    parser.add_argument("--install", action="store_true", help="install what is missing, optional things too")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def examine(talk: Talk) -> list[dict[str, Any]]:
    """Every prerequisite with what it is for, what was found (None: nothing) and the remedy."""
    by = prerequisites.manager()
    checks = []
    for one in prerequisites.load():
        place = one.found()
        told = place and (place if one.name.startswith("/") else prerequisites.version(place) or place)
        checks.append(
            {
                "name": one.name,
                "for": f"{one.purpose} [{', '.join(sorted(one.purposes))}]",
                "found": told,
                "required": not one.optional and not one.purposes & {"i386", "check"},
                "remedy": None if place else prerequisites.remedy([one], by),
            }
        )
    checks.append(_accelerator(talk))
    cache = paths.cache()
    existing = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free = shutil.disk_usage(existing).free / 2**30
    checks.append(
        {
            "name": str(cache),
            "for": f"trees, objects, images [{SPACE} GiB]",
            "found": f"{free:.0f} GiB free" if free >= SPACE and os.access(existing, os.W_OK) else None,
            "required": True,
            "remedy": f"{free:.0f} GiB free: make room, or set XDG_CACHE_HOME to a larger disk",
        }
    )
    return checks


def _accelerator(talk: Talk) -> dict[str, Any]:
    check = {"name": "accelerator", "for": "how fast guests run [boot]", "required": True, "remedy": None}
    try:
        found = accelerator.probe(paths.cache(), talk)
    except RegressError as error:
        return {**check, "found": None, "remedy": str(error)}
    return {**check, "found": f"{found.name}: {found.reason}"}


def run(options: argparse.Namespace) -> int:
    """Print what this machine has and lacks; 3 when something that is required is missing."""
    talk = Talk()
    if options.install:
        known = prerequisites.load()
        prerequisites.ensure({purpose for one in known for purpose in one.purposes}, talk)
    checks = examine(talk)
    lacking = [check for check in checks if check["found"] is None and check["required"]]
    if options.json:
        python = {
            "version": sys.version.split()[0],
            "executable": sys.executable,
            "program": str(Path(__file__).parents[2]),
        }
        print(json.dumps({"ok": not lacking, "python": python, "checks": checks}, indent=2))
        return 3 if lacking else 0
    width = max(len(check["name"]) for check in checks)
    for check in checks:
        mark = "ok  " if check["found"] else "MISS" if check["required"] else "-   "
        print(f"{mark}  {check['name']:{width}}  {check['found'] or 'not found'}")
        if not check["found"]:
            print(f"      {'':{width}}  for {check['for']}; remedy: {check['remedy']}")
    print("All that is required is there." if not lacking else f"{len(lacking)} missing.")
    return 3 if lacking else 0
