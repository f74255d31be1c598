"""Real kernels, built and booted by other hosts: over real SSH servers, and by a worker of a real Dask cluster."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import catalog, paths
from harness.kernel.build import KernelBuilder
from harness.model import Kernel
from harness.progress import SILENT
from tests.fleet.test_cluster import Dask, scheduler
from tests.real.test_bisect import bisect
from tests.support import ROOT
from tests.support.hosts import Hosts, hosts
from tests.support.replayed import tree, truth

__all__ = ["scheduler"]

COMMENT = """\
--- a/block/bio-integrity.c
+++ b/block/bio-integrity.c
@@ -1,2 +1,3 @@
+/* {} */
 // SPDX-License-Identifier: GPL-2.0
 /*
"""


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosts]:
    """Two hosts, whose objects are kept as those of this machine are."""
    with hosts(tmp_path / "hosts", "alpha", "beta", kept=paths.cache() / "test-hosts") as made:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(made.config))
        yield made


def built_here(sha: str, folder: Path) -> Kernel:
    """The scenario's kernel of a commit of the replay, built in this machine's folders (or before, by another test)."""
    scenario, laid = catalog.find("lr#35498d", []), tree()
    fragments = tuple(paths.KCONFIGS / f"{name}.config" for name in ("x86_64", *scenario.kconfig))
    return KernelBuilder(laid, "x86_64", fragments, paths.cache(), SILENT).build(laid.workspace.commit(sha), folder)


@pytest.mark.real
def test_the_replay_is_bisected_over_two_hosts(two: Hosts, tmp_path: Path) -> None:
    told = bisect(tmp_path, "--fleet", "ssh")
    assert (told["status"], told["subject"]) == ("culprit", truth("culprit"))
    assert told["checks"]["parent_good"]
    assert all(one["jobs"] for one in told["hosts"])
    trials = list(Path(told["folder"]).glob("commit-*/trial-*/console.log"))
    assert any("bio_integrity_verify_fn" in path.read_text(errors="replace") for path in trials)
    # An image is known by its hash: a build must not write its folders into it.
    [facts] = Path(told["folder"]).glob(f"commit-{told['culprit'][:12]}/kernel.json")
    assert json.loads(facts.read_text())["signature"] == built_here(told["culprit"], tmp_path / "here").signature


@pytest.mark.real
def test_a_kernel_is_built_and_tried_by_a_cluster(scheduler: Dask, tmp_path: Path) -> None:
    # The worker keeps what the host alpha keeps, whose objects are there; no patch was like this one, so it builds.
    kept = tmp_path / "cache" / "regress"
    kept.mkdir(parents=True)
    (kept / "host").symlink_to(paths.cache() / "test-hosts" / "alpha")
    scheduler.cache = kept.parent
    scheduler.worker("one")
    patch = tmp_path / "comment.patch"
    patch.write_text(COMMENT.format(uuid.uuid4()))
    argv = ("try", "lr#35498d", str(patch), "--tree", "replay", "--results", str(tmp_path / "results"), "--json")
    done = subprocess.run(
        [str(ROOT / "regress"), *argv, "--fleet", f"dask://127.0.0.1:{scheduler.port}"],
        stdout=subprocess.PIPE,
        check=False,
    )
    told = json.loads(done.stdout)
    [before, after] = [cell["answer"] for cell in told["cells"]]
    assert [cell["verdict"] for cell in (before, after)] == ["bad", "bad"], told["reason"]
    assert "bio_integrity" in after["trials"][0]["crash"]["title"]
    assert after["kernel"]["built"]
    assert after["kernel"]["signature"] != before["kernel"]["signature"]
    # The patched kernel's build, and the trials; of the other kernel a build, unless the host has sent it before.
    [host] = told["hosts"]
    assert host["jobs"] == 3 + before["kernel"]["built"]
