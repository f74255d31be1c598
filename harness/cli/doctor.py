"""`regress doctor`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

from harness import architecture, cache, paths, prerequisites
from harness.cli import consent, gc, shared
from harness.cli.progress import Talk
from harness.errors import InfrastructureError, ProgramMissing, RegressError
from harness.machine import accelerator

SPACE = 8
"""GiB needed for a tree, its objects and a few images."""

ASIDE = frozenset({"foreign", "debian", "ssh", "check", "modules", "kselftest"})
"""Kinds of work that most people never do; what only they need is not required."""


@dataclass(frozen=True)
class Check:
    """One thing that was checked.

    Attributes:
        name: a program, a file, or anything else.
        purpose: what it is for.
        purposes: the kinds of work that need it.
        required: `regress run` does not work without it.
        found: a version or a place; None if missing or insufficient.
        remedy: what to do if it is missing.
    """

    name: str
    purpose: str
    purposes: tuple[str, ...]
    required: bool
    found: str | None
    remedy: str | None = None


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress doctor`."""
    parser.add_argument(
        "--arch",
        dest="arches",
        action="append",
        choices=architecture.names(),
        help=f"an architecture that has to work, may be repeated; default: {architecture.DEFAULT}",
    )
    parser.add_argument("--install", action="store_true", help="install what is missing, for every kind of work")
    shared.json(parser)


def run(options: argparse.Namespace) -> int:
    """Print what this machine has and lacks; 3 if something required is missing."""
    talk = Talk()
    # What only the tests of the program itself need is for those who work on it (make setup).
    known = [one for one in prerequisites.load() if one.purposes != {"check"} or os.environ.get("REGRESS_DEV")]
    chosen = options.arches or [architecture.DEFAULT]
    others = {
        f"{work} {name}"
        for name in architecture.names()
        if name not in chosen
        for work in ("build", "boot", "programs")
    }
    foreign = any(not architecture.load(name).here for name in chosen)
    aside = (ASIDE - {"foreign"} if foreign else ASIDE) | others
    if options.install:
        try:
            everything = {purpose for one in known for purpose in one.purposes} - others
            prerequisites.ensure(everything, talk, known, consent=consent.consent(options, talk), useful=True)
        except InfrastructureError as error:
            talk.note(f"regress: {error}")
    checks = [*_machine(), *(_look_for(one, aside) for one in known), *(_accelerator(name, talk) for name in chosen)]
    lacking = [check for check in checks if check.found is None and check.required]
    kept = gc.parts(cache.items(paths.cache()))
    if options.json:
        told = {"ok": not lacking, "checks": [asdict(check) for check in checks], "cache": kept}
        print(json.dumps(told, indent=2))
    else:
        talk.clear()
        _print(checks, known, lacking)
        if kept:
            takes = ", ".join(f"{part} {gc.amount(one['bytes'])}" for part, one in kept.items())
            print(f"The cache takes: {takes} (regress gc makes room).")
    return 3 if lacking else 0


def _look_for(one: prerequisites.Prerequisite, aside: Collection[str]) -> Check:
    place = one.found()
    found = place and ("there" if one.name.startswith("/") else prerequisites.version(place) or place)
    return Check(
        name=one.name,
        purpose=one.purpose,
        purposes=tuple(sorted(one.purposes)),
        required=not one.optional and not one.purposes <= set(aside),
        found=found,
        remedy=None if place else prerequisites.remedy([one], prerequisites.manager()),
    )


def _machine() -> list[Check]:
    """What is not a matter of packages: Python, disk space, memory, processors."""
    place = paths.cache()
    existing = next(folder for folder in (place, *place.parents) if folder.exists())
    free = shutil.disk_usage(existing).free / 2**30
    writable = os.access(existing, os.W_OK)
    enough = writable and free >= SPACE
    remedy = f"{free:.0f} GiB free" if writable else f"{existing} is not writable"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return [
        Check("python", "this program", ("run",), True, f"{platform.python_version()} ({sys.prefix})"),
        Check(
            name=str(place),
            purpose=f"trees, objects, images: {SPACE} GiB",
            purposes=("build",),
            required=True,
            found=f"{free:.0f} GiB free" if enough else None,
            remedy=None if enough else f"{remedy}: free some space, or set XDG_CACHE_HOME to a larger disk",
        ),
        Check("memory", "building and booting kernels", ("build", "boot"), True, f"{memory:.1f} GiB"),
        Check("processors", "how fast kernels build", ("build",), True, str(cores)),
    ]


def _accelerator(name: str, talk: Talk) -> Check:
    found, remedy = None, None
    try:
        answer = accelerator.probe(architecture.load(name), paths.cache(), talk)
        found = f"{answer.name}: {answer.reason}"
    except ProgramMissing as error:
        remedy = f"it takes {error.program}"
    except RegressError as error:
        remedy = str(error)
    return Check("accelerator", f"how fast {name} guests run", ("boot",), True, found, remedy)


def _print(checks: Sequence[Check], known: Sequence[prerequisites.Prerequisite], lacking: Sequence[Check]) -> None:
    names = max(len(check.name) for check in checks)
    founds = max(len(check.found or "") for check in checks if len(check.found or "") <= 24)
    for check in checks:
        mark = "ok" if check.found else "MISSING" if check.required else "-"
        row = f"{mark:7}  {check.name:{names}}  {check.found or 'not found':{founds}}"
        print(f"{row}  {check.purpose} [{', '.join(check.purposes)}]")
    for title, required in (("Missing", True), ("Optional", False)):
        if absent := [check for check in checks if check.found is None and check.required is required]:
            absentees = {check.name for check in absent}
            packaged = [one for one in known if one.name in absentees]
            by_hand = [check for check in absent if check.name not in {one.name for one in packaged}]
            print(f"\n{title}: {', '.join(check.name for check in absent)}")
            if packaged:
                print(f"  {prerequisites.remedy(packaged, prerequisites.manager())}")
            for check in by_hand:
                print(f"  {check.name}: {check.remedy}")
    if not lacking:
        print("\nEverything required is installed.")
