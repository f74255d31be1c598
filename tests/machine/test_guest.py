"""What the guest makes of a scenario's script: the part of `scenario` that runs it, in a folder in place of `/`."""

import re
import subprocess
from pathlib import Path

import pytest

from harness.paths import GUEST


def words(top: Path, script: str) -> list[str]:
    """What a script has the guest say on the status channel, without the uptime."""
    for name in ("scenario", "run", "dev", "lib/regress"):
        (top / name).mkdir(parents=True, exist_ok=True)
    (top / "scenario" / "run.sh").write_text(script)
    (top / "lib/regress/run").write_text(". ./run.sh\n")
    own = (GUEST / "scenario").read_text()
    runs = own[own.index("status up") : own.index("sync\n")]
    # A file, unlike a serial port, forgets what was written before.
    text = (GUEST / "lib.sh").read_text().replace('>"$STATUS"', '>>"$STATUS"') + runs
    for name in (
        "dev/ttyS1",
        "scenario",
        "run/",
        "lib/regress/run",
        "lib/regress/repeat",
        "lib/regress/kselftest",
        "sys/kernel/debug",
    ):
        text = re.sub(rf"(?<![\w.])/{name}", f"{top}/{name}", text)
    status = top / "dev/ttyS1"
    # For a reproducer it is unlinked; this file stays open.
    with status.open("a+") as said:
        subprocess.run(["busybox", "sh", "-c", text], check=True, capture_output=True, timeout=60)
        said.seek(0)
        lines = [line.rstrip("\n").split(" ", 3) for line in said]
    return [" ".join((mark, *rest)) for _, mark, _, *rest in lines]


@pytest.mark.parametrize(
    "script",
    ["true", "false", "no-such-program", "exit 0", "exit 7", "if true; then", 'echo "$UNSET"', "cd /no/folder"],
)
def test_a_script_that_ends_without_a_word_has_gone_wrong(tmp_path: Path, script: str) -> None:
    up, word = words(tmp_path, f"{script}\n")
    assert up.split() == ["up"]
    assert word.startswith("error the script ended with status ")


@pytest.mark.parametrize(
    ("script", "word"),
    [
        ("pass 3 reads", "passed 3 reads"),
        ("fail no data", "failed no data"),
        ("skip too old", "skipped too old"),
        ("equal reads 1 2", "failed reads: 1, not 2"),
        ("false || fail it is false", "failed it is false"),
        ("dd() { return 1; }\ndirect_write no-such-device 1", "failed 1 blocks cannot be written to no-such-device"),
    ],
)
def test_a_word_is_taken_as_it_is(tmp_path: Path, script: str, word: str) -> None:
    assert words(tmp_path, f"{script}\n")[1:] == [word]


def reproduced(top: Path, program: str, repeat: str) -> list[str]:
    """What is said of a program that is a reproducer."""
    (top / "repeat").write_text(repeat)
    (top / "repro").write_text(f"#!/bin/sh\n{program}\n")
    script = f"cp {top}/repro .; chmod +x repro; cp {top}/repeat {top}/lib/regress/; reproduce ./repro"
    return words(top, f'{script}\npass "$REPRODUCED"\n')


@pytest.mark.parametrize(
    ("program", "repeat", "said"),
    [
        ("exit 3", "TIMES=1\nFOR=20\nPROCS=1\n", "ran 1 times, 1 at a time, without a crash; 1 ended by themselves"),
        ("exit 3", "TIMES=1\nFOR=20\nPROCS=1\n", "by themselves, the last with exit status 3"),
        ("exit 0", "TIMES=7\nFOR=20\nPROCS=3\n", "ran 7 times, 3 at a time, without a crash; 7 ended"),
        ("sleep 100", "TIMES=\nFOR=1\nPROCS=2\n", "ran 2 times, 2 at a time, without a crash; 0 ended by themselves"),
        ("kill -9 $$", "TIMES=1\nFOR=20\nPROCS=1\n", "the last with exit status 137"),
        ("yes", "TIMES=1\nFOR=1\nPROCS=1\n", "ran 1 times, 1 at a time, without a crash; 0 ended by themselves"),
    ],
)
def test_a_reproducer_passes_whatever_it_does(tmp_path: Path, program: str, repeat: str, said: str) -> None:
    *_, step, word = reproduced(tmp_path, program, repeat)
    assert step == "step reproduce repro"
    assert word.startswith("passed repro ran ")
    assert said in word


