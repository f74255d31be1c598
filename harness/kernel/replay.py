"""The replay: a small history with a regression and other hazards, on top of a released kernel source.

With it, everything works without a kernel git tree.  Authors, committers and dates are fixed, so
one source version gives the same commit ids everywhere.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.cache import touch
from harness.errors import InfrastructureError, ProgramFailed, Unavailable, UserError
from harness.files import locked
from harness.kernel.build import kernel_version
from harness.kernel.tree import Tree
from harness.process import run
from harness.progress import Progress
from harness.workspace import Workspace
from harness.yamlfile import Node, read_yaml

FIXED = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_COMMITTER_NAME": "regress replay",
    "GIT_COMMITTER_EMAIL": "replay@example.org",
}
"""The environment of git: the user's configuration (signing, hooks, line endings) does not affect a commit."""

RELEASED = (
    "regress replay <replay@example.org>",
    "2025-01-01 00:00:00 +0000",
    "Linux {version}, as released",
)
KERNEL_ORG = "https://cdn.kernel.org/pub/linux/kernel/v6.x"


@dataclass(frozen=True)
class Source:
    """A released kernel source: a tarball or an unpacked tree, and a name for people."""

    path: Path
    name: str


@dataclass(frozen=True)
class Merge:
    """A side branch: both lines start at the commit before, and are merged at the end."""

    main: tuple[str, ...]
    side: tuple[str, ...]
    subject: str
    author: str
    date: str


@dataclass(frozen=True)
class Series:
    """A patch series.

    Attributes:
        folder: the folder of the patches.
        kernel: the kernel that they are for, such as `6.1`.
        refs: the patch that each tag points at.
        steps: patches and merges, in order.
    """

    folder: Path
    kernel: str
    refs: dict[str, str]
    steps: tuple[str | Merge, ...]

    def patches(self) -> Iterator[str]:
        """The names of all patches."""
        for step in self.steps:
            yield from (step,) if isinstance(step, str) else (*step.side, *step.main)

    def digest(self) -> str:
        """Changes when anything in the series changes."""
        names = ("series.yaml", *self.patches())
        return hashlib.sha256(b"".join((self.folder / name).read_bytes() for name in names)).hexdigest()[:8]


def read_series(folder: Path) -> Series:
    """The series in a folder.

    Raises:
        UserError: `series.yaml` is wrong, or a patch is missing; the message names the line.
    """
    got = read_yaml(folder / "series.yaml").entries(("kernel", "refs", "patches"))

    def patch(node: Node) -> str:
        if not (folder / node.text()).is_file():
            raise node.error(f"{node.text()}: no such patch")
        return node.text()

    def step(node: Node) -> str | Merge:
        if not hasattr(node.node, "value") or isinstance(node.node.value, str):
            return patch(node)
        merge = node.entries(("merge",))["merge"].entries(("main", "side", "subject", "author", "date"))
        return Merge(
            main=tuple(map(patch, merge["main"].items())),
            side=tuple(map(patch, merge["side"].items())),
            subject=merge["subject"].text(),
            author=merge["author"].text(),
            date=merge["date"].text(),
        )

    return Series(
        folder=folder,
        kernel=got["kernel"].text(),
        refs={name: patch(node) for name, node in got["refs"].entries().items()},
        steps=tuple(map(step, got["patches"].items())),
    )


def find_source(kernel: str, cache: Path, progress: Progress, kernel_org: str = KERNEL_ORG) -> Source:
    """A released source of a kernel series: Debian's package, installed or fetched, else kernel.org's tarball.

    Args:
        kernel: such as `6.1`.
        cache: fetched tarballs are kept there.
        kernel_org: where to look for `linux-6.1.N.tar.xz` and `sha256sums.asc`.

    Raises:
        Unavailable: no source was found; the message says what was tried.
    """
    installed = Path(f"/usr/src/linux-source-{kernel}.tar.xz")
    if installed.exists():
        return Source(installed, f"linux-source-{kernel}")
    sources = cache / "sources"
    sources.mkdir(parents=True, exist_ok=True)
    with locked(sources / f"{kernel}.lock", progress):
        if found := sorted(sources.glob(f"linux-source-{kernel}*.tar.xz")):
            return Source(found[-1], f"linux-source-{kernel}")
        if found := sorted(sources.glob(f"linux-{kernel}.*.tar.xz"), key=lambda path: _numbers(path.name)):
            return Source(found[-1], found[-1].name.removesuffix(".tar.xz"))
        tried = []
        for fetch in (_from_debian, _from_kernel_org):
            try:
                return fetch(kernel, sources, progress, kernel_org)
            except (InfrastructureError, OSError) as error:
                tried.append(f"{fetch.__doc__}: {str(error).splitlines()[-1] if str(error) else type(error).__name__}")
    raise Unavailable(
        f"no source of Linux {kernel} for the replay; tried " + "; ".join(tried) + ".  "
        f"Remedy: put linux-{kernel}.N.tar.xz into {sources}, or name a tree of your own with --tree"
    )


