"""Source trees: a name, a path or a URL becomes a repository to ask and a worktree to build in.

A user's repository is only read.  Builds happen in worktrees of the program's own, which borrow
the objects of the user's repository (git's alternates) and write nothing to it.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InfrastructureError, ProgramFailed, TimedOut, Unavailable, UserError
from harness.files import locked
from harness.git import Commit, Git
from harness.model import Range, Revision
from harness.progress import Progress
from harness.yamlfile import nearest

ANSWER_TIME = 10.0
"""Seconds that a server has to answer before the default falls back to the replay."""

REPLAY = "replay"
"""What the trees made of a scenario's own patches are named by: `replay`, or in full `replay-6.1`."""

_RELEASE = re.compile(r"refs/tags/v(\d+)\.(\d+)$")


@dataclass(frozen=True)
class Tree:
    """A kernel tree that can be built.

    Attributes:
        name: its name in scenarios' `commits`, or the path or URL given.
        description: for people, with the version where that says more.
        repository: is asked for commits.
        worktree: the folder that is built in; the program's own.
    """

    name: str
    description: str
    repository: Git
    worktree: Path

    @property
    def lock(self) -> Path:
        """Is held by whoever uses the worktree."""
        return self.worktree.with_name(f"{self.worktree.name}.lock")

    def check_out(self, sha: str) -> None:
        """Put the worktree at a commit; only files that differ are written, so that make sees only these."""
        git = Git(self.worktree)
        with contextlib.suppress(FileNotFoundError):
            # The tree's lock is held: whoever left this one behind is dead.
            Path(git.text("rev-parse", "--path-format=absolute", "--git-path", "index.lock")).unlink()
        git.run("-c", "core.autocrlf=false", "checkout", "--quiet", "--force", "--detach", sha)

    def resolve(self, revision: Revision) -> Commit:
        """The commit that a scenario means: by its name, else by its subject.

        Raises:
            UserError: neither is in this tree.
        """
        if self.repository.has(revision.name):
            return self.repository.commit(revision.name)
        if revision.subject and (sha := self.repository.find_subject(revision.subject)):
            return self.repository.commit(sha)
        what = f" (nor a commit {revision.subject!r})" if revision.subject else ""
        raise UserError(f"revision {revision.name!r}{what} is not in {self.description}")


def from_path(path: Path, cache: Path, *, kernel: bool = True) -> Tree:
    """A repository of the user's, bare or with a work tree.

    Args:
        kernel: it has to hold a kernel.

    Raises:
        UserError: there is no git repository, or it holds no kernel.
    """
    user = Git(path.resolve())
    if not path.is_dir():
        raise UserError(f"--tree {path}: no such folder")
    found = user.run("rev-parse", "--path-format=absolute", "--git-common-dir", check=False)
    if found.returncode != 0:
        hint = (
            " (make it one: git init && git add -f -A && git commit -m source)" if (path / "Kconfig").exists() else ""
        )
        raise UserError(f"--tree {path}: not a git repository{hint}")
    if kernel:
        _assert_kernel(user, str(path))
    common = Path(found.stdout.strip())
    name = f"{path.resolve().name}-{hashlib.sha256(str(common).encode()).hexdigest()[:8]}"
    worktree = cache / "worktrees" / name
    if not (worktree / ".git" / "HEAD").exists():
        worktree.mkdir(parents=True, exist_ok=True)
        Git(worktree).run("init", "--quiet")
    alternates = worktree / ".git" / "objects" / "info" / "alternates"
    alternates.write_text(f"{common / 'objects'}\n", encoding="utf-8")
    if (common / "shallow").exists():
        shutil.copyfile(common / "shallow", worktree / ".git" / "shallow")
    return Tree(str(path), str(path), user, worktree)


def _assert_kernel(repository: Git, name: str) -> None:
    head = repository.run("show", "HEAD:Makefile", check=False)
    if head.returncode != 0 or "KERNELRELEASE" not in head.stdout:
        raise UserError(f"--tree {name}: its HEAD has no Makefile of a Linux kernel: not a kernel tree")


def lower_bound(good: str, tags: Iterable[str]) -> str | None:
    """The tag to leave history off at, so that a fetch has `good` and all above it.

    A shallow fetch leaves out the tag that it is given and all below; so the release before
    `good` is what bounds it.

    Args:
        good: the good end, such as `v4.12` or `v4.12-rc3`.
        tags: the server's refs, such as `refs/tags/v4.11`.

    Returns:
        The newest plain release tag below `good`, or None where that cannot be told.
    """
    wanted = re.match(r"v(\d+)\.(\d+)", good)
    if wanted is None:
        return None
    releases = sorted((int(m[1]), int(m[2])) for tag in tags if (m := _RELEASE.search(tag)))
    below = [release for release in releases if release < (int(wanted[1]), int(wanted[2]))]
    return "v{}.{}".format(*below[-1]) if below else None


