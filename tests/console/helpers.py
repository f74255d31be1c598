"""The table of functions that are never at fault because of where they live: `harness/console/helpers.py`.

    python -m tests.console.helpers TREE...

TREE is a kernel source tree; of several, the table has the functions of all.  It needs universal-ctags.
"""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from harness.console.blame import WORDS
from harness.kernel.build import kernel_version

TABLE = Path(__file__).parents[2] / "harness" / "console" / "helpers.py"

FILES = re.compile(
    r"""
    # strings, sorting, lists, trees, bits, counters, formatted output, users' memory
    lib/(?:string(?:_helpers)?|strn\w+|vsprintf|kasprintf|kstrtox|hexdump|list_sort|sort|bsearch|llist|klist|rbtree
    |xarray|lockref|find_bit\w*|bitmap(?:-str)?|hweight|iomap\w*|crc[\w-]+|uuid|memcat_p|kobject(?:_uevent)?|usercopy
    |atomic64|dec_and_lock)\.c
    # checks and reports
    |lib/(?:list_debug|refcount|ref_tracker|debugobjects|dump_stack|ubsan|dynamic_debug|smp_processor_id
    |fault-inject\w*|bug|nmi_backtrace|stackdepot)\.c
    |mm/(?:kasan/|kmsan/|kfence/)\w+\.c|mm/(?:usercopy|kmemleak|page_owner)\.c
    |kernel/(?:kcsan/\w+|panic|stacktrace)\.c
    # memory
    |mm/(?:slub|slab|slab_common|slob|util|maccess)\.c|mm/slab\.h
    # the same, where a compiler has not inlined them
    |include/linux/(?:list\w*|rculist\w*|refcount|kref|slab|string|fortify-string|uaccess|spinlock\w*|rwlock\w*
    |instrumented|kasan\w*|find)\.h
    # locks
    |kernel/(?:locking/[\w-]+|sched/completion)\.c
    # what an architecture has of these
    |arch/\w+/
    (?:lib/[\w-]+|mm/(?:fault\w*|extable)|kernel/(?:traps\w*|stacktrace|dumpstack\w*))\.[cS]
    """,
    re.VERBOSE,
)
"""Where functions live that report, check or serve, and are not at fault."""

# What does not run in a kernel, or runs apart from it, and code of these folders of another kind.
ELSEWHERE = re.compile(
    r"arch/(?!(?:x86|arm64|arm|riscv|powerpc|s390|mips|loongarch)/)"  # those that hardly anybody tests
    r"|arch/\w+/(?:boot|um|tools|kvm/hyp|purgatory|vdso|kernel/vdso\w*|entry/vdso)/|drivers/firmware/efi/libstub/"
    r"|(?:tools|samples|scripts|Documentation)/|.*(?:test|torture)[\w-]*\.c"
    r"|arch/powerpc/lib/(?:crtsavres|sstep|feature|code-patching)|arch/x86/lib/(?:insn|inat)"
)
# Names by which syzbot calls crashes, though they live there.
NAMED = {
    "is_dynamic_key",  # a lock's key, which lives in the object that is gone
    "__bad_area_nosemaphore",  # what it does about a wrong address is a cause of crashes of its own
    "qlist_free_all",  # it frees what others have corrupted
    "xa_destroy",  # the owner has not set it up
}


def definitions(tree: Path) -> Iterator[tuple[str, str]]:
    """Functions, and the files that define them."""
    command = ["ctags", "-R", "--languages=C,Asm", "--langmap=C:.c.h,Asm:.S", "--kinds-C=f", "--kinds-Asm=l", "-f", "-"]
    assembly = r"--regex-Asm=/^SYM_(FUNC|CODE)_(START|ALIAS)\w*\((\w+)/\3/l/"
    with subprocess.Popen(
        [*command, assembly, "."], cwd=tree, stdout=subprocess.PIPE, text=True, errors="replace"
    ) as run:
        assert run.stdout
        for line in run.stdout:
            name, file, _ = line.split("\t", 2)
            yield name, file.removeprefix("./")


def helpers(tree: Path) -> dict[str, set[str]]:
    """The functions of the table, by folder: those that are defined there alone, and that no pattern of names has."""
    here: dict[str, set[str]] = defaultdict(set)
    elsewhere: set[str] = set()
    for name, file in definitions(tree):
        if ELSEWHERE.match(file) or not re.fullmatch(r"[a-z_]\w{2,}", name) or WORDS.fullmatch(name):
            continue
        if FILES.fullmatch(file):
            here[str(Path(file).parent)].add(name)
        elif not file.endswith(".h"):
            elsewhere.add(name)
    return {folder: names - elsewhere - NAMED for folder, names in here.items()}


def main() -> None:
    """Write the table."""
    found: dict[str, set[str]] = defaultdict(set)
    seen: set[str] = set()
    versions = []
    for tree in map(Path, sys.argv[1:]):
        versions.append(kernel_version((tree / "Makefile").read_text()))
        for folder, names in sorted(helpers(tree).items()):
            found[folder] |= names - seen
            seen |= names
    wrap = textwrap.TextWrapper(width=118, break_long_words=False, break_on_hyphens=False)
    lines = [
        line
        for folder in sorted(found)
        if found[folder]
        for line in [f"# {folder}", *wrap.wrap(" ".join(sorted(found[folder])))]
    ]
    TABLE.write_text(HEAD.format(versions=", ".join(versions)) + "\n".join(lines) + TAIL)


HEAD = '''\
"""Functions that are never at fault because of where they live: they report, check or serve their caller.

Made of Linux {versions} by `python -m tests.console.helpers TREE`; do not edit.
"""

from __future__ import annotations

_TABLE = """\\
'''
TAIL = '''
"""

FUNCTIONS = frozenset(
    name for line in _TABLE.splitlines() if not line.startswith("#") for name in line.split()
)
"""Their names; those that `blame.WORDS` has are left out."""
'''

if __name__ == "__main__":
    main()
