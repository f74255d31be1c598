"""The main job with real parts: the replay is laid, three kernels are built and booted, the regression shows."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT
from tests.support.replayed import TRUTH, subject


def shown(results: Path, *args: str, status: int = 0) -> dict[str, Any]:
    """What `regress run` says of the regression, which has to show."""
    done = subprocess.run(
        [str(ROOT / "regress"), "run", "lr#35498d", "--json", "--results", str(results), *args],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == status
    result: dict[str, Any] = json.loads(done.stdout)
    assert result["status"] == "shows"
    return result


def revision(number: int) -> str:
    """The commit of the replay that a patch became."""
    return f"replay^{{/^{subject(number)}}}"


@pytest.mark.real
def test_the_regression_shows_on_the_replay(tmp_path: Path) -> None:
    result = shown(tmp_path)
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


@pytest.mark.real
def test_the_32_bit_regression_shows(tmp_path: Path) -> None:
    """The thread's own crash is one of 32-bit x86."""
    result = shown(tmp_path, "--tree", "replay", "--arch", "i386", "--commit", "replay-bad", status=1)
    [bad] = result["commits"]
    [trial] = bad["trials"]
    crash = trial["crash"]
    assert crash["null_ip"]
    assert crash["workqueue"] == "bio_integrity_verify_fn"
    console = (Path(result["folder"]) / bad["folder"] / trial["folder"].rpartition("/")[2] / "console.log").read_text()
    assert "EIP: 0x0" in console


@pytest.mark.real
def test_each_hazard_of_the_replay_is_told_apart(tmp_path: Path) -> None:
    """What does not build, what does not boot, what crashes elsewhere: none of it is good or bad."""
    wanted = {
        **dict.fromkeys(TRUTH["unbuildable"], "build failed"),
        **dict.fromkeys(TRUTH["boot_panic"], "boot failed"),
        **dict.fromkeys(TRUTH["crashes_elsewhere"], "crashed"),
    }
    given = [word for number in wanted for word in ("--commit", revision(number))]
    done = subprocess.run(
        [*(str(ROOT / "regress"), "run", "lr#35498d", "--tree", "replay", "--json"), *given, "--results", tmp_path],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert result["status"] == "inconclusive"
    seen = [(commit["verdict"], commit["trials"][0]["outcome"]) for commit in result["commits"]]
    assert seen == [("skip", outcome) for outcome in wanted.values()]
    for commit in result["commits"][-len(TRUTH["crashes_elsewhere"]) :]:
        assert "which is not the expected crash" in commit["reason"]
