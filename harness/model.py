"""The words of the program as data: frozen, without I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from harness.console import Crash, Expectation


class Outcome(StrEnum):
    """How one trial ended."""

    PASSED = "passed"
    """the guest said that the scenario ran to its end and found nothing wrong"""
    FAILED = "failed"
    """the guest said that the scenario found something wrong, without a crash"""
    ERROR = "script error"
    """the script ended without a word, by a mistake of its own: nothing can be said of the kernel"""
    SKIPPED = "skipped"
    """the guest said that it lacks something that the scenario needs"""
    CRASHED = "crashed"
    """the console showed a crash"""
    HUNG = "hung"
    """the scenario was started and did not end in its time, or fell silent"""
    LOST = "lost"
    """the machine ended without a word: no crash, no sentinel"""
    BOOT_FAILED = "boot failed"
    """the guest never said that it was up"""
    BUILD_FAILED = "build failed"
    """there was nothing to boot"""
    INFRASTRUCTURE = "infrastructure"
    """the machine was lost; nothing can be said of the kernel"""


class Verdict(StrEnum):
    """git's own words for a commit."""

    GOOD = "good"
    BAD = "bad"
    SKIP = "skip"


@dataclass(frozen=True)
class Timeouts:
    """Limits of a trial in seconds.

    Attributes:
        boot: from power-on to the guest's word that it is up.
        scenario: from there to the guest's word that it is done.
        silence: without a byte on any channel.
    """

    boot: float = 60.0
    scenario: float = 120.0
    silence: float = 60.0


@dataclass(frozen=True)
class MachineSpec:
    """The machine that a scenario wants: memory in MiB, number of CPUs, time limits."""

    memory: int = 512
    cpus: int = 2
    timeouts: Timeouts = field(default_factory=Timeouts)


@dataclass(frozen=True)
class PiDisk:
    """A scsi_debug disk with protection information.

    Attributes:
        dif: protection type 0 to 3.  dix: whether the host exchanges protection data.
        size: in MiB.  guard: "crc" or "ip".
    """

    dif: int = 1
    dix: int = 1
    size: int = 64
    guard: str = "crc"

    @property
    def append(self) -> tuple[str, ...]:
        """The kernel command line words that make this disk in a built-in scsi_debug."""
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
        name: what the script finds in `$VARIANT`; empty where there is only one way.
        pi_disk: the emulated disk, if it wants one.
        append: further words for the kernel command line.
    """

    name: str = ""
    pi_disk: PiDisk | None = None
    append: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """All words for the kernel command line; what the kernel does not know becomes the script's environment."""
        disk = self.pi_disk.append if self.pi_disk else ()
        return (*disk, *self.append, *((f"VARIANT={self.name}",) if self.name else ()))


@dataclass(frozen=True)
class Revision:
    """A commit as a scenario names it: a revision, and the subject to find it by where that is unknown."""

    name: str
    subject: str | None = None


@dataclass(frozen=True)
class Range:
    """The commits that a scenario knows in one tree.

    Attributes:
        bad: None where no commit is known on which the scenario fails.
        also_good: more commits that are good, such as those on which another scenario is bad.
    """

    good: Revision
    bad: Revision | None = None
    fixed: Revision | None = None
    also_good: tuple[Revision, ...] = ()


@dataclass(frozen=True)
class Fixup:
    """A change that makes a known broken stretch of history build and boot.

    Attributes:
        since: the commit that broke it.
        until: the commit that repaired it; None for never.
        patch: a file in the scenario's folder, or
        pick: a commit whose change is applied.
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
class Scenario:
    """What to run in the guest, on which disks, with which kconfig, and which crash is expected.

    Attributes:
        id, aliases: its names.  folder: where its files are.
        tags: words by which `nightly.yaml` names several scenarios at once.
        claim: what it shows of a kernel where all is well, on one line; None for a regression that is looked for.
        kconfig: names of fragments in `kconfigs/`.
        kernels: the versions that it can run on, such as `>=4.12`; empty for all.
        pi_disk: the emulated disk, if it wants one.
        append: further words for the kernel command line.
        variants: several ways to boot it, in place of the one that `pi_disk` and `append` are.
        image: MiB of a disk of the machine's that outlives its power, if it wants one.
        needs: programs of the guest beyond its shell.
        run: the script, relative to `folder`.
        expect: the crash that means "bad"; None where only the script's own word counts.
        failure: whether the script's own "failed" means "bad".
        ignore: crashes that are taken as if they were not there.
        commits: the known range of each tree, by the tree's name.
        fixups: changes that known broken stretches of history need.
        replay: the folder of the replay that it uses.
        build_command, machine_command: programs that stand in for the builder and the machine.
    """

    id: str
    title: str
    folder: Path
    aliases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    claim: str | None = None
    links: tuple[str, ...] = ()
    kconfig: tuple[str, ...] = ()
    kernels: str = ""
    machine: MachineSpec = field(default_factory=MachineSpec)
    pi_disk: PiDisk | None = None
    append: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()
    image: int | None = None
    needs: tuple[str, ...] = ()
    run: str = "run.sh"
    expect: Expectation | None = None
    failure: bool = True
    ignore: tuple[Ignored, ...] = ()
    commits: Mapping[str, Range] = field(default_factory=dict)
    fixups: tuple[Fixup, ...] = ()
    replay: Path | None = None
    build_command: str | None = None
    machine_command: str | None = None

    @property
    def ways(self) -> tuple[Variant, ...]:
        """The ways to boot it, one or more."""
        return self.variants or (Variant("", self.pi_disk, self.append),)


@dataclass(frozen=True)
class Kernel:
    """One built image.

    Attributes:
        folder: holds the image, its config, build log and `kernel.json`.
        image: what is booted.  arch: as `make ARCH=` names it.
        signature: SHA-256 of the image.
        compiler: its own first line of `--version`.
        built: False when it came from the cache.  seconds: what the build took.
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
    """What a machine is asked to boot.

    Attributes:
        image: the kernel image.  arch: `x86_64` or `i386`.
        initrd: the guest's root file system, a cpio archive.
        append: words for the kernel command line.
        memory: MiB.  cpus: number.
        folder: where the machine leaves its command and whatever else it writes.
        disk: an image to attach as a disk, which holds what was written to it after the power is gone.
    """

    image: Path
    arch: str
    initrd: Path
    append: tuple[str, ...]
    memory: int
    cpus: int
    folder: Path
    disk: Path | None = None


@dataclass(frozen=True)
class Trial:
    """One boot of one kernel running one scenario.

    Attributes:
        reason: why it has this outcome, on one line.
        crash: the crash that decided, if any.  seconds: power-on to verdict.
        phases: seconds of each part of the boot, in order, for those who want to know what took so long.
        folder: where console and command are.
        variant: the way of booting that was tried, where there are several.
    """

    outcome: Outcome
    reason: str
    seconds: float
    folder: Path
    crash: Crash | None = None
    phases: tuple[tuple[str, float], ...] = ()
    variant: str = ""


@dataclass(frozen=True)
class Judgement:
    """What one or more trials of one commit say, with the reason, and a confidence between 0 and 1."""

    word: Verdict
    reason: str
    confidence: float
