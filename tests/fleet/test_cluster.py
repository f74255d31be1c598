"""Bisections over a real Dask scheduler and its workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support import gone
from tests.support.bisect import Lab, Repo, ends, lab, repo
from tests.support.edges import until
from tests.support.sshd import free_port
from tests.test_run import BAD, GOOD

__all__ = ["lab", "repo"]
DASK = str(Path(sys.executable).with_name("dask"))


@dataclass
class Dask:
    """A scheduler and workers, each a process of its own.

    Attributes:
        cache: what the workers keep; by default each has a folder of its own.
    """

    top: Path
    port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    cache: Path | None = None

    def start(self, name: str, *argv: str) -> None:
        self.run(name, DASK, *argv)

    def run(self, name: str, *argv: str, **env: str) -> None:
        """Any program, with a cache of its own and the tests' Python first in its PATH."""
        (self.top / name).mkdir(parents=True, exist_ok=True)
        own = {"XDG_CACHE_HOME": str(self.cache or self.top / name / "cache")}
        own["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        with (self.top / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                argv, stdout=log, stderr=log, env={**os.environ, **own, **env}, cwd=self.top / name
            )

    def worker(self, name: str) -> None:
        place = f"tcp://127.0.0.1:{self.port}"
        words = ("--nthreads", "2", "--no-nanny", "--no-dashboard", "--local-directory", str(self.top / name))
        self.start(name, "worker", place, *words, "--name", name, "--resources", "build=1,boot=2")
        # A worker says so when it is in.
        assert until(lambda: "Registered to" in (self.top / f"{name}.log").read_text(), 60)

    def stop(self, name: str, how: int = signal.SIGTERM) -> None:
        process = self.processes.pop(name)
        process.send_signal(how)
        process.wait(30)

    def close(self) -> None:
        for name in list(self.processes):
            self.stop(name, signal.SIGKILL)


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[Dask]:
    """A cluster that has no worker yet."""
    made = Dask(tmp_path / "dask")
    made.top.mkdir()
    try:
        made.start("scheduler", "scheduler", "--host", "127.0.0.1", "--port", str(made.port), "--no-dashboard")
        yield made
    finally:
        made.close()


@pytest.fixture
def dask(scheduler: Dask) -> Dask:
    scheduler.worker("one")
    scheduler.worker("two")
    return scheduler


def slow(repo: Repo) -> list[str]:
    good, bad = f"sleep 0.5\n{GOOD}", f"sleep 0.5\n{BAD}"
    return [repo.commit({"build.sh": "true\n", "console.sh": good if n < 7 else bad}) for n in range(12)]


def test_a_worker_that_is_killed_loses_nothing(repo: Repo, lab: Lab, dask: Dask) -> None:
    shas = slow(repo)

    def kill() -> None:
        if until(lambda: bool(list((dask.top / "two").glob("cache/regress/host/jobs/job-*"))), 60):
            dask.stop("two", signal.SIGKILL)

    killing = threading.Thread(target=kill)
    killing.start()
    told = lab.bisect(repo, *ends(shas), "--fleet", f"dask://127.0.0.1:{dask.port}")
    killing.join()
    assert told["culprit"] == shas[7], told.err
    assert "two" not in dask.processes
    assert told["hosts"][0]["jobs"] > 5


def test_a_controller_that_is_killed_goes_on(repo: Repo, lab: Lab, dask: Dask) -> None:
    shas, where = slow(repo), f"dask://127.0.0.1:{dask.port}"
    argv = lab.argv(repo, "--json", *ends(shas), "--fleet", where)
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        assert until(lambda: bool(list(dask.top.glob("*/cache/regress/host/jobs/job-*"))), 60)
        time.sleep(0.5)
        process.kill()
    assert gone(process.pid)
    told = lab.bisect(repo, "--resume", "--fleet", where)
    assert told["culprit"] == shas[7], told.err


def test_a_scheduler_that_does_not_answer(repo: Repo, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    shas = repo.line("good bad")
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "1s")
    told = lab.bisect(repo, *ends(shas), "--fleet", f"dask://127.0.0.1:{free_port()}")
    assert told.status == 3
    assert "the scheduler does not answer" in told.err


def test_workers_without_resources(repo: Repo, lab: Lab, dask: Dask) -> None:
    dask.stop("one")
    dask.stop("two")
    time.sleep(0.5)
    told = lab.bisect(repo, *ends(repo.line("good bad")), "--fleet", f"dask://127.0.0.1:{dask.port}")
    assert told.status == 3
    assert 'dask worker ADDRESS --resources "build=1,boot=2"' in told.err
