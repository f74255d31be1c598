"""The kernel's own tests, for real: bisections on a KUnit test and on a selftest, which two commits break."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness import ktap
from harness.files import whole_folder
from harness.git import Git
from harness.paths import cache
from tests.support import ROOT
from tests.support.replayed import tree

HERE = Path(__file__).parent
UNSORTED, ARMED = 4, 5
"""The commits that sort the wrong way round where two elements are compared, and that leave a signal's stack armed in
its handler, counted from 0."""
SORT = ("lib/list_sort.c", "if (cmp(priv, a, b) <= 0) {", "if (cmp(priv, a, b) > 0) {")
SIGNAL = ("kernel/signal.c", "if (current->sas_ss_flags & SS_AUTODISARM)\n", "if (0)\n")

DATED = {
    f"GIT_{who}_{what}": text
    for who in ("AUTHOR", "COMMITTER")
    for what, text in (("NAME", "test"), ("EMAIL", "test@example.org"), ("DATE", "2025-01-01T00:00:00Z"))
}


@pytest.fixture(scope="module")
def history() -> tuple[Git, list[str]]:
    """Seven commits over the replay's tree, without a checkout; always the same, so that what is built is kept."""
    base = Git(tree().worktree).text("rev-parse", "replay-good")
    top = cache() / "test-own-tests" / base[:12]
    if top.exists() and not Git(top).has("master"):
        shutil.rmtree(top)
    if not top.exists():
        with whole_folder(top) as new:
            commits(Git(new), base)
    return Git(top), Git(top).text("rev-list", "--reverse", f"{base}^..master").split()


def commits(git: Git, base: str) -> None:
    """Make them, as branch `master` of a new repository."""
    git.run("clone", "--quiet", "--shared", "--no-checkout", str(tree().worktree), ".")
    git.run("read-tree", base)
    texts = {path: git.run("cat-file", "blob", f"{base}:{path}").stdout for path, _, _ in (SORT, SIGNAL)}
    last = base
    for number in range(1, 8):
        # Each commit changes the code, or all would be one image.
        texts[SORT[0]] += f"\nint list_sort_step_{number} = {number};\n"
        for breaks, (path, right, wrong) in ((UNSORTED, SORT), (ARMED, SIGNAL)):
            if number == breaks:
                assert right in texts[path]
                texts[path] = texts[path].replace(right, wrong)
        for path, text in texts.items():
            (git.path / "text").write_text(text)
            blob = git.text("hash-object", "-w", "text")
            git.run("update-index", "--cacheinfo", f"100644,{blob},{path}")
        made = ("commit-tree", git.text("write-tree"), "-p", last, "-m", f"list_sort: step {number}")
        last = git.run(*made, env=DATED).stdout.strip()
    git.run("update-ref", "refs/heads/master", last)


def bisected(
    history: tuple[Git, list[str]], results: Path, scenario: str, first: int, last: int, culprit: int
) -> dict[str, Any]:
    """A bisection between two of the commits, which has to find a third."""
    git, shas = history
    ends = ("--good", shas[first], "--bad", shas[last])
    done = subprocess.run(
        [
            *(str(ROOT / "regress"), "bisect", str(HERE / scenario), "--tree", str(git.path), *ends),
            *("--results", str(results), "--json"),
        ],
        stdout=subprocess.PIPE,
        check=False,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    assert (told["status"], told["culprit"]) == ("culprit", shas[culprit]), told["reason"]
    assert done.returncode == 0
    told["why"] = {step["reason"] for step in told["steps"] if step["commit"] == shas[last]}
    return told


@pytest.mark.real
def test_a_bisection_on_a_kunit_test(history: tuple[Git, list[str]], tmp_path: Path) -> None:
    [reason] = bisected(history, tmp_path, "kunit", 0, 7, UNSORTED)["why"]
    assert re.search(r"list_sort\.list_sort_test \(list_sort_test: \w+ FAILED at lib/test_list_sort\.c:\d+", reason)


@pytest.mark.real
def test_a_bisection_on_a_selftest(history: tuple[Git, list[str]], tmp_path: Path) -> None:
    """Its kernels are configured as those above, so that little is compiled; a test that does not count fails too."""
    told = bisected(history, tmp_path, "kselftest", 3, 6, ARMED)
    [reason] = told["why"]
    assert re.search(r"tests failed: sigaltstack\.sas\.tss_flags=80000000, should be SS_DISABLE", reason)
    # Those that do not count are told too: the good end sorts well, the bad one does not.
    good, bad = (rows(Path(told["folder"]), history[1][at]) for at in (3, 6))
    assert (good["list_sort.list_sort_test"], bad["list_sort.list_sort_test"]) == ("passed", "failed")
    assert good["size.get_size.get runtime memory use"] == bad["size.get_size.get runtime memory use"] == "passed"
    assert good["sigaltstack.sas.sigaltstack is disabled in sighandler"] == "passed"


def rows(folder: Path, sha: str) -> dict[str, str]:
    """The results of the tests of a commit."""
    status = (folder / f"commit-{sha[:12]}" / "trial-1" / "status.log").read_text(errors="replace")
    return {one.name: one.result for one in ktap.subtests(ktap.lines_of(status.splitlines()))}
