"""However a command ends, its journal is closed, nothing is left running, and the exit status tells the truth."""

import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import record
from harness.cli import main, streams
from harness.errors import InfrastructureError, UserError
from harness.git import Git
from harness.interrupts import Interrupts
from harness.session import End, Session
from tests.support import ROOT, gone
from tests.support.bisect import Lab, Repo, ends, lab, repo
from tests.test_run import BAD, ELSEWHERE, GOOD, History, commits, scenarios

__all__ = ["lab", "repo", "scenarios"]
FULL = Path("/dev/full")


class Loop:
    """Ends as it is told to."""

    progress = "after 0 of 1 commits"

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act

    def run(self) -> End:
        self.act()
        return End("shows", "so")

    def stopped(self, status: str, reason: str) -> End:
        return End(status, reason)


def fails(error: BaseException) -> Callable[..., object]:
    def act(*_: object) -> None:
        raise error

    return act


def session(top: Path, told: list[dict[str, Any]], interrupts: Interrupts | None = None) -> Session:
    run = record.start(top, "toy", "a tree", "x86_64", kind="run", title="the toy", name="toy")
    return Session(run, interrupts or Interrupts(), told.append, lambda _: None)


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (KeyboardInterrupt(), "interrupted", "after 0 of 1 commits"),
        (BrokenPipeError(), "interrupted", "standard output was closed after 0 of 1 commits"),
        (IndexError("list index"), "infrastructure", "internal error: IndexError: list index"),
    ],
)
def test_what_ends_the_program_closes_the_journal_first(
    tmp_path: Path, error: BaseException, status: str, reason: str
) -> None:
    told: list[dict[str, Any]] = []
    one = session(tmp_path, told)
    with pytest.raises(type(error)):
        one.conduct(Loop(fails(error)))
    assert (told[0]["status"], told[0]["reason"]) == (status, reason)
    assert json.loads((one.run.folder / "result.json").read_text()) == told[0]
    assert record.find(one.run.folder).events[-1].data["status"] == status
    assert "<error" in (one.run.folder / "junit.xml").read_text()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InfrastructureError("No space left on device"), "free some space"),
        (
            OSError(28, "No space left on device", "/there"),
            "/there: No space left on device; a disk is full: free",
        ),
        (UserError("a wrong word"), "a wrong word"),
    ],
)
def test_a_machinery_that_fails_is_a_status(tmp_path: Path, error: Exception, reason: str) -> None:
    told = session(tmp_path, []).conduct(Loop(fails(error)))
    assert told["status"] == "infrastructure"
    assert reason in told["reason"]
    assert told["reason"].count("free some space") < 2