def _numbers(name: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", name)))


def _from_debian(kernel: str, sources: Path, progress: Progress, _: str) -> Source:
    """Debian's package"""
    if shutil.which("apt-get") is None:
        raise Unavailable("apt-get is not installed")
    progress.note(f"fetching Debian's linux-source-{kernel}")
    with tempfile.TemporaryDirectory(dir=sources) as name:
        run(["apt-get", "download", f"linux-source-{kernel}"], cwd=Path(name), on_line=progress.update)
        [package] = Path(name).glob("*.deb")
        run(["dpkg-deb", "-x", str(package), name])
        target = sources / f"linux-source-{kernel}.tar.xz"
        (Path(name) / f"usr/src/linux-source-{kernel}.tar.xz").replace(target)
    return Source(target, f"linux-source-{kernel}")


def _from_kernel_org(kernel: str, sources: Path, progress: Progress, top: str) -> Source:
    """kernel.org's tarball"""
    progress.note(f"fetching linux-{kernel}.y from {top}")
    sums = _get(f"{top}/sha256sums.asc").decode()
    pattern = re.compile(rf"^([0-9a-f]{{64}})\s+(linux-{re.escape(kernel)}\.\d+\.tar\.xz)$", re.MULTILINE)
    listed = {name: digest for digest, name in pattern.findall(sums)}
    if not listed:
        raise Unavailable(f"{top}/sha256sums.asc lists no linux-{kernel}.N.tar.xz")
    name = max(listed, key=_numbers)
    data = _get(f"{top}/{name}", progress)
    if hashlib.sha256(data).hexdigest() != listed[name]:
        raise Unavailable(f"{top}/{name}: its SHA-256 does not match sha256sums.asc; not used")
    part = sources / f".{name}.part"
    part.write_bytes(data)
    part.replace(sources / name)
    return Source(sources / name, name.removesuffix(".tar.xz"))


def _get(url: str, progress: Progress | None = None) -> bytes:
    pieces: list[bytes] = []
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  the scheme is ours
            while piece := answer.read(1 << 20):
                pieces.append(piece)
                if progress is not None:
                    progress.update(f"fetching {url.rpartition('/')[2]}: {len(pieces)} MiB")
    except urllib.error.URLError as error:
        raise Unavailable(f"{url}: {error.reason}") from error
    return b"".join(pieces)


def lay(series: Series, source: Source, cache: Path, progress: Progress) -> Tree:
    """The series on top of a source, as a git repository with its work tree; made once, then kept.

    Args:
        series: the patches.
        source: the source to put them on.
        cache: the tree is kept in its `worktrees/`.
        progress: shows what takes long.

    Returns:
        A tree named `replay-6.1` (by the series' kernel).

    Raises:
        UserError: the source is not of that kernel, or a patch does not apply.
    """
    stat = source.path.stat()
    over = hashlib.sha256(f"{source.path.resolve()} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:8]
    target = cache / "worktrees" / f"replay-{series.kernel}-{series.digest()}-{over}"
    if not target.exists():
        # A build in the tree holds this lock too: do not wait for a tree that exists.
        with locked(target.with_name(f"{target.name}.lock"), progress):
            _lay_once(series, source, target, progress)
    touch(target)
    repository = Workspace(target)
    version = kernel_version(repository.text("show", "replay:Makefile"))
    name = f"replay-{series.kernel}"
    return Tree(name, f"{name} ({source.name} {version})", repository, repository)


def _lay_once(series: Series, source: Source, target: Path, progress: Progress) -> None:
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f".{target.name}.*"):
        shutil.rmtree(left)  # left by a killed run: we hold the lock
    new = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        new.chmod(0o755)
        _Laying(series, source, new, progress).lay()
        os.sync()
        new.rename(target)
    finally:
        shutil.rmtree(new, ignore_errors=True)


@dataclass
class _Laying:
    """Makes a replay in a new folder."""

    series: Series
    source: Source
    new: Path
    progress: Progress

    def __post_init__(self) -> None:
        self.git = Workspace(self.new)
        self.made: dict[str, str] = {}

    def lay(self) -> None:
        self.progress.note(f"making the replay on top of {self.source.name} (about a minute, once)")
        self.progress.update("unpacking")
        if self.source.path.is_dir():
            run(["cp", "-a", f"{self.source.path}/.", str(self.new)])
            shutil.rmtree(self.new / ".git", ignore_errors=True)
        else:
            run(
                [
                    "tar",
                    "--strip-components=1",
                    "--no-same-owner",
                    "-xf",
                    str(self.source.path),
                    "-C",
                    str(self.new),
                ]
            )
        makefile = self.new / "Makefile"
        version = kernel_version(makefile.read_text(encoding="utf-8") if makefile.exists() else "")
        if not re.match(rf"{re.escape(self.series.kernel)}(\.|$)", version):
            raise UserError(f"{self.source.path} is Linux {version}; the replay is for {self.series.kernel}.y")
        self.progress.update("adding the source to git")
        self._git("init", "--quiet", "--initial-branch=replay")
        # One pack of whole files instead of 80,000 loose objects; -f, as Debian's .gitignore hides everything.
        self._git("-c", "core.bigFileThreshold=1", "-c", "core.compression=1", "add", "--force", "--all")
        author, date, message = RELEASED
        head = self._commit(author, date, message.format(version=version), [])
        for number, step in enumerate(self.series.steps, 1):
            self.progress.update(f"patching: {number} of {len(self.series.steps)}")
            head = self._patch(step, head) if isinstance(step, str) else self._merge(step, head)
        self._git("update-ref", "refs/heads/replay", head)
        for name, patch in self.series.refs.items():
            self._git("tag", name, self.made[patch])
        self._git("checkout", "--quiet", "--force", "--detach", head)

    def _git(self, *args: str, env: dict[str, str] | None = None, text: str | None = None) -> str:
        data = text.encode() if text is not None else None
        return self.git.run("-c", "core.autocrlf=false", *args, env={**FIXED, **(env or {})}, input=data).stdout.strip()

    def _commit(self, author: str, date: str, message: str, parents: list[str]) -> str:
        name, _, mail = author.rstrip(">").partition(" <")
        who = {
            "GIT_AUTHOR_NAME": name,
            "GIT_AUTHOR_EMAIL": mail,
            "GIT_AUTHOR_DATE": date,
            "GIT_COMMITTER_DATE": date,
        }
        above = [word for parent in parents for word in ("-p", parent)]
        return self._git("commit-tree", *above, self._git("write-tree"), env=who, text=message)

    def _patch(self, name: str, parent: str) -> str:
        path = self.series.folder / name
        try:
            self._git("apply", "--index", "--whitespace=nowarn", str(path))
        except ProgramFailed as error:
            hunk = error.output.strip().splitlines()[0]
            raise UserError(f"{path}: does not apply to {self.source.name}: {hunk}") from error
        mail = run(["git", "mailinfo", "-u", "/dev/stdout", "/dev/null"], input=path.read_bytes(), cwd=self.new).stdout
        body, _, _ = mail.partition("\nAuthor: ")
        told = dict(re.findall(r"^(Author|Email|Subject|Date): (.*)$", mail, re.MULTILINE))
        message = f"{told['Subject']}\n\n{body.strip()}\n"
        author = f"{told['Author']} <{told['Email']}>"
        self.made[name] = self._commit(author, told["Date"], message, [parent])
        return self.made[name]

    def _merge(self, merge: Merge, head: str) -> str:
        tips = []
        for line in (merge.side, merge.main):
            self._git("read-tree", "-m", "-u", head)
            tip = head
            for name in line:
                tip = self._patch(name, tip)
            tips.append(tip)
        side, main = tips
        self._git("read-tree", "-m", "-u", "--aggressive", head, main, side)
        return self._commit(merge.author, merge.date, merge.subject, [main, side])
