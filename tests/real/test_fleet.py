"""Real kernels, built and booted by other hosts: over real SSH servers, and by a worker of a real Dask cluster."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import paths
from tests.fleet.test_cluster import Dask, dask, scheduler
from tests.real.test_bisect import bisect, truth
from tests.support import ROOT
from tests.support.hosts import Hosts, hosts

__all__ = ["dask", "scheduler"]


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosts]:
    """Two hosts, whose objects are kept as those of this machine are."""
    with hosts(tmp_path / "hosts", "alpha", "beta", kept=paths.cache() / "test-hosts") as made:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(made.config))
        yield made


@pytest.mark.real
def test_the_replay_is_bisected_over_two_hosts(two: Hosts, tmp_path: Path) -> None:
    told = bisect(tmp_path, "--fleet", "ssh")
    assert (told["status"], told["subject"]) == ("culprit", truth("culprit"))
    assert told["checks"]["parent_good"]
    assert all(one["jobs"] for one in told["hosts"])
    trials = list(Path(told["folder"]).glob("commit-*/trial-*/console.log"))
    assert any("bio_integrity_verify_fn" in path.read_text(errors="replace") for path in trials)


@pytest.mark.real
def test_a_kernel_is_built_and_tried_by_a_cluster(dask: Dask, tmp_path: Path) -> None:
    argv = ("run", "lr#35498d", "--tree", "replay", "--commit", "replay-bad", "--results", str(tmp_path), "--json")
    done = subprocess.run(
        [str(ROOT / "regress"), *argv, "--fleet", f"dask://127.0.0.1:{dask.port}"], stdout=subprocess.PIPE, check=False
    )
    told = json.loads(done.stdout)
    assert (told["status"], done.returncode) == ("shows", 1), told["reason"]
    [trial] = told["commits"][0]["trials"]
    assert "bio_integrity" in trial["crash"]["title"]
    # A build and a boot; a host that was tried before may have sent the kernel already.
    assert told["hosts"][0]["jobs"] == (2 if told["commits"][0]["kernel"]["built"] else 1)
