"""Killed, resumed, moved, twice at once, on disks that fill up or turn read-only: nothing lost, nothing mixed up."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support import alive
from tests.support.edges import BAD, FAULT, GOOD, Answer, Repo, Toy, daemons, until

SLOW = "sleep 0.1\nexec sh console.sh\n"


@contextlib.contextmanager
def disk(folder: Path, size: str) -> Iterator[None]:
    """A disk of its own on a folder; the test is skipped where that is not allowed."""
    folder.mkdir(exist_ok=True)
    if mounted("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)):
        pytest.skip("mount needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def mounted(*args: str) -> int:
    return subprocess.run(["mount", *args], stderr=subprocess.DEVNULL, check=False).returncode


def ends(tree: Repo, good: str, bad: str) -> Sequence[str]:
    return "--tree", str(tree.path), "--good", good, "--bad", bad


def test_last_bisection_is_the_one_begun_last(toy: Toy, tree: Repo) -> None:
    """... in whatever time zone."""
    toy.machine(SLOW)
    first = tree.line("good*2 bad same")
    second = tree.line("good*2 bad same")
    toy.killed_after(1, *ends(tree, first[0], first[-1]), env={"TZ": "Asia/Tokyo"})
    toy.killed_after(2, *ends(tree, second[0], second[-1]), env={"TZ": "America/Los_Angeles"})
    toy.resume().is_culprit(second[2])


@pytest.mark.parametrize("what", ["script", "helper"])
def test_scenario_that_was_edited_is_not_resumed(toy: Toy, tree: Repo, what: str) -> None:
    """The machine's script, and what that script calls: verdicts by two measures do not go together."""
    script = toy.folder / "boot.sh"
    toy.scenario(machine=f"sh {script}")

    def crash_if(file: str) -> None:
        text = f"if [ -e {file} ]; then\n{BAD}else {GOOD}fi\nsleep 0.1\n"
        if what == "script":
            script.write_text(text)
        else:
            script.write_text(f". {toy.folder}/helper.sh\n")
            (toy.folder / "helper.sh").write_text(text)

    crash_if("f3")
    shas = tree.line("same*8")
    toy.killed_after(3, *ends(tree, shas[0], shas[-1]))
    crash_if("f6")
    done = toy.resume()
    assert done.status == 2, done.err
    assert "changed" in done.said


