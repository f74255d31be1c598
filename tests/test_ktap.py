"""The results of KUnit and kselftest, in the forms that they have had."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import ktap
from harness.ktap import Subtest
from harness.model import Outcome

KUNIT = """\
KTAP version 1
1..1
    KTAP version 1
    # Subtest: list_sort
    # module: test_list_sort
    1..3
    ok 1 list_sort_test
    # list_sort_empty: EXPECTATION FAILED at lib/test_list_sort.c:55
    Expected a == b, but
        a == 1
        b == 2
    not ok 2 list_sort_empty
    ok 3 list_sort_big # SKIP needs 4 GiB
# list_sort: pass:1 fail:1 skip:1 total:3
not ok 1 list_sort
"""

OLD_KUNIT = """\
    # Subtest: list_sort
    1..1
    ok 1 - list_sort_test
ok 2 - list_sort
"""

PARAMETERS = """\
    # Subtest: inode_test
    1..1
        # Subtest: xtimestamp
        ok 1 1901-12-13 Lower bound
        not ok 2 2038 Upper bound
    not ok 1 xtimestamp
not ok 1 inode_test
"""

KSELFTEST = """\
TAP version 13
1..4
# timeout set to 45
# selftests: timers: posix_timers
# TAP version 13
# 1..2
# ok 1 check_itimer
# # [RUN]	clock went backwards
# not ok 2 check_timer_create
# # Totals: pass:1 fail:1 xfail:0 xpass:0 skip:0 error:0
not ok 1 selftests: timers: posix_timers # exit=1
# selftests: timers: raw_skew
# Estimating clock drift: [OK]
ok 2 selftests: timers: raw_skew
not ok 3 selftests: timers: nsleep-lat # TIMEOUT 45 seconds
ok 4 selftests: timers: rtcpie # SKIP
"""


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            KUNIT,
            [
                Subtest("list_sort.list_sort_test", "passed"),
                Subtest(
                    "list_sort.list_sort_empty",
                    "failed",
                    "list_sort_empty: EXPECTATION FAILED at lib/test_list_sort.c:55",
                ),
                Subtest("list_sort.list_sort_big", "skipped", "needs 4 GiB"),
            ],
        ),
        (OLD_KUNIT, [Subtest("list_sort.list_sort_test", "passed")]),
        (
            PARAMETERS,
            [
                Subtest("inode_test.xtimestamp.1901-12-13 Lower bound", "passed"),
                Subtest("inode_test.xtimestamp.2038 Upper bound", "failed"),
            ],
        ),
        (
            KSELFTEST,
            [
                Subtest("timers.posix_timers.check_itimer", "passed"),
                Subtest("timers.posix_timers.check_timer_create", "failed", "[RUN] clock went backwards"),
                Subtest("timers.raw_skew", "passed"),
                Subtest("timers.nsleep-lat", "lost", "45 seconds, it took too long"),
                Subtest("timers.rtcpie", "skipped"),
            ],
        ),
        ("not ok 1 suite # TODO later\n", [Subtest("suite", "skipped", "later")]),
        (
            "ok 1 # SKIP CLOCK_TAI\nok 2 # SKIP\n",
            [Subtest("CLOCK_TAI", "skipped", "CLOCK_TAI"), Subtest("unnamed", "skipped")],
        ),
        (
            "    # Subtest: a\n    1..2\n    ok 1 x\n    ok 2 y\nnot ok 1 a\n",
            [*(Subtest(f"a.{n}", "passed") for n in "xy"), Subtest("a", "failed")],
        ),
        (
            "1..1\nBail out! no device\n",
            [Subtest("bail out", "failed", "no device"), Subtest("missing", "lost", "1 of 1 have no result")],
        ),
    ],
)
def test_what_is_read(text: str, wanted: list[Subtest]) -> None:
    assert list(ktap.subtests(text.splitlines())) == wanted


@pytest.mark.parametrize("cut", range(2, len(KUNIT.splitlines())))
def test_a_report_that_is_cut_is_never_one_that_passed(cut: int) -> None:
    lines = KUNIT.replace("not ok", "ok").splitlines()[:cut]
    assert ktap.outcome(ktap.subtests(lines))[0] is Outcome.ERROR, lines


@pytest.mark.parametrize(
    ("text", "globs", "outcome", "reason"),
    [
        (KUNIT, (), Outcome.FAILED, "1 of 3 tests failed: list_sort.list_sort_empty"),
        (KUNIT, ("list_sort.list_sort_test",), Outcome.PASSED, "1 of 1 tests passed"),
        (
            KUNIT,
            ("*_empty", "*_gone"),
            Outcome.SKIPPED,
            r"no test \*_gone has run; there are list_sort",
        ),
        (KUNIT, ("*_big",), Outcome.SKIPPED, "all 1 tests were skipped: needs 4 GiB"),
        (KSELFTEST, ("*nsleep*",), Outcome.ERROR, "1 of 1 tests were lost: timers.nsleep-lat"),
        (KSELFTEST, ("*raw_skew", "*rtcpie"), Outcome.PASSED, "1 of 2 tests passed, 1 were skipped"),
        ("", (), Outcome.SKIPPED, r"no test \* has run$"),
    ],
)
def test_how_a_trial_ends(text: str, globs: tuple[str, ...], outcome: Outcome, reason: str) -> None:
    got, why = ktap.outcome(ktap.subtests(text.splitlines()), globs)
    assert got is outcome
    assert re.match(reason, why), why


@given(
    st.lists(
        st.sampled_from([*KUNIT.splitlines(), *KSELFTEST.splitlines(), *PARAMETERS.splitlines(), "", "ok", "not ok"])
    )
)
def test_any_lines_are_read(lines: list[str]) -> None:
    for one in ktap.subtests(lines):
        assert one.result in (ktap.PASSED, ktap.FAILED, ktap.SKIPPED, ktap.LOST)
        assert one.name
