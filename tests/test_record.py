"""The journal: only ever added to, read back whole, and clear about what is wrong with it."""

import errno
import json
import multiprocessing
import os
import random
import sqlite3
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from harness import document, journal, record
from harness.console import Wait, find_crashes
from harness.errors import InfrastructureError, UserError
from harness.model import Outcome, Trial
from tests.test_run import BAD

CONSOLE = "\n".join(line.removeprefix("echo '").rstrip("'") for line in BAD.splitlines())


def start(results: Path, **more: object) -> record.Run:
    return record.start(results, "toy", "a tree", "x86_64", kind="run", **more)


def trial_of(run: record.Run, number: int = 1) -> Trial:
    [crash] = find_crashes(CONSOLE.encode())
    phases = (("up", 0.25), ("step one", 1.5))
    return Trial(Outcome.CRASHED, "it crashed", 2.123456, run.folder / f"trial-{number}", crash, phases, "low")


def test_a_trial_comes_back_as_it_was_written(tmp_path: Path) -> None:
    run = start(tmp_path / "results")
    trial = trial_of(run)
    assert trial.crash
    crash = replace(trial.crash, said=("refcount_t: underflow.",), waits=(Wait("CPU 1", "CPU 0", "do_flush"),))
    run.trial("a" * 40, "bad", trial := replace(trial, crash=crash))
    run.kernel("a" * 40, built := record.Built("f" * 64, 3.5, True, ("a patch",)))
    run.kernel("a" * 40, record.Built(None, 0.0, False))
    [again] = record.find(run.folder).trials()
    assert again == record.Tried("a" * 40, "bad", trial)
    assert record.find(run.folder).kernels() == {"a" * 40: built}
    assert run.trials() == [again]


def test_each_event_says_when_and_where(tmp_path: Path) -> None:
    run = start(tmp_path)
    run.trial("a" * 40, "bad", trial_of(run))
    first, second = record.find(run.folder).events
    assert (first.kind, second.kind, first.schema) == ("start", "trial", journal.SCHEMA)
    assert first.boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert first.host == os.uname().nodename
    assert first.utc.endswith("+00:00")
    assert first.monotonic <= second.monotonic
    assert second.data["signature"] == trial_of(run).crash.signature  # type: ignore[union-attr]


def test_the_hashes_of_what_was_booted_are_written_where_they_are_known(tmp_path: Path) -> None:
    run = start(tmp_path, digest="0123")
    (run.folder / "kernel.json").write_text(json.dumps({"signature": "f" * 64}))
    (run.folder / "config").write_text("CONFIG_X=y\n")
    run.trial("a" * 40, "bad", trial_of(run))
    data = run.events[-1].data
    assert (data["digest"], data["image"]) == ("0123", "f" * 64)
    assert len(data["config"]) == 64


@pytest.mark.parametrize("statement", ["UPDATE events SET kind = 'x'", "DELETE FROM events"])
def test_nothing_is_changed_or_taken_away(tmp_path: Path, statement: str) -> None:
    run = start(tmp_path)
    with sqlite3.connect(run.index) as database, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        database.execute(statement)


def test_the_views(tmp_path: Path) -> None:
    run, other = start(tmp_path), start(tmp_path)
    run.trial("a" * 40, "bad", trial_of(run))
    run.kernel("a" * 40, record.Built("f" * 64, 3.5, True))
    run.plan({"scenario": "toy"})
    run.close("shows", "so")
    with sqlite3.connect(run.index) as database:
        assert database.execute("SELECT folder, status, reason FROM runs").fetchall() == [
            (run.folder.name, "shows", "so"),
            (other.folder.name, "running", ""),
        ]
        [(role, variant, outcome, title)] = database.execute("SELECT role, variant, outcome, title FROM trials")
        assert (role, variant, outcome) == ("bad", "low", "crashed")
        assert "toy_read" in title
        assert database.execute("SELECT sha, built FROM kernels").fetchall() == [("a" * 40, 1)]
        assert database.execute("SELECT run FROM bisections").fetchall() == [(run.folder.name,)]
    assert run.averages() == (3.5, 2.123456)
    run.reopen()
    with sqlite3.connect(run.index) as database:
        assert database.execute("SELECT status FROM runs").fetchall() == [("running",), ("running",)]


def write(results: Path, number: int) -> None:
    run = start(results)
    for count in range(number):
        run.trial("a" * 40, "bad", trial_of(run, count))


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write, args=(tmp_path / "results", 15)) for _ in range(4)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    assert [one.exitcode for one in writers] == [0] * 4
    with sqlite3.connect(tmp_path / "results" / "index.sqlite") as database:
        assert database.execute("SELECT count(*) FROM trials GROUP BY run").fetchall() == [(15,)] * 4


