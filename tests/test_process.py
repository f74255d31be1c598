import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.errors import ProgramFailed, ProgramMissing, TimedOut
from harness.process import run
from tests.support import gone


def test_output_and_status() -> None:
    done = run(["sh", "-c", "echo out; echo err >&2; exit 3"], check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
    assert run(["cat"], input=b"hello").stdout == "hello"


def test_a_failure_carries_a_command_to_paste() -> None:
    with pytest.raises(ProgramFailed, match=r"(?s)exit status 1 of: sh -c 'echo \"a b\" >&2; exit 1'.*a b"):
        run(["sh", "-c", 'echo "a b" >&2; exit 1'])


def test_a_missing_program_is_named() -> None:
    with pytest.raises(ProgramMissing, match="no-such-program"):
        run(["no-such-program"])


def test_the_log_takes_both_streams_and_is_appended_to(tmp_path: Path) -> None:
    lines: list[str] = []
    for word in ("one", "two"):
        run(["sh", "-c", f"echo {word}; echo {word}! >&2"], log=tmp_path / "log", on_line=lines.append)
    assert sorted((tmp_path / "log").read_text().split()) == ["one", "one!", "two", "two!"]
    assert len(lines) == 4


def test_what_a_carriage_return_ends_is_told_as_it_comes(tmp_path: Path) -> None:
    log, seen = tmp_path / "log", []

    def told(line: str) -> None:
        seen.append(line)
        (tmp_path / line.split()[0]).touch()

    # The program goes on only when its first words were heard.
    run(
        ["sh", "-c", "printf '10%% of\\r'; until [ -e 10% ]; do sleep 0.01; done; printf '90%%\\r\\ndone'"],
        cwd=tmp_path,
        log=log,
        on_line=told,
        timeout=30,
    )
    assert seen == ["10% of", "90%", "done"]
    assert log.read_bytes() == b"10% of\r90%\r\ndone"


def test_a_time_limit_ends_the_children_too(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with pytest.raises(TimedOut, match="did not end within 1 s"):
        run(["sh", "-c", f"sleep 100 & echo $! >{pid}; wait"], timeout=1)
    assert gone(int(pid.read_text()))


def test_a_killed_controller_leaves_nothing(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = f"from harness.process import run; run(['sh', '-c', 'echo $$ >{pid}; exec sleep 100'])"
    parent = subprocess.Popen([sys.executable, "-c", code])
    for _ in range(200):
        if pid.exists() and pid.read_text():
            break
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    assert gone(int(pid.read_text()))


def test_an_inherited_lock_is_held_by_the_program(tmp_path: Path) -> None:
    read, write = os.pipe()
    run([sys.executable, "-c", f"import os; os.write({write}, b'held')"], pass_fds=(write,))
    os.close(write)
    assert os.read(read, 10) == b"held"
    os.close(read)
