"""Symbolizes frames of a call trace to files and lines, with the kernel's own scripts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from harness import process
from harness.errors import UserError

_ARGUMENTS = 200
"""Frames per run of the script."""


def decode(source: Path, frames: Sequence[str]) -> dict[str, list[str]]:
    """The places in the source of some frames.

    Args:
        source: a kernel tree with its built `vmlinux`, the folder of a build out of tree (`O=`), or a `vmlinux` in one,
            of any architecture: binutils reads the debug info of all.
        frames: such as `bio_integrity_process+0xd4/0x128`, of the kernel itself, not of modules.  The place of a call
            is a byte before the address that it returns to: that may be another line, or another function.

    Returns:
        By frame, lines such as `bio_integrity_process at block/bio-integrity.c:171`, the innermost inlined function
        first.  A frame that the image does not have is left out.

    Raises:
        UserError: the image or the tree's `scripts/faddr2line` is missing, or the image has no debug info.
    """
    vmlinux = source / "vmlinux" if source.is_dir() else source
    if not vmlinux.is_file():
        raise UserError(f"{source}: no vmlinux there; build the kernel in that tree, or name its vmlinux")
    # A build out of tree has a link to its source.
    scripts = [vmlinux.parent / folder / "scripts" / "faddr2line" for folder in (".", "source")]
    script = next((path for path in scripts if path.is_file()), None)
    if script is None:
        raise UserError(f"{vmlinux}: no scripts/faddr2line beside it; name the vmlinux in its own kernel tree")
    places: dict[str, list[str]] = {}
    wanted = list(dict.fromkeys(frames))
    for start in range(0, len(wanted), _ARGUMENTS):
        argv = [str(script), str(vmlinux), *wanted[start : start + _ARGUMENTS]]
        done = process.run(argv, cwd=vmlinux.parent, check=False, timeout=300)
        if re.search(r"no debug|missing.*debug|DEBUG_INFO", done.stderr, re.IGNORECASE):
            raise UserError(
                f"{vmlinux}: it has no debug info; build it with CONFIG_DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT=y"
            )
        places.update(_read(done.stdout, set(wanted), f"{vmlinux.parent}/"))
    return places


def _read(text: str, wanted: set[str], tree: str) -> dict[str, list[str]]:
    """Parses the output of the script: a frame with a colon, then its places, one per line."""
    places: dict[str, list[str]] = {}
    frame = None
    for line in text.splitlines():
        if line.rstrip().removesuffix(":") in wanted:
            frame = line.rstrip().removesuffix(":")
        elif frame is not None and " at " in line:
            # `(inlined by)` stands before all but the first; a discriminator tells apart what is on one line.
            place = re.sub(r"\(inlined by\)|\(discriminator \d+\)", "", line).replace(tree, "")
            places.setdefault(frame, []).append(place.strip())
    return places