def test_the_last_bisection_is_the_one_that_was_begun_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the clock said: it may have been set back, or the time zone be another."""
    begun = []
    for stamp in ("2026-01-02-000000", "2026-01-01-000000", "1975-01-01-000000"):
        with monkeypatch.context() as patch:
            patch.setattr("time.strftime", lambda _format, stamp=stamp: stamp)
            run = start(tmp_path)
            run.plan({"scenario": "toy"})
            begun.append(run.folder)
    assert [run.folder for run, _, _ in record.bisections(tmp_path)] == begun[::-1]


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (["CREATE TABLE runs (folder)", "CREATE TABLE trials (id)"], "an earlier version of regress"),
        (["CREATE TABLE events (x)", "PRAGMA user_version = 99"], "a later version of regress"),
    ],
)
def test_a_journal_of_another_version_is_refused(tmp_path: Path, statements: list[str], words: str) -> None:
    with sqlite3.connect(tmp_path / "index.sqlite") as database:
        for statement in statements:
            database.execute(statement)
    for act in (lambda: start(tmp_path), lambda: record.bisections(tmp_path)):
        with pytest.raises(UserError, match=words) as told:
            act()
        assert str(tmp_path / "index.sqlite") in str(told.value)
        assert "--results" in str(told.value)


def test_a_damaged_journal_is_named(tmp_path: Path) -> None:
    """Whatever bytes are hit, it is read right or refused with its name, and never with another error."""
    chance, refused = random.Random(1), list[str]()
    run = start(tmp_path)
    run.plan({"scenario": "toy"})
    for number in range(20):
        run.trial("a" * 40, "bad", trial_of(run, number))
    whole = run.index.read_bytes()
    for _ in range(60):
        spoilt = bytearray(whole)
        at, length = chance.randrange(len(whole)), chance.choice((1, 40, 1500))
        spoilt[at : at + length] = chance.choice((b"\xff", b"\0", b"{")) * min(length, len(whole) - at)
        run.index.write_bytes(spoilt)
        try:
            record.bisections(tmp_path)
            again = record.find(run.folder)
            again.trials(), again.kernels(), again.averages()
            with journal.whole(run.index):
                document.of(again.events, again.folder)
        except (InfrastructureError, UserError) as error:
            refused.append(str(error))
    assert len(refused) > 10
    assert all(str(run.index) in text for text in refused)


def test_a_journal_that_is_held_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = start(tmp_path)
    monkeypatch.setattr(journal, "WAIT", 0.05)
    with sqlite3.connect(run.index) as database:
        database.execute("BEGIN EXCLUSIVE")
        with pytest.raises(InfrastructureError, match=r"index.sqlite: database is locked \(another process"):
            run.trial("a" * 40, "bad", trial_of(run))
        assert run.trials() == []  # what is not in the journal does not count


def test_a_journal_that_becomes_read_only(tmp_path: Path) -> None:
    run = start(tmp_path)
    if subprocess.run(["chattr", "+i", str(run.index)], capture_output=True, check=False).returncode:
        pytest.skip("no file can be made read-only for root here")
    try:
        with pytest.raises(InfrastructureError, match=r"index.sqlite: .*make the file and its folder writable"):
            run.trial("a" * 40, "bad", trial_of(run))
        assert record.find(run.folder).trials() == []  # it can still be read
    finally:
        subprocess.run(["chattr", "-i", str(run.index)], check=True)
    run.trial("a" * 40, "bad", trial_of(run))
    assert len(record.find(run.folder).trials()) == 1


def test_a_journal_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").mkdir()
    with pytest.raises(InfrastructureError, match=r"index.sqlite: unable to open database file"):
        start(tmp_path)


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, InfrastructureError), (errno.EACCES, UserError)])
def test_a_folder_that_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(kind, match=os.strerror(number)):
        start(tmp_path)


def test_what_is_no_result(tmp_path: Path) -> None:
    run = start(tmp_path / "results")
    with pytest.raises(UserError, match="no such folder"):
        record.find(tmp_path / "results" / "nothing")
    with pytest.raises(UserError, match=r"index.sqlite, is missing; move results and journal together"):
        record.find(run.folder.rename(tmp_path / "moved"))
    (tmp_path / "results" / "other").mkdir()
    with pytest.raises(UserError, match="no such run in"):
        record.find(tmp_path / "results" / "other")


def test_an_end_that_cannot_be_written_is_known_all_the_same(tmp_path: Path) -> None:
    run = start(tmp_path)
    run.index.unlink()
    with pytest.raises(InfrastructureError):
        run.close("shows", "so")
    assert document.of(run.events, run.folder)["status"] == "shows"
