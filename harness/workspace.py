"""The program's own repository of a tree: all history comes from it, and only it is written.

It borrows the objects of the user's repository (git's alternates), has the same view of history (references,
shallow cuts, grafts, replacements), and is created and repaired under its own lock.  The user's and the system's
configuration, hooks, templates and attributes have no effect, so that the same commit gives the same files everywhere.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InfrastructureError, ProgramFailed
from harness.files import locked, write_atomically
from harness.git import OPTIONS, Commit, Conflict, Git, settings
from harness.progress import Progress

MARK = "regress-workspace"
"""A file in `.git` that is written last: without it, the workspace is incomplete."""

OWN = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ADVICE": "0",
    # Commits made here are reproducible.
    "GIT_AUTHOR_NAME": "regress",
    "GIT_AUTHOR_EMAIL": "regress@example.org",
    "GIT_COMMITTER_NAME": "regress",
    "GIT_COMMITTER_EMAIL": "regress@example.org",
}

SETTINGS = {
    # Commits made here have no reference, and must stay.
    "gc.auto": "0",
    "core.autocrlf": "false",
    "core.logAllRefUpdates": "false",
    "advice.detachedHead": "false",
    "merge.renames": "true",
}

# The user's settings for reaching the server of a partial clone.
_TRANSPORT = re.compile(r"(credential|https?|url|ssh|protocol)\.|core\.(sshcommand|gitproxy|askpass)$", re.IGNORECASE)


@dataclass(frozen=True)
class Workspace(Git):
    """The program's own repository with its work tree.

    Args:
        path: the work tree; the repository is `.git` in it.
        transport: the settings with which a partial clone fetches what it lacks.
    """

    transport: tuple[tuple[str, str], ...] = ()

    @property
    def git_dir(self) -> Path:
        """The repository."""
        return self.path / ".git"

    def surroundings(self) -> dict[str, str]:
        """See `Git.surroundings`: the folder is given, so that git never looks in those above."""
        place = {"GIT_DIR": str(self.git_dir), "GIT_WORK_TREE": str(self.path)}
        return {**OWN, **place, **settings((*OPTIONS.items(), *self.transport))}

    # What is asked.

    def releases(self, newest: str) -> list[tuple[str, str]]:
        """The release tags (`v6.1`, `v6.1.3`, `v6.2-rc1`) that a commit contains, newest first, as (tag, hash)."""
        out = self.text(
            *("-c", "versionsort.suffix=-rc", "for-each-ref", f"--merged={newest}", "--sort=-version:refname"),
            *("--format=%(refname:strip=2) %(objectname) %(*objectname)", "refs/tags/v*"),
        )
        tags = (line.split() for line in out.splitlines())
        return [(name, shas[-1]) for name, *shas in tags if re.fullmatch(r"v\d+(\.\d+)*(-rc\d+)?", name)]

    def files(self, sha: str) -> frozenset[str]:
        """The paths of all files of a commit."""
        return frozenset(self.run("ls-tree", "-r", "-z", "--name-only", sha).stdout.split("\0")) - {""}

    def texts(self, sha: str, paths: Sequence[str]) -> Iterator[tuple[str, str]]:
        """The texts of those of these paths that are in a commit."""
        for start in range(0, len(paths), 1000):
            some = paths[start : start + 1000]
            env = {"GIT_LITERAL_PATHSPECS": "1"}
            done = self.run("grep", "-z", "-I", "--no-textconv", "-e", "", sha, "--", *some, env=env, check=False)
            lines = (line.partition("\0") for line in done.stdout.split("\n") if line)
            for path, group in itertools.groupby(lines, lambda line: line[0].partition(":")[2]):
                yield path, "\n".join(text for _, _, text in group)

    # The files.

    def check_out(self, sha: str) -> None:
        """Check out a commit: only files that differ are written, so that make sees only these.

        What a build left is removed, except what the tree's own .gitignore names: a build may go on from that.
        What a killed git left (a lock, an empty index) does not matter.  The caller holds the tree's lock.
        """
        for name in ("index.lock", "HEAD.lock"):
            (self.git_dir / name).unlink(missing_ok=True)
        if not self._switched(sha):
            (self.git_dir / "index").unlink(missing_ok=True)
            self.run("clean", "--quiet", "-ffdx")
            self._switch(sha)

    def _switched(self, sha: str) -> bool:
        """Switch by writing only what differs, if possible."""
        try:
            if self._attributes_differ(sha):
                return False  # a file of which only the conversion changes would not be written
            self.run("clean", "--quiet", "-ffd")
            self._switch(sha)
        except ProgramFailed:
            return False
        return True

    def _switch(self, sha: str) -> None:
        self.run("checkout", "--quiet", "--force", "--detach", sha, "--")

    def _attributes_differ(self, sha: str) -> bool:
        now = self.sha("HEAD")
        if now is None or now == sha:
            return False
        done = self.run("diff-tree", "-r", "--name-only", now, sha, "--", ":(glob)**/.gitattributes")
        return bool(done.stdout.strip())

    # The program's own commits: the user's configuration does not affect them.

    def make_commit(self, tree: str, parents: Sequence[str], message: str) -> Commit:
        """Make a commit with this tree, dated as its last parent: made twice, it is the same commit."""
        seconds = self.text("log", "-1", "--format=%ct", parents[-1], "--") if parents else "0"
        # The @ lets git take dates before 1973 and after 2099.
        date = f"@{max(0, int(seconds))} +0000"
        above = [word for parent in parents for word in ("-p", parent)]
        env = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        return self.commit(
            self.run("commit-tree", *above, "--no-gpg-sign", tree, env=env, input=message.encode()).stdout.strip()
        )

    def merged_tree(self, ours: str, theirs: str) -> str | Conflict:
        """The tree of a merge of two commits, without touching index or files.

        Raises:
            InfrastructureError: git is older than 2.38, which cannot do this.
        """
        done = self.run(
            *("merge-tree", "--write-tree", "--name-only", "--no-messages", "--allow-unrelated-histories"),
            *(ours, theirs),
            check=False,
        )
        if done.returncode == 0:
            return done.stdout.strip()
        if done.returncode != 1:
            raise InfrastructureError(f"git merge-tree --write-tree (git 2.38 and up): {done.stderr.strip()}")
        return Conflict(tuple(dict.fromkeys(done.stdout.splitlines()[1:])))

    def picked_tree(self, onto: str, change: str, base: str | None) -> str | Conflict:
        """The tree of `onto` with the difference from `base` to `change` applied, by three-way merge.

        A cherry-pick of C is `picked_tree(onto, C, parent of C)`, a revert `picked_tree(onto, parent of C, C)`.

        Args:
            base: None for a root commit: everything in `change` is new.
        """
        # A merge finds its base in the history, so make a history with that base.
        if base is None:
            empty = self.run("mktree", input=b"").stdout.strip()
            base = self.make_commit(empty, [], "nothing").sha
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


def open_workspace(user: Git, path: Path, progress: Progress) -> Workspace:
    """The workspace of a user's repository, made or brought up to date with it.

    Args:
        user: the repository, which is only read.
        path: where the workspace is, or is created.

    Raises:
        UserError: the repository is not readable.
        InfrastructureError: the workspace cannot be written.
    """
    common = user.common()
    form = user.text("rev-parse", "--show-object-format")
    with locked(path.with_name(f"{path.name}.setup.lock"), progress):
        if not _whole(path / ".git", form):
            _make(path, form)
        partial = _partial(user)
        workspace = Workspace(path, transport=_transport(user) if partial else ())
        _follow(user, common, workspace, partial)
    return workspace


def _whole(git_dir: Path, form: str) -> bool:
    """Whether a workspace is complete and of this object format; a power cut may have emptied its HEAD."""
    told = {name: (git_dir / name).read_bytes() for name in (MARK, "HEAD") if (git_dir / name).exists()}
    return told.get(MARK) == form.encode() and re.match(rb"ref: |[0-9a-f]{40}", told.get("HEAD", b"")) is not None


def _make(path: Path, form: str) -> None:
    """Create a workspace without objects, replacing one that is incomplete or of another object format."""
    path.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(path / ".git", ignore_errors=True)
    workspace = Workspace(path)
    workspace.run("init", "--quiet", "--template=", f"--object-format={form}", "--initial-branch=regress")
    for name, value in SETTINGS.items():
        workspace.run("config", name, value)
    write_atomically(path / ".git" / MARK, form)


def _follow(user: Git, common: Path, workspace: Workspace, partial: str | None) -> None:
    """Take over the user's objects, references and view of history, as they are now."""
    git_dir = workspace.git_dir
    for left in (git_dir / "refs").rglob("*.lock"):
        left.unlink(missing_ok=True)
    for name in ("packed-refs.lock", "config.lock", "shallow.lock"):
        (git_dir / name).unlink(missing_ok=True)
    _write(git_dir / "objects" / "info" / "alternates", "".join(f"{_quoted(one)}\n" for one in _stores(common)))
    for name in ("shallow", "info/grafts"):
        theirs = common / name
        _write(git_dir / name, theirs.read_text(encoding="ascii") if theirs.exists() else None)
    _write(git_dir / "packed-refs", "".join(f"{sha} {name}\n" for name, sha in sorted(_references(user, partial))))
    if partial:
        # Objects that the user's repository lacks are fetched into this one.
        for name, value in (
            ("core.repositoryFormatVersion", "1"),
            ("extensions.partialClone", "origin"),
            ("remote.origin.url", partial),
            ("remote.origin.promisor", "true"),
            ("remote.origin.partialCloneFilter", "blob:none"),
        ):
            workspace.run("config", name, value)