def test_nothing_of_a_reproducer_is_left(tmp_path: Path) -> None:
    mark = f"{tmp_path}/mark"
    reproduced(tmp_path, f"sh -c 'while :; do sleep 0.1; done' {mark} &\nwait", "TIMES=1\nFOR=1\nPROCS=1\n")
    told = subprocess.run(["pgrep", "-f", mark], capture_output=True, text=True, check=False)
    assert told.stdout == ""


def test_what_cannot_be_run_is_an_error(tmp_path: Path) -> None:
    *_, word = words(tmp_path, "reproduce ./nothing\n")
    assert word == "error ./nothing is not there, or is no program"


def test_a_reproducer_cannot_speak_for_the_scenario(tmp_path: Path) -> None:
    """It finds no status port to write to; what it writes there is a file that nobody reads."""
    program = f"echo 'regress: passed 1.0 forged' >>{tmp_path}/dev/ttyS1"
    said = reproduced(tmp_path, program, "TIMES=1\nFOR=20\nPROCS=1\n")
    assert "forged" not in " ".join(said)


@pytest.mark.parametrize("value", [8, 130_560, 0x0102_0304_0506])
def test_a_superblock_is_read_as_little_endian_on_every_machine(tmp_path: Path, value: int) -> None:
    (tmp_path / "disk").write_bytes(b"integrt\0" + bytes(8) + value.to_bytes(8, "little") + bytes(4072))
    # od takes whole words as the machine has them: here as one of IBM's does.
    script = """
        dd() { cat "${1#if=}"; }
        od() { case "$*" in *"-t u1"*) busybox od "$@" ;; *) echo 17 ;; esac; }
        dmsetup() { [ "$1" = mknodes ] || pass "$*"; }
    """
    told = words(tmp_path, f"{script}\ndm_integrity_open {tmp_path}/disk name target\n")[-1]
    assert told == f"passed create name --table 0 {value} target"


def test_the_results_of_kunit_go_to_the_host_as_they_are(tmp_path: Path) -> None:
    for suite, results in (("sort", "KTAP version 1\n1..1\n    ok 1 small\nok 1 sort\n"), ("other", "ok 1 other\n")):
        (tmp_path / "sys/kernel/debug/kunit" / suite).mkdir(parents=True)
        (tmp_path / "sys/kernel/debug/kunit" / suite / "results").write_text(results)
    said = words(tmp_path, "kunit 's*'\npass done\n")
    assert said[1:] == [
        "step kunit s*",
        *("ktap KTAP version 1", "ktap 1..1", "ktap     ok 1 small", "ktap ok 1 sort"),
        "passed done",
    ]


@pytest.mark.parametrize(
    ("there", "word"),
    [((), "this kernel keeps no results of KUnit"), (("other",), r"no KUnit suite sort has run: is it built in\?")],
)
def test_a_suite_that_is_not_there_is_no_suite_that_passed(tmp_path: Path, there: tuple[str, ...], word: str) -> None:
    for suite in there:
        (tmp_path / "sys/kernel/debug/kunit" / suite).mkdir(parents=True)
    last = words(tmp_path, "mount() { :; }\nkunit sort\npass done\n")[-1]
    assert re.match(f"skipped {word}", last)


SCRIPTS = {
    "nested": "echo 'TAP version 13'; echo '1..2'; echo 'ok 1 a'; echo 'not ok 2 b'; printf '# no end'; exit 1",
    "plain": "echo '[PASS]'",
    "skips": "exit 4",
    "endless": "echo begun; sleep 100",
    "daemon": "sleep 1000 & echo left",
    "killed": "kill -11 $$",
    "reads": "cat; pwd",
}


def test_selftests_are_judged_by_their_exit_status(tmp_path: Path) -> None:
    top = tmp_path / "lib/regress/kselftest"
    (top / "toy/deep").mkdir(parents=True)
    for name, text in SCRIPTS.items():
        (top / "toy" / name).write_text(f"#!/bin/sh\n{text}\n")
        (top / "toy" / name).chmod(0o755)
    (top / "toy/deep/perl").write_text("#!/usr/bin/env no-such-perl\n")
    (top / "toy/settings").write_text("# comment\ntimeout=2\n")
    listed = [*(f"toy:{name}" for name in SCRIPTS), "toy/deep:perl", "toy:gone it does not build: a.c:1: error: x"]
    (top / "list").write_text("".join(f"{line}\n" for line in listed))
    said = words(tmp_path, "kselftest\npass done\n")
    assert said[-1] == "passed done"
    results = [line.removeprefix("ktap ") for line in said if line.startswith("ktap ")]
    assert results[:2] == ["KTAP version 1", "1..9"]
    assert [line for line in results[2:] if not line.startswith("# ")] == [
        "not ok 1 selftests: toy: nested # exit=1",
        "ok 2 selftests: toy: plain",
        "ok 3 selftests: toy: skips # SKIP",
        "not ok 4 selftests: toy: endless # TIMEOUT 2 s",
        "ok 5 selftests: toy: daemon",
        "not ok 6 selftests: toy: killed # exit=139",
        "ok 7 selftests: toy: reads",
        "ok 8 selftests: toy/deep: perl # SKIP it needs no-such-perl, which the guest does not have: a rootfs may",
        "ok 9 selftests: toy: gone # SKIP it does not build: a.c:1: error: x",
    ]
    assert results[2:8] == [
        *("# TAP version 13", "# 1..2", "# ok 1 a", "# not ok 2 b", "# # no end"),
        "not ok 1 selftests: toy: nested # exit=1",
    ]
    assert f"# {top}/toy" in results
    assert "step kselftest toy:plain" in said


