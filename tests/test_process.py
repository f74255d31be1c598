import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import ProgramFailed, ProgramMissing, TimedOut
from harness.process import passed, run, started
from tests.conftest import alive, gone


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


def test_a_program_is_looked_up_where_it_runs(tmp_path: Path) -> None:
    program = tmp_path / "build.sh"
    program.write_text("#!/bin/sh\necho here\n")
    program.chmod(0o755)
    lines: list[str] = []
    assert run(["./build.sh"], cwd=tmp_path).stdout == "here\n"
    run(["./build.sh"], cwd=tmp_path, on_line=lines.append)
    assert lines == ["here"]
    with pytest.raises(ProgramMissing, match=r"\./build\.sh"):
        run(["./build.sh"], cwd=tmp_path.parent)


def test_what_cannot_be_run_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\x7fELF")
    (tmp_path / "x").chmod(0o755)
    with pytest.raises(ProgramFailed, match=r"(?s)exit status 126 of.*Exec format error"):
        run(["./x"], cwd=tmp_path, timeout=30)


WRONG = ("GIT_DIR", "MAKEFLAGS", "CROSS_COMPILE", "LLVM", "KCFLAGS", "ARCH", "LANGUAGE", "LANG", "CPATH", "CCACHE_DIR")
HOW = (None, 30.0)  # asked, and under a supervisor


@pytest.mark.parametrize("timeout", HOW)
def test_a_program_gets_an_environment_made_for_it(monkeypatch: pytest.MonkeyPatch, timeout: float | None) -> None:
    for name in (*WRONG, "https_proxy", "NO_PROXY", "XDG_DATA_HOME", "REGRESS_X"):
        monkeypatch.setenv(name, "set")
    got = dict(line.split("=", 1) for line in run(["env"], env={"MINE": "1"}, timeout=timeout).stdout.splitlines())
    assert not got.keys() & set(WRONG)
    assert {"PATH", "https_proxy", "NO_PROXY", "XDG_DATA_HOME", "REGRESS_X"} <= got.keys()
    assert (got["LC_ALL"], got["MINE"]) == ("C.UTF-8", "1")


def test_a_variable_is_passed_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOARD", "7")
    monkeypatch.setenv("TOKEN", "x")
    assert passed() == {}
    monkeypatch.setenv("REGRESS_PASS_ENV", "TOKEN BOARD,UNSET")
    assert passed() == {"BOARD": "7", "TOKEN": "x"}
    assert run(["sh", "-c", "echo $BOARD"]).stdout == "7\n"


@pytest.mark.parametrize("timeout", HOW)
@pytest.mark.parametrize(("command", "status"), [("exit 3", 3), ("kill -9 $$", 137), ("kill -BUS $$", 135)])
def test_a_signal_is_told_as_in_a_shell(command: str, status: int, timeout: float | None) -> None:
    assert run(["sh", "-c", command], check=False, timeout=timeout).returncode == status


def test_a_writer_ends_when_nobody_reads() -> None:
    done = run(["bash", "-c", "yes | head -n 1; echo ${PIPESTATUS[0]}"], timeout=30)
    assert (done.stdout, done.stderr) == ("y\n141\n", "")


DAEMON = "setsid sleep 100 {closed} & echo $! >{pid}"


@pytest.mark.parametrize("closed", ["", "</dev/null >/dev/null 2>&1"])
def test_the_job_is_over_when_its_command_is(tmp_path: Path, closed: str) -> None:
    pid, lock = tmp_path / "pid", os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    run(["sh", "-c", DAEMON.format(closed=closed, pid=pid)], log=tmp_path / "log", locks=(lock,))
    os.close(lock)
    assert not alive(int(pid.read_text()))
    with (tmp_path / "lock").open() as again:
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_what_a_command_leaves_may_write_its_last_line(tmp_path: Path) -> None:
    lines: list[str] = []
    run(["bash", "-c", "exec > >(cat); echo last"], on_line=lines.append)
    assert lines == ["last"]


STUBBORN = """trap '' TERM HUP INT; setsid sh -c 'trap "" TERM; echo $$ >{pid}; while :; do sleep 1; done' & wait"""


def test_leaving_the_block_ends_what_does_not_want_to(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with started(["sh", "-c", STUBBORN.format(pid=pid)], patience=0.1):
        left = _pid(pid)
    assert not alive(left)


def _pid(path: Path) -> int:
    """The number in a file that somebody is about to write."""
    for _ in range(400):
        if path.exists() and (text := path.read_text()).endswith("\n"):
            return int(text)
        time.sleep(0.05)
    raise AssertionError(path)


CONTROLLER = """
import fcntl, os
from harness.process import run
lock = os.open({lock!r}, os.O_CREAT | os.O_RDWR)
fcntl.flock(lock, fcntl.LOCK_EX)
run(["sh", "-c", {command!r}], on_line=print, locks=(lock,))
"""


@pytest.fixture
def controller(tmp_path: Path) -> Callable[[str], subprocess.Popen[bytes]]:
    """Starts a process that holds a lock and runs a shell command."""

    def start(command: str) -> subprocess.Popen[bytes]:
        code = CONTROLLER.format(lock=str(tmp_path / "lock"), command=command)
        return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)

    return start


def _free(lock: Path) -> bool:
    with lock.open() as file, contextlib.suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


@pytest.mark.parametrize("signals", [(signal.SIGKILL,), (signal.SIGINT, signal.SIGINT)])
def test_a_controller_that_ends_leaves_nothing(
    tmp_path: Path, signals: tuple[signal.Signals, ...], controller: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    pid = tmp_path / "pid"
    parent = controller(STUBBORN.format(pid=pid))
    left = _pid(pid)
    assert not _free(tmp_path / "lock")
    for number in signals:
        parent.send_signal(number)
        time.sleep(0.2)
    parent.wait()
    for _ in range(400):
        if _free(tmp_path / "lock"):
            break
        time.sleep(0.05)
    # The lock is free once nothing is left, and not before.
    assert not alive(left)


def test_a_question_ends_with_the_controller(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = f"from harness.process import run; run(['sh', '-c', 'echo $$ >{pid}; exec sleep 100'])"
    parent = subprocess.Popen([sys.executable, "-c", code])
    asked = _pid(pid)
    parent.kill()
    parent.wait()
    assert gone(asked)
