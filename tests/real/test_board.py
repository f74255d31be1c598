"""A test machine, for real: QEMU with Debian, sshd and kexec on a disk; kernels that work, crash, hang or are deaf.

It takes minutes, so it is not among the usual real tests: `make board`.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.paths import cache
from tests.support import ROOT
from tests.support.board import QemuBoard, qemu_board

SCENARIOS = Path(__file__).with_name("board")


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QemuBoard]:
    with qemu_board(cache(), tmp_path_factory.mktemp("board")) as made:
        yield made


def trials(board: QemuBoard, results: Path, scenario: str, commit: str) -> list[dict[str, Any]]:
    """The trials of a commit on the machine, which runs its usual kernel afterwards."""
    words = ("--scenarios", str(SCENARIOS), "--tree", "replay", "--commit", commit, "--results", str(results))
    done = subprocess.run(
        [str(ROOT / "regress"), "run", scenario, *words, "--json"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, "XDG_CONFIG_HOME": str(board.config)},
    )
    told = json.loads(done.stdout)
    assert "the machine is up" in board.console().rpartition("REGRESS_WORD")[2], "its usual kernel has not come back"
    return list(told["commits"][0]["trials"])


@pytest.mark.real
@pytest.mark.board
@pytest.mark.parametrize(
    ("scenario", "commit", "outcome", "reason"),
    [
        ("board-initramfs:works", "replay-good", "passed", "64 blocks of 4 KiB read back as written"),
        ("board-initramfs:works", "replay-bad", "crashed", "NULL pointer dereference in bio_integrity_process"),
        ("board-initramfs:hangs", "replay-good", "boot failed", "was silent|was not up"),
        ("board-own:works", "replay-good", "passed", "the first process is /bin/sh /usr/local/sbin/first"),
        ("board-own:crashes", "replay-good", "crashed", "sysrq"),
        ("board-own:no-network", "replay-good", "boot failed", "was silent|was not up"),
    ],
)
def test_a_kernel_on_a_test_machine(
    board: QemuBoard, tmp_path: Path, scenario: str, commit: str, outcome: str, reason: str
) -> None:
    # The same machine, as one whose kernels boot their own root file system.
    board.hosts(root="own" if scenario.startswith("board-own") else "")
    [trial] = trials(board, tmp_path, scenario, commit)
    assert trial["outcome"] == outcome, trial["reason"]
    assert any(word in trial["reason"] for word in reason.split("|")), trial["reason"]
