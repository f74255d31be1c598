"""Kernels with modules, booted, and crashed in what modprobe loaded; also with Debian's configuration."""

import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT

HERE = Path(__file__).parent


def run(tmp_path: Path, name: str) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """A scenario beside this file on the replay's bad and good commit; the bad one's folder, and both."""
    scenarios = tmp_path / "scenarios"
    scenarios.mkdir()
    (scenarios / name).symlink_to(HERE / name)
    commits = ("--commit", "replay-bad", "--commit", "replay-good")
    argv = ("run", name, "--scenarios", str(scenarios), "--tree", "replay", *commits, "--json")
    done = subprocess.run(
        [str(ROOT / "regress"), *argv, "--results", str(tmp_path / "results")],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    result = json.loads(done.stdout)
    bad, good = result["commits"]
    assert (bad["verdict"], good["verdict"]) == ("bad", "good"), result["reason"]
    return Path(result["folder"]) / bad["folder"], bad, good


@pytest.mark.real
@pytest.mark.parametrize("name", ["debian", pytest.param("modules", marks=pytest.mark.kernels)])
def test_a_kernel_with_modules_that_modprobe_loads(tmp_path: Path, name: str) -> None:
    kernel, bad, _ = run(tmp_path, name)
    # The crash is in the core, and the console names the modules that were there.
    assert {"dm_crypt", "dm_integrity", "scsi_debug"} <= set(bad["trials"][0]["crash"]["modules"])
    with tarfile.open(kernel / "modules.tar") as tar:
        assert any(name.endswith("/dm-crypt.ko") for name in tar.getnames())
    # With what is beside it, and nothing of the program's, the same boots again.
    again = subprocess.run(["sh", str(kernel / "repro.sh")], capture_output=True, text=True, check=False, timeout=600)
    assert "bio_integrity_process" in again.stdout
    assert "regress: step" in again.stdout
