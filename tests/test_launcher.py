"""The launcher, in a copy of the checkout, with a uv of the test's own that makes environments out of nothing."""

import os
import pty
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import ROOT

TOOLS = ("cat", "cmp", "cp", "cut", "env", "flock", "ln", "mkdir", "mv", "readlink", "rm", "sha256sum", "sh", "true")
PYTHON = os.path.realpath(sys.executable)
UV = f"""case $1 in
venv)
    for folder; do :; done
    {PYTHON} -m venv --without-pip "$folder"
    printf '%s\\n' {sysconfig.get_path("purelib")} >"$(echo "$folder"/lib/python3*/site-packages)/borrowed.pth" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what a clone has."""
    new = tmp_path / "check out"
    new.mkdir()
    shutil.copytree(ROOT / "harness", new / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("regress", "pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        shutil.copy(ROOT / name, new)
    for name in ("scenarios", "kconfigs", "guest"):
        (new / name).symlink_to(ROOT / name)
    return new


def shim(folder: Path, name: str, text: str) -> None:
    (folder / name).unlink(missing_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All that is on PATH: what the launcher needs of a system, a Python and a uv."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        (folder / name).symlink_to(shutil.which(name) or name)
    shim(folder, "python3", f'exec {PYTHON} "$@"')
    shim(folder, "uv", UV)
    monkeypatch.setenv("PATH", str(folder))
    for name in ("REGRESS_DEV", "REGRESS_INSTALL", "REGRESS_NO_INSTALL"):
        monkeypatch.delenv(name, raising=False)
    return folder


def start(checkout: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(checkout / "regress"), *args],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **env},
    )


def another_lock_file(checkout: Path) -> None:
    """What a git pull may bring."""
    with (checkout / "requirements.lock").open("a") as file:
        file.write("# another\n")


def environments(checkout: Path) -> set[Path]:
    return {path for path in (checkout / ".venvs").iterdir() if path.is_dir()}


@pytest.mark.usefixtures("programs")
def test_is_set_up_once(checkout: Path) -> None:
    first = start(checkout, "--version")
    assert (first.returncode, first.stdout.split()[0]) == (0, "regress")
    assert "setting up" in first.stderr
    second = start(checkout, "--version")
    assert (second.returncode, second.stderr) == (0, "")
    assert {(checkout / ".venv").resolve()} == environments(checkout)


def test_a_failed_set_up_is_begun_again(checkout: Path, programs: Path) -> None:
    """With a uv that fails, then with one that works: nothing of the first is taken for whole."""
    shim(programs, "uv", UV + "[ $1 = venv ]")
    failed = start(checkout, "--version")
    assert failed.returncode == 3
    assert "not complete; the next start begins again" in failed.stderr
    assert not (checkout / ".venv").exists()
    shim(programs, "uv", UV)
    assert start(checkout, "--version").returncode == 0


def test_a_failed_change_leaves_the_old_environment(checkout: Path, programs: Path) -> None:
    start(checkout, "--version")
    old = (checkout / ".venv").resolve()
    before = (checkout / "requirements.lock").read_bytes()
    another_lock_file(checkout)
    shim(programs, "uv", UV + "[ $1 = venv ]")
    assert start(checkout, "--version").returncode == 3
    assert (checkout / ".venv").resolve() == old
    (checkout / "requirements.lock").write_bytes(before)
    done = start(checkout, "--version")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.usefixtures("programs")
def test_an_environment_stays_while_something_runs_from_it(checkout: Path) -> None:
    start(checkout, "--version")
    old = (checkout / ".venv").resolve()
    running = subprocess.Popen(
        [str(checkout / "regress"), "oops"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    while str(old).encode() not in Path(f"/proc/{running.pid}/cmdline").read_bytes():
        assert running.poll() is None
        time.sleep(0.01)
    another_lock_file(checkout)
    done = start(checkout, "--version")
    assert (done.returncode, "setting up" in done.stderr) == (0, True)
    new = (checkout / ".venv").resolve()
    assert environments(checkout) == {old, new}
    running.communicate("BUG: kernel NULL pointer dereference, address: 0000000000000000\n")
    assert running.returncode in (0, 1)
    another_lock_file(checkout)
    start(checkout, "--version")
    assert environments(checkout) == {(checkout / ".venv").resolve()}
    assert not {old, new} & environments(checkout)


@pytest.mark.usefixtures("programs")
def test_development_tools_serve_both_ways(checkout: Path) -> None:
    start(checkout, "--version", REGRESS_DEV="1")
    assert start(checkout, "--version").stderr == ""
    assert len(environments(checkout)) == 1


@pytest.mark.usefixtures("programs")
def test_a_moved_checkout_runs_its_own_program(checkout: Path, tmp_path: Path) -> None:
    start(checkout, "--version")
    moved = checkout.rename(tmp_path / "moved")
    (moved / "harness" / "__init__.py").write_text('VERSION = "9.9"\n')
    assert start(moved, "--version").stdout == "regress 9.9\n"
    [environment] = environments(moved)
    assert (environment / "root").read_text() == f"{moved}\n"


@pytest.mark.usefixtures("programs")
def test_an_environment_of_the_former_kind_gives_way(checkout: Path) -> None:
    (checkout / ".venv" / "bin").mkdir(parents=True)
    assert start(checkout, "--version").returncode == 0
    assert (checkout / ".venv").is_symlink()


def test_works_from_any_folder_and_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "harness.py").write_text("raise SystemExit('the wrong module')")
    link = tmp_path / "regress"
    link.symlink_to(ROOT / "regress")
    done = subprocess.run([str(link), "list"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "lr-35498d" in done.stdout


@pytest.fixture
def debian(programs: Path, tmp_path: Path) -> Callable[[int], Path]:
    """A Debian without uv and python3-venv, for a user of that number; gives the log of what sudo and apt-get did."""
    log = tmp_path / "log"

    def make(user: int) -> Path:
        (programs / "uv").unlink()
        shim(programs, "id", f"echo {user}")
        shim(
            programs,
            "python3",
            f'case "$*" in *ensurepip*) exit 1 ;; *realpath*) echo "$0" ;; *) {PYTHON} "$@" ;; esac',
        )
        shim(programs, "sudo", f'echo "sudo $*" >>{log}; [ "$1" != -n ] || shift; exec "$@"')
        shim(programs, "apt-get", f'echo "apt-get $1" >>{log}; exit 1')
        return log

    return make


@pytest.mark.parametrize(
    ("user", "args", "env", "does"),
    [
        (0, (), {}, "apt-get install"),
        (0, (), {"REGRESS_NO_INSTALL": "1"}, None),
        (1000, (), {}, None),
        (1000, (), {"REGRESS_INSTALL": "1"}, "sudo -n env"),
        (1000, ("doctor", "--install"), {}, "sudo -n env"),
        (1000, ("doctor", "--install"), {"REGRESS_NO_INSTALL": "1"}, None),
    ],
)
def test_installs_only_when_told_to(
    checkout: Path,
    debian: Callable[[int], Path],
    user: int,
    args: tuple[str, ...],
    env: dict[str, str],
    does: str | None,
) -> None:
    log = debian(user)
    done = start(checkout, *args, **env)
    assert done.returncode == 3
    assert "sudo apt-get install -y python3." in done.stderr
    # Without a word of the user sudo is not even tried.
    assert log.exists() is bool(does)
    assert not does or does in log.read_text()


@pytest.mark.parametrize(("answer", "does"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_asks_on_a_terminal(checkout: Path, debian: Callable[[int], Path], answer: str, does: bool) -> None:
    log = debian(1000)
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode())
    with subprocess.Popen([str(checkout / "regress"), "list"], stdin=theirs, stdout=theirs, stderr=theirs) as running:
        os.close(theirs)
        said = b""
        try:
            while data := os.read(ours, 4096):
                said += data
        except OSError:  # how a terminal tells that nobody has its other end any more
            pass
        os.close(ours)
    assert b"now? [y/N]" in said
    assert running.returncode == 3
    assert ("apt-get" in log.read_text()) is does
