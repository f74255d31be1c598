import hashlib
import http.server
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from harness.errors import Unavailable, UserError
from harness.kernel import replay
from harness.kernel.replay import Merge, Source, find_source, lay, read_series
from harness.paths import SCENARIOS
from harness.progress import Silent

SHIPPED = SCENARIOS / "lr-35498d" / "replay"
MAKEFILE = "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 7\nEXTRAVERSION =\n"
PATCH = """\
From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: {who} <{who}@example.org>
Date: Tue, 7 Jan 2025 05:15:13 +0100
Subject: [PATCH] {file}: {new}

Why it is so.

Signed-off-by: {who} <{who}@example.org>
---
 {file} | 2 +-
 1 file changed, 1 insertion(+), 1 deletion(-)

diff --git a/{file} b/{file}
--- a/{file}
+++ b/{file}
@@ -1 +1 @@
-{old}
+{new}
"""
SERIES = """\
kernel: "6.1"
refs: {tip: 4.patch, early: 1.patch}
patches:
  - 1.patch
  - merge:
      main: [2.patch]
      side: [3.patch]
      subject: Merge branch 'side'
      author: M <m@example.org>
      date: "2025-01-08 00:00:00 +0000"
  - 4.patch
"""


@pytest.fixture
def small(tmp_path: Path) -> tuple[Path, Source]:
    """A series of four patches and a merge, and a source that it fits."""
    folder, tree = tmp_path / "replay", tmp_path / "linux-6.1.7"
    folder.mkdir()
    tree.mkdir()
    (folder / "series.yaml").write_text(SERIES)
    for name, file, old, new in (
        ("1.patch", "a", "1", "2"),
        ("2.patch", "a", "2", "3"),
        ("3.patch", "b", "1", "2"),
        ("4.patch", "b", "2", "3"),
    ):
        (folder / name).write_text(PATCH.format(who="eve", file=file, old=old, new=new))
    (tree / "Makefile").write_text(MAKEFILE)
    (tree / ".gitignore").write_text("/*\n")
    for file in "ab":
        (tree / file).write_text("1\n")
    return folder, Source(tree, "linux-6.1.7")


def test_the_same_source_gives_the_same_ids(small: tuple[Path, Source], tmp_path: Path) -> None:
    folder, source = small
    one = lay(read_series(folder), source, tmp_path / "c1", Silent())
    other = lay(read_series(folder), source, tmp_path / "c2", Silent())
    ids = one.repository.text("rev-list", "--topo-order", "replay")
    assert ids == other.repository.text("rev-list", "--topo-order", "replay")
    assert len(ids.split()) == 6
    assert one.description == "replay-6.1 (linux-6.1.7 6.1.7)"
    log = one.repository.text("log", "-1", "--format=%an %ae %aI %cn %cI%n%B", "tip")
    assert log.startswith("eve eve@example.org 2025-01-07T05:15:13+01:00 regress replay 2025-01-07T05:15:13+01:00\n")
    assert "b: 3\n\nWhy it is so.\n\nSigned-off-by: eve" in log
    merge = one.repository.text("log", "-1", "--format=%s|%P", "tip~")
    assert merge.startswith("Merge branch 'side'|")
    assert len(merge.partition("|")[2].split()) == 2
    assert [(one.worktree / f).read_text() for f in "ab"] == ["3\n", "3\n"]
    assert one.repository.text("show", "early:b") == "1"
    assert one.repository.text("status", "--short") == ""


