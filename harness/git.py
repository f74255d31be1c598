"""What is asked of git, and nothing about kernels or crashes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ProgramFailed, UserError
from harness.process import Completed, run

QUIET = {"GIT_TERMINAL_PROMPT": "0", "GIT_ADVICE": "0", "GIT_OPTIONAL_LOCKS": "0"}


@dataclass(frozen=True)
class Commit:
    """One commit: full hash, the hash of its tree (same tree, same source), its subject line."""

    sha: str
    tree: str
    subject: str


@dataclass(frozen=True)
class Git:
    """A repository, bare or not, or one of its worktrees.

    Args:
        path: the folder that git is run in.
    """

    path: Path

    def run(
        self,
        *args: str,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        input: bytes | None = None,  # noqa: A002  the name that subprocess.run gives it
        check: bool = True,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run `git ARGS` here; see `harness.process.run` for the arguments and what it raises."""
        return run(
            ["git", *args],
            cwd=self.path,
            env={**QUIET, **(env or {})},
            timeout=timeout,
            input=input,
            check=check,
            on_line=on_line,
        )

    def text(self, *args: str) -> str:
        """What `git ARGS` prints, without the last newline."""
        return self.run(*args).stdout.rstrip("\n")

    def exists(self) -> bool:
        """Whether a repository is here (and not in a folder above, for a bare or top-level path)."""
        return self.path.is_dir() and self.run("rev-parse", "--git-dir", check=False).returncode == 0

    def commit(self, revision: str) -> Commit:
        """The commit that a revision names.

        Raises:
            UserError: there is no such revision here.
        """
        found = self.run("log", "-1", "--no-show-signature", "--format=%H%x00%T%x00%s", revision, "--", check=False)
        if found.returncode != 0 or not found.stdout:
            raise UserError(f"revision {revision!r} is not in {self.path}")
        sha, tree, subject = found.stdout.rstrip("\n").split("\0")
        return Commit(sha, tree, subject)

    def has(self, revision: str) -> bool:
        """Whether a revision names a commit here."""
        return self.run("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", check=False).returncode == 0

    def find_subject(self, subject: str, *range_: str) -> str | None:
        """The newest commit with exactly this subject line in a range (default: everything), or None."""
        out = self.text("log", "--format=%H%x00%s", "--fixed-strings", f"--grep={subject}", *(range_ or ("--all",)))
        for line in out.splitlines():
            sha, _, found = line.partition("\0")
            if found == subject:
                return sha
        return None

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `older` is reachable from `newer` (a commit is its own ancestor)."""
        done = self.run("merge-base", "--is-ancestor", older, newer, check=False)
        if done.returncode not in (0, 1):
            raise ProgramFailed(done.argv, done.returncode, done.stderr)
        return done.returncode == 0

    def changed(self, old: str, new: str) -> list[str]:
        """The paths that differ between two commits or trees."""
        return self.run("diff", "--name-only", "-z", "--no-renames", old, new).stdout.split("\0")[:-1]