def _write(path: Path, text: str | None) -> None:
    """Write or remove a file; one that has this content already is left alone."""
    before = path.read_text(encoding="utf-8") if path.exists() else None
    if text is None or text == "":
        path.unlink(missing_ok=True)
    elif text != before:
        write_atomically(path, text)


def _stores(common: Path) -> Iterator[Path]:
    """The object folders of a repository: its own and its alternates."""
    pending, seen = [common / "objects"], set[Path]()
    while pending:
        store = pending.pop()
        if store in seen:
            continue
        seen.add(store)
        yield store
        borrowed = store / "info" / "alternates"
        if borrowed.exists():
            for line in borrowed.read_bytes().decode(errors="surrogateescape").splitlines():
                if line and not line.startswith("#"):
                    pending.append(Path(os.path.normpath(store / line)))


def _quoted(path: Path) -> str:
    """A path as a line of `alternates`, where a newline or a leading # would be misread."""
    raw = os.fsencode(path)
    if re.fullmatch(rb"/[\w./+@%=:, -]*", raw):
        return raw.decode("ascii")
    return '"{}"'.format("".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\{b:03o}" for b in raw))


def _references(user: Git, partial: str | None) -> Iterator[tuple[str, str]]:
    """The user's references to commits, by their name in the workspace."""
    # In a partial clone, asking for the type of an object would fetch it.
    kind = "commit" if partial else "%(objecttype)%(*objecttype)"
    out = user.text(
        *("for-each-ref", f"--format={kind} %(objectname) %(refname)"),
        *("refs/tags/v[0-9]*" if partial else "refs/tags", "refs/heads", "refs/remotes", "refs/replace"),
    )
    for line in out.splitlines():
        kind, sha, name = line.split(" ", 2)
        if kind.endswith("commit") or name.startswith("refs/replace/"):
            # Keep the user's branches apart from the workspace's own.
            yield re.sub(r"^refs/(heads|remotes)/", r"refs/remotes/\1/", name), sha
    if head := user.sha("HEAD"):
        yield HEAD, head


HEAD = "refs/remotes/head"
"""What the user has checked out, as a reference in the workspace."""


def _partial(user: Git) -> str | None:
    """The URL from which a partial clone fetches what it lacks; None for a full one."""
    done = user.run("config", "--get-regexp", r"^remote\..*\.promisor$", check=False)
    for line in done.stdout.splitlines():
        name, _, value = line.partition(" ")
        if value == "true":
            url = user.text("remote", "get-url", name.removeprefix("remote.").removesuffix(".promisor"))
            return str(user.path / url) if (user.path / url).exists() else url
    return None


def _transport(user: Git) -> tuple[tuple[str, str], ...]:
    out = user.run("config", "--list", "--null").stdout
    told = (entry.partition("\n") for entry in out.split("\0") if entry)
    return tuple((name, value) for name, _, value in told if _TRANSPORT.match(name))
