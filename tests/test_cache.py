"""The cache's size: what goes first, what a running command keeps, and that nothing is lost by it."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import cache
from harness.cache import DAY, Item, clear, excess, items, lease, oldest, spare
from harness.cli import main
from tests.test_run import BAD, GOOD, History, Regress, commits, scenarios

__all__ = ["scenarios"]

OLD = time.time() - 10 * DAY


def trim(place: Path, most: int, *, unused: float = 0.0) -> list[Item]:
    return clear(place, items(place), most, unused=unused)


def put(place: Path, name: str, size: int = 1 << 16, used: float = OLD) -> Path:
    folder = place / name
    folder.mkdir(parents=True)
    (folder / "data").write_bytes(b"x" * size)
    os.utime(folder, (used, used))
    return folder


def test_what_is_worth_least_goes_first() -> None:
    def item(part: str, name: str, size: int, days: float) -> Item:
        return Item(part, Path(name), size, 100 * DAY - days * DAY)

    image, objects = item("kernels", "image", 5, 10), item("objects", "objects", 100, 10)
    stale, fresh = item("kernels", "stale", 5, 50), item("objects", "fresh", 100, 0)
    left = item("kernels", ".half", 1, 10)
    found = [fresh, image, stale, left, objects]

    def gone(bytes_: int, before: float = 100 * DAY) -> list[Item]:
        return spare(found, bytes_, before, 100 * DAY)

    assert gone(0) == []
    assert gone(1) == [left]
    assert gone(50) == [left, objects]
    assert gone(102) == [left, objects, fresh] or gone(102) == [left, objects, stale]
    # Of two that take as much, the one that was used longer ago.
    assert gone(10**9).index(stale) < gone(10**9).index(image)
    assert fresh not in gone(10**9), "it was used at the moment from which on things stay"
    assert gone(10**9, before=60 * DAY) == [stale], "only what was used before"


def test_a_size_that_is_given_counts_and_else_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert excess(tmp_path, 100, 40) == 60
    assert excess(tmp_path, 30, 40) == 0
    disk = os.statvfs(tmp_path)
    total, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"total": total, "free": total // 20}))
    assert excess(tmp_path, 0, None) == total // 10 - total // 20
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"total": total, "free": total // 5}))
    assert excess(tmp_path, free, None) == 0


def test_what_a_running_command_used_stays(tmp_path: Path) -> None:
    used, idle = put(tmp_path, "kernels/used"), put(tmp_path, "kernels/idle")
    with lease(tmp_path):
        cache.touch(used)
        gone = trim(tmp_path, 0)
        assert [item.path for item in gone] == [idle]
    assert used.exists()
    assert not idle.exists()
    assert oldest(tmp_path) == float("inf")
    assert [item.path for item in trim(tmp_path, 0)] == [used]
    assert items(tmp_path) == []


def test_a_killed_command_keeps_nothing(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time\nfrom harness.cache import lease\n"
        "with lease(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert oldest(tmp_path) <= time.time()
        process.send_signal(signal.SIGKILL)
    assert oldest(tmp_path) == float("inf")
    assert list((tmp_path / "leases").iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "worktrees/linux-1234",
        "objects/linux-1234-x86_64-abcd",
        "objects/linux-1234-x86_64-abcd-like",
        "trees/linux-1234.git",
    ],
)
def test_what_is_held_stays(tmp_path: Path, name: str) -> None:
    kept = put(tmp_path, name)
    lock = tmp_path / ("trees" if name.startswith("trees") else "worktrees") / "linux-1234.lock"
    lock.parent.mkdir(exist_ok=True)
    lock.touch()
    os.utime(lock, (OLD, OLD))
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert trim(tmp_path, 0) == []
    assert (kept / "data").exists()
    assert [item.path for item in trim(tmp_path, 0)] == [kept]
    assert lock.exists()


def test_a_lock_that_was_written_is_use(tmp_path: Path) -> None:
    put(tmp_path, "worktrees/linux-1234")
    (tmp_path / "worktrees" / "linux-1234.lock").write_text("process 1\n")
    with lease(tmp_path):
        pass
    assert trim(tmp_path, 0, unused=DAY) == []
    assert len(trim(tmp_path, 0)) == 1


def test_what_is_half_removed_is_no_item_and_goes_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "kernels/abcd")
    monkeypatch.setattr("shutil.rmtree", lambda *_args, **_options: None)  # killed in the middle of it
    trim(tmp_path, 0)
    assert not (tmp_path / "kernels" / "abcd").exists()
    monkeypatch.undo()
    assert len(items(tmp_path)) == 1
    os.utime(items(tmp_path)[0].path, (OLD, OLD))
    trim(tmp_path, 0)
    assert items(tmp_path) == []


def test_without_a_cache_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert trim(tmp_path / "none", 0) == []
    assert items(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--cache-size", "40"), "expected a size such as 500M, 40G or 1T, got '40'"),
        (("--cache-size", "-1G"), "expected"),
        (("--older-than", "3w"), "expected a number of days such as 90d, got '3w'"),
    ],
)
def test_a_wrong_size_is_refused(argv: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gc", *argv]) == 2
    assert said in capsys.readouterr().err


def test_all_of_it_can_go_and_comes_back(history: History, regress: Regress, scenarios: Path, tmp_path: Path) -> None:
    git, (good, bad) = history(*commits(GOOD, BAD))
    results = tmp_path / "results"
    argv = ["run", "lr#toy", "--scenarios", str(scenarios), "--tree", str(git.path), "--results", str(results)]
    argv += ["--commit", good, "--commit", bad]
    assert regress(*argv).returncode == 1
    place = Path(os.environ["XDG_CACHE_HOME"]) / "regress"
    assert [item.part for item in items(place)] == ["worktrees"]

    dry = json.loads(regress("gc", "--cache-size", "0M", "--dry-run", "--json").stdout)
    assert [Path(one["path"]).parent.name for one in dry["removed"]] == ["worktrees"]
    assert len(items(place)) == 1

    told = json.loads(regress("gc", "--cache-size", "0M", "--json").stdout)
    assert told["bytes"] == told["over"] == 0
    assert told["removed"] == dry["removed"]
    assert items(place) == []
    assert regress(*argv).returncode == 1


def test_old_results_lose_their_images_and_nothing_else(
    history: History, regress: Regress, scenarios: Path, tmp_path: Path
) -> None:
    git, (good, bad) = history(*commits(GOOD, BAD))
    results = tmp_path / "results"
    argv = ("run", "lr#toy", "--scenarios", str(scenarios), "--tree", str(git.path), "--results", str(results))
    assert regress(*argv, "--commit", bad, "--commit", good).returncode == 1
    [run] = [path for path in results.iterdir() if path.is_dir()]
    image, console = run / f"commit-{bad[:12]}" / "bzImage", next(run.rglob("console.log"))
    image.write_bytes(b"x" * 5000)
    before = regress("report", str(run), "--format", "json").stdout

    def gc(*more: str) -> dict[str, int]:
        done = regress("gc", "--results", str(results), "--json", *more)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout)["results"])

    assert gc("--older-than", "1d") == {"files": 0, "bytes": 0}
    assert gc("--older-than", "0d", "--dry-run")["files"] == 1
    assert image.exists()
    lock = run / "run.lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert gc("--older-than", "0d")["files"] == 0, "somebody works on it"
    assert gc("--older-than", "0d") == {"files": 1, "bytes": 8192}
    assert not image.exists()
    assert console.exists()
    assert regress("report", str(run), "--format", "json").stdout == before


def test_commands_that_try_commits_hold_a_lease(
    history: History, regress: Regress, scenarios: Path, tmp_path: Path
) -> None:
    """The machine of a trial looks at the cache: a lease is there while it runs, and not after."""
    place = Path(os.environ["XDG_CACHE_HOME"]) / "regress"
    look = f"ls {place}/leases >{tmp_path}/seen\n{GOOD}"
    git, (good,) = history(*commits(look))
    argv = ("run", "lr#toy", "--scenarios", str(scenarios), "--tree", str(git.path), "--results", str(tmp_path / "r"))
    regress(*argv, "--commit", good)
    assert len((tmp_path / "seen").read_text().split()) == 1
    assert list((place / "leases").iterdir()) == []
