"""The words of the program as data: frozen, without I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from harness.console import Crash, Expectation
from harness.roots import RootFs


class Outcome(StrEnum):
    """How one trial ended."""

    PASSED = "passed"
    """the guest reported that the scenario ran to its end and found nothing wrong"""
    FAILED = "failed"
    """the guest reported that the scenario found something wrong, without a crash"""
    ERROR = "script error"
    """the script ended without a result, by its own mistake: nothing can be said about the kernel"""
    SKIPPED = "skipped"
    """the guest reported that it lacks something that the scenario needs"""
    CRASHED = "crashed"
    """the console showed a crash"""
    HUNG = "hung"
    """the scenario started and then timed out or fell silent"""
    LOST = "lost"
    """the machine ended without a crash and without a result"""
    BOOT_FAILED = "boot failed"
    """the guest never reported that it was up"""
    BUILD_FAILED = "build failed"
    """there was nothing to boot"""
    INFRASTRUCTURE = "infrastructure"
    """the machine failed; nothing can be said about the kernel"""


class Verdict(StrEnum):
    """The verdict on a commit, in git's own words."""

    GOOD = "good"
    BAD = "bad"
    SKIP = "skip"


@dataclass(frozen=True)
class Timeouts:
    """Time limits of a trial, in seconds.

    Attributes:
        boot: from power-on until the guest reports that it is up.
        scenario: from then until it reports that it is done.
        silence: without a byte on either channel.
    """

    boot: float = 60.0
    scenario: float = 120.0
    silence: float = 60.0


@dataclass(frozen=True)
class MachineSpec:
    """The machine that a scenario needs: memory in MiB, number of CPUs, time limits."""

    memory: int = 512
    cpus: int = 2
    timeouts: Timeouts = field(default_factory=Timeouts)


@dataclass(frozen=True)
class PiDisk:
    """A scsi_debug disk with protection information.

    Attributes:
        dif: protection type 0 to 3.
        dix: whether the host exchanges protection data.
        size: in MiB.
        guard: "crc" or "ip".
    """

    dif: int = 1
    dix: int = 1
    size: int = 64
    guard: str = "crc"

    @property
    def append(self) -> tuple[str, ...]:
        """The kernel command line words that set up this disk in a built-in scsi_debug."""
        return (
            f"scsi_debug.dif={self.dif}",
            f"scsi_debug.dix={self.dix}",
            f"scsi_debug.guard={int(self.guard == 'ip')}",
            f"scsi_debug.dev_size_mb={self.size}",
        )


@dataclass(frozen=True)
class Variant:
    """One of the ways to boot a scenario; each is a trial of its own.

    Attributes:
        name: the value of `$VARIANT` in the script; empty if there is only one way.
        pi_disk: the emulated disk, if it needs one.
        append: further words for the kernel command line.
    """

    name: str = ""
    pi_disk: PiDisk | None = None
    append: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """All words for the kernel command line; unknown ones become the script's environment."""
        disk = self.pi_disk.append if self.pi_disk else ()
        return (*disk, *self.append, *((f"VARIANT={self.name}",) if self.name else ()))


@dataclass(frozen=True)
class Revision:
    """A commit as a scenario names it: a revision, and the subject to find it by if that is unknown."""

    name: str
    subject: str | None = None


@dataclass(frozen=True)
class Range:
    """The commits that a scenario knows in one tree.

    Attributes:
        bad: None if no commit is known on which the scenario fails.
        culprit: the commit that brought the regression, if known.
        fixes: the commits that end it, all of which are needed.
        also_good: more commits that are good, such as those on which another scenario is bad.
    """

    good: Revision
    bad: Revision | None = None
    fixed: Revision | None = None
    also_good: tuple[Revision, ...] = ()
    culprit: Revision | None = None
    fixes: tuple[Revision, ...] = ()


@dataclass(frozen=True)
class Fixup:
    """A change that makes a known broken stretch of history build and boot.

    Attributes:
        since: the commit that broke it.
        until: the commit that repaired it; None for never.
        patch: a file in the scenario's folder; None if `pick` is used.
        pick: a commit whose change is applied; None if `patch` is used.
        because: what is broken.
    """

    since: Revision
    until: Revision | None
    because: str
    patch: str | None = None
    pick: Revision | None = None


@dataclass(frozen=True)
class Ignored:
    """A crash that never decides a trial, and why."""

    crash: Expectation
    because: str


@dataclass(frozen=True)
class Repeat:
    """How often a reproducer is run, so that a race gets its chance.

    Attributes:
        times: it is not started more often; None: as long as there is time.
        seconds: it is not started again, and ended, after so long.
        procs: so many run at a time.
    """

    times: int | None
    seconds: float
    procs: int = 1


@dataclass(frozen=True)
class Base:
    """What the fragments of a kernel's configuration are put on top of.

    Attributes:
        targets: make targets that make a configuration, or add to it, one after the other.
        text: a whole `.config`, which is taken instead.
        loaded: names of modules: others are left out (`make localmodconfig`); None: all are kept.
        name: what a reader knows it by.
    """

    targets: tuple[str, ...] = ("tinyconfig",)
    text: str = ""
    loaded: tuple[str, ...] | None = None
    name: str = field(default="tinyconfig", compare=False, repr=False)

    @property
    def own(self) -> bool:
        """Whether it is another one than the program's usual."""
        return self != TINY


TINY = Base()
"""The usual base: everything off that can be."""

GUEST = "base"
"""The fragment with what the guest's boot needs."""


