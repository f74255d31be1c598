"""Changes that are made to hurt: real files of a kernel, changed so that a wrong rule shows in the image.

Each commit changes something that would be in the image if it were compiled: a string in a section that is loaded.
"""

from __future__ import annotations

import posixpath
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from harness.kernel.inputs import MAKEFILE, Inputs

Files = Mapping[str, str | None]
"""Texts by path; None for a file that goes, and `-> PATH` for a symbolic link."""


def marked(path: str, text: str, number: int) -> str:
    """A file with something more that would be in the image."""
    words = f'.pushsection .rodata; .asciz "regress mark {number}"; .popsection'
    if path.endswith((".c", ".h")):
        line = words.replace('"', '\\"')
        return f'{text}\n#ifndef __ASSEMBLY__\n__asm__("{line}");\n#endif\n'
    if path.endswith(".S"):
        return f"{text}\n{words}\n"
    if MAKEFILE.search(path):
        return f"{text}\nobj-y += regress_mark_{number}.o\n"
    return f"{text}\n# regress mark {number}\n"


@dataclass
class Hurts:
    """Makes the commits.

    Args:
        read: what the build of the first commit read.
        files: the paths of its files.
        text: the text of one.
        chance: decides where.
    """

    read: Inputs
    files: frozenset[str]
    text: Callable[[str], str]
    chance: random.Random

    def __post_init__(self) -> None:
        self.number = 0
        self.now: dict[str, str | None] = {}
        unread = sorted(
            path for path in self.files - self.read.files.keys() if not path.startswith(("scripts/", "tools/"))
        )
        self._unread = [path for path in unread if path.endswith((".c", ".h"))]
        # Those of few objects, of parts that are not linked in ways of their own.
        self._leaves = sorted(
            path
            for path, count in self.read.files.items()
            if count == 1 and path.endswith(".c") and re.match(r"(?:lib|block|fs|mm|crypto|drivers)/", path)
        )

    def _pick(self, pattern: str) -> str:
        return self.chance.choice([path for path in self._unread if re.search(pattern, path) and path not in self.now])

    def _mark(self, path: str) -> str:
        self.number += 1
        return marked(path, self.now.get(path) or (self.text(path) if path in self.files else ""), self.number)

    def commits(self, rounds: int) -> Iterator[tuple[str, Files]]:
        """Commits in order: what each is, and what it writes; each kind so many times, in different places."""
        for _ in range(rounds):
            for what, files in self._some():
                self.now.update(files)
                yield what, files
        kconfigs = sorted(path for path in self.files - self.read.files.keys() if re.search(r"(?:^|/)Kconfig", path))
        for path in self.chance.sample(kconfigs, min(rounds, len(kconfigs))):
            self.number += 1
            # The configuration is in the image then.
            option = f"config REGRESS_MARK_{self.number}\n\tdef_bool y\n\tselect IKCONFIG\n"
            yield "a Kconfig file that is not read", {path: f"{self.text(path)}\n{option}"}

    def _some(self) -> Iterator[tuple[str, Files]]:
        pick, mark = self._pick, self._mark
        built = "|".join(map(re.escape, sorted(self.read.folders - {""})))
        for what, pattern in {
            "a driver": r"^drivers/net/.*\.c$",
            "a header of a driver": r"^drivers/.*\.h$",
            "a file system": r"^fs/.*\.c$",
            "a source beside others that are read": rf"^(?:{built})/[^/]*\.c$",
            "a header in include/": r"^include/linux/.*\.h$",
            "a header of the user's interface": r"^include/uapi/linux/.*\.h$",
            "a generic header": r"^include/asm-generic/.*\.h$",
            "a header of this architecture": r"^arch/x86/include/asm/.*\.h$",
            "a part of this architecture": r"^arch/x86/(?:kvm|xen|events|crypto)/.*\.c$",
            "a header of another architecture": r"^arch/(?:arm64|powerpc)/include/asm/.*\.h$",
            "a source of another architecture": r"^arch/(?:arm64|s390|um)/.*\.c$",
        }.items():
            path = pick(pattern)
            yield what, {path: mark(path)}
        path = pick(r"^(?:drivers|net|sound)/.*\.c$")
        yield "a driver that is renamed", {path: None, path.replace(".c", "_renamed.c"): mark(path)}
        path = pick(r"^drivers/.*\.h$")
        yield "a header that goes", {path: None}
        path = pick(r"^include/(?:media|sound|drm)/.*\.h$")
        yield "a header in include/ that goes", {path: None}
        folder = posixpath.dirname(self.chance.choice(self._leaves))
        self.number += 1
        new = f"{folder}/regress_new_{self.number}"
        yield "a new source where the build works", {f"{new}.c": mark(f"{new}.c")}
        yield "a new header where the build works", {f"{new}.h": mark(f"{new}.h")}
        yield (
            "a header with a name that is asked for, elsewhere",
            {f"{posixpath.dirname(pick(r'^drivers/media/.*'))}/list.h": mark("list.h")},
        )
        yield "an assembly source beside a driver", {path.replace(".h", ".S"): mark("x.S")}
        for what, name in {
            "a Makefile that is not read": "Makefile",
            "a Kbuild file beside a Makefile that is not read": "Kbuild",
        }.items():
            place = posixpath.dirname(pick(r"^(?:drivers/(?:infiniband|staging)|sound/soc)/.*\.c$"))
            yield what, {f"{place}/{name}": mark(f"{place}/{name}")}
        yield "documentation", {f"Documentation/regress-{self.number}.rst": mark("x.rst")}
        yield "a tool", {f"tools/perf/regress_{self.number}.c": mark("x.c")}
        yield "a device tree", {f"arch/arm64/boot/dts/regress-{self.number}.dts": mark("x.dts")}
        yield "a Rust source", {f"rust/kernel/regress_{self.number}.rs": mark("x.rs")}
        yield "a configuration", {f"kernel/configs/regress-{self.number}.config": "CONFIG_IKHEADERS=y\n"}
        several = {one: mark(one) for one in {pick(r"^drivers/gpu/.*\.[ch]$") for _ in range(40)}}
        yield "many drivers at once", several
        yield from self._counting(folder)

    def _counting(self, folder: str) -> Iterator[tuple[str, Files]]:
        """Changes of which some alter the image, in an order in which one opens the door to the next."""
        mark = self._mark
        leaf = self.chance.choice([path for path in self._leaves if path not in self.now])
        here = posixpath.dirname(leaf)
        self.number += 1
        header = f"{here}/regress_{self.number}.h"
        yield "a header that nothing asks for yet", {header: ""}
        before = self.text(leaf)
        yield "a source that asks for it", {leaf: f'{before}\n#include "{posixpath.basename(header)}"\n'}
        yield "the header, while it is read", {header: mark(header)}
        yield "the source that no longer asks for it", {leaf: before}
        yield "the header, when it is no longer read", {header: mark(header)}
        table = f"{folder}/regress_{self.number}.txt"
        yield "a table where the build works", {table: "x\n"}
        yield "a symbolic link", {f"Documentation/regress-{self.number}": "-> ../MAINTAINERS"}
        yield "a script", {f"scripts/regress_{self.number}.sh": "true\n"}
