import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.console import find_crashes
from harness.errors import UserError
from harness.kernel.symbolize import decode
from harness.paths import cache
from harness.process import run
from tests.support import ROOT

GOLDEN = Path(__file__).parent / "golden"
BAD, GOOD = GOLDEN / "x86_64-6.1-replay-bad.log", GOLDEN / "x86_64-6.1-replay-good.log"
# Of the trees that the program keeps; tests have a cache of their own.
SCRIPTS = sorted((cache() / "worktrees").glob("*/scripts/faddr2line"))
Regress = Callable[..., subprocess.CompletedProcess[str]]


def test_one_document_a_file_whatever_happens(regress: Regress, tmp_path: Path) -> None:
    done = regress("oops", "--json", str(BAD), str(tmp_path / "none"), str(GOOD))
    assert done.returncode == 2
    bad, none, good = map(json.loads, done.stdout.splitlines())
    assert [crash["function"] for crash in bad["crashes"]] == ["bio_integrity_process"]
    assert (none["crashes"], none["error"]) == ([], "No such file or directory")
    assert "none: No such file" in done.stderr
    assert good == {"file": str(GOOD), "crashes": []}


def test_crashes_are_no_failure(regress: Regress) -> None:
    done = regress("oops", str(BAD), str(GOOD))
    assert done.returncode == 0
    assert "x86_64-6.1-replay-bad.log: 1 crash" in done.stdout
    assert "bio_integrity_process, which called a NULL pointer" in done.stdout
    assert "running work bio_integrity_verify_fn" in done.stdout
    assert "x86_64-6.1-replay-good.log: no crash" in done.stdout


def test_crashes_of_one_signature_are_shown_once(regress: Regress, tmp_path: Path) -> None:
    log = tmp_path / "log"
    oops = (
        "[{0}.5] WARNING: CPU: {1} PID: 7{0} at fs/x.c:71 queue_drop+0x17/0x40\n"
        "[{0}.5] CPU: {1} PID: 7{0} Comm: dd Not tainted 6.1.0 #1\n[{0}.5] Call Trace:\n[{0}.5]  queue_all+0x20/0x30\n"
        "[{0}.5] ---[ end trace 0000000000000000 ]---\n"
    )
    log.write_text("".join(oops.format(number, number % 2) for number in range(1, 13)))
    done = regress("oops", str(log))
    assert f"{log}: 12 crashes\n" in done.stdout
    assert done.stdout.count("\nWARNING in queue_drop") == 1
    assert "again      11 more times, on CPUs 0 1, first at 1.5, last at 12.5; lines 6, 11, 16, 21" in done.stdout
    crashes = json.loads(regress("oops", "--json", str(log)).stdout)["crashes"]
    assert [crash["time"] for crash in crashes][:2] == ["1.5", "2.5"]


@pytest.mark.parametrize(
    ("prefix", "time"),
    [
        ("[   12.345678] ", "12.345678"),
        ("Jul 28 14:08:03 box kernel: ", "Jul 28 14:08:03"),
        ("Jul 28 14:08:03 box kernel: [   12.345678] ", "12.345678"),
        ("2024-07-28T14:08:03,123456+02:00 ", "2024-07-28T14:08:03,123456+02:00"),
        ("[Sun Jul 28 14:08:03 2024] ", "Jul 28 14:08:03 2024"),
        ("dic 27 14:08:03 box kernel: ", "dic 27 14:08:03"),
        ("04179 ", None),
        ("", None),
    ],
)
def test_when_it_was(prefix: str, time: str | None) -> None:
    [crash] = find_crashes(f"{prefix}BUG: soft lockup - CPU#0 stuck for 22s! [dd:71]\n".encode())
    assert crash.time == time


def test_standard_input(regress: Regress) -> None:
    with BAD.open("rb") as file:
        done = subprocess.run([ROOT / "regress", "oops"], stdin=file, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("standard input: 1 crash\n")


def test_a_pipe_is_followed_to_its_end() -> None:
    with BAD.open("rb") as file:
        done = subprocess.run(
            [ROOT / "regress", "oops", "--follow", "--json"], stdin=file, capture_output=True, text=True, check=True
        )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0]["event"] == "head"
    assert events[0]["title"].endswith("in corrupted")
    assert events[-1]["event"] == "crash"
    assert events[-1]["function"] == "bio_integrity_process"


