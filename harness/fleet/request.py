"""Work as data: what a worker has to build or to try, by content and without any local path."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from harness.console import Expectation
from harness.model import TINY, Base, Ignored, Timeouts


@dataclass(frozen=True)
class Source:
    """A commit.

    Attributes:
        sha: its hash.
        tree: the hash of its tree.
        subject: its subject line.
        form: git's object format, `sha1` or `sha256`.
        place: the name of a worktree for commits that are much alike.
    """

    sha: str
    tree: str
    subject: str
    form: str
    place: str


@dataclass(frozen=True)
class Command:
    """A scenario's own program: its words, some of which are files that travel with it.

    Attributes:
        words: the argument list.
        files: of the words that end in a file's path: the index, the file's digest and its name.
    """

    words: tuple[str, ...]
    files: tuple[tuple[int, str, str], ...] = ()


@dataclass(frozen=True)
class BuildJob:
    """Build a kernel.

    Attributes:
        source: what to build.
        arch: the architecture's name.
        fragments: the names and texts of the configuration's fragments.
        base: what they are put on top of.
        kernels: the versions required.
        command: builds instead of make.
        passed: the caller's variables that programs get.
        kselftest: tests of the tree's own that are built with it.
    """

    source: Source
    arch: str
    fragments: tuple[tuple[str, str], ...] = ()
    kernels: str = ""
    command: Command | None = None
    passed: tuple[tuple[str, str], ...] = ()
    base: Base = TINY
    kselftest: tuple[str, ...] = ()
    kind: ClassVar[str] = "build"

    @property
    def id(self) -> str:
        """Equal for equal work."""
        return _digest(self)

    @property
    def blobs(self) -> tuple[str, ...]:
        """The digests of the files that it needs."""
        return tuple(digest for _, digest, _ in self.command.files) if self.command else ()


@dataclass(frozen=True)
class TrialJob:
    """Boot a kernel and run a scenario on it.

    Attributes:
        key: unlike that of any other trial: each is a draw of its own.
        image: the digest of the image; None for a tree that a command builds.
        build: how the kernel is built, if it is such a tree.
        initrd: the digest of what the guest starts with; None if the machine's command brings its own.
        append: words for the kernel command line.
        memory: in MiB.
        cpus: their number.
        disk: MiB of a disk that survives a power cut; None without one.
        command: boots instead of QEMU.
        root: the digest of the image that the guest goes over to; None if it stays in the initramfs.
    """

    key: str
    arch: str
    image: str | None
    build: BuildJob | None
    initrd: str | None
    append: tuple[str, ...]
    memory: int
    cpus: int
    disk: int | None
    command: Command | None
    timeouts: Timeouts
    expected: Expectation | None
    ignore: tuple[Ignored, ...] = ()
    tests: tuple[str, ...] = ()
    passed: tuple[tuple[str, str], ...] = ()
    root: str | None = None
    kind: ClassVar[str] = "boot"

    @property
    def id(self) -> str:
        """Of this trial alone."""
        return _digest(self)

    @property
    def blobs(self) -> tuple[str, ...]:
        """The digests of the files that it needs."""
        own = tuple(digest for _, digest, _ in self.command.files) if self.command else ()
        built = self.build.blobs if self.build else ()
        return tuple(filter(None, (self.image, self.initrd, self.root, *own, *built)))

    @property
    def source(self) -> Source | None:
        """The commit whose files it needs, if any."""
        return self.build.source if self.build else None


Job = BuildJob | TrialJob


def _digest(job: Job) -> str:
    return hashlib.sha256(repr(job).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Request:
    """A job as it goes to a worker.

    Attributes:
        job: what to do.
        program: the digest of the program that made it; another one refuses it.
        pack: the digest of a pack with the git objects that the worker lacks; None if it lacks none.
        files: small files that the worker lacks, by digest.
        most: the size in bytes of the files that may come back.
    """

    job: Job
    program: str
    pack: str | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    most: int = 512 << 20

    def to_bytes(self) -> bytes:
        """For the way to a worker, which trusts its controller."""
        return pickle.dumps(self)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Request:
        """See `to_bytes`; only for what the controller sent."""
        request = pickle.loads(raw)  # noqa: S301  see above
        assert isinstance(request, cls)
        return request
