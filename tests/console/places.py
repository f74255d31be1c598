"""The tables of functions by where they live: `harness/console/helpers.txt` and `common.txt`.

    python -m tests.console.places TREE...

TREE is a kernel source tree.  Of several, a table has the functions of all, but for those that one kernel defines
elsewhere.  It needs universal-ctags.
"""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.console.blame import CERTAIN
from harness.console.places import HELPER_FILES, NAMED
from harness.kernel.build import kernel_version

TABLES = Path(__file__).parents[2] / "harness" / "console"

COMMON = re.compile(
    r"""
    (?P<whole>drivers/(?:base/[\w-]+|usb/core/(?:urb|message|hcd|driver)|tty/tty_io)|lib/[\w-]+
    |fs/(?:read_write|seq_file|libfs|ioctl|open|file_table|(?:kernfs|sysfs|debugfs|configfs)/\w+|proc/(?:generic|inode))
    |kernel/(?:workqueue|kthread|softirq|smp|notifier|time/(?:timer|hrtimer))|mm/(?:page_alloc|vmalloc)
    |net/(?:socket|core/skbuff)|block/(?:bdev|fops))\.c
    |(?:drivers/(?:i2c/i2c-core-base|char/hw_random/core|tty/tty_(?:port|ldisc)|base/power/[\w-]+)
    |fs/(?:inode|dcache|buffer|super|attr|mpage|xattr|namei|namespace|splice|direct-io|fs-writeback|char_dev)
    |mm/(?:filemap|truncate|readahead|page-writeback|swap|folio-compat|mempool|percpu|mempolicy|highmem|gup|memory|mmap
    |rmap|shmem)
    |kernel/(?:resource|task_work|sched/(?:core|wait|swait)|rcu/(?:tree|update|srcutree))|block/(?:genhd|bio)
    |net/(?:core/(?:sock|dev|dst|datagram|stream|rtnetlink)|netlink/(?:af_netlink|genetlink))
    |crypto/(?:api|algapi|skcipher|ahash|shash|scatterwalk|lskcipher))\.c
    """,
    re.VERBOSE,
)
"""Where common code lives; of the files that are not `whole` only what others can call."""

# What does not run in a kernel, or runs apart from it, and code of these folders of another kind.
ELSEWHERE = re.compile(
    r"arch/(?!(?:x86|arm64|arm|riscv|powerpc|s390|mips|loongarch)/)"  # those that hardly anybody tests
    r"|arch/\w+/(?:boot|um|tools|kvm/hyp|purgatory|vdso|kernel/vdso\w*|entry/vdso)/|drivers/firmware/efi/libstub/"
    r"|(?:tools|samples|scripts|Documentation)/|.*(?:tests?/|(?:test|torture|kunit)[\w-]*\.c)"
    r"|arch/powerpc/lib/(?:crtsavres|sstep|feature|code-patching)|arch/x86/lib/(?:insn|inat)"
)


def definitions(tree: Path) -> Iterator[tuple[str, str, bool]]:
    """Functions, the files that define them, and whether others can call them."""
    command = [
        "ctags",
        "-R",
        "--sort=no",
        "--excmd=number",
        "--languages=C,Asm",
        "--langmap=C:.c.h,Asm:.S",
        "--kinds-C=f",
        "--kinds-Asm=l",
        "-f",
        "-",
    ]
    assembly = r"--regex-Asm=/^SYM_(FUNC|CODE)_(START|ALIAS)\w*\((\w+)/\3/l/"
    with subprocess.Popen(
        [*command, assembly, "."], cwd=tree, stdout=subprocess.PIPE, text=True, errors="replace"
    ) as run:
        assert run.stdout
        for line in run.stdout:
            name, file, rest = line.split("\t", 2)
            if re.fullmatch(r"[a-z_]\w{2,}", name) and not ELSEWHERE.match(file := file.removeprefix("./")):
                yield name, file, "\tfile:" not in rest


@dataclass
class Table:
    """The functions that belong in a table, by folder, and those that a kernel defines elsewhere."""

    folders: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    elsewhere: set[str] = field(default_factory=set)

    def lines(self, kernels: str, without: Iterable[str] = ()) -> Iterator[str]:
        """The table's text, each function once, but for those that a pattern of names has too."""
        yield f"# Made of Linux {kernels} by `python -m tests.console.places TREE...`; do not edit."
        seen = self.elsewhere | set(without)
        for folder, names in sorted(self.folders.items()):
            if fresh := sorted(name for name in names - seen if not CERTAIN.fullmatch(name)):
                yield from (f"# {folder}", *textwrap.wrap(" ".join(fresh), 118, break_on_hyphens=False))
            seen |= names


def add(tree: Path, helpers: Table, common: Table) -> None:
    """Sort the functions of a kernel."""
    for name, file, public in definitions(tree):
        folder = str(Path(file).parent)
        if HELPER_FILES.fullmatch(file):
            helpers.folders[folder].add(name)
        elif not file.endswith(".h"):
            helpers.elsewhere.add(name)
        if (found := COMMON.fullmatch(file)) and (public or found["whole"]):
            common.folders[folder].add(name)
        elif not found and file.endswith(".c"):
            common.elsewhere.add(name)


def main() -> None:
    """Write the tables."""
    helpers, common = Table(elsewhere=set(NAMED)), Table()
    versions = []
    for tree in map(Path, sys.argv[1:]):
        versions.append(kernel_version((tree / "Makefile").read_text()))
        add(tree, helpers, common)
    kernels = ", ".join(versions)
    told = set().union(*helpers.folders.values()) - helpers.elsewhere
    for table, lines in (("helpers.txt", helpers.lines(kernels)), ("common.txt", common.lines(kernels, told))):
        (TABLES / table).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