def test_a_result_that_cannot_be_written_is_told_and_an_error(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    one = session(tmp_path, told)
    with pytest.raises(InfrastructureError, match="the result could not be written"):
        one.conduct(Loop(one.run.index.unlink))
    assert told[0]["status"] == "shows"


@pytest.fixture
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_an_ignored_signal_stays_ignored() -> None:
    """As `nohup` and a shell's background job want it."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Interrupts().taken():
        os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


@pytest.mark.usefixtures("handlers")
def test_a_second_interrupt_does_not_cut_the_cleaning_up_short() -> None:
    done = []

    def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(os.getpid(), number)
            done.append("cleaned up")

    with Interrupts().taken(), pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["cleaned up"]


@pytest.mark.usefixtures("handlers")
def test_an_interrupt_waits_until_the_journal_is_closed(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    interrupts = Interrupts()
    one = session(tmp_path, told, interrupts)
    one.keep = lambda _document, _folder: os.kill(os.getpid(), signal.SIGINT)
    with interrupts.taken(), pytest.raises(KeyboardInterrupt):
        one.conduct(Loop(lambda: None))
    assert record.find(one.run.folder).events[-1].data["status"] == "shows"
    assert (one.run.folder / "junit.xml").exists()


@pytest.mark.parametrize(("argv", "status"), [(["run", "x"], 3), (["step", "x"], 128)])
def test_what_nobody_foresaw(
    argv: list[str], status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("harness.cli.environment.Environment.of", fails(ZeroDivisionError("oh")))
    assert main(argv) == status
    said = capsys.readouterr().err
    [file] = tmp_path.glob("regress-traceback-*.txt")
    assert "internal error" in said
    assert str(file) in said
    assert "Traceback" not in said
    assert "ZeroDivisionError" in file.read_text()


def rows(results: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(results / "index.sqlite") as database:
        return database.execute("SELECT status, reason FROM runs").fetchall()


def start(command: str, git: Git, scenarios: Path, *more: str, **streams: Any) -> subprocess.Popen[str]:
    argv = [str(ROOT / "regress"), command, "toy", "--scenarios", str(scenarios)]
    results = str(scenarios.parent / "results")
    return subprocess.Popen([*argv, "--results", results, *more], cwd=git.path, text=True, **streams)


@pytest.mark.parametrize(("console", "status"), [(GOOD, 0), (BAD, 1), (ELSEWHERE, 125)])
def test_a_full_standard_error_is_no_verdict(history: History, scenarios: Path, console: str, status: int) -> None:
    git, _ = history(*commits(console))
    with FULL.open("w") as full:
        assert start("step", git, scenarios, stdout=subprocess.DEVNULL, stderr=full).wait(60) == status


def test_a_closed_pipe_is_no_success(history: History, scenarios: Path) -> None:
    git, _ = history(*commits(GOOD))
    args = ("--tree", str(git.path), "--commit", "HEAD")
    read, write = os.pipe()
    os.close(read)
    process = start("run", git, scenarios, *args, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 141, err
    assert "Traceback" not in err
    assert rows(scenarios.parent / "results") == [
        ("interrupted", "standard output was closed after 0 of 1 commits"),
    ]


def test_a_full_standard_output_is_no_success(history: History, scenarios: Path) -> None:
    git, _ = history(*commits(GOOD))
    args = ("--tree", str(git.path), "--commit", "HEAD")
    with FULL.open("w") as full:
        process = start("run", git, scenarios, *args, stdout=full, stderr=subprocess.PIPE)
        err = process.communicate(timeout=60)[1]
    assert process.returncode == 3, err
    assert "standard output: No space left on device" in err
    assert "Traceback" not in err
    [(status, _)] = rows(scenarios.parent / "results")
    assert status == "infrastructure"


def wait_for(path: Path) -> int:
    for _ in range(1200):
        if path.exists() and path.read_text():
            return int(path.read_text())
        time.sleep(0.05)
    raise AssertionError(f"{path} never came")


def test_two_interrupts_leave_nothing_running(history: History, scenarios: Path, tmp_path: Path) -> None:
    """A machine that does not hear SIGTERM, and a user who is in a hurry."""
    pid = tmp_path / "pid"
    git, _ = history(*commits(f"trap '' TERM\necho $$ >{pid}\nwhile :; do sleep 0.1; done\n"))
    process = start("run", git, scenarios, "--tree", str(git.path), "--commit", "HEAD", stderr=subprocess.PIPE)
    machine = wait_for(pid)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 130, err
    assert gone(machine)
    assert rows(scenarios.parent / "results") == [("interrupted", "after 0 of 1 commits")]


def test_results_can_be_moved(repo: Repo, lab: Lab) -> None:
    """A bisection that was killed goes on where its results are now, in another time zone, without the cache."""
    shas = repo.line("good*4 bad*4")
    flag = lab.top / "pid"
    text = (lab.folder / "scenario.yaml").read_text()
    hang = f"test -e {flag} || {{ echo $$ >{flag}; exec sleep 100; }}"
    (lab.folder / "boot.sh").write_text(
        f"echo >>{lab.top}/boots\ntest $(wc -l <{lab.top}/boots) -lt 3 || {hang}\nexec sh console.sh\n"
    )
    (lab.folder / "scenario.yaml").write_text(text.replace("sh console.sh", f"sh {lab.folder}/boot.sh"))
    first = subprocess.Popen(lab.argv(repo, *ends(shas)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(flag)
    first.kill()
    first.wait()
    [killed] = [path for path in lab.results.iterdir() if path.is_dir()]
    done = subprocess.run(
        [str(ROOT / "regress"), "report", str(killed), "--format", "json"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["status"] == "running"
    (lab.top / "other place").mkdir()
    lab.results = lab.results.rename(lab.top / "other place" / "res ults")
    again = lab.bisect(repo, "--resume", TZ="Asia/Tokyo", XDG_CACHE_HOME=str(lab.top / "another cache"))
    assert again["culprit"] == shas[4], again.err
    for name in ("json", "text"):
        argv = [str(ROOT / "regress"), "report", again["folder"], "--format", name]
        said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        assert said == again.out if name == "json" else said in again.err
    away = Path(again["folder"]).rename(lab.top / "away")
    lost = lab.bisect(repo, "--resume", str(away))
    assert lost.status == 2
    assert f"--resume {away}" in lost.err


def test_no_text_is_beyond_an_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1"))
    monkeypatch.setattr(sys, "stderr", None)
    streams.prepare()
    sys.stdout.write("na\u00efve \u65e5\n")
    sys.stderr.write("to nobody\n")
    assert streams.flushed(0) == 0
    assert raw.getvalue() == b"na\xefve \\u65e5\n"


@pytest.mark.parametrize("ignored", [False, True])
def test_an_interrupt_before_the_command_begins_has_no_traceback(ignored: bool) -> None:
    """It comes while the program's modules are imported; what is ignored, as under nohup, stays ignored."""
    code = f"""
import os, signal, sys
if {ignored}: signal.signal(signal.SIGINT, signal.SIG_IGN)
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "harness.cli": os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from harness.__main__ import start
sys.argv[1:] = ["--version"]
sys.exit(start())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == (0 if ignored else -signal.SIGINT)
    assert done.stderr == ""


@pytest.mark.parametrize("how", [("--first-parent",), ("--term-new=broken", "--term-old=fine")])
def test_git_bisect_run_with_other_terms_and_by_first_parents(
    history: History, scenarios: Path, how: tuple[str, ...]
) -> None:
    states = commits(*[GOOD] * 3, *[BAD] * 3)
    for number, state in enumerate(states):
        state["number"] = str(number)
    git, shas = history(*states)
    git.run("bisect", "start", *how, shas[-1], shas[0])
    argv = ("step", "toy", "--scenarios", str(scenarios), "--results", str(scenarios.parent / "results"))
    said = git.run("bisect", "run", str(ROOT / "regress"), *argv).stdout
    assert f"{shas[3]} is the first" in said
