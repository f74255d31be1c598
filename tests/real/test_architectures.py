"""The main job on other architectures: cross-built, emulated, with Debian's programs of that architecture."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from harness import architecture
from tests.support import ROOT

OFTEN = ("arm64", "s390x")
"""Those that every check tries; i386 has a test of its own, and `make architectures` tries all others."""


def each(often: tuple[str, ...]) -> list[object]:
    others = [name for name in architecture.names() if name not in (architecture.DEFAULT, "i386")]
    return [pytest.param(name, marks=[] if name in often else [pytest.mark.architecture]) for name in others]


def run(scenario: str, arch: str, results: Path) -> subprocess.CompletedProcess[str]:
    argv = [str(ROOT / "regress"), "run", scenario, "--tree", "replay", "--arch", arch, "--json"]
    return subprocess.run([*argv, "--results", str(results)], stdout=subprocess.PIPE, text=True, check=False)


@pytest.mark.real
@pytest.mark.parametrize("arch", each(OFTEN))
def test_the_regression_shows(arch: str, tmp_path: Path) -> None:
    done = run("lr#35498d", arch, tmp_path)
    result = json.loads(done.stdout)
    assert [(one["role"], one["verdict"]) for one in result["commits"]] == [
        ("good", "good"),
        ("bad", "bad"),
        ("fixed", "good"),
    ]
    assert done.returncode == 0
    bad = result["commits"][1]
    assert bad["trials"][0]["crash"]["null_ip"]
    assert bad["trials"][0]["crash"]["workqueue"] == "bio_integrity_verify_fn"
    script = Path(result["folder"]) / bad["folder"] / "repro.sh"
    repro = subprocess.run([str(script)], capture_output=True, text=True, check=False, timeout=300)
    assert "kintegrityd bio_integrity_verify_fn" in repro.stdout
    # The panic may come before s390x has sent the last line.
    last = "write|read" if arch == "s390x" else "read"
    assert re.search(rf"step \S+ ({last})", repro.stdout.rpartition("the guest said")[2])


@pytest.mark.real
@pytest.mark.parametrize("arch", each(()))
def test_protection_information_is_right(arch: str, tmp_path: Path) -> None:
    done = run("pi-disk", arch, tmp_path)
    assert {one["verdict"] for one in json.loads(done.stdout)["commits"]} == {"good"}
    assert done.returncode == 0
