"""Logs that were symbolized: by the kernel's own scripts/decode_stacktrace.sh, with places in the source for offsets;
and as syzbot does it, with places beside offsets, and a line more for each function that was inlined.
"""

import re
from pathlib import Path

import pytest

from harness.console import find_crashes
from harness.console.frames import read_frame, read_pointer
from harness.console.lines import read_line

GOLDEN = Path(__file__).parent / "golden"

# As the script prints them: one blank where there were several, and one after the place.
SYMBOLIZED = b"""\
[ 16.822559][ T39] BUG: KASAN: slab-use-after-free in queue_drop (drivers/misc/queue.c:125) \n\
[   16.823436][   T39] Read of size 4 at addr ffff888000d56a40 by task worker/39
[   16.824226][   T39] CPU: 1 UID: 0 PID: 39 Comm: worker Not tainted 6.12.117 #1
[   16.825061][   T39] Call Trace:
[   16.825801][   T39]  <TASK>
[ 16.826341][ T39] dump_stack_lvl (lib/dump_stack.c:126) \n\
[ 16.827186][ T39] ? queue_drop (drivers/misc/queue.c:125) \n\
[ 16.828101][ T39] __asan_report_load4_noabort (mm/kasan/report_generic.c:380) \n\
[ 16.828938][ T39] queue_drop (include/linux/list.h:12 (discriminator 2) drivers/misc/queue.c:125) queue \n\
[ 16.829774][ T39] queue_all (??:?) queue \n\
[ 16.830612][ T39] ksys_write (fs/read_write.c:736) \n\
[   16.831470][   T39]  </TASK>
"""


def test_frames_have_a_place_and_no_offset() -> None:
    (crash,) = find_crashes(SYMBOLIZED)
    assert (crash.title, crash.function) == ("KASAN: slab-use-after-free Read in queue_drop", "queue_drop")
    assert crash.signature == "kasan:queue_drop<queue_all"
    told = [(frame.function, frame.reliable, frame.module, frame.source) for frame in crash.frames]
    assert told == [
        ("dump_stack_lvl", True, None, "lib/dump_stack.c:126"),
        ("queue_drop", False, None, "drivers/misc/queue.c:125"),
        ("__asan_report_load4_noabort", True, None, "mm/kasan/report_generic.c:380"),
        ("queue_drop", True, "queue", "drivers/misc/queue.c:125"),
        ("queue_all", True, "queue", None),
        ("ksys_write", True, None, "fs/read_write.c:736"),
    ]
    assert all(frame.offset is None and frame.size is None and not frame.inlined for frame in crash.frames)


def test_the_instruction_pointer_has_its_place() -> None:
    line = read_line(b"[ 15.657667][ T37] RIP: 0010:queue_drop (drivers/misc/queue.c:265 (discriminator 1)) ", 1)
    pointer = read_pointer(line.text)
    assert pointer is not None
    assert pointer.frame is not None
    assert (pointer.function, pointer.frame.source, pointer.frame.offset) == (
        "queue_drop",
        "drivers/misc/queue.c:265",
        None,
    )


@pytest.mark.parametrize("text", ["see main (of queue.c: 12)", "a ratio (of 3:4)", "f (x:1", "queue_drop (queue.c)"])
def test_what_only_looks_like_a_symbolized_frame_is_left_as_it_is(text: str) -> None:
    assert read_line(text.encode(), 1).text == text
    assert read_frame(text) is None


FRAME = re.compile(rb"(?P<before>.*?)(?P<function>[\w.]+)\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[(?P<module>\w+)\])?\s*")


def by_script(line: bytes) -> bytes:
    """What the script makes of a line: its last word is a frame, or it stays."""
    found = FRAME.fullmatch(line)
    if not found or b" from " in line:
        return line
    module = b"" if found["module"] is None else b" " + found["module"]
    before = b" ".join(found["before"].split()) + b" " * found["before"].endswith(b" ")
    return before + found["function"] + b" (lib/a.h:7 kernel/b.c:12)" + module + b" "


@pytest.mark.parametrize("log", sorted(GOLDEN.glob("*.log")), ids=lambda log: log.stem)
def test_a_symbolized_log_has_the_crashes_of_the_log(log: Path) -> None:
    raw = log.read_bytes()
    symbolized = b"\n".join(map(by_script, raw.split(b"\n")))
    before, after = find_crashes(raw), find_crashes(symbolized)
    for crash, same in zip(before, after, strict=True):
        assert (same.title, same.function, same.signature) == (crash.title, crash.function, crash.signature)
        assert (same.start_line, same.end_line) == (crash.start_line, crash.end_line)
        assert [frame.function for frame in same.frames] == [frame.function for frame in crash.frames]


