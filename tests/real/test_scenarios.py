"""The scenarios that stand for the thread's first claims, on the replay's good and bad commits, with real parts."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT

# What each says of replay-good and of replay-bad; variants that stand for all, as each is a boot.
EXPECTED = {
    "dm-crypt-integrity:luks2-xts-512": ("good", "bad"),
    "dm-crypt-integrity:dmsetup-4096": ("good", "bad"),
    "dm-integrity": ("good", "good"),
    "pi-disk:dif1-dix0": ("good", "good"),
    "pi-disk:dif1-dix1-crc": ("good", "good"),
    "pi-disk:dif3-dix1-ip": ("good", "good"),
    "corruption": ("good", "bad"),
}


@pytest.mark.real
@pytest.mark.parametrize("name", EXPECTED)
def test_the_scenario_on_the_replay(tmp_path: Path, name: str) -> None:
    commits = ("--commit", "replay-good", "--commit", "replay-bad")
    done = subprocess.run(
        [str(ROOT / "regress"), "run", name, "--tree", "replay", *commits, "--json", "--results", str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    result = json.loads(done.stdout)
    assert tuple(commit["verdict"] for commit in result["commits"]) == EXPECTED[name], result["reason"]
    for commit in result["commits"]:
        assert commit["kernel"]
        for trial in commit["trials"]:
            assert trial["outcome"] in ("passed", "crashed"), trial["reason"]
            # The evidence: numbers, not only a word.
            assert trial["outcome"] == "crashed" or any(sign.isdigit() for sign in trial["reason"])
    if "bad" in EXPECTED[name]:
        titles = {t["crash"]["title"] for t in result["commits"][1]["trials"] if t["crash"]}
        assert titles == {"BUG: unable to handle kernel NULL pointer dereference in bio_integrity_process"}
