"""Bisections over real SSH servers: the same commit, whatever the hosts do meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import ROOT, gone, processes
from tests.support.bisect import Answer, Lab, Repo, ends, lab, repo
from tests.support.edges import until
from tests.support.hosts import Hosts, hosts
from tests.test_run import BAD, GOOD

__all__ = ["lab", "repo"]
Regress = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Hosts]:
    with hosts(tmp_path / "hosts", "alpha", "beta") as made:
        yield made


def slow(repo: Repo, seconds: float = 0.4) -> list[str]:
    """Twelve commits whose boots take a moment; the eighth brings the crash."""
    good, bad = f"sleep {seconds}\n{GOOD}", f"sleep {seconds}\n{BAD}"
    return [repo.commit({"build.sh": "true\n", "console.sh": good if n < 7 else bad}) for n in range(12)]


def bisect(lab: Lab, repo: Repo, two: Hosts, *words: str) -> Answer:
    return lab.bisect(repo, "--fleet", "ssh", *words, XDG_CONFIG_HOME=str(two.config))


def told_hosts(told: Answer) -> dict[str, int]:
    return {one["host"]: one["jobs"] for one in told["hosts"]}


def test_both_hosts_work_and_name_the_commit(repo: Repo, lab: Lab, two: Hosts) -> None:
    shas = slow(repo)
    told = bisect(lab, repo, two, *ends(shas))
    assert told["culprit"] == shas[7], told.err
    assert set(told_hosts(told)) == {"alpha", "beta"}
    assert all(told_hosts(told).values())
    assert not processes(str(two.folder("alpha")))


def test_hosts_tells_what_is_wrong(two: Hosts, regress: Regress) -> None:
    two.servers["beta"].new_host_key(known=False)
    two.servers["beta"].stop()
    two.servers["beta"].start()
    done = regress("hosts", "--json", XDG_CONFIG_HOME=str(two.config))
    told = {one["host"]: one for one in json.loads(done.stdout)["hosts"]}
    assert done.returncode == 3
    assert told["alpha"]["cores"] >= 1
    assert told["alpha"]["accelerator"].startswith(("tcg", "kvm"))
    assert not told["beta"]["ok"]
    assert "ssh-keygen -R" in told["beta"]["problems"][0]


def test_a_host_that_is_not_set_up(repo: Repo, lab: Lab, two: Hosts) -> None:
    for place in two.folder("beta").glob("environments/*/whole"):
        place.unlink()
    shas = slow(repo, 0.1)
    told = bisect(lab, repo, two, *ends(shas))
    assert told["culprit"] == shas[7], told.err
    assert "regress hosts setup" in told.err
    assert told_hosts(told)["beta"] == 0


@pytest.mark.parametrize("what", ["dies", "loses its link", "fills its disk", "lies", "is killed"])
def test_a_host_that_fails_in_between(repo: Repo, lab: Lab, two: Hosts, what: str, tmp_path: Path) -> None:
    shas = slow(repo)
    beta, folder = two.servers["beta"], two.folder("beta")

    def fail() -> None:
        until(lambda: bool(list(folder.glob("jobs/job-*"))), 60)
        if what == "dies":
            beta.stop()
        elif what == "loses its link":
            for _ in range(3):
                beta.cut()
                time.sleep(0.5)
        elif what == "fills its disk":
            (folder / "jobs").rename(folder / "gone")
            (folder / "jobs").write_text("no folder")
        elif what == "lies":
            for python in folder.glob("environments/*/bin/python"):
                python.write_text('#!/bin/sh\necho \'reply {"schema": 1, "job": "another", "kind": "trial"}\'\n')
        else:
            for pid in processes(str(folder)):
                os.kill(pid, signal.SIGKILL)

    failing = threading.Thread(target=fail)
    failing.start()
    told = bisect(lab, repo, two, *ends(shas))
    failing.join()
    assert told["culprit"] == shas[7], told.err
    assert told["confidence"] > 0.9
    beta.stop()
    assert until(lambda: not processes(str(folder)), 60)


def test_a_controller_that_is_killed_goes_on(repo: Repo, lab: Lab, two: Hosts) -> None:
    shas = slow(repo)
    env = {**os.environ, "XDG_CONFIG_HOME": str(two.config)}
    argv = lab.argv(repo, "--json", *ends(shas), "--fleet", "ssh")
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env) as process:
        assert until(lambda: bool(list(two.folder("alpha").glob("jobs/job-*/out/console.log"))), 60)
        inside = processes(str(two.folder("alpha"))) + processes(str(two.folder("beta")))
        process.kill()
    assert all(gone(pid) for pid in inside)
    told = bisect(lab, repo, two, "--resume")
    assert told["culprit"] == shas[7], told.err
    journal = lab.results / "index.sqlite"
    assert journal.exists()


def test_two_controllers_on_the_same_hosts(repo: Repo, lab: Lab, two: Hosts, tmp_path: Path) -> None:
    shas, other = slow(repo, 0.1), Lab(tmp_path / "other")
    env = {**os.environ, "XDG_CONFIG_HOME": str(two.config), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    argv = other.argv(repo, "--json", *ends(shas), "--fleet", "ssh")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, text=True) as process:
        told = bisect(lab, repo, two, *ends(shas))
        out, err = process.communicate()
    assert told["culprit"] == shas[7], told.err
    assert json.loads(out)["culprit"] == shas[7], err


def test_a_build_that_fails_on_one_host_only(repo: Repo, lab: Lab, two: Hosts) -> None:
    # A broken compiler: whatever beta builds fails.
    broken = f'case $PWD in {two.folder("beta")}/*) echo "x.c:1: error: internal"; exit 1 ;; esac\n'
    shas = [repo.commit({"build.sh": broken, "console.sh": GOOD if n < 7 else BAD}) for n in range(12)]
    told = bisect(lab, repo, two, *ends(shas))
    assert told["culprit"] == shas[7], told.err
    assert "skip" not in told.verdicts().values()
    assert "builds on alpha" in told.err


def test_hosts_that_disagree_are_told(repo: Repo, lab: Lab, two: Hosts) -> None:
    # It may be the hardware: on beta no commit crashes.
    console = f"case $PWD in {two.folder('beta')}/*)\n{GOOD}exit 0 ;;\nesac\n{BAD}"
    shas = [repo.commit({"build.sh": "true\n", "console.sh": GOOD if n < 7 else console}) for n in range(12)]
    told = bisect(lab, repo, two, *ends(shas), "--runs", "8")
    assert told["culprit"] in (None, shas[7])
    assert any("the hardware, or" in note and "beta (0 of" in note for note in told["notes"]), told["notes"]


def test_setup_makes_a_host_usable(tmp_path: Path, regress: Regress) -> None:
    """The whole way, with a Python environment from the package index."""
    with hosts(tmp_path / "hosts", "fresh") as made:
        for place in made.folder("fresh").glob("environments/*/whole"):
            place.unlink()
        env = {"XDG_CONFIG_HOME": str(made.config)}
        assert "regress hosts setup" in regress("hosts", **env).stdout
        done = regress("hosts", "setup", **env)
        assert "NOT USABLE" not in done.stdout, done.stdout + done.stderr
        assert (ROOT / "regress").exists()