def test_it_is_laid_once(small: tuple[Path, Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, source = small
    first = lay(read_series(folder), source, tmp_path / "c", Silent())
    monkeypatch.setattr(replay._Laying, "lay", lambda self: pytest.fail("laid again"))
    assert lay(read_series(folder), source, tmp_path / "c", Silent()) == first


def test_what_a_killed_run_left_is_not_taken(
    small: tuple[Path, Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, source = small

    def killed(self: replay._Laying, *_: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(replay._Laying, "_merge", killed)
        # The clean-up does not happen either when the process is killed.
        patched.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            lay(read_series(folder), source, tmp_path / "c", Silent())
    assert len(list((tmp_path / "c" / "worktrees").glob(".replay*"))) == 1
    assert lay(read_series(folder), source, tmp_path / "c", Silent()).repository.has("tip")
    assert list((tmp_path / "c" / "worktrees").glob(".replay*")) == []


def test_a_patch_that_does_not_apply_is_named(small: tuple[Path, Source], tmp_path: Path) -> None:
    folder, source = small
    (source.path / "b").write_text("other\n")
    with pytest.raises(UserError, match=r"3\.patch: does not apply to linux-6\.1\.7: .*b:1"):
        lay(read_series(folder), source, tmp_path / "c", Silent())


def test_another_kernel_is_refused(small: tuple[Path, Source], tmp_path: Path) -> None:
    folder, source = small
    (source.path / "Makefile").write_text(MAKEFILE.replace("PATCHLEVEL = 1", "PATCHLEVEL = 12"))
    with pytest.raises(UserError, match=r"is Linux 6\.12\.7; the replay is for 6\.1\.y"):
        lay(read_series(folder), source, tmp_path / "c", Silent())


def test_a_missing_patch_is_named_with_its_line(small: tuple[Path, Source]) -> None:
    folder, _ = small
    (folder / "3.patch").unlink()
    with pytest.raises(UserError, match=r"series\.yaml:7: .*3\.patch: no such patch"):
        read_series(folder)


def test_the_shipped_series_and_its_truth_agree() -> None:
    series = read_series(SHIPPED)
    names = sorted(series.patches())
    assert [path.name for path in sorted(SHIPPED.glob("*.patch"))] == names
    merges = [step for step in series.steps if isinstance(step, Merge)]
    assert len(names) + len(merges) >= 32
    truth = yaml.safe_load((SHIPPED / "truth.yaml").read_text())
    subject = {int(name[:4]): name for name in names}
    assert "complete-every-protected-read" in subject[truth["culprit"]]
    assert len(truth["never_compiled"]) * 3 >= len(names)
    assert len(truth["unbuildable"]) == 3
    assert [int(name[:4]) for name in merges[0].side] == truth["merged_side_branch"]
    assert series.refs["replay-good"] < subject[truth["culprit"]] < series.refs["replay-bad"] < subject[truth["fix"]]
    assert not any(str(truth["culprit"]) in name for name in series.refs)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(small: tuple[Path, Source], tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A local web server with two tarballs as kernel.org has them."""
    served = tmp_path / "served"
    served.mkdir()
    for name in ("linux-6.1.7", "linux-6.1.10"):
        subprocess.run(["cp", "-a", str(small[1].path), str(tmp_path / "pack" / name)], check=False)
        subprocess.run(
            ["tar", "-cJf", str(served / f"{name}.tar.xz"), "-C", str(small[1].path.parent), "linux-6.1.7"], check=True
        )
    sums = (f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in sorted(served.glob("*.xz")))
    (served / "sha256sums.asc").write_text("-----BEGIN PGP SIGNED MESSAGE-----\n" + "".join(sums))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: Quiet(*args, directory=str(served)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", served
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def no_debian(monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution without Debian's packages."""
    real = Path.exists
    monkeypatch.setattr(Path, "exists", lambda p: False if str(p).startswith("/usr/src/") else real(p))
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, **k: None if name == "apt-get" else which(name, **k))


@pytest.mark.usefixtures("no_debian")
def test_the_newest_tarball_of_kernel_org_is_taken_and_kept(
    mirror: tuple[str, Path], small: tuple[Path, Source], tmp_path: Path
) -> None:
    url, served = mirror
    source = find_source("6.1", tmp_path / "cache", Silent(), url)
    assert source.name == "linux-6.1.10"
    shutil.rmtree(served)
    assert find_source("6.1", tmp_path / "cache", Silent(), url) == source
    assert lay(read_series(small[0]), source, tmp_path / "cache", Silent()).repository.has("tip")


@pytest.mark.usefixtures("no_debian")
def test_a_tarball_with_another_checksum_is_not_used(mirror: tuple[str, Path], tmp_path: Path) -> None:
    url, served = mirror
    with (served / "linux-6.1.10.tar.xz").open("ab") as file:
        file.write(b"x")
    with pytest.raises(Unavailable, match="its SHA-256 does not match"):
        find_source("6.1", tmp_path / "cache", Silent(), url)
    assert list((tmp_path / "cache" / "sources").glob("*.xz")) == []


@pytest.mark.usefixtures("no_debian")
def test_no_source_says_what_was_tried(tmp_path: Path) -> None:
    with pytest.raises(
        Unavailable, match=r"Debian's package: apt-get is not installed.*kernel.org's tarball: .*Remedy: "
    ):
        find_source("6.1", tmp_path / "cache", Silent(), "http://127.0.0.1:9")
