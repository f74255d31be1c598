"""A builder for `build: {command: ...}`: any program, run in the checked-out tree."""

from __future__ import annotations

import contextlib
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from harness.errors import BuildError, ProgramMissing
from harness.files import copy, locked
from harness.git import Commit
from harness.kernel.build import run_build
from harness.kernel.tree import Tree
from harness.model import Kernel
from harness.progress import Progress


@dataclass
class CommandBuilder:
    """Builds with the scenario's own command; exit status 0 is a kernel, anything else a failed build.

    The result is the checked-out tree itself, so the tree is locked from the first build until the
    builder, a context manager, exits: nobody checks out another commit under a running trial.  A commit that is
    there still is not built again.

    Args:
        tree: the tree to build commits of.
        command: split as in a shell, without its special characters.
    """

    tree: Tree
    command: str
    progress: Progress
    _held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _lock: int | None = None
    _there: tuple[str, Path] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()
        self._lock = self._there = None

    def build(self, commit: Commit, folder: Path) -> Kernel:
        """See `harness.kernel.build.Builder.build`; the image is the checked-out tree itself."""
        if self._lock is None:
            self._lock = self._held.enter_context(locked(self.tree.lock, self.progress))
        if self._there and self._there[0] == commit.sha:
            if self._there[1] != folder / "build.log":
                copy(self._there[1], folder / "build.log")
            return Kernel(self.tree.worktree, self.tree.worktree, "command", commit.tree, self.command, False, 0.0)
        self._there = None
        self.tree.workspace.check_out(commit.sha)
        argv, env = shlex.split(self.command), {"REGRESS_COMMIT": commit.sha}
        try:
            run_build(argv, folder / "build.log", self._lock, cwd=self.tree.worktree, env=env)
        except ProgramMissing as error:
            if not error.local:
                raise
            raise BuildError(f"the tree has no program {argv[0]} at this commit") from error
        self._there = (commit.sha, folder / "build.log")
        return Kernel(self.tree.worktree, self.tree.worktree, "command", commit.tree, self.command, True, 0.0)