def test_damaged_journal(toy: Toy, tree: Repo) -> None:
    """An error that names the file, or the right answer where the damage is elsewhere."""
    shas = tree.line("good*4 bad same")
    result = toy.bisect(tree, shas[0], shas[-1])["folder"]
    journal = toy.results / "index.sqlite"
    with contextlib.closing(sqlite3.connect(journal)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = journal.read_bytes()
    for page in (1, 2, 3, 4):
        for name in ("index.sqlite-wal", "index.sqlite-shm"):
            (toy.results / name).unlink(missing_ok=True)
        journal.write_bytes(whole[: 4096 * page] + b"\xff" * 1500 + whole[4096 * page + 1500 :])
        done = toy.resume(result)
        if done.status in (2, 3):
            assert str(journal) in done.err + done.out
        else:
            done.is_culprit(shas[4])


def test_journal_that_cannot_be_written(toy: Toy, tree: Repo) -> None:
    """It belongs to somebody else, say, since the first run was made with sudo."""
    shas = tree.line("good bad")
    toy.bisect(tree, shas[0], shas[-1]).is_culprit(shas[1])
    journal = toy.results / "index.sqlite"
    if subprocess.run(["chattr", "+i", str(journal)], stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("chattr needs root, and a file system that has it")
    try:
        done = toy.bisect(tree, shas[0], shas[-1])
    finally:
        subprocess.run(["chattr", "-i", str(journal)], check=True)
    assert done.status in (2, 3)
    assert str(journal) in done.err


def test_small_disk_that_is_made_larger(toy: Toy, tree: Repo) -> None:
    """Every pause is said to be one, and the last start gets to the culprit."""
    with disk(toy.results, "500k"):
        console = f"head -c 100000 /dev/zero | tr '\\0' '\\n'\n{GOOD}"
        good = tree.commit(files={"console.sh": console})
        tree.line("same*10")
        culprit = tree.commit("bad")
        tree.commit()
        done = toy.bisect(tree, good, "HEAD")
        sizes = iter(["900k", "20m", "20m"])
        while done.status != 0:
            assert done.status == 3, done.err
            assert "no space left" in done.said or "full" in done.said
            assert not mounted("-o", f"remount,size={next(sizes)}", str(toy.results))
            done = toy.resume() if toy.trials() else toy.bisect(tree, good, "HEAD")
        done.is_culprit(culprit)


def test_kill_leaves_nothing_running(toy: Toy, tree: Repo) -> None:
    """SIGKILL, while the machine, a shell script, waits for a program of its own."""
    with daemons(toy.top) as noted:
        inner = f"{noted}; exec sleep 300"
        toy.machine(f"{noted}\nsh -c '{inner}'\nsh console.sh\n")
        shas = tree.line("good bad")
        process = toy.start("bisect", "--json", *ends(tree, shas[0], shas[-1]))
        assert until(lambda: len(_pids(toy)) == 2)
        process.kill()
        process.communicate()
        assert until(lambda: not any(map(alive, _pids(toy))), 10), "the machine goes on"


@pytest.mark.parametrize("gap", [0.0, 0.5])
def test_two_interrupts_leave_nothing_running(toy: Toy, tree: Repo, gap: float) -> None:
    """The machine ignores SIGTERM, and the user is in a hurry."""
    with daemons(toy.top) as noted:
        toy.machine(f"trap '' TERM\n{noted}\nwhile :; do sleep 0.2; done\n")
        shas = tree.line("good bad")
        process = toy.start("bisect", "--json", *ends(tree, shas[0], shas[-1]))
        assert until(lambda: len(_pids(toy)) == 1)
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(gap)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert not FAULT.search(err), err
        assert process.returncode == 130
        assert until(lambda: not any(map(alive, _pids(toy))), 10), "the machine goes on"


def test_starts_do_not_disturb_one_that_runs(toy: Toy, tree: Repo) -> None:
    """Each start looks after the shared repository, which another process is reading."""
    shas = tree.line("good*5 bad same*5")
    toy.bisect(tree, shas[0], shas[-1]).is_culprit(shas[5])
    argv = toy.argv("run", "--tree", str(tree.path), "--commit", "no-such-commit")[1:]
    again = "import sys\nfrom harness.cli import main\nwhile True: assert main(sys.argv[1:]) == 2"
    python = subprocess.Popen(
        [sys.executable, "-c", again, *argv], env={**os.environ, **toy.env}, stderr=subprocess.DEVNULL
    )
    try:
        toy.bisect(tree, shas[0], shas[-1]).is_culprit(shas[5])
        assert python.poll() is None
    finally:
        python.kill()
        python.wait()


def test_three_at_once(toy: Toy, tree: Repo) -> None:
    """Same tree, same results, same scenario, in the same moment, on a fresh cache."""
    shas = tree.line("good*3 bad same*3")
    answers: list[Answer] = []
    argv = ("bisect", "--json", *ends(tree, shas[0], shas[-1]))
    threads = [threading.Thread(target=lambda: answers.append(toy.call(*argv))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 3
    for done in answers:
        done.is_culprit(shas[3])
    assert len({done["folder"] for done in answers}) == 3


def test_results_that_were_moved(toy: Toy, tree: Repo) -> None:
    """... between a kill and the resume, and the cache is gone."""
    toy.machine(SLOW)
    shas = tree.line("good*5 bad same")
    toy.killed_after(3, *ends(tree, shas[0], shas[-1]))
    place = toy.top / "another place" / "re sults"
    place.parent.mkdir()
    toy.results.rename(place)
    shutil.rmtree(toy.cache)
    toy.results = place
    done = toy.resume()
    done.is_culprit(shas[5])
    # A folder without its journal is no bisection, and that is said.
    alone = toy.top / "elsewhere"
    alone.mkdir()
    folder = Path(shutil.move(done["folder"], alone))
    toy.call("bisect", "--json", "--resume", str(folder)).is_refused()


@pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed")
@pytest.mark.parametrize("when", ["-2y", "1975-01-01 00:00:00"])
def test_clock_that_was_set_back(toy: Toy, tree: Repo, when: str) -> None:
    toy.machine(SLOW)
    shas = tree.line("good*5 bad same")
    toy.killed_after(3, *ends(tree, shas[0], shas[-1]))
    toy.program = ("faketime", "-f", when, *toy.program)
    toy.resume().is_culprit(shas[5])


def test_verification_is_not_repeated(toy: Toy, tree: Repo) -> None:
    """A finished bisection that is resumed says the same, without one boot more."""
    boots = toy.top / "boots"
    toy.machine(f"echo >>{boots}\nexec sh console.sh\n")
    shas = tree.line("good*3 bad same*2")
    first = toy.bisect(tree, shas[0], shas[-1])
    first.is_culprit(shas[3])
    before = boots.stat().st_size
    again = toy.resume(first["folder"])
    again.is_culprit(shas[3])
    assert boots.stat().st_size == before
    names = ("confidence", "checks", "merge", "boots", "builds", "notes")
    assert {name: again[name] for name in names} == {name: first[name] for name in names}


def _pids(toy: Toy) -> list[int]:
    return [int(pid) for pid in (toy.top / "daemons").read_text().split()]
