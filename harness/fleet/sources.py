"""The way of a commit's files to a worker: git objects that are missing there, without any history.

The worker's repository knows each commit that it was given by its own hash, cut from its parents.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.errors import InfrastructureError, ProgramFailed
from harness.files import write_atomically
from harness.fleet.request import Source
from harness.git import Git
from harness.kernel.tree import Tree
from harness.process import run
from harness.progress import SILENT
from harness.workspace import OWN, Workspace, open_workspace

REMEMBERED = 64
"""So many commits that it has last got are named by a worker, when it asks for another."""

BUILT = "regress-built"
"""A file in a worktree's `.git`: the commit, and the command that built it there."""


def pack(git: Workspace, source: Source, have: Sequence[str]) -> Path:
    """Write the objects of a commit that a worker lacks.

    Args:
        git: a repository with the commit.
        have: commits that the worker has.

    Returns:
        A file, which is the caller's to remove.

    Raises:
        InfrastructureError: git fails.
    """
    known = [f"^{sha}^{{tree}}" for sha in have if git.has(sha)]
    listed = git.run("rev-list", "--objects", f"{source.sha}^{{tree}}", *known).stdout
    names = [source.sha, *(line.split(" ", 1)[0] for line in listed.splitlines())]
    # git writes it beside its own packs first, and a file cannot be renamed into another file system.
    with tempfile.TemporaryDirectory(dir=git.git_dir, prefix="regress-pack-") as name:
        stem, words = Path(name, "sent"), "".join(f"{one}\n" for one in names).encode()
        made = git.run("pack-objects", "--quiet", "--delta-base-offset", str(stem), input=words).stdout.strip()
        target = git.git_dir / f"{Path(name).name}.pack"
        stem.with_name(f"sent-{made}.pack").replace(target)
    return target


class Sources:
    """What a worker has of source trees.

    Args:
        folder: of the worker.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _repository(self, form: str) -> Git:
        return Git(self.folder / "sources" / f"{form}.git")

    @contextlib.contextmanager
    def _locked(self, form: str) -> Iterator[Git]:
        git = self._repository(form)
        git.path.parent.mkdir(parents=True, exist_ok=True)
        with git.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (git.path / "regress-whole").exists():
                git.path.mkdir(exist_ok=True)
                run(
                    ["git", "init", "--quiet", "--bare", "--template=", f"--object-format={form}", str(git.path)],
                    env=OWN,
                )
                write_atomically(git.path / "regress-whole", form)
            yield git

    def missing(self, source: Source) -> list[str] | None:
        """None if the commit is here; else the commits that are, the latest first."""
        git = self._repository(source.form)
        if not (git.path / "regress-whole").exists():
            return []
        refs = git.text("for-each-ref", "--sort=-refname", "--format=%(objectname)", "refs/regress").split()
        return None if source.sha in refs else refs[:REMEMBERED]

    def take(self, source: Source, packed: Path) -> None:
        """Add a commit from a pack.

        Raises:
            InfrastructureError: the pack is damaged, or is not of this commit.
        """
        with self._locked(source.form) as git:
            try:
                run(
                    ["git", "-C", str(git.path), "index-pack", "--stdin", "--fix-thin"],
                    env=OWN,
                    input=packed.read_bytes(),
                )
                git.run("rev-list", "--objects", "--quiet", f"{source.sha}^{{tree}}")
            except ProgramFailed as error:
                raise InfrastructureError(f"the sources of {source.sha[:12]} came incomplete: {error}") from error
            self._cut(git, source.sha)
            number = len(git.text("for-each-ref", "--format=x", "refs/regress").split())
            git.run("update-ref", f"refs/regress/{number:08}-{source.sha[:12]}", source.sha)

    def _cut(self, git: Git, sha: str) -> None:
        """Let history end at a commit: its parents are not here."""
        shallow = git.path / "shallow"
        lines = shallow.read_text(encoding="ascii").split() if shallow.exists() else []
        if sha not in lines:
            write_atomically(shallow, "".join(f"{one}\n" for one in sorted({*lines, sha})))

    @contextlib.contextmanager
    def tree(self, source: Source, want: str) -> Iterator[tuple[Tree, bool]]:
        """A worktree of this worker's own for a commit, which nobody else uses meanwhile.

        Args:
            want: what is to be built in it.

        Yields:
            The tree, and whether that is what it holds already, built.
        """
        top = self.folder / "worktrees"
        top.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            path = stack.enter_context(_free(top, source.place, want))
            workspace = open_workspace(self._repository(source.form), path, SILENT)
            mark = path / ".git" / BUILT
            yield (
                Tree(source.place, source.place, workspace, workspace),
                mark.exists() and mark.read_text(encoding="utf-8") == want,
            )

    def mark(self, tree: Tree, want: str | None) -> None:
        """Say what a worktree holds; None before it changes."""
        mark = tree.worktree / ".git" / BUILT
        if want is None:
            mark.unlink(missing_ok=True)
        else:
            write_atomically(mark, want)


@contextlib.contextmanager
def _free(top: Path, place: str, want: str) -> Iterator[Path]:
    """A worktree that nobody uses: if possible one that holds what is wanted, else the first, else a new one."""
    for prefer in (True, False):
        for number in range(1, 1000):
            path = top / f"{place}-{number}"
            mark = path / ".git" / BUILT
            if prefer and not path.exists():
                break
            if prefer and not (mark.exists() and mark.read_text(encoding="utf-8") == want):
                continue
            # Not the lock of the tree itself, which a build takes too.
            descriptor = os.open(path.with_name(f"{path.name}.use"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                path.mkdir(exist_ok=True)
                yield path
                return
            finally:
                os.close(descriptor)
    raise InfrastructureError(f"{top}: a thousand worktrees are in use")
