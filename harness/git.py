"""git, in two roles; nothing here knows about kernels or crashes.

A `Git` is a repository of the user's, which is only read.  Its hooks and file system monitor and the caller's
`GIT_*` variables have no effect.  A `harness.workspace.Workspace` is the program's own.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ProgramFailed, UserError
from harness.process import Completed, run

QUIET = {"GIT_TERMINAL_PROMPT": "0", "GIT_ADVICE": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1"}

# Variables of the caller that say who the user is and how to reach servers; the rest of `GIT_*` (GIT_DIR,
# GIT_WORK_TREE and GIT_INDEX_FILE, as set in hooks and aliases) would point git at another repository.
KEPT = (
    *("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_ASKPASS", "GIT_PROXY_COMMAND"),
    *("GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_SSL_CAINFO", "GIT_SSL_CERT", "GIT_SSL_KEY"),
    *(f"GIT_{who}_{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL", "DATE")),
)

OPTIONS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "safe.bareRepository": "all",
    "color.ui": "false",
    "log.showSignature": "false",
    "log.follow": "false",
    "i18n.logOutputEncoding": "UTF-8",
}
"""Settings for every query, whatever the user's configuration says."""

AT_ONCE = 2000
"""So many files are named in one command: the system limits the length of its arguments."""

DUBIOUS = "detected dubious ownership"
"""What git says about a repository that belongs to another user."""


@dataclass(frozen=True)
class Commit:
    """One commit: full hash, the hash of its tree (same tree, same source), its subject line."""

    sha: str
    tree: str
    subject: str


@dataclass(frozen=True)
class Change:
    """One path in which a commit differs from a parent; a renamed file is one that is gone and one that is new.

    Attributes:
        path: of the tree.
        status: `A` added, `D` deleted, `M` modified, `T` of another type.
        modes: of the file before and after, such as `100644`; `000000` for none.
    """

    path: str
    status: str
    modes: tuple[str, str] = ("100644", "100644")


@dataclass(frozen=True)
class Conflict:
    """A change that does not apply: the conflicting files, or git's reason."""

    where: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join(self.where)


