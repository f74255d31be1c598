"""A builder for `build: {command: ...}`: any program, run in the checked-out tree."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BuildError, ProgramFailed
from harness.files import locked
from harness.git import Commit
from harness.kernel.build import first_error
from harness.kernel.tree import Tree
from harness.model import Kernel
from harness.process import run
from harness.progress import Progress


@dataclass(frozen=True)
class CommandBuilder:
    """Builds by a command of the scenario's own; exit status 0 is a kernel, anything else a failed build.

    Args:
        tree: whose commits are built.  command: as in a shell, without its special characters.
    """

    tree: Tree
    command: str
    progress: Progress

    def build(self, commit: Commit, folder: Path) -> Kernel:
        """See `harness.kernel.build.Builder.build`; the image is the checked-out tree itself."""
        with locked(self.tree.lock, self.progress) as lock:
            self.tree.check_out(commit.sha)
            log = folder / "build.log"
            argv = shlex.split(self.command)
            try:
                run(
                    argv,
                    cwd=self.tree.worktree,
                    log=log,
                    pass_fds=(lock,),
                    env={"REGRESS_COMMIT": commit.sha},
                )
            except ProgramFailed as error:
                raise BuildError(first_error(log.read_text(encoding="utf-8", errors="replace"))) from error
        return Kernel(self.tree.worktree, self.tree.worktree, "command", commit.tree, self.command, True, 0.0)
