"""The kernel's own tests, for real: a bisection on a KUnit test that a commit breaks."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from harness.git import Git
from tests.support import ROOT
from tests.support.replayed import tree

SCENARIO = Path(__file__).with_name("kunit")
BREAKS = 4
"""The commit that sorts the wrong way round where two elements are compared, counted from 0."""


def history(top: Path) -> tuple[Git, list[str]]:
    """Seven commits over the replay's tree that change `lib/list_sort.c`, without a checkout."""
    git = Git(top)
    top.mkdir()
    git.run("clone", "--quiet", "--shared", "--no-checkout", str(tree().worktree), ".")
    git.run("read-tree", "replay-good")
    text = git.run("cat-file", "blob", "replay-good:lib/list_sort.c").stdout
    right = "if (cmp(priv, a, b) <= 0) {"
    assert text.count(right) == 2
    shas = [git.text("rev-parse", "replay-good")]
    for number in range(1, 8):
        # Each commit changes the code, or all would be one image.
        text += f"\nint list_sort_step_{number} = {number};\n"
        if number == BREAKS:
            text = text.replace(right, right.replace("<=", ">"))
        (top / "list_sort.c").write_text(text)
        blob = git.text("hash-object", "-w", "list_sort.c")
        git.run("update-index", "--cacheinfo", f"100644,{blob},lib/list_sort.c")
        subject = f"list_sort: step {number}"
        shas.append(git.text("commit-tree", git.text("write-tree"), "-p", shas[-1], "-m", subject))
    git.run("update-ref", "refs/heads/master", shas[-1])
    return git, shas


@pytest.mark.real
def test_a_bisection_on_a_kunit_test(tmp_path: Path) -> None:
    git, shas = history(tmp_path / "linux")
    words = ("--tree", str(git.path), "--good", shas[0], "--bad", shas[-1], "--results", str(tmp_path / "results"))
    done = subprocess.run(
        [str(ROOT / "regress"), "bisect", str(SCENARIO), *words, "--json"], stdout=subprocess.PIPE, check=False
    )
    told = json.loads(done.stdout)
    assert (told["status"], told["culprit"]) == ("culprit", shas[BREAKS]), told["reason"]
    assert done.returncode == 0
    [reason] = {step["reason"] for step in told["steps"] if step["commit"] == shas[-1]}
    assert re.search(r"list_sort\.list_sort_test \(list_sort_test: \w+ FAILED at lib/test_list_sort\.c:\d+", reason)