def settings(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The environment in which these settings override those of any file."""
    told = list(pairs)
    numbered = {
        f"GIT_CONFIG_{what}_{number}": text
        for number, pair in enumerate(told)
        for what, text in zip(("KEY", "VALUE"), pair, strict=True)
    }
    return {"GIT_CONFIG_COUNT": str(len(told)), **numbered}


@dataclass(frozen=True)
class Git:
    """A repository, bare or not, or one of its worktrees.

    Args:
        path: the folder to run git in.
        directory: the `.git` folder, if git would not find it from there (`GIT_DIR`).
    """

    path: Path
    directory: Path | None = None

    def surroundings(self) -> dict[str, str]:
        """The environment of git beyond what every program gets."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        place = {"GIT_DIR": str(self.directory)} if self.directory else {}
        return {**QUIET, **kept, **place, **settings(OPTIONS.items())}

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
            env={**self.surroundings(), **(env or {})},
            timeout=timeout,
            input=input,
            check=check,
            on_line=on_line,
        )

    def text(self, *args: str) -> str:
        """The output of `git ARGS`, without the last newline."""
        return self.run(*args).stdout.rstrip("\n")

    def common(self) -> Path:
        """The folder that holds objects and references, the same for all worktrees.

        Raises:
            UserError: there is no readable repository.
        """
        done = self.run("rev-parse", "--git-common-dir", check=False)
        if done.returncode != 0:
            if DUBIOUS in done.stderr:
                remedy = next((line.strip() for line in done.stderr.splitlines() if "safe.directory" in line), "")
                raise UserError(f"{self.path} belongs to another user, so git refuses to read it; remedy: {remedy}")
            raise UserError(f"{self.path}: not a git repository")
        found = self.path / done.stdout.removesuffix("\n")
        if not found.is_dir():
            raise UserError(f"{self.path}: the name of its .git folder is not UTF-8: rename it")
        return found.resolve()

    def exists(self) -> bool:
        """Whether a readable repository is here, or in a folder above."""
        return self.path.is_dir() and self.run("rev-parse", "--git-dir", check=False).returncode == 0

    def sha(self, revision: str) -> str | None:
        """The full hash of the one commit that a revision names, or None.  An option or a range is not a commit."""
        if revision.startswith(":/"):
            # git would take the rest for the text to search for.
            revision = self.run("rev-parse", "--verify", "--quiet", revision, check=False).stdout.strip()
        done = self.run(
            *("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"), check=False
        )
        found = done.stdout.strip()
        return found if done.returncode == 0 and re.fullmatch(r"[0-9a-f]{40,64}", found) else None

    def marked(self, name: str) -> bool:
        """Whether git has left a mark such as `BISECT_HEAD` here; a branch of that name does not count."""
        return (self.path / self.text("rev-parse", "--git-path", name)).exists()

    def commit(self, revision: str) -> Commit:
        """The commit that a revision names.

        Raises:
            UserError: no such revision here.
        """
        sha = self.sha(revision)
        if sha is None:
            raise UserError(f"revision {revision!r} is not in {self.path}")
        # Keep the hash asked for, even if the commit is replaced.
        _, tree, subject = self.text("log", "-1", "--format=%H%x00%T%x00%s", sha, "--").split("\0")
        return Commit(sha, tree, subject)

    def has(self, revision: str) -> bool:
        """Whether a revision names a commit here."""
        return self.sha(revision) is not None

    def with_subject(self, subject: str, *range_: str) -> list[str]:
        """The commits in a range with exactly this subject line, newest first."""
        out = self.text("log", "--format=%H%x00%s", "--fixed-strings", f"--grep={subject}", *range_, "--")
        told = (line.partition("\0") for line in out.splitlines())
        return [sha for sha, _, found in told if found == subject]

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `older` is reachable from `newer` (a commit is its own ancestor)."""
        done = self.run("merge-base", "--is-ancestor", older, newer, check=False)
        if done.returncode not in (0, 1):
            raise ProgramFailed(done.argv, done.returncode, done.stderr)
        return done.returncode == 0

    def changed(self, old: str, new: str, *, there: bool = False) -> list[str]:
        """The paths that differ between two commits or trees; with `there`, those of them that are in `new`."""
        which = ["--diff-filter=d"] if there else []
        told = self.run("diff-tree", "-r", "--name-only", "-z", "--no-renames", *which, old, new, "--").stdout
        return told.split("\0")[:-1]

    def parents(self, sha: str) -> tuple[str, ...]:
        """The parents of a commit, the first parent first."""
        return tuple(self.text("rev-list", "--parents", "-1", sha, "--").split()[1:])

    def cut(self, sha: str) -> bool:
        """Whether history is cut at a commit: its parents are not here, as in a shallow clone.

        The commit object lists all its parents; git's view of history leaves out those behind a cut.
        """
        head = self.run("cat-file", "commit", sha).stdout.partition("\n\n")[0]
        return len(re.findall(r"^parent ", head, re.MULTILINE)) != len(self.parents(sha))

    def history(
        self, new: str, old: Sequence[str], paths: Sequence[str] = (), *, first_parent: bool = False
    ) -> dict[str, tuple[str, ...]]:
        """The commits reachable from `new` and from none of `old`, parents before children.

        Args:
            paths: only the commits that change these, with the history between them simplified as
                git does it; `new` itself is always included, last.
            first_parent: follow only the first parent of a merge.

        Returns:
            For each commit its parents among these commits, the first parent first.
        """
        lines = self.text(
            # The order in which git itself bisects, except that parents come first where a clock was wrong.
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

    def last_until(self, new: str, moment: str) -> str | None:
        """The newest commit of a first-parent history that was committed at a moment or before it; None if none was.

        Args:
            moment: such as `2026-11-01 23:59:59 +0000`.
        """
        return self.text("rev-list", "-1", "--first-parent", f"--before={moment}", new, "--") or None

    def merge_bases(self, one: str, other: str) -> list[str]:
        """The best common ancestors of two commits; none if their histories are unrelated."""
        done = self.run("merge-base", "--all", one, other, check=False)
        if done.returncode not in (0, 1):
            raise ProgramFailed(done.argv, done.returncode, done.stderr)
        return done.stdout.split()

    def changes(self, pairs: Iterable[Sequence[str]]) -> Iterator[tuple[str, list[Change]]]:
        """What commits change.

        Args:
            pairs: each a commit and the parent to compare it with; a commit alone, not a merge, is compared with its
                own.

        Yields:
            The hash and the changes, in the order asked for, of each commit that changes anything.
        """
        for some in _batches(pairs):
            fields = iter(self._diffs(some, "--raw", "-z").split("\0"))
            sha, found = "", list[Change]()
            for one in fields:
                if one.startswith(":"):
                    before, after, _, _, status = one[1:].split(" ")
                    found.append(Change(next(fields), status[0], (before, after)))
                else:
                    if found:
                        yield sha, found
                    sha, found = one, []

    def patches(self, pairs: Iterable[Sequence[str]]) -> Iterator[tuple[str, str, list[str]]]:
        """The lines that commits add and remove; see `changes`.

        Yields:
            A commit, a path, and the lines without their sign.
        """
        for some in _batches(pairs, 200):
            sha = path = ""
            lines: list[str] = []
            left = 0
            for line in self._diffs(some, "--patch", "--unified=0", "--no-ext-diff", "--no-textconv").split("\n"):
                if left > 0 and line[:1] in "+-":
                    lines.append(line[1:])
                    left -= 1
                elif hunk := _HUNK.match(line):
                    left = int(hunk[1] or 1) + int(hunk[2] or 1)
                elif re.fullmatch(r"[0-9a-f]{40,64}", line) or line.startswith("diff --git "):
                    if lines:
                        yield sha, path, lines
                    sha, lines = (sha if " " in line else line), []
                elif line.startswith(("--- a/", "+++ b/")):
                    path = line[6:].rstrip("\t")
            if lines:
                yield sha, path, lines

    def _diffs(self, pairs: Sequence[Sequence[str]], *how: str) -> str:
        told = "".join(f"{' '.join(pair)}\n" for pair in pairs)
        return self.run(
            *("-c", "core.quotePath=false", "diff-tree", "--stdin", "-r", "--root", "--no-renames", *how),
            input=told.encode(),
        ).stdout

    def touching(self, new: str, old: Sequence[str], paths: Sequence[str], *, first_parent: bool = False) -> list[str]:
        """The commits reachable from `new` and from none of `old` that change any of some paths; merges do not.

        Args:
            paths: files and folders, literally.
            first_parent: follow only the first parent of merges, which count then.
        """
        which = "--first-parent" if first_parent else "--no-merges"
        return self.text(
            "--literal-pathspecs",
            *("rev-list", "--full-history", which, new, *(f"^{sha}" for sha in old), "--", *paths),
        ).split()

    def grep(self, pattern: str, revision: str, paths: Sequence[str] | str) -> Iterator[tuple[str, str]]:
        """The lines of some files of a commit that match a pattern.

        Args:
            pattern: an extended regular expression (POSIX).
            paths: of files that the commit has, or a glob for those of the whole tree (`*.c`), which takes a processor
                some ten seconds in a kernel.

        Yields:
            The path and the line.
        """
        if isinstance(paths, str):
            asked: list[tuple[str, ...]] = [(revision, "--", paths)]
        else:
            files = [f"{revision}:{path}" for path in paths]
            asked = [(*files[first : first + AT_ONCE], "--") for first in range(0, len(files), AT_ONCE)]
        for where in asked:
            done = self.run("grep", "-I", "-z", "-E", "-e", pattern, *where, check=False)
            if done.returncode not in (0, 1):
                raise ProgramFailed(done.argv, done.returncode, done.stderr)
            for told in done.stdout.splitlines():
                path, _, line = told.removeprefix(f"{revision}:").partition("\0")
                yield path, line


_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")


def _batches(pairs: Iterable[Sequence[str]], size: int = 5000) -> Iterator[list[Sequence[str]]]:
    """Some at a time, so that what git says of them fits into memory."""
    todo = iter(pairs)
    while some := list(itertools.islice(todo, size)):
        yield some
