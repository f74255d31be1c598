"""Source trees: a name, a path or a URL becomes a repository to query and a worktree to build in.

A user's repository is only read: it resolves revisions.  History comes from a workspace of the program's own
(`harness.workspace`), and builds happen there.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.cache import touch
from harness.errors import InfrastructureError, ProgramFailed, TimedOut, Unavailable, UserError
from harness.files import locked
from harness.git import Commit, Git
from harness.model import Range, Revision
from harness.progress import SILENT, Progress
from harness.workspace import HEAD, Workspace, open_workspace
from harness.yamlfile import nearest

ANSWER_TIME = 10.0
"""Seconds that a server has to answer before the default falls back to the replay."""

REPLAY = "replay"
"""Prefix of the names of trees made from a scenario's own patches: `replay`, or in full `replay-6.1`."""

_RELEASE = re.compile(r"refs/tags/v(\d+)\.(\d+)$")


@dataclass(frozen=True)
class Tree:
    """A kernel tree that can be built.

    Attributes:
        name: its name in scenarios' `commits`, or the path or URL given.
        description: for people, with the version if it adds anything.
        repository: the user's, which resolves revisions.
        workspace: the program's own, for history and builds.
        url: the https:// address that it comes from; None if that is unknown.
    """

    name: str
    description: str
    repository: Git
    workspace: Workspace
    url: str | None = None

    @property
    def worktree(self) -> Path:
        """The folder to build in."""
        return self.workspace.path

    @property
    def lock(self) -> Path:
        """The lock file of the worktree."""
        return self.worktree.with_name(f"{self.worktree.name}.lock")

    def resolve(self, revision: Revision, since: str | None = None) -> Commit:
        """The commit that a scenario means: by its name, or else by its subject.

        Args:
            since: a commit that it comes after, if known: by subject, a commit that does is preferred
                to a backport on another branch.

        Raises:
            UserError: neither is in this tree, or several commits have the subject.
        """
        if sha := self.repository.sha(revision.name):
            return self.workspace.commit(sha)
        ranges = ((["--ancestry-path", f"^{since}"],) if since else ()) + ([],)
        found = (self._with_subject(revision.subject, range_) for range_ in ranges if revision.subject)
        named = next(filter(None, found), [])
        if len(named) == 1:
            return self.workspace.commit(named[0])
        what = f" (nor a commit {revision.subject!r})" if revision.subject else ""
        if named:
            several = ", ".join(sha[:12] for sha in named)
            what = f", and several commits have the subject {revision.subject!r} ({several}): name one by its hash"
        raise UserError(f"revision {revision.name!r}{what} is not in {self.description}")

    def _with_subject(self, subject: str | None, range_: Sequence[str]) -> list[str]:
        """The commits with a subject in a range: on what is checked out, or else on any branch or tag."""
        places = ([HEAD] if self.workspace.has(HEAD) else []) + ["--all"]
        found = (self.workspace.with_subject(subject or "", place, *range_) for place in places)
        return next(filter(None, found), [])


def from_path(
    path: Path, cache: Path, progress: Progress = SILENT, *, name: str | None = None, kernel: bool = True
) -> Tree:
    """A repository of the user's, bare or with a work tree.

    Args:
        name: what the user calls it; by default its path.
        kernel: whether it has to hold a kernel.

    Raises:
        UserError: not a git repository, or not of a kernel.
    """
    if not path.is_dir():
        raise UserError(f"--tree {path}: no such folder")
    try:
        str(path.resolve()).encode()
    except UnicodeEncodeError:
        raise UserError(
            f"--tree {os.fsencode(path)!r}: its name is not UTF-8; rename it, or use a link to it"
        ) from None
    return from_repository(Git(path.resolve()), name or str(path), str(path), cache, progress, kernel=kernel)


def from_repository(
    user: Git, name: str, description: str, cache: Path, progress: Progress, *, kernel: bool = True, url: str = ""
) -> Tree:
    """The tree of a repository; see `from_path`.

    Args:
        url: where it comes from; by default what it calls its origin.
    """
    try:
        common = user.common()
    except UserError as error:
        source = (user.path / "Kconfig").exists() and "not a git repository" in str(error)
        hint = " (make it one: git init && git add -f -A && git commit -m source)" if source else ""
        raise UserError(f"--tree {error}{hint}") from error
    plain = re.sub(r"[^A-Za-z0-9.+_-]+", "-", user.path.name).lstrip("-.") or "tree"
    known = hashlib.sha256(os.fsencode(common)).hexdigest()[:8]
    workspace = open_workspace(user, cache / "worktrees" / f"{plain}-{known}", progress)
    touch(workspace.path)
    if kernel:
        _assert_kernel(workspace, description)
    return Tree(name, description, user, workspace, public(url or _origin(user)))


def _origin(git: Git) -> str:
    return git.run("config", "--get", "remote.origin.url", check=False).stdout.strip()


def public(url: str) -> str | None:
    """An address as others may know it, without a name and a password in it; None where it is not https://."""
    found = re.fullmatch(r"https://(?:[^/@\s]*@)?([^@\s]+)", url)
    return f"https://{found[1]}" if found else None


def _assert_kernel(workspace: Workspace, name: str) -> None:
    head = workspace.run("show", f"{HEAD}:Makefile", check=False)
    if head.returncode != 0 or "KERNELRELEASE" not in head.stdout:
        raise UserError(f"--tree {name}: no Makefile of a Linux kernel at HEAD: not a kernel tree")


