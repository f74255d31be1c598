"""The program's own repository: what it sees, what it mends, and that the user's is never written."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.git import Git
from harness.kernel.tree import from_path
from harness.model import Revision
from harness.workspace import MARK, Workspace

History = Callable[..., tuple[Git, list[str]]]


def opened(path: Path, tmp_path: Path) -> Workspace:
    return from_path(path, tmp_path / "cache", kernel=False).workspace


def listing(top: Path) -> dict[str, bytes]:
    return {str(path.relative_to(top)): path.read_bytes() for path in sorted(top.rglob("*")) if path.is_file()}


def test_a_shallow_clone_is_cut_until_it_is_deepened(history: History, tmp_path: Path) -> None:
    git, shas = history(*({"a": str(n)} for n in range(5)))
    clone = tmp_path / "clone"
    git.run("clone", "--quiet", "--depth", "2", f"file://{git.path}", str(clone))
    shallow = opened(clone, tmp_path)
    assert shallow.parents(shas[3]) == ()
    assert shallow.cut(shas[3])
    assert not shallow.cut(shas[4])
    Git(clone).run("fetch", "--quiet", "--unshallow")
    whole = opened(clone, tmp_path)
    assert whole.parents(shas[3]) == (shas[2],)
    assert not whole.cut(shas[3])
    assert not whole.cut(shas[0]), "a real root is not cut: it has no parents to miss"


def test_a_replacement_counts_here_as_it_does_there(history: History, tmp_path: Path) -> None:
    git, (one, two, three) = history({"a": "1"}, {"a": "2"}, {"a": "3"})
    git.run("replace", two, one)
    seen = opened(git.path, tmp_path)
    assert seen.commit(two).tree == git.commit(one).tree
    assert seen.commit(two).sha == two
    git.run("replace", "-d", two)
    git.run("replace", "--graft", three, one)
    seen = opened(git.path, tmp_path)
    assert seen.commit(two).tree != git.commit(one).tree
    assert seen.parents(three) == (one,)
    assert not seen.cut(three)


def test_old_objects_are_found_through_every_store_that_is_borrowed(history: History, tmp_path: Path) -> None:
    base, shas = history({"a": "1"}, {"a": "2"})
    tree = Git(tmp_path / "borrower")
    tree.path.mkdir()
    tree.run("init", "--quiet")
    (tree.path / ".git/objects/info/alternates").write_text("../../../tree/.git/objects\n")
    tree.run("update-ref", "refs/heads/main", shas[1])
    seen = opened(tree.path, tmp_path)
    seen.check_out(shas[0])
    assert (seen.path / "a").read_text() == "1"
    assert base.path.name == "tree"


def test_a_partial_clone_lacks_nothing_and_is_not_filled(history: History, tmp_path: Path) -> None:
    git, shas = history({"a": "1"}, {"a": "2"}, {"a": "3"})
    for name in ("allowFilter", "allowAnySHA1InWant"):
        git.run("config", f"uploadpack.{name}", "true")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "--filter=blob:none", f"file://{git.path}", str(clone)], check=True)
    before = listing(clone)
    opened(clone, tmp_path).check_out(shas[0])
    assert (opened(clone, tmp_path).path / "a").read_text() == "1"
    assert listing(clone) == before


@pytest.mark.parametrize("form", ["sha1", "sha256"])
def test_the_object_format_is_the_users(tmp_path: Path, form: str) -> None:
    git = Git(tmp_path / "tree")
    git.path.mkdir()
    git.run("init", "--quiet", f"--object-format={form}")
    git.run("commit", "--quiet", "--allow-empty", "-m", "one")
    sha = git.text("rev-parse", "HEAD")
    opened(git.path, tmp_path).check_out(sha)
    assert len(sha) == {"sha1": 40, "sha256": 64}[form]


@pytest.mark.parametrize("name", ["sp ace", "co:lon", "-dash", 'qu"ote', "new\nline", "#hash", "naïve"])
def test_a_folder_of_any_name_will_do(history: History, tmp_path: Path, name: str) -> None:
    git, shas = history({"a": "1"}, name=name)
    seen = opened(git.path, tmp_path)
    seen.check_out(shas[0])
    assert not set(' :"\n#') & set(seen.path.name), "make takes no such folder"


def test_what_git_left_when_it_was_killed_is_mended(history: History, tmp_path: Path) -> None:
    git, shas = history({"a": "1"}, {"a": "2"})
    seen = opened(git.path, tmp_path)
    seen.check_out(shas[0])
    for harm in ("HEAD.lock", "index.lock", "packed-refs.lock", "refs/remotes/x.lock"):
        (seen.git_dir / harm).parent.mkdir(parents=True, exist_ok=True)
        (seen.git_dir / harm).write_text("")
    (seen.git_dir / "index").write_bytes(b"")
    opened(git.path, tmp_path).check_out(shas[1])
    assert (seen.path / "a").read_text() == "2"
    (seen.git_dir / MARK).unlink()
    shutil.rmtree(seen.git_dir / "objects")
    opened(git.path, tmp_path).check_out(shas[0])
    assert (seen.path / "a").read_text() == "1"


def test_leftovers_of_a_build_do_not_reach_the_next_commit(history: History, tmp_path: Path) -> None:
    git, shas = history({"a": "1", ".gitignore": "*.o\n"}, {"out": "a file"}, {"d/e": "x"})
    seen = opened(git.path, tmp_path)
    seen.check_out(shas[0])
    for name in ("out", "kept.o", "stray"):
        (seen.path / name).mkdir() if name == "out" else (seen.path / name).write_text("left")
    (seen.path / "out" / "x.o").write_text("left")
    (seen.path / "a").write_text("stamped")
    seen.check_out(shas[1])
    assert (seen.path / "out").read_text() == "a file"
    assert (seen.path / "a").read_text() == "1"
    assert not (seen.path / "stray").exists()
    (seen.path / "d").write_text("a file where a folder is to be")
    seen.check_out(shas[2])
    assert (seen.path / "d" / "e").read_text() == "x"


def test_line_endings_follow_the_commit_not_what_was_tried_before(history: History, tmp_path: Path) -> None:
    git, shas = history({"data": "line\n"}, {".gitattributes": "data text eol=crlf\n"}, {"x": "1"})
    seen = opened(git.path, tmp_path)
    for sha, wanted in ((shas[2], b"line\r\n"), (shas[0], b"line\n"), (shas[1], b"line\r\n"), (shas[0], b"line\n")):
        seen.check_out(sha)
        assert (seen.path / "data").read_bytes() == wanted


def test_neither_hooks_nor_the_users_configuration_act(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git, shas = history({"a": "passed\n"}, {"a": "passed twice\n"})
    hooks, ran = tmp_path / "hooks", tmp_path / "ran"
    hooks.mkdir()
    for name in ("post-checkout", "reference-transaction", "fsmonitor"):
        (hooks / name).write_text(f"#!/bin/sh\necho {name} >>{ran}\nexit 1\n")
        (hooks / name).chmod(0o755)
    shutil.copytree(hooks, git.path / ".git/hooks", dirs_exist_ok=True)
    config = tmp_path / "gitconfig"
    config.write_text(
        f"[core]\nhooksPath = {hooks}\nautocrlf = true\nfsmonitor = {hooks}/fsmonitor\n"
        '[filter "x"]\nsmudge = sed s/passed/failed/\nrequired = true\n[init]\ntemplateDir = ' + str(tmp_path) + "\n"
    )
    (git.path / ".git/info/attributes").write_text("* filter=x\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    before = listing(git.path)
    seen = opened(git.path, tmp_path)
    for sha in shas:
        seen.check_out(sha)
    assert (seen.path / "a").read_bytes() == b"passed twice\n"
    assert not ran.exists()
    assert listing(git.path) == before


def test_a_name_is_one_commit_or_nothing(history: History) -> None:
    git, (one, two) = history({"a": "1"}, {"a": "2"})
    git.run("update-ref", "refs/heads/--all", one)
    git.run("update-ref", "refs/heads/BISECT_HEAD", one)
    (git.path / two).write_text("a file of the commit's name")
    assert git.sha("--all") == one
    assert git.sha(":/commit 1") == one
    assert git.sha("HEAD^{/commit 1}") == one
    assert [git.sha(name) for name in (f"{one}..{two}", f"^{one}", "", "no such")] == [None] * 4
    assert git.parents(two) == (one,)
    assert not git.marked("BISECT_HEAD")


def test_a_repository_of_somebody_else_is_named_as_that(history: History, tmp_path: Path) -> None:
    git, _ = history({"a": "1"})
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    subprocess.run(["chown", "-R", "12345", str(git.path)], check=True)
    with pytest.raises(UserError, match=r"belongs to another user.*safe\.directory"):
        opened(git.path, tmp_path)


def test_a_subject_means_the_commit_that_comes_after_not_a_backport(history: History, tmp_path: Path) -> None:
    git, (base, fix) = history({"a": "1"}, {"a": "2"})
    git.run("checkout", "--quiet", "-b", "stable", base)
    git.run("commit", "--quiet", "--allow-empty", "-m", "commit 2")
    git.run("commit", "--quiet", "--allow-empty", "-m", "only here")
    git.run("checkout", "--quiet", "main")
    tree = from_path(git.path, tmp_path / "cache", kernel=False)
    assert tree.resolve(Revision("0123456789ab", "commit 2")).sha == fix
    assert tree.resolve(Revision("0123456789ab", "commit 2"), base).sha == fix
    other = git.text("rev-parse", "stable")
    assert tree.resolve(Revision("0123456789ab", "only here")).sha == other
    git.run("commit", "--quiet", "--allow-empty", "-m", "commit 2")
    with pytest.raises(UserError, match="several commits have the subject"):
        from_path(git.path, tmp_path / "cache", kernel=False).resolve(Revision("0123456789ab", "commit 2"))