@dataclass(frozen=True)
class Scenario:
    """What to run in the guest, on which disks, with which kconfig, and which crash is expected.

    Attributes:
        id: its name.
        aliases: its other names.
        folder: the folder of its files.
        tags: words by which `nightly.yaml` names several scenarios at once.
        claim: what is true of a healthy kernel, on one line; None for a regression.
        kconfig: names of fragments in `kconfigs/`.
        base: what they are put on top of.
        kernels: the versions that it can run on, such as `>=4.12`; empty for all.
        pi_disk: the emulated disk, if it needs one.
        append: further words for the kernel command line.
        variants: several ways to boot it, instead of the one given by `pi_disk` and `append`.
        image: MiB of a disk that survives a power cut, if it needs one.
        rootfs: what the guest runs in.
        needs: programs in the guest besides its shell.
        modules: what is loaded before the script runs, where it is not built in.
        run: scripts, C files and programs, relative to `folder`, in order.
        repeat: how often a C file or a program is run.
        expect: the crash that means "bad"; None if only the script's own result counts.
        failure: whether the script's own "failed" means "bad".
        tests: globs of the kernel's own tests that count, where the script runs some; empty: all (see `harness.ktap`).
        kunit: globs of the KUnit suites that it is about.
        kselftest: the tests of the kernel's tree that it runs, a collection or `COLLECTION:TEST` each.
        ignore: crashes to ignore.
        commits: the known range in each tree, by tree name.
        fixups: changes that known broken stretches of history need.
        replay: the folder of the replay that it uses.
        build_command: a program to use instead of the builder.
        machine_command: a program to use instead of the machine.
        machine_ssh: the name of a test machine to use instead of QEMU.
    """

    id: str
    title: str
    folder: Path
    aliases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    claim: str | None = None
    links: tuple[str, ...] = ()
    kconfig: tuple[str, ...] = ()
    base: Base = TINY
    kernels: str = ""
    machine: MachineSpec = field(default_factory=MachineSpec)
    pi_disk: PiDisk | None = None
    append: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()
    image: int | None = None
    rootfs: RootFs = field(default_factory=RootFs)
    needs: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    run: tuple[str, ...] = ("run.sh",)
    repeat: Repeat | None = None
    expect: Expectation | None = None
    failure: bool = True
    tests: tuple[str, ...] = ()
    kunit: tuple[str, ...] = ()
    kselftest: tuple[str, ...] = ()
    ignore: tuple[Ignored, ...] = ()
    commits: Mapping[str, Range] = field(default_factory=dict)
    fixups: tuple[Fixup, ...] = ()
    replay: Path | None = None
    build_command: str | None = None
    machine_command: str | None = None
    machine_ssh: str | None = None

    @property
    def fragments(self) -> tuple[str, ...]:
        """The names of all fragments, with those that the root file system needs.

        Over a configuration of one's own that of the guest is always one.
        """
        given = not self.base.own or self.machine_command is not None or GUEST in self.kconfig
        return tuple(dict.fromkeys((*(() if given else (GUEST,)), *self.kconfig, *self.rootfs.fragments)))

    @property
    def disk_modules(self) -> tuple[str, ...]:
        """The modules of the disks that it has, which a kernel may have built in."""
        pi = any(way.pi_disk for way in self.ways)
        return (*(("scsi_debug", "sd_mod") if pi else ()), *(("virtio_pci", "virtio_blk") if self.image else ()))

    @property
    def ways(self) -> tuple[Variant, ...]:
        """The ways to boot it, one or more."""
        return self.variants or (Variant("", self.pi_disk, self.append),)


@dataclass(frozen=True)
class Kernel:
    """One built image.

    Attributes:
        folder: holds the image, its config, build log and `kernel.json`.
        image: the file to boot.
        arch: the architecture's name.
        signature: SHA-256 of the image, or of that and of its modules and selftests.
        compiler: the first line of its `--version`.
        built: False if it came from the cache.
        seconds: duration of the build.
    """

    folder: Path
    image: Path
    arch: str
    signature: str
    compiler: str
    built: bool
    seconds: float


@dataclass(frozen=True)
class Boot:
    """What a machine has to boot.

    Attributes:
        image: the kernel image.
        arch: the architecture's name.
        initrd: what the guest starts with, a cpio archive.
        append: words for the kernel command line.
        memory: in MiB.
        cpus: their number.
        folder: where the machine leaves its command line and other files.
        disk: an image to attach as a disk, which keeps what was written to it after a power cut.
        root: the root file system that the guest goes over to, which is not written to: an image, or a folder of this
            machine's; None if it stays in the initramfs.
    """

    image: Path
    arch: str
    initrd: Path
    append: tuple[str, ...]
    memory: int
    cpus: int
    folder: Path
    disk: Path | None = None
    root: Path | None = None


@dataclass(frozen=True)
class Trial:
    """One boot of one kernel running one scenario.

    Attributes:
        reason: why it has this outcome, on one line.
        crash: the crash that decided, if any.
        seconds: from power-on to verdict.
        phases: seconds of each part of the boot, in order.
        folder: the folder of console log and command line.
        variant: which of several ways of booting was tried.
        host: the host of a fleet that made it; "" for this machine.
        conditions: a hash of everything but the image that decides what it shows; "" if that is unknown.
    """

    outcome: Outcome
    reason: str
    seconds: float
    folder: Path
    crash: Crash | None = None
    phases: tuple[tuple[str, float], ...] = ()
    variant: str = ""
    host: str = ""
    conditions: str = ""


@dataclass(frozen=True)
class Judgement:
    """The verdict of one or more trials of a commit, with the reason and a confidence between 0 and 1."""

    verdict: Verdict
    reason: str
    confidence: float
