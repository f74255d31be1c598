"""Builds and trials by a fleet, for the loops that know only of builders and kernels."""

from __future__ import annotations

import json
import shlex
import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.digest import named_files
from harness.errors import BuildError, KernelError, UserError
from harness.files import sha256, sha256_again, whole_folder
from harness.fleet import reply as replies
from harness.fleet.fleet import Fleet, Work
from harness.fleet.reply import HostFault, Reply
from harness.fleet.request import BuildJob, Command, Source, TrialJob
from harness.fleet.sources import pack
from harness.git import Commit
from harness.kernel.kept import PACKED, load, whole
from harness.kernel.tree import Tree
from harness.model import Boot, Kernel, Scenario, Trial
from harness.process import passed
from harness.roots import RootKind
from harness.turns import Turns

SYSTEM = ("/usr/", "/bin/", "/sbin/", "/etc/")


@dataclass
class FleetLab:
    """Builds the commits of a tree, and tries them; see `harness.kernel.build.Builder` and `harness.runner.Elsewhere`.

    Args:
        fleet: does the work.
        tree: has the commits.
        scenario: what is tried.
        arch: the architecture.
        fragments: the kernel's configuration.
        cache: kernels that came back are kept in it.
    """

    fleet: Fleet
    tree: Tree
    scenario: Scenario
    arch: str
    fragments: tuple[Path, ...]
    cache: Path
    _files: dict[str, Path] = field(default_factory=dict)
    _jobs: dict[str, BuildJob] = field(default_factory=dict)
    _built_on: dict[str, list[str]] = field(default_factory=dict)
    _trees: dict[str, Kernel] = field(default_factory=dict)
    _under_way: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.scenario.machine_ssh is not None:
            raise UserError(
                f"{self.scenario.id} runs on the test machine {self.scenario.machine_ssh} (machine.ssh), which there "
                "is once: leave --fleet out, or say --fleet local"
            )
        if self.scenario.rootfs.kind is RootKind.HOST:
            raise UserError(
                f"{self.scenario.id} runs in this machine's own root file system (rootfs: host), which no other host "
                "has: leave --fleet out, say --fleet local, or ask for rootfs: debian"
            )
        self._form = self.tree.workspace.text("rev-parse", "--show-object-format")
        self._build_command = self._command(self.scenario.build_command)
        self._machine_command = self._command(self.scenario.machine_command)

    @property
    def width(self) -> int:
        """How many trials at a time."""
        return self.fleet.width

    @property
    def turns(self) -> Turns:
        """Whose turn it is."""
        return self.fleet.turns

    def _command(self, line: str | None) -> Command | None:
        """A scenario's command, with the files that it names by their absolute path."""
        if line is None:
            return None
        words, files = tuple(shlex.split(line)), []
        if not words:
            raise UserError(f"{self.scenario.id}: an empty command")
        for number, path in named_files(words):
            # A program of the system is on each host; where it is, is the host's business.
            if not str(path).startswith(SYSTEM):
                digest = sha256(path)
                self._files[digest] = path
                files.append((number, digest, path.name))
        return Command(words, tuple(files))

    def build(self, commit: Commit, folder: Path) -> Kernel:
        """See `harness.kernel.build.Builder.build`.

        A failed build counts if a second host says the same, where there is one.
        """
        job = BuildJob(
            Source(commit.sha, commit.tree, commit.subject, self._form, self.tree.worktree.name),
            self.arch,
            () if self._build_command else tuple((one.name, one.read_text(encoding="utf-8")) for one in self.fragments),
            self.scenario.kernels,
            self._build_command,
            tuple(passed().items()),
            self.scenario.base,
            self.scenario.kselftest,
        )
        kept = self.cache / "fleet" / job.id
        self._once(job.id)
        self._under_way.add(job.id)
        try:
            if job.command is None and whole(kept):
                return load(kept, folder)
            if job.id in self._trees:
                return replace(self._trees[job.id], built=False, seconds=0.0)
            return self._build(job, folder, kept)
        finally:
            self._under_way.discard(job.id)

    def _once(self, job: str) -> None:
        """Wait for the same build if it is under way."""
        while job in self._under_way:
            self.fleet.pause()

    def _build(self, job: BuildJob, folder: Path, kept: Path) -> Kernel:
        folder.mkdir(parents=True, exist_ok=True)
        work = self._work(job, f"building {job.source.sha[:12]}", job)
        failed: Reply | None = None
        while True:
            reply = self.fleet.do(
                work, lambda one: _taken(job, one, folder, kept), apart=[failed.host] if failed else ()
            )
            if reply.kind == "kernel":
                if failed:
                    self.fleet.strike(failed.host, f"{job.source.sha[:12]} builds on {reply.host}: {failed.reason}")
                return self._kernel(job, reply, folder, kept)
            if reply.kind == "kernel error":
                raise KernelError(reply.reason)
            others = [host for host in self.fleet.hosts if host.may(job) and host.name != reply.host]
            if failed or not others:
                raise BuildError(reply.reason)
            failed = reply

    def _kernel(self, job: BuildJob, reply: Reply, folder: Path, kept: Path) -> Kernel:
        told, digest = reply.data, str(reply.data["signature"])
        self._built_on.setdefault(job.id, []).append(reply.host)
        self._jobs[digest] = job
        if job.command is not None:
            line = self.scenario.build_command or ""
            tree = Kernel(folder, folder, "command", digest, line, bool(told["built"]), float(told["seconds"]))
            self._trees[job.id] = tree
            return tree
        return replace(load(kept, folder), built=bool(told["built"]), seconds=float(told["seconds"]))

    def trial(self, kernel: Kernel, boot: Boot, scenario: Scenario, variant: str) -> Trial:
        """Try a kernel once; see `harness.runner.Elsewhere`."""
        build = self._jobs.get(kernel.signature) if self._build_command else None
        image = kernel.signature
        if build is None:
            # What is packed is part of the signature, and goes in the root file system.
            beside = any((kernel.folder / name).exists() for name in PACKED)
            image = sha256(kernel.image) if beside else image
            self._files[image] = kernel.image
        initrd = None
        if scenario.machine_command is None:
            initrd = sha256(boot.initrd)
            self._files[initrd] = boot.initrd
        root = None
        if boot.root is not None:
            root = sha256_again(boot.root)
            self._files[root] = boot.root
        job = TrialJob(
            key=uuid.uuid4().hex,
            arch=self.arch,
            image=None if build else image,
            build=build,
            initrd=initrd,
            append=boot.append,
            memory=boot.memory,
            cpus=boot.cpus,
            disk=scenario.image,
            command=self._machine_command,
            timeouts=scenario.machine.timeouts,
            expected=scenario.expect,
            ignore=scenario.ignore,
            tests=scenario.tests,
            passed=tuple(passed().items()),
            root=root,
        )
        work = self._work(job, f"trying {kernel.signature[:12]}", build)
        prefer = self._built_on.get(build.id, []) if build else []
        return self.fleet.do(work, lambda reply: replies.trial(reply, boot.folder, variant), prefer)

    def _work(self, job: BuildJob | TrialJob, name: str, build: BuildJob | None) -> Work:
        return Work(job, name, self._files.__getitem__, self._packer(build))

    def _packer(self, build: BuildJob | None) -> Callable[[Sequence[str]], Path]:
        def write(have: Sequence[str]) -> Path:
            assert build is not None
            return pack(self.tree.workspace, build.source, have)

        return write


def _taken(job: BuildJob, reply: Reply, folder: Path, kept: Path) -> Reply:
    """Keep what came back from a build.

    Raises:
        HostFault: it is not what was asked for.
    """
    if reply.kind != "kernel" or job.command is not None:
        reply.unpack(folder)
        return reply
    if not whole(kept):
        shutil.rmtree(kept, ignore_errors=True)
    with whole_folder(kept) as new:
        reply.unpack(new)
        try:
            facts = json.loads((new / "kernel.json").read_text(encoding="utf-8"))
            right = facts["signature"] == reply.data["signature"] and facts["arch"] == job.arch
            right = right and facts["tree"] == job.source.tree and isinstance(facts["compiler"], str)
        except (ValueError, KeyError, TypeError) as error:
            raise HostFault(reply.host, f"the kernel.json that came back makes no sense: {error}") from error
        if not right:
            raise HostFault(reply.host, "the kernel that came back is another one than was asked for")
    return reply
