"""`regress gc`."""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from harness import cache, paths, record
from harness.cli import shared
from harness.cli.progress import Talk

UNITS = {"M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress gc`."""
    parser.add_argument(
        "--cache-size",
        type=_size,
        metavar="SIZE",
        help="what the cache may take, such as 40G; default: what leaves a tenth of the disk free",
    )
    parser.add_argument(
        "--older-than",
        type=_age,
        metavar="AGE",
        help="also remove images and disks from results older than this, such as 90d; logs and the journal stay",
    )
    shared.results(parser, "folder of the results, for --older-than")
    parser.add_argument("--dry-run", action="store_true", help="say what would go, and remove nothing")
    shared.json(parser)


def _size(text: str) -> int:
    if not (found := re.fullmatch(r"(\d+(?:\.\d+)?)([MGT])", text)):
        raise argparse.ArgumentTypeError(f"expected a size such as 500M, 40G or 1T, got {text!r}")
    return int(float(found[1]) * UNITS[found[2]])


def _age(text: str) -> float:
    if not (found := re.fullmatch(r"(\d+)d", text)):
        raise argparse.ArgumentTypeError(f"expected a number of days such as 90d, got {text!r}")
    return int(found[1]) * cache.DAY


def run(options: argparse.Namespace) -> int:
    """Remove what is not needed, and say what went and what is left."""
    place, talk = paths.cache(), Talk()
    before = cache.items(place)
    gone = cache.clear(place, before, options.cache_size, dry=options.dry_run, progress=talk)
    thinned, freed = 0, 0
    if options.older_than is not None:
        results = (options.results or paths.results()).resolve()
        for path in record.heavy(results, time.time() - options.older_than):
            thinned, freed = thinned + 1, freed + path.stat().st_blocks * 512
            if not options.dry_run:
                path.unlink()
    removed = {item.path for item in gone}
    left = [item for item in before if item.path not in removed]
    whole = sum(item.size for item in left)
    over = cache.excess(place, whole, options.cache_size) if place.is_dir() else 0
    told = {
        "removed": [{"path": str(item.path), "bytes": item.size} for item in gone],
        "results": {"files": thinned, "bytes": freed},
        "left": parts(left),
        "bytes": whole,
        "over": 0 if options.dry_run else over,
    }
    if options.json:
        print(json.dumps(told, indent=2))
    else:
        _print(place, gone, left, dry=options.dry_run)
        if thinned:
            print(f"{options.older_than / cache.DAY:.0f} days and older: {thinned} images and disks, {amount(freed)}")
        if told["over"]:
            print(f"{amount(over)} more than it may take: the rest is in use")
    return 0


def parts(found: Sequence[cache.Item]) -> dict[str, dict[str, int]]:
    """What each part of the cache takes."""
    counts, sizes = Counter(item.part for item in found), Counter[str]()
    for item in found:
        sizes[item.part] += item.size
    return {part: {"items": counts[part], "bytes": sizes[part]} for part in cache.REMAKING if counts[part]}


def amount(size: int) -> str:
    """Bytes for people."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def _print(place: Path, gone: Sequence[cache.Item], left: Sequence[cache.Item], *, dry: bool) -> None:
    for item in gone:
        print(f"{'would remove' if dry else 'removed'}  {item.path.relative_to(place)}  {amount(item.size)}")
    total = sum(item.size for item in left)
    print(f"{place}: {amount(total)}{' would be' if dry and gone else ''} left")
    for part, told in parts(left).items():
        print(f"  {part:9}  {told['items']:4}  {amount(told['bytes'])}")