PLACED = re.compile(rb"(?P<before>.*?)(?P<function>\b[A-Za-z_][\w.]*)(?P<offset>\+0x[0-9a-f]+/0x[0-9a-f]+)(?P<rest>.*)")


def as_syzbot_does(line: bytes) -> list[bytes]:
    """A line with the place of its function, after its copies for two functions that are inlined there."""
    found = PLACED.fullmatch(line.rstrip())
    if not found or b" from " in line or b"last function" in line:
        return [line]
    inlined = [
        found["before"] + name + b" include/linux/a.h:7 [inline]" for name in (b"instrument_it", b"queue_inlined")
    ]
    return [*inlined, found["before"] + found["function"] + found["offset"] + b" drivers/misc/a.c:12" + found["rest"]]


@pytest.mark.parametrize("log", sorted(GOLDEN.glob("*.log")), ids=lambda log: log.stem)
def test_a_log_with_inlined_functions_has_the_crashes_of_the_log(log: Path) -> None:
    raw = log.read_bytes()
    symbolized = b"\n".join(more for line in raw.split(b"\n") for more in as_syzbot_does(line))
    before, after = find_crashes(raw), find_crashes(symbolized)
    for crash, same in zip(before, after, strict=True):
        assert (same.title, same.alt_titles, same.function) == (crash.title, crash.alt_titles, crash.function)
        assert (same.signature, same.corrupted) == (crash.signature, crash.corrupted)
        assert [frame.function for frame in same.frames if not frame.inlined] == [f.function for f in crash.frames]


def test_the_kernels_line_follows_its_copies() -> None:
    (crash,) = find_crashes(b"""\
BUG: KASAN: slab-use-after-free in instrument_atomic_read include/linux/instrumented.h:68 [inline]
BUG: KASAN: slab-use-after-free in queue_get drivers/misc/queue.c:-1 [inline]
BUG: KASAN: slab-use-after-free in queue_drop+0x44/0x90 drivers/misc/queue.c:125
Read of size 4 at addr ffff888000d56a40 by task worker/39
Call Trace:
 <TASK>
 instrument_atomic_read include/linux/instrumented.h:68 [inline]
 queue_get drivers/misc/queue.c:-1 [inline]
 queue_drop+0x44/0x90 drivers/misc/queue.c:125
 queue_all+0x44/0x90 drivers/misc/queue.c:-1
""")
    assert (crash.title, crash.start_line) == ("KASAN: slab-use-after-free Read in queue_drop", 1)
    assert [(frame.function, frame.inlined, frame.source) for frame in crash.frames[1:]] == [
        ("queue_get", True, "drivers/misc/queue.c:-1"),
        ("queue_drop", False, "drivers/misc/queue.c:125"),
        ("queue_all", False, "drivers/misc/queue.c:-1"),
    ]


def test_a_head_that_is_cut_after_its_copies_goes_by_what_is_left() -> None:
    (crash,) = find_crashes(b"""\
BUG: KASAN: slab-use-after-free in queue_get drivers/misc/queue.c:7 [inline]
Read of size 4 at addr ffff888000d56a40 by task worker/39
Call Trace:
 queue_get drivers/misc/queue.c:7 [inline]
 queue_drop+0x44/0x90 drivers/misc/queue.c:125
""")
    assert crash.title == "KASAN: slab-use-after-free Read in queue_get"


def test_older_symbolizers_have_an_own_mark_for_what_was_inlined() -> None:
    (crash,) = find_crashes(b"""\
BUG: KASAN: use-after-free in queue_drop+0x12/0x34 at addr ffff88006c4a5c0c
Read of size 4 by task dd/71
Call Trace:
 [<     inline     >] __dump_stack lib/dump_stack.c:15
 [<ffffffff81234567>] dump_stack+0x12/0x34 lib/dump_stack.c:51
 [<     inline     >] queue_get drivers/misc/queue.c:15
 [<ffffffff81234568>] queue_drop+0x12/0x34 drivers/misc/queue.c:51
""")
    assert crash.title == "KASAN: use-after-free Read in queue_drop"
    assert [frame.function for frame in crash.frames if frame.inlined] == ["__dump_stack", "queue_get"]