BLKTESTS = """\
block/001 (stress device hotplugging)
    runtime  1.0s  ...
block/001 (stress device hotplugging)                        [passed]
    runtime  1.0s  ...  1.2s
block/002 (remove a device while running blktrace)           [not run]
    CONFIG_BLK_DEV_IO_TRACE is not set
    blktrace is not there
block/003 => sda (trim)                                      [failed]
    runtime    ...  0.3s
    --- tests/block/003.out     2026-01-01
    +++ results/sda/block/003.out.bad
    @@ -1,2 +1,2 @@
     Running block/003
    -Test complete
    +BUG: nothing
block/004 => sdb (flush)                                     [failed]
    exited with status 1
nvme/***                                                     [not run]
"""
XFSTESTS = """\
FSTYP         -- ext4
PLATFORM      -- Linux/x86_64 guest 6.1.0

generic/001 5s ...  6s
generic/003       [not run] atime related mount options have no effect
generic/004 3s ... [failed, exit status 1]- output mismatch (see /x/generic/004.out.bad)
    --- tests/generic/004.out
generic/011 4s ...ino168268480 fh-1: Truncate on released file
 4s
generic/012 2s ... 2s
_check_dmesg: something found in dmesg (see /x/generic/012.dmesg)

Ran: generic/001 generic/004 generic/011 generic/012
Not run: generic/003
Failures: generic/004 generic/012
Failed 2 of 4 tests
"""


def of_suite(top: Path, suite: str, printed: str, *, program: bool = True) -> list[str]:
    """What is said of a suite whose program `check` prints this."""
    (top / "suite").mkdir()
    (top / "printed").write_text(printed)
    if program:
        (top / "suite/check").write_text(f"#!/bin/sh\n[ \"$*\" = 'a b' ] && cat {top}/printed\nexit 1\n")
        (top / "suite/check").chmod(0o755)
    return words(top, f"{suite} {top}/suite a b\npass done\n")[1:]


def test_the_results_of_blktests(tmp_path: Path) -> None:
    said = of_suite(tmp_path, "blktests", BLKTESTS)
    assert said == [
        f"step check {tmp_path}/suite a b",
        "ktap KTAP version 1",
        "ktap ok 1 block/001",
        "ktap ok 2 block/002 # SKIP CONFIG_BLK_DEV_IO_TRACE is not set",
        "ktap # its output differs: -Test complete",
        "ktap not ok 3 block/003.sda",
        "ktap # exited with status 1",
        "ktap not ok 4 block/004.sdb",
        "ktap ok 5 nvme/*** # SKIP ",
        "ktap 1..5",
        "passed done",
    ]


def test_the_results_of_xfstests(tmp_path: Path) -> None:
    said = of_suite(tmp_path, "xfstests", XFSTESTS)
    assert said[1:] == [
        *("ktap KTAP version 1", "ktap 1..5", "ktap ok 1 generic/001"),
        "ktap # [failed, exit status 1]- output mismatch (see /x/generic/004.out.bad)",
        *("ktap not ok 2 generic/004", "ktap ok 3 generic/011", "ktap not ok 4 generic/012"),
        "ktap ok 5 generic/003 # SKIP atime related mount options have no effect",
        "passed done",
    ]


@pytest.mark.parametrize("suite", ["blktests", "xfstests"])
def test_a_suite_without_results_is_an_error(tmp_path: Path, suite: str) -> None:
    last = of_suite(tmp_path, suite, "generic/001 5s ...\nblock/001 (x)\n./check: line 3: killed\n")[-1]
    assert last == "error no test of the suite has a result: ./check: line 3: killed"


def test_a_suite_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    last = of_suite(tmp_path, "blktests", "", program=False)[-1]
    assert last == f"error {tmp_path}/suite/check: no such program: expected a built checkout of the suite"
