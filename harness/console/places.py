"""Where the kernel's functions live, as far as it tells whether they are at fault.

`helpers.txt` has those that report, check or serve their caller, `common.txt` those of the core of drivers, file
systems and memory management, which others call.  Both are made by `python -m tests.console.places TREE`.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

HELPER_FILES = re.compile(
    r"""
    # strings, sorting, lists, trees, bits, counters, formatted output, users' memory
    lib/(?:string(?:_helpers)?|strn\w+|vsprintf|kasprintf|kstrtox|hexdump|list_sort|sort|bsearch|llist|klist|rbtree
    |lockref|find_bit\w*|bitmap(?:-str)?|hweight|iomap\w*|crc[\w-]+|uuid|memcat_p|kobject(?:_uevent)?|usercopy
    |atomic64|dec_and_lock)\.c
    # checks and reports
    |lib/(?:list_debug|refcount|ref_tracker|debugobjects|dump_stack|ubsan|dynamic_debug|smp_processor_id
    |fault-inject\w*|bug|nmi_backtrace|stackdepot)\.c|kernel/irq/spurious\.c
    |mm/(?:kasan/|kmsan/|kfence/)\w+\.c|mm/(?:usercopy|kmemleak|page_owner)\.c
    |kernel/(?:kcsan/\w+|panic|stacktrace|cfi)\.c
    # memory
    |mm/(?:slub|slab|slab_common|slob|util|maccess)\.c|mm/slab\.h
    # the same, where a compiler has not inlined them
    |include/linux/(?:list\w*|rculist\w*|refcount|kref|slab|string|fortify-string|uaccess|spinlock\w*|rwlock\w*
    |instrumented|kasan\w*|find)\.h
    |(?:include/asm-generic|arch/\w+/include/asm)/(?:bitops(?:/[\w-]+)?|uaccess[\w-]*)\.h
    # locks
    |kernel/(?:locking/[\w-]+|sched/completion)\.c
    # what an architecture has of these
    |arch/\w+/
    (?:lib/[\w-]+|mm/(?:fault\w*|extable)|kernel/(?:traps\w*|stacktrace|dumpstack\w*))\.[cS]
    """,
    re.VERBOSE,
)
"""Where functions live that report, check or serve, and are not at fault."""
NAMED = {
    "is_dynamic_key",  # a lock's key, which lives in the object that is gone
    "__bad_area_nosemaphore",  # what it does about a wrong address is a cause of crashes of its own
    "qlist_free_all",  # it frees what others have corrupted
}
"""Functions by which syzbot calls crashes, though they live there."""


@cache
def helpers() -> frozenset[str]:
    """Functions that are never at fault, but for those that have patterns of names in `blame`."""
    return _names("helpers.txt")


@cache
def common() -> frozenset[str]:
    """Functions of common code: at fault at times, and at times it is their caller."""
    return _names("common.txt")


def _names(table: str) -> frozenset[str]:
    lines = files(__package__).joinpath(table).read_text().splitlines()
    return frozenset(name for line in lines if not line.startswith("#") for name in line.split())
