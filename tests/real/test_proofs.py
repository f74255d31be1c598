"""Each scenario can fail: under a fault of its own, in `scenarios/NAME/proof`, it does, with the reason foreseen."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import catalog, paths
from harness.git import Git
from harness.kernel import replay
from harness.progress import Silent
from tests.support import ROOT

PROOFS = [
    pytest.param(path.parent.parent.name, proof, id="-".join((path.parent.parent.name, *map(str, proof.values()))[:3]))
    for path in sorted(paths.SCENARIOS.glob("*/proof/expect.yaml"))
    for proof in yaml.safe_load(path.read_text())
]


def patched(repository: Git, base: str, patch: Path, index: Path) -> str:
    """A commit with a patch on a base, made beside all branches and work trees."""
    env = {
        "GIT_INDEX_FILE": str(index),
        **{
            f"GIT_{who}_{what}": text
            for who in ("AUTHOR", "COMMITTER")
            for what, text in (("NAME", "proof"), ("EMAIL", "proof@example.org"), ("DATE", "2025-01-01T00:00:00Z"))
        },
    }
    repository.run("read-tree", base, env=env)
    repository.run("apply", "--cached", str(patch), env=env)
    tree = repository.run("write-tree", env=env).stdout.strip()
    return repository.run("commit-tree", tree, "-p", base, "-m", f"proof: {patch.stem}", env=env).stdout.strip()


@pytest.mark.real
@pytest.mark.proof
@pytest.mark.parametrize(("name", "proof"), PROOFS)
def test_the_scenario_fails_under_its_fault(tmp_path: Path, name: str, proof: dict[str, Any]) -> None:
    scenario = catalog.find(name)
    assert scenario.replay is not None
    series = replay.read_series(scenario.replay)
    tree = replay.lay(series, replay.find_source(series.kernel, paths.cache(), Silent()), paths.cache(), Silent())
    commit = proof.get("commit")
    if commit is None:
        patch = scenario.folder / "proof" / proof["patch"]
        commit = patched(tree.repository, tree.repository.commit("replay-good").sha, patch, tmp_path / "index")
    which = f"{name}:{proof['variant']}" if "variant" in proof else name
    done = subprocess.run(
        [
            *(str(ROOT / "regress"), "run", which, "--tree", "replay", "--commit", commit, "--json"),
            *("--results", str(tmp_path / "results")),
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert done.returncode == 1
    [trial] = json.loads(done.stdout)["commits"][0]["trials"]
    assert trial["outcome"] == proof["outcome"], trial["reason"]
    assert proof["reason"] in trial["reason"]