def test_a_file_that_grows_is_followed(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    data = BAD.read_bytes()
    log.write_bytes(data[: len(data) - 700])
    with subprocess.Popen(
        [ROOT / "regress", "oops", "--follow", "--json", str(log)], stdout=subprocess.PIPE, text=True
    ) as follower:
        assert follower.stdout is not None
        assert json.loads(follower.stdout.readline())["event"] == "head"
        with log.open("ab") as file:
            file.write(data[len(data) - 700 :])
        told = json.loads(follower.stdout.readline())
        assert (told["event"], told["function"]) == ("crash", "bio_integrity_process")
        follower.terminate()


def test_follow_takes_one_file(regress: Regress) -> None:
    done = regress("oops", "--follow", str(BAD), str(GOOD))
    assert (done.returncode, done.stdout) == (2, "")
    assert "--follow takes one FILE" in done.stderr


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A kernel tree whose faddr2line knows one function."""
    (tmp_path / "vmlinux").touch()
    script = tmp_path / "scripts" / "faddr2line"
    script.parent.mkdir()
    script.write_text(
        '#!/bin/sh\ntop=$(dirname "$1")\nshift\nfor frame; do case $frame in bio_integrity_process*)\n'
        'printf "%s:\\nbio_begin at %s/include/bio.h:7\\n (inlined by) bio_integrity_process at '
        '%s/block/bio-integrity.c:171\\n\\n" "$frame" "$top" "$top";; '
        '*) echo "no match for $frame" >&2;; esac; done\n'
    )
    script.chmod(0o755)
    return tmp_path


def test_frames_are_decoded_by_the_trees_own_script(tree: Path, regress: Regress) -> None:
    wanted = "bio_integrity_process+0x142/0x19c"
    places = ["bio_begin at include/bio.h:7", "bio_integrity_process at block/bio-integrity.c:171"]
    assert decode(tree, [wanted, "none+0x1/0x2"]) == {wanted: places}
    done = regress("oops", "--source", str(tree / "vmlinux"), str(BAD))
    assert "bio_integrity_process at block/bio-integrity.c:171" in done.stdout


KERNEL = """\
volatile int stop;
__attribute__((noinline, noreturn)) void give_up(void)
{
	for (;;)
		stop++;
}
static inline int twice(int value)
{
	return value + stop;
}
__attribute__((noinline)) void first(void)
{
	stop = twice(3);
	give_up();
}
__attribute__((noinline)) void second(void)
{
	stop = 4;
}
int start_kernel(void)
{
	first();
	second();
	return 0;
}
"""


@pytest.mark.parametrize("cross", ["", "aarch64-linux-gnu-"])
def test_a_call_is_found_before_the_address_it_returns_to(cross: str, tmp_path: Path, regress: Regress) -> None:
    if not SCRIPTS:
        pytest.skip("no kernel tree was fetched yet, hence no scripts/faddr2line")
    if shutil.which(f"{cross}gcc") is None:
        pytest.skip(f"{cross}gcc is not installed")
    source, objects = tmp_path / "source", tmp_path / "objects"
    for folder in (source / "init", source / "scripts", objects):
        folder.mkdir(parents=True)
    (source / "init/main.c").write_text(KERNEL)
    shutil.copy(SCRIPTS[-1], source / "scripts")
    # As a build out of tree leaves it.
    (objects / "source").symlink_to(source)
    in_order = ("-fno-toplevel-reorder", "-fno-reorder-functions", "-falign-functions=1")
    flags = ("-g", "-O2", "-nostdlib", "-static", "-Wl,-e,start_kernel", *in_order)
    vmlinux = objects / "vmlinux"
    run([f"{cross}gcc", *flags, "-o", str(vmlinux), str(source / "init/main.c")])
    told = run([f"{cross}readelf", "--wide", "--symbols", str(vmlinux)]).stdout
    size = int(re.search(r"(\d+) FUNC .* first$", told, re.MULTILINE)[1])  # type: ignore[index]
    # The call is the last that `first` does: it returns to where `second` begins.
    log = tmp_path / "log"
    log.write_text(
        "BUG: kernel NULL pointer dereference, address: 0000000000000000\n"
        f"RIP: 0010:second+0x0/0x100\nCall Trace:\n first+{size:#x}/{size:#x}\n"
    )
    done = regress("oops", "--source", str(objects), str(log))
    assert done.returncode == 0, done.stderr
    assert f"first+{size:#x}/{size:#x}\n               first at init/main.c:14\n" in done.stdout
    frames = json.loads(regress("oops", "--json", "--source", str(objects), str(log)).stdout)["crashes"][0]["frames"]
    assert [(frame["function"], frame["source"]) for frame in frames] == [
        ("second", None),  # the image has none of that size
        ("first", "init/main.c:14"),
    ]


def test_a_source_that_cannot_decode_says_why(tmp_path: Path, regress: Regress) -> None:
    with pytest.raises(UserError, match="no vmlinux there"):
        decode(tmp_path, ["f+0x1/0x2"])
    (tmp_path / "vmlinux").touch()
    with pytest.raises(UserError, match="no scripts/faddr2line"):
        decode(tmp_path, ["f+0x1/0x2"])
    done = regress("oops", "--source", str(tmp_path), str(BAD))
    assert done.returncode == 2
    assert "no scripts/faddr2line" in done.stderr