def refs(url: str, timeout: float) -> list[str]:
    """The names of a server's tags.

    Raises:
        Unavailable: it does not answer in `timeout` seconds, or not as a git server does.
    """
    try:
        out = Git(Path("/")).run("ls-remote", "--tags", "--refs", url, timeout=timeout).stdout
    except (ProgramFailed, TimedOut) as error:
        last = (str(error).splitlines() or [""])[-1]
        raise Unavailable(f"{url} does not answer: {last}") from error
    return [line.split("\t")[1] for line in out.splitlines() if "\t" in line]


def from_url(name: str, url: str, commits: Range | None, cache: Path, progress: Progress, timeout: float) -> Tree:
    """A server's tree, fetched only over the range that is needed.

    Args:
        name: for people.  url: what git fetches from.
        commits: the range that is needed; None for all.
        timeout: seconds that the server has for its first answer.

    Raises:
        Unavailable: the server cannot be reached.
        UserError: the server has no such revision.
    """
    known = f"{re.sub(r'[^A-Za-z0-9.]+', '-', name)}-{hashlib.sha256(url.encode()).hexdigest()[:8]}"
    repository = Git(cache / "trees" / f"{known}.git")
    with locked(cache / "trees" / f"{known}.lock", progress):
        if not (repository.path / "HEAD").exists():
            repository.path.mkdir(parents=True, exist_ok=True)
            repository.run("init", "--quiet", "--bare")
        revisions = [r for r in (commits.good, commits.bad, commits.fixed) if r] if commits else []
        if not revisions or not all(repository.has(r.name) for r in revisions):
            _fetch(repository, url, revisions, refs(url, timeout), progress)
    tree = from_path(repository.path, cache)
    return Tree(name, f"{name} ({url})", repository, tree.worktree)


def _fetch(repository: Git, url: str, revisions: list[Revision], tags: list[str], progress: Progress) -> None:
    bound = lower_bound(revisions[0].name, tags) if revisions else None
    shallow = [f"--shallow-exclude={bound}"] if bound else []
    wanted = [f"refs/tags/{r.name}:refs/tags/{r.name}" for r in revisions if f"refs/tags/{r.name}" in tags]
    if len(wanted) < len(revisions) or not revisions:
        wanted.append("HEAD:refs/heads/fetched")
    progress.note(f"fetching {url}" + (f" from {bound} on" if bound else ", all of it"))
    try:
        # Where all is fetched, the tags are asked for too: a bisection may look for a good release.
        tags_too = "--no-tags" if revisions else "--tags"
        repository.run("fetch", "--progress", tags_too, "--force", *shallow, url, *wanted, on_line=progress.update)
        head = "refs/heads/fetched" if repository.has("refs/heads/fetched") else wanted[0].partition(":")[2]
        repository.run("update-ref", "--no-deref", "HEAD", f"{head}^{{commit}}")
    except ProgramFailed as error:
        raise Unavailable(f"{url}: the fetch failed: {error}") from error


def find(
    wanted: str | None,
    scenario_commits: dict[str, Range],
    named: dict[str, str],
    default: str | None,
    cache: Path,
    progress: Progress,
    *,
    kernel: bool = True,
) -> Tree | None:
    """The tree to work on.

    Args:
        wanted: what `--tree` said: a name, a path, a URL or `replay`; None for the default.
        scenario_commits: the ranges that the scenario knows, by tree.
        named: URLs (or paths) by name.  default: the user's default among them.
        kernel: a local tree has to hold a kernel.

    Returns:
        The tree, or None where it is the replay that is to be used.

    Raises:
        UserError, Unavailable: the tree asked for cannot be had.
    """
    if wanted is None and default is None:
        if "mainline" not in scenario_commits:
            return None
        try:
            url = named["mainline"]
            return from_url("mainline", url, scenario_commits["mainline"], cache, progress, ANSWER_TIME)
        except InfrastructureError as error:
            progress.note(f"mainline: {error}; going on with the replay")
            return None
    name = wanted or default
    assert name is not None
    if name == REPLAY or (name in scenario_commits and name.startswith(f"{REPLAY}-")):
        return None
    place = named.get(name, name)
    if "://" in place or re.match(r"[\w.-]+@[\w.-]+:", place):
        return from_url(name, place, scenario_commits.get(name), cache, progress, 60.0)
    if name not in named and not Path(place).exists():
        if "/" in name:
            raise UserError(f"--tree {name}: no such folder")
        raise UserError(f"--tree {name}: no such folder, nor a tree of that name{nearest(name, named)}")
    return from_path(Path(place), cache, kernel=kernel)
