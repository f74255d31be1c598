"""The main job with real parts: the replay is laid, three kernels are built and booted, the regression shows."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture
def surroundings() -> None:
    """The user's own cache: what is built here is worth keeping."""


@pytest.mark.real
def test_the_regression_shows_on_the_replay(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(ROOT / "regress"), "run", "lr#35498d", "--json", "--results", str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    result = json.loads(done.stdout)
    assert result["status"] == "shows"
    assert [(c["role"], c["verdict"]) for c in result["commits"]] == [
        ("good", "good"),
        ("bad", "bad"),
        ("fixed", "good"),
    ]
    crash = result["commits"][1]["trials"][0]["crash"]
    assert crash["null_ip"]
    assert crash["workqueue"] == "bio_integrity_verify_fn"
    folder = Path(result["folder"])
    bad = folder / result["commits"][1]["folder"]
    for name in ("bzImage", "config", "build.log", "kernel.json", "initramfs.cpio", "repro.sh", "trial-1/console.log"):
        assert (bad / name).stat().st_size > 0
    repro = subprocess.run([str(bad / "repro.sh")], capture_output=True, text=True, check=False, timeout=120)
    assert "Workqueue: kintegrityd bio_integrity_verify_fn" in repro.stdout
