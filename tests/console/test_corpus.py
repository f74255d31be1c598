"""Labelled logs of public test suites, and the thread that the program starts from, where they lie beside the project.

They are not part of it: `shared/` beside the project's folder, or where REGRESS_SHARED says.
"""

import os
import subprocess
from pathlib import Path

import pytest

from harness.console import find_crashes
from tests.support import ROOT

SHARED = Path(os.environ.get("REGRESS_SHARED", ROOT.parent / "shared"))
LEAST = {
    "abrt count": 0.90,
    "abrt negative": 1.0,
    "lkp heads": 0.97,
    "satyr trace": 0.90,
    "syzbot-mail title": 0.92,
    "syzkaller negative": 1.0,
    "syzkaller title": 0.97,
}
MAILS = {"syzbot-mail title"}
"""They lie in a folder of their own.  Some subjects name another crash than the one quoted, some logs lack its head."""

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no labelled logs in {SHARED}")


def test_the_labelled_logs() -> None:
    logs = sorted(SHARED.glob("corpus/**/*.jsonl"))
    told = subprocess.run(
        [SHARED / "tools" / "score_crashes", *logs, "--misses"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split() for line in told.splitlines() if not line.startswith("miss ")]
    scores = {f"{source} {metric}": float(rate) for source, metric, _, rate in rows}
    assert scores.keys() | MAILS == LEAST.keys()
    assert all(rate >= LEAST[key] for key, rate in scores.items()), told


def test_the_thread_tells_one_crash() -> None:
    [crash] = find_crashes((SHARED / "thread" / "lr-35498d.txt").read_bytes())
    assert (crash.function, crash.workqueue) == ("bio_integrity_process", "bio_integrity_verify_fn")
    assert crash.null_ip
    assert len(crash.frames) >= 4
