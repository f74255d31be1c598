from collections.abc import Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.console import Crash, Follower, find_crashes
from harness.console.rules import MARKS, RULES
from harness.console.scan import _with_re, marks_in
from tests.console.schema import check

PARTS = sorted({line.encode() for rule in RULES for line in rule.example.splitlines()})
PREFIXES = [
    b"",
    b"[   12.345678] ",
    b"[   12.345678][  T71] ",
    b"[   12.345679][    C0] ",
    b"<4>",
    b"> : ",
    b"\x1b[31m",
]
LINES = st.one_of(
    st.sampled_from(PARTS),
    st.sampled_from([b"", b"---[ end trace 0000000000000000 ]---", b"Kernel panic - not syncing: Fatal exception"]),
    st.builds(
        lambda line, tail, times: line + tail * times,
        st.sampled_from(PARTS),
        st.binary(max_size=9),
        st.integers(0, 900),
    ),
    st.binary(max_size=60),
)
LOGS = st.lists(st.tuples(st.sampled_from(PREFIXES), LINES, st.sampled_from([b"\n", b"\r\n", b""])), max_size=60).map(
    lambda lines: b"".join(part for line in lines for part in line)
)


def followed(pieces: Sequence[bytes]) -> list[tuple[bool, Crash]]:
    """Everything that is told of a stream, in order."""
    follower = Follower(notices=True)
    events = [event for piece in pieces for event in follower.feed(piece)] + follower.finish()
    return [(event.complete, event.crash) for event in events]


@settings(deadline=None)
@given(st.binary(max_size=4000))
@example(b"BUG:")
@example(b"\n" * 10 + b"INFO: rcu_")
def test_no_bytes_make_it_fail(data: bytes) -> None:
    for crash in find_crashes(data, notices=True):
        check(crash.to_json(), data.count(b"\n") + 1)


@settings(deadline=None)
@given(LOGS)
def test_what_it_finds_fits_its_schema(data: bytes) -> None:
    for crash in find_crashes(data, notices=True):
        check(crash.to_json(), data.count(b"\n") + 1)


@settings(deadline=None)
@given(LOGS, st.data())
def test_what_it_tells_does_not_depend_on_the_pieces(data: bytes, draw: st.DataObject) -> None:
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=12)))
    pieces = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    assert followed(pieces) == followed([data])


@given(st.binary(min_size=1, max_size=30), st.integers(3000, 12000), st.integers(1, 5000))
@settings(max_examples=25, deadline=None)
def test_long_lines_do_not_depend_on_the_pieces_either(noise: bytes, length: int, size: int) -> None:
    data = noise.replace(b"\n", b"") * (length // len(noise)) + PARTS[0] + b"\n" + RULES[0].example.encode()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert followed(pieces) == followed([data])


@settings(deadline=None)
@given(LOGS)
def test_every_crash_that_began_ends(data: bytes) -> None:
    began: set[int] = set()
    ended: set[int] = set()
    for complete, crash in followed([data]):
        (ended if complete else began).add(crash.start_line)
    assert ended <= began


@given(st.lists(st.one_of(st.sampled_from(MARKS), st.binary(max_size=20)), max_size=40).map(b"".join))
def test_both_ways_of_the_first_pass_see_the_same(block: bytes) -> None:
    assert marks_in(block) == _with_re()(block)


def test_two_crashes_in_one_long_line() -> None:
    """A line that is too long is read in pieces of one number: neither of two crashes in it is the earlier one."""
    first = b"[    1.0][  T71] Alignment trap: not handling instruction e1b32f9f at [<8028bd5c>]"
    data = first + b"\0" * 4096 + b"[    1.0][  T71] BUG kmalloc-64 (Not tainted): Object already free\n"
    for crash in find_crashes(data):
        check(crash.to_json(), 1)
