"""What is asked of git, and nothing about kernels or crashes."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InfrastructureError, ProgramFailed, UserError
from harness.process import Completed, run

QUIET = {"GIT_TERMINAL_PROMPT": "0", "GIT_ADVICE": "0", "GIT_OPTIONAL_LOCKS": "0"}


@dataclass(frozen=True)
class Commit:
    """One commit: full hash, the hash of its tree (same tree, same source), its subject line."""

    sha: str
    tree: str
    subject: str


MADE = {
    # Commits of the program's own: nothing of the user's configuration gets into them, so that the
    # same change is the same commit each time it is made.
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "regress",
    "GIT_AUTHOR_EMAIL": "regress@example.org",
    "GIT_COMMITTER_NAME": "regress",
    "GIT_COMMITTER_EMAIL": "regress@example.org",
}


@dataclass(frozen=True)
class Conflict:
    """A change that does not apply: the files in which it does not, or git's word for why."""

    where: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join(self.where)


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

    def parents(self, sha: str) -> tuple[str, ...]:
        """The parents of a commit, the first parent first."""
        return tuple(self.text("rev-list", "--parents", "-1", sha).split()[1:])

    def cut(self, sha: str) -> bool:
        """Whether history is cut at a commit: it has parents that are not here, as in a shallow clone.

        The commit itself says which parents it has; git's view of history leaves out those behind a cut.
        """
        head = self.run("cat-file", "commit", sha).stdout.partition("\n\n")[0]
        return len(re.findall(r"^parent ", head, re.MULTILINE)) != len(self.parents(sha))

    def history(
        self, new: str, old: Sequence[str], paths: Sequence[str] = (), *, first_parent: bool = False
    ) -> dict[str, tuple[str, ...]]:
        """The commits reachable from `new` and from none of `old`, parents before children.

        Args:
            paths: only the commits that change these, with the history between them simplified as
                git does it; `new` itself is there in any case, as the last.
            first_parent: follow only the first parent of a merge.

        Returns:
            For each commit its parents among these commits, the first parent first.
        """
        lines = self.text(
            # The order in which git itself bisects, but that parents come first where a clock was wrong.
            *("rev-list", "--date-order", "--reverse", "--parents", *(["--first-parent"] if first_parent else [])),
            *(new, *(f"^{sha}" for sha in old), "--", *paths),
        ).splitlines()
        above = {sha: parents for sha, *parents in map(str.split, lines)}
        found = {sha: tuple(p for p in parents if p in above) for sha, parents in above.items()}
        if first_parent:
            found = {sha: parents[:1] for sha, parents in found.items()}
        if new not in found:
            inner = {parent for parents in found.values() for parent in parents}
            found[new] = tuple(sha for sha in found if sha not in inner)
        return found

    def merge_bases(self, one: str, other: str) -> list[str]:
        """The best common ancestors of two commits; none where their histories share nothing."""
        done = self.run("merge-base", "--all", one, other, check=False)
        if done.returncode not in (0, 1):
            raise ProgramFailed(done.argv, done.returncode, done.stderr)
        return done.stdout.split()

    def releases(self, newest: str) -> list[tuple[str, str]]:
        """The release tags (`v6.1`, `v6.1.3`, `v6.2-rc1`) that a commit contains, newest first, as (tag, hash)."""
        out = self.text(
            *("-c", "versionsort.suffix=-rc", "for-each-ref", f"--merged={newest}", "--sort=-version:refname"),
            *("--format=%(refname:short) %(objectname) %(*objectname)", "refs/tags/v*"),
        )
        tags = (line.split() for line in out.splitlines())
        return [(name, shas[-1]) for name, *shas in tags if re.fullmatch(r"v\d+(\.\d+)*(-rc\d+)?", name)]

    # What follows writes objects, and is for repositories of the program's own only.

    def make_commit(self, tree: str, parents: Sequence[str], message: str) -> Commit:
        """A commit with this tree, dated as its last parent: made twice, it is the same commit.

        It has no reference; it stays for as long as git's garbage collection leaves loose objects (weeks).
        """
        date = self.text("log", "-1", "--no-show-signature", "--format=%ct +0000", parents[-1])
        above = [word for parent in parents for word in ("-p", parent)]
        env = {**MADE, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        return self.commit(
            self.run("commit-tree", *above, "--no-gpg-sign", tree, env=env, input=message.encode()).stdout.strip()
        )

    def merged_tree(self, ours: str, theirs: str) -> str | Conflict:
        """The tree that a merge of two commits gives, without touching index or files.

        Raises:
            InfrastructureError: git is older than 2.38, which cannot do this.
        """
        how = ("--write-tree", "--name-only", "--no-messages", "--allow-unrelated-histories")
        done = self.run("merge-tree", *how, ours, theirs, check=False)
        if done.returncode == 0:
            return done.stdout.strip()
        if done.returncode != 1:
            raise InfrastructureError(f"git merge-tree --write-tree (git 2.38 and up): {done.stderr.strip()}")
        return Conflict(tuple(dict.fromkeys(done.stdout.splitlines()[1:])))

    def picked_tree(self, onto: str, change: str, base: str) -> str | Conflict:
        """The tree of `onto` with the difference from `base` to `change` applied, by three-way merge.

        A cherry-pick of C is `picked_tree(onto, C, parent of C)`, a revert `picked_tree(onto, parent of C, C)`.
        """
        # A merge finds its base in the history, so the two sides get a history that says so.
        ours = self.make_commit(f"{onto}^{{tree}}", [base], "the commit that the change is for")
        theirs = self.make_commit(f"{change}^{{tree}}", [base], "the change")
        return self.merged_tree(ours.sha, theirs.sha)

    def patched_tree(self, commit: str, patch: Path) -> str | Conflict:
        """The tree of a commit with a patch file applied to it."""
        with tempfile.TemporaryDirectory() as folder:
            env = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            self.run("read-tree", commit, env=env)
            done = self.run("apply", "--cached", "--3way", "--whitespace=nowarn", str(patch), env=env, check=False)
            if done.returncode != 0:
                said = [line for line in done.stderr.splitlines() if line.startswith(("error:", "U "))]
                return Conflict(tuple(said[:1]) or (done.stderr.strip().partition("\n")[0],))
            return self.run("write-tree", env=env).stdout.strip()
