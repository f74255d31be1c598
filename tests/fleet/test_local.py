"""The commands with several workers on this machine: the same answers, and nothing left."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.support import gone, processes
from tests.support.bisect import Lab, Repo, ends, lab, repo
from tests.test_run import BAD, GOOD

__all__ = ["lab", "repo"]
FLEET = ("--fleet", "local:3")


def test_bisect_names_the_same_commit(repo: Repo, lab: Lab) -> None:
    shas = repo.line("good*12 unbuildable*2 good*3 bad*7")
    told = lab.bisect(repo, *ends(shas), *FLEET)
    assert told["status"] == "culprit", told["reason"]
    assert told["culprit"] == shas[17]
    alone = lab.bisect(repo, *ends(shas))
    assert (alone["culprit"], alone.status) == (told["culprit"], told.status)
    verdicts = told.verdicts()
    assert all(verdicts[sha] == word for sha, word in alone.verdicts().items() if sha in verdicts)


def test_merges_and_a_fix(repo: Repo, lab: Lab) -> None:
    base = repo.line("bad*4")
    repo.switch("topic", base[1])
    repo.line("bad*3")
    repo.switch("main")
    repo.line("bad*2")
    repo.merge("topic")
    fixed = repo.line("good*4")
    told = lab.bisect(repo, "--find-fix", "--bad", base[0], "--good", fixed[-1], *FLEET)
    assert told["culprit"] == fixed[0], told["reason"]


def test_an_intermittent_crash(repo: Repo, lab: Lab) -> None:
    # Bad commits crash every other time, whoever tries them.
    mark = lab.top / "count"
    flaky = f"flock {mark} sh -c 'echo x >>{mark}'\nif [ $(($(wc -l <{mark}) % 2)) = 0 ]; then\n{BAD}exit 1\nfi\n{GOOD}"
    states = [repo.commit({"build.sh": "true\n", "console.sh": GOOD}) for _ in range(6)]
    states += [repo.commit({"build.sh": "true\n", "console.sh": flaky}) for _ in range(6)]
    told = lab.bisect(repo, *ends(states), "--runs", "auto", *FLEET)
    assert told["culprit"] in (states[6], None), told["reason"]
    assert told["culprit"] == states[6] or told["status"] == "inconclusive"


def test_run_gives_the_same_table(
    repo: Repo, lab: Lab, regress: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    good, bad = repo.line("good bad")
    words = [*lab.argv(repo, "--good", good, "--bad", bad, "--runs", "3", command="run")[1:]]
    alone, widely = regress(*words), regress(*words, *FLEET)
    assert (alone.returncode, widely.returncode) == (0, 0), widely.stderr
    rows = [[line for line in done.stdout.splitlines() if line.startswith(("good", "bad"))] for done in (alone, widely)]
    assert [row.split()[:2] for row in rows[0]] == [row.split()[:2] for row in rows[1]]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_when_it_is_ended_and_it_goes_on(repo: Repo, lab: Lab, how: signal.Signals) -> None:
    slow = f"sleep 0.6\n{GOOD}"
    shas = [repo.commit({"build.sh": "true\n", "console.sh": slow}) for _ in range(8)]
    shas += [repo.commit({"build.sh": "true\n", "console.sh": f"sleep 0.3\n{BAD}"}) for _ in range(8)]
    env = {**os.environ, "REGRESS_TEST_MARK": str(lab.top)}
    with subprocess.Popen(
        lab.argv(repo, "--json", *ends(shas), *FLEET), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env
    ) as process:
        until = time.monotonic() + 60
        while time.monotonic() < until and not list(lab.results.glob("*/commit-*/trial-*/console.log")):
            time.sleep(0.05)
        # The trials themselves are being made in the workers' own folder by now.
        started = processes(str(lab.top))
        process.send_signal(how)
        process.wait(30)
    assert all(gone(pid) for pid in started)
    told = lab.bisect(repo, "--resume", *FLEET)
    assert told["culprit"] == shas[8], told["reason"]


def test_a_fleet_that_makes_no_sense(repo: Repo, lab: Lab) -> None:
    shas = repo.line("good bad")
    told = lab.bisect(repo, *ends(shas), "--fleet", "locale:3")
    assert told.status == 2
    assert "--fleet locale:3: expected local, local:N" in told.err