def lower_bound(good: str, tags: Iterable[str]) -> str | None:
    """The tag at which to cut history, so that a fetch has `good` and all after it.

    A shallow fetch excludes the given tag and everything before it, so the release before
    `good` is the bound.

    Args:
        good: the good end, such as `v4.12` or `v4.12-rc3`.
        tags: the server's refs, such as `refs/tags/v4.11`.

    Returns:
        The newest plain release tag before `good`, or None if unknown.
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
        Unavailable: it does not answer within `timeout` seconds, or not like a git server.
    """
    try:
        out = Git(Path("/")).run("ls-remote", "--tags", "--refs", url, timeout=timeout).stdout
    except (ProgramFailed, TimedOut) as error:
        last = (str(error).splitlines() or [""])[-1]
        raise Unavailable(f"{url} does not answer: {last}") from error
    return [line.split("\t")[1] for line in out.splitlines() if "\t" in line]


def from_url(
    name: str, url: str, commits: Range | None, cache: Path, progress: Progress, timeout: float, *, kernel: bool = True
) -> Tree:
    """A tree on a server; only the range needed is fetched.

    Args:
        name: its name, for people.
        url: the URL to fetch from.
        commits: the range needed; None for all.
        timeout: seconds to wait for the server's first answer.

    Raises:
        Unavailable: the server cannot be reached.
        UserError: the server has no such revision.
    """
    repository = _fetched(name, url, cache)
    with locked(repository.path.with_suffix(".lock"), progress):
        if not (repository.path / "HEAD").exists():
            repository.path.mkdir(parents=True, exist_ok=True)
            repository.run("init", "--quiet", "--bare", "--template=")
        ends = (commits.good, *commits.also_good, commits.bad, commits.fixed) if commits else ()
        revisions = [revision for revision in ends if revision]
        if not revisions or not all(repository.has(r.name) for r in revisions):
            _fetch(repository, url, revisions, refs(url, timeout), progress)
    return from_repository(repository, name, f"{name} ({url})", cache, progress, kernel=kernel, url=url)


def _fetched(name: str, url: str, cache: Path) -> Git:
    """Where a server's tree is kept."""
    known = f"{re.sub(r'[^A-Za-z0-9.]+', '-', name)}-{hashlib.sha256(url.encode()).hexdigest()[:8]}"
    return Git(cache / "trees" / f"{known}.git")


def as_fetched(
    name: str, named: dict[str, str], cache: Path, progress: Progress, *, kernel: bool = True
) -> Tree | None:
    """A server's tree as it was fetched last; None where it never was, or is no server's."""
    url = named.get(name, name)
    repository = _fetched(name, url, cache)
    if not _is_url(url) or not repository.has("HEAD"):
        return None
    touch(repository.path)
    return from_repository(repository, name, f"{name} ({url})", cache, progress, kernel=kernel, url=url)


def _fetch(repository: Git, url: str, revisions: list[Revision], tags: list[str], progress: Progress) -> None:
    bound = lower_bound(revisions[0].name, tags) if revisions else None
    shallow = [f"--shallow-exclude={bound}"] if bound else []
    wanted = [f"refs/tags/{r.name}:refs/tags/{r.name}" for r in revisions if f"refs/tags/{r.name}" in tags]
    if len(wanted) < len(revisions) or not revisions:
        wanted.append("HEAD:refs/heads/fetched")
    progress.note(f"fetching {url}" + (f" from {bound} on" if bound else ", all of it"))
    try:
        # A full fetch includes the tags: a bisection may search for a good release.
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
        wanted: the value of `--tree`: a name, a path, a URL or `replay`; None for the default.
        scenario_commits: the ranges that the scenario knows, by tree.
        named: URLs (or paths) by name.
        default: the user's default among them.
        kernel: whether a local tree has to hold a kernel.

    Returns:
        The tree, or None if the replay is to be used.

    Raises:
        UserError: no such tree.
        Unavailable: the requested tree is unavailable.
    """
    if wanted is None and default is None:
        if "mainline" not in scenario_commits:
            return None
        try:
            return _at("mainline", named["mainline"], scenario_commits, cache, progress, ANSWER_TIME, kernel=kernel)
        except InfrastructureError as error:
            progress.note(f"mainline: {error}; using the replay instead")
            return None
    name = wanted or default
    assert name is not None
    if name == REPLAY or (name in scenario_commits and name.startswith(f"{REPLAY}-")):
        return None
    if name in named:
        return _at(name, named[name], scenario_commits, cache, progress, kernel=kernel)
    if not _is_url(name) and not Path(name).exists():
        other = "" if "/" in name else f", nor a tree of that name{nearest(name, named)}"
        raise UserError(f"--tree {name}: no such folder{other}")
    return _at(name, name, scenario_commits, cache, progress, kernel=kernel)


def _is_url(place: str) -> bool:
    return "://" in place or re.match(r"[\w.-]+@[\w.-]+:", place) is not None


def _at(
    name: str,
    place: str,
    commits: dict[str, Range],
    cache: Path,
    progress: Progress,
    timeout: float = 60.0,
    *,
    kernel: bool,
) -> Tree:
    """The tree of a name and its URL or path."""
    if _is_url(place):
        return from_url(name, place, commits.get(name), cache, progress, timeout, kernel=kernel)
    return from_path(Path(place).expanduser(), cache, progress, name=name, kernel=kernel)
