"""A fleet of real SSH servers on which everything fails, one thing after another: the same commit all the same."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support import ROOT, processes
from tests.support.bisect import Answer, Lab, Repo, ends
from tests.support.edges import trials, until
from tests.support.faults import Faults, small_disk
from tests.support.hosts import hosts
from tests.test_run import BAD, GOOD

# The program with a host that failed tried again after half a second in place of half a minute.
SOON = """
import sys, harness.cli
from harness.fleet import fleet
fleet.ASIDE = 0.5
sys.exit(harness.cli.main())
"""

ENDED = "the last one has come to its end"


def test_faults_in_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As many faults as `REGRESS_FAULTS` says: the same commit, every time."""
    if "REGRESS_FAULTS" not in os.environ:
        pytest.skip("takes long on a busy machine: set REGRESS_FAULTS=100")
    began, figures = time.monotonic(), Counter[str]()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    with contextlib.ExitStack() as stack:
        disks = [stack.enter_context(small_disk(tmp_path / "kept" / name)) for name in ("alpha", "beta")]
        two = stack.enter_context(hosts(tmp_path / "hosts", "alpha", "beta", kept=tmp_path / "kept"))
        faults = Faults(two, all(disks), tmp_path / "tmp")
        faults.wanted = int(os.environ["REGRESS_FAULTS"])
        chance = faults.chance = random.Random(int(os.environ.get("REGRESS_SEED", faults.wanted)))
        stack.enter_context(faults.under_way())
        while sum(faults.done.values()) < faults.wanted:
            figures["bisections"] += 1
            _through(faults, tmp_path / f"{figures['bisections']}", chance.randrange(3, 11), figures)
            figures["seconds"] = round(time.monotonic() - began)
            with capsys.disabled():
                counted = "; ".join(str(dict(one)) for one in (faults.done, faults.missed, figures))
                sys.stdout.write(f"\n{sum(faults.done.values())} faults, those missed, all else: {counted}\n")
        for server in two.servers.values():
            server.stop()
        assert until(lambda: not processes(str(tmp_path)), 60), processes(str(tmp_path))


def _through(faults: Faults, top: Path, first: int, figures: Counter[str]) -> None:
    """A bisection through faults; none of its commits may be judged wrongly, and nothing in its journal be lost."""
    lab, repo = Lab(top), Repo(top / "tree")
    # Consoles and sources are long enough to be caught on their way.
    noise = "head -c 400000 /dev/urandom | base64\n"
    shas = [
        repo.commit(
            {
                "build.sh": "sleep 0.3\n",
                "console.sh": f"sleep 0.2\n{noise}{GOOD if n < first else BAD}",
                "blob": base64.b64encode(os.urandom(1500000)).decode(),
            }
        )
        for n in range(12)
    ]
    faults.progress = lambda: trials(lab.results)
    argv = [sys.executable, "-c", SOON, *lab.argv(repo, "--json", "--fleet", "ssh")[1:]]
    env = {**os.environ, "XDG_CONFIG_HOME": str(faults.hosts.config)}
    words: tuple[str, ...] = ends(shas)
    known = 0
    while True:
        with subprocess.Popen(
            [*argv, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=ROOT
        ) as process:
            faults.controller = process
            out, err = process.communicate()
        words = ("--resume",)
        now, known = known, trials(lab.results)
        assert known >= now, "the journal has lost trials"
        if process.returncode == -signal.SIGKILL:
            assert until(lambda: not processes(str(lab.results)), 60), processes(str(lab.results))
            figures["controllers that went on after a kill"] += 1
        elif ENDED in err:
            # It was killed after its last word to the journal, and before the one to us.
            [folder] = lab.results.glob("*-toy")
            out = (folder / "result.json").read_text()
            break
        elif json.loads(out or "{}").get("status") == "infrastructure":
            figures["no host left"] += 1
        else:
            break
    faults.controller = None
    told = Answer(process.returncode, out, err)
    assert told["culprit"] == shas[first], (told["reason"], told.err)
    judged = told.verdicts()
    assert judged == {sha: "good" if n < first else "bad" for n, sha in enumerate(shas) if sha in judged}, told.err
    figures["trials"] += known
    figures["failures of hosts that were told"] += sum(len(one["faults"]) for one in told["hosts"])
