"""Which options a kernel needs to be able to run a function: from the file that defines it and the makefiles above.

A makefile adds an object by `obj-$(CONFIG_X) += name.o`, or to an object made of several by
`part-$(CONFIG_X) += name.o` or `part-objs := name.o`, and a folder by `obj-$(CONFIG_X) += name/` (the kernel's
Documentation/kbuild/makefiles.rst).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator

from harness.console import Expectation
from harness.console.blame import points

_LINE = re.compile(r"^([\w.-]+?)-(?:\$\(CONFIG_(\w+)\)|(?:y|m|objs))\s*[:+]?=(.*)$", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z_]\w*")


def functions(expected: Expectation) -> list[str]:
    """The functions that an expected crash names, without those that report, lock, allocate or hand out work.

    Only whole names count: `dm_crypt_*` may be any of many.
    """
    place = (expected.title or "").rpartition(" in ")[2].partition("/")[0].strip()
    signature = (expected.signature or "").partition(":")[2].split("<")
    named = (place, *signature, expected.workqueue or "", expected.frames or "")
    whole = (name for name in named if _NAME.fullmatch(name) and points(name))
    return list(dict.fromkeys(whole))


def options(path: str, makefile: Callable[[str], str]) -> list[str]:
    """The options, without `CONFIG_`, that all have to be on for a file to be compiled, as far as makefiles tell.

    Args:
        path: a C file of the tree.
        makefile: returns the text of a folder's makefile, "" where there is none.
    """
    folder, name = posixpath.split(path)
    found = list(_adding(makefile(folder), f"{name.removesuffix('.c')}.o"))
    while folder:
        folder, name = posixpath.split(folder)
        found += _adding(makefile(folder), f"{name}/")
    return list(dict.fromkeys(found))


def _adding(text: str, target: str) -> Iterator[str]:
    """The options under which a makefile adds something; none where it always does, or does so in several ways."""
    lines = [found for found in _LINE.finditer(text.replace("\\\n", " ")) if target in found[3].split()]
    ways = {found[2] for found in lines}
    if len(ways) != 1:
        return
    [line] = lines[:1]
    if line[2]:
        yield line[2]
    if line[1] not in ("obj", "lib") and f"{line[1]}.o" != target:
        yield from _adding(text, f"{line[1]}.o")
