from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import Unavailable, UserError
from harness.git import Git
from harness.kernel.tree import find, from_path, from_url, lower_bound
from harness.model import Range, Revision
from harness.progress import Silent

History = Callable[..., tuple[Git, list[str]]]
KERNEL = {"Makefile": "VERSION = 4\nPATCHLEVEL = 13\nKERNELRELEASE = x\n"}


def test_the_bound_of_a_shallow_fetch_lies_one_release_below() -> None:
    tags = [f"refs/tags/{name}" for name in ("v4.9", "v4.11", "v4.12", "v4.12-rc1", "v4.13", "v3.19", "x")]
    assert lower_bound("v4.12", tags) == "v4.11"
    assert lower_bound("v4.13-rc2", tags) == "v4.12"
    assert lower_bound("v4.9", tags) == "v3.19"
    assert lower_bound("v3.19", tags) is None
    assert lower_bound("7c20f11680a4", tags) is None


@pytest.fixture
def server(history: History) -> tuple[str, list[str]]:
    git, shas = history(*({**KERNEL, "n": str(n)} for n in range(5)), name="server")
    for tag, sha in zip(("v4.11", "v4.12", "v4.13-rc1", "v4.13"), shas[1:], strict=True):
        git.run("tag", "-a", "-m", tag, tag, sha)
    return f"file://{git.path}", shas


def test_only_the_range_is_fetched(server: tuple[str, list[str]], tmp_path: Path) -> None:
    url, shas = server
    wanted = Range(Revision("v4.12"), Revision("v4.13-rc1"), Revision("v4.13"))
    tree = from_url("mainline", url, wanted, tmp_path / "cache", Silent(), 10.0)
    assert tree.repository.text("rev-list", "v4.13").split() == shas[:1:-1]
    assert tree.repository.is_ancestor("v4.12", "v4.13-rc1")
    assert not tree.repository.has(shas[1])
    tree.workspace.check_out(tree.resolve(Revision("v4.13-rc1")).sha)
    assert (tree.worktree / "n").read_text() == "3"


def test_a_fetched_range_needs_no_server(server: tuple[str, list[str]], tmp_path: Path) -> None:
    url, _ = server
    wanted = Range(Revision("v4.12"), Revision("v4.13"))
    from_url("mainline", url, wanted, tmp_path / "cache", Silent(), 10.0)
    Path(url.removeprefix("file://")).rename(tmp_path / "gone")
    assert from_url("mainline", url, wanted, tmp_path / "cache", Silent(), 10.0).repository.has("v4.13")
    with pytest.raises(Unavailable, match="does not answer"):
        from_url("mainline", url, Range(Revision("v4.12"), Revision("v4.99")), tmp_path / "cache", Silent(), 10.0)


def test_all_is_fetched_where_no_range_is_known(server: tuple[str, list[str]], tmp_path: Path) -> None:
    url, shas = server
    tree = from_url("linux-next", url, None, tmp_path / "cache", Silent(), 10.0)
    assert tree.repository.text("rev-list", "HEAD").split() == shas[::-1]


def test_the_replay_is_what_is_left_when_nobody_answers(tmp_path: Path) -> None:
    commits = {"mainline": Range(Revision("v4.12"), Revision("v4.13"))}
    named = {"mainline": f"file://{tmp_path}/nowhere"}
    assert find(None, commits, named, None, tmp_path / "cache", Silent()) is None
    assert find(None, {}, named, None, tmp_path / "cache", Silent()) is None


def test_the_users_default_comes_first(server: tuple[str, list[str]], tmp_path: Path) -> None:
    named = {"mine": server[0].removeprefix("file://")}
    found = find(None, {}, named, "mine", tmp_path / "cache", Silent())
    assert found is not None
    assert found.repository.path == Path(named["mine"])


def test_objects_are_borrowed_and_new_commits_seen(history: History, tmp_path: Path) -> None:
    git, shas = history(KERNEL, {"a": "1"})
    tree = from_path(git.path, tmp_path / "cache")
    tree.workspace.check_out(shas[1])
    (git.path / "a").write_text("2")
    git.run("commit", "--quiet", "--all", "-m", "later")
    tree.workspace.check_out(git.text("rev-parse", "HEAD"))
    assert (tree.worktree / "a").read_text() == "2"
    assert from_path(git.path, tmp_path / "cache").worktree == tree.worktree


@pytest.mark.parametrize("name", ["replay", "replay-6.1"])
def test_the_replay_can_be_asked_for(tmp_path: Path, name: str) -> None:
    commits = {"replay-6.1": Range(Revision("a"), Revision("b")), "mainline": Range(Revision("a"), Revision("b"))}
    # Nobody is asked: the name has no URL here.
    assert find(name, commits, {}, None, tmp_path, Silent()) is None


def test_a_bare_repository_and_a_linked_worktree_will_do(history: History, tmp_path: Path) -> None:
    git, shas = history(KERNEL, {"a": "1"})
    git.run("clone", "--quiet", "--bare", str(git.path), str(tmp_path / "bare.git"))
    git.run("worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"), shas[0])
    for path in (tmp_path / "bare.git", tmp_path / "linked"):
        tree = from_path(path, tmp_path / "cache")
        tree.workspace.check_out(shas[1])
        assert (tree.worktree / "a").read_text() == "1"


def test_a_stale_lock_of_gits_is_taken_away(history: History, tmp_path: Path) -> None:
    git, shas = history(KERNEL, {"a": "1"})
    tree = from_path(git.path, tmp_path / "cache")
    tree.workspace.check_out(shas[0])
    (tree.worktree / ".git" / "index.lock").write_text("")
    tree.workspace.check_out(shas[1])
    assert (tree.worktree / "a").exists()


def test_a_commit_is_found_by_its_subject(history: History, tmp_path: Path) -> None:
    git, shas = history(KERNEL, {"a": "1"}, {"a": "2"})
    tree = from_path(git.path, tmp_path / "cache")
    assert tree.resolve(Revision("7c20f11680a4", "commit 2")).sha == shas[1]
    with pytest.raises(UserError, match=r"7c20f11680a4.*nor a commit 'commit 9'"):
        tree.resolve(Revision("7c20f11680a4", "commit 9"))


def test_what_is_no_kernel_is_refused(history: History, tmp_path: Path) -> None:
    git, _ = history({"a": "1"})
    with pytest.raises(UserError, match="not a kernel tree"):
        from_path(git.path, tmp_path / "cache")
    unpacked = tmp_path / "linux-5.10"
    unpacked.mkdir()
    (unpacked / "Kconfig").write_text("")
    with pytest.raises(UserError, match=r"make it one: git init && git add -f -A"):
        from_path(unpacked, tmp_path / "cache")


@pytest.mark.parametrize(
    ("origin", "known"),
    [
        ("https://git.example.org/linux.git", "https://git.example.org/linux.git"),
        ("https://me:secret@git.example.org/linux.git", "https://git.example.org/linux.git"),
        ("git@git.example.org:linux.git", None),
        ("/home/me/linux", None),
    ],
)
def test_the_address_of_a_clone_is_known_without_its_password(tmp_path: Path, origin: str, known: str | None) -> None:
    Git(tmp_path).run("init", "--quiet")
    Git(tmp_path).run("remote", "add", "origin", origin)
    assert from_path(tmp_path, tmp_path / "cache", kernel=False).url == known
