"""Building: turns a commit into an image, or a reason why it does not build.

Each combination of tree, architecture, configuration and toolchain has an object folder for incremental builds;
finished images are cached by what went into them, so that nothing is built twice.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from packaging.specifiers import SpecifierSet

from harness import architecture
from harness.architecture import Architecture
from harness.errors import BuildError, InfrastructureError, KernelError, ProgramFailed, TimedOut, UserError
from harness.files import locked, pack
from harness.git import Commit
from harness.kernel import config as kconfig
from harness.kernel import inputs, modules, objects, portability, selftests
from harness.kernel import kept as kernels
from harness.kernel.configure import Configuring, decides
from harness.kernel.log import failure
from harness.kernel.portability import Rule
from harness.kernel.toolchain import CLANG, GCC, Toolchain, release, toolchain_for
from harness.kernel.tree import Tree
from harness.model import TINY, Base, Kernel
from harness.process import IDLE, passed, run
from harness.progress import Progress

FIXED = {
    # What a build records of its environment in the image; fixed, so that the same source gives the same bytes.
    "KBUILD_BUILD_TIMESTAMP": "1970-01-01 00:00:00 UTC",
    "KBUILD_BUILD_USER": "regress",
    "KBUILD_BUILD_HOST": "regress",
    "KBUILD_BUILD_VERSION": "1",
}

_FOR_CLANG = re.compile(r"^CONFIG_CC_IS_CLANG=y$", re.MULTILINE)

ATTEMPTS = 2
"""How often a build is tried before it counts as failed: not every failure is due to the source."""

TIMEOUT = 2 * 3600.0
"""Seconds that a build may take; a commit that needs longer counts as not building."""


def run_build(
    argv: Sequence[str],
    log: Path,
    lock: int,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
    within: str = "",
    timeout: float = TIMEOUT,
) -> None:
    """Run the program that builds; if it fails, once more.

    Args:
        argv: program and arguments.
        log: the file to append the output to; only that of the last attempt is judged.
        lock: the tree's lock, held until every process of the build has ended.
        cwd: where to run it.
        env: changes to the environment.
        on_line: called with each line of the output.
        within: the path of the tree, to strip from messages.
        timeout: seconds for each attempt.

    Raises:
        BuildError: it failed twice, or timed out.
        InfrastructureError: it failed because of the machine.
    """
    for attempt in range(1, ATTEMPTS + 1):
        before = log.stat().st_size if log.exists() else 0
        try:
            run(argv, cwd=cwd, env=env, log=log, on_line=on_line, locks=(lock,), timeout=timeout)
            return
        except TimedOut as error:
            raise BuildError(f"the build was given up: {error}") from error
        except ProgramFailed as error:
            if attempt == ATTEMPTS:
                printed = log.read_bytes()[before:].decode(errors="replace")
                raise failure(printed.replace(within, "") if within else printed, error.returncode) from error


def kernel_version(makefile: str) -> str:
    """The version in the text of a kernel's top Makefile, such as `6.1.192` or `4.13-rc1`.

    Raises:
        UserError: not the Makefile of a kernel.
    """
    pattern = re.compile(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)[ \t]*=[ \t]*(\S*)", re.MULTILINE)
    got = {found[1]: found[2] for found in pattern.finditer(makefile)}
    if not {"VERSION", "PATCHLEVEL"} <= got.keys():
        raise UserError("no Makefile with VERSION and PATCHLEVEL: not a kernel tree")
    sublevel = "" if got.get("SUBLEVEL", "0") in ("", "0") else f".{got['SUBLEVEL']}"
    return f"{got['VERSION']}.{got['PATCHLEVEL']}{sublevel}{got.get('EXTRAVERSION', '')}"


class Builder(Protocol):
    """Builds the kernel of a commit."""

    def build(self, commit: Commit, folder: Path) -> Kernel:
        """Build a commit.

        Args:
            commit: what to build.
            folder: the result folder for log and configuration, which are left there whatever happens.

        Raises:
            BuildError: the commit does not build.
            KernelError: the scenario cannot run on it: it lacks an option, or is of the wrong version.
            InfrastructureError: the machine failed.
        """


@dataclass(frozen=True)
class KernelBuilder:
    """Builds with the kernel's own make.

    Args:
        tree: the tree to build commits of.
        arch: the architecture.
        fragments: the configuration, on top of `base`.
        cache: the folder for objects and images.
        progress: shows what is going on.
        kernels: the versions required, such as `>=4.12`; empty for all.
        jobs: for `make -j`.
        base: what the fragments are put on top of.
        idle: whether make runs only where nothing else wants a processor.
        like: the builder of a configuration that this one differs from in a few options.  All that are like it share
            an object folder, which begins as a copy of its own: make compiles again what the options alter.
        kselftest: tests of the tree's own that are built with it, see `harness.kernel.selftests`.
    """

    tree: Tree
    arch: str
    fragments: tuple[Path, ...]
    cache: Path
    progress: Progress
    kernels: str = ""
    jobs: int = len(os.sched_getaffinity(0))
    base: Base = TINY
    idle: bool = False
    like: KernelBuilder | None = None
    kselftest: tuple[str, ...] = ()

    def build(self, commit: Commit, folder: Path) -> Kernel:
        """See `Builder.build`; an image built before from the same source is reused."""
        setup = self._setup(commit)
        kept = self._kept(commit, setup)
        if not kernels.whole(kept):
            with locked(self.tree.lock, self.progress) as lock:
                if not kernels.whole(kept):
                    work = _Work(self, commit, setup, self._objects(commit, setup), folder / "build.log", lock)
                    return kernels.keep(work.make(), setup.arch.image, kept, folder)
        return kernels.load(kept, folder)

    def configure(self, commit: Commit, folder: Path) -> kconfig.Configured:
        """Make the configuration of a commit, and build nothing.

        Args:
            folder: for the log, `build.log`.

        Raises:
            BuildError: make fails.
            KernelError: the scenario cannot run on it: it is of the wrong version.
            InfrastructureError: the machine failed.
        """
        setup = self._setup(commit)
        with locked(self.tree.lock, self.progress) as lock:
            work = _Work(self, commit, setup, self._objects(commit, setup), folder / "build.log", lock)
            return work.configure()

    def version(self, commit: Commit) -> str:
        """The version of a commit's kernel, such as `6.1.192`.

        Raises:
            BuildError: it has no Makefile, or not that of a kernel.
        """
        git = self.tree.workspace
        try:
            has = git.text("ls-tree", commit.sha, "Makefile")
            return kernel_version(git.text("show", f"{commit.sha}:Makefile") if has else "")
        except UserError as error:
            raise BuildError(str(error)) from error

    def facts(self, commit: Commit) -> Mapping[str, object] | None:
        """What is known of a commit's kernel (`kernel.json`); None if it was not built."""
        return kernels.facts(self._kept(commit, self._setup(commit)))

    def _kept(self, commit: Commit, setup: _Setup) -> Path:
        """Where a finished build is kept."""
        # With selftests or without, a kernel is built in the same object folder.
        beside = selftests.identity(self.kselftest, setup.arch)
        return self.cache / "kernels" / _digest(commit.tree, setup.flavour, *beside)

    def _setup(self, commit: Commit) -> _Setup:
        options = kconfig.compose(self.fragments, self.base)
        version = self.version(commit)
        # As in the toolchains' rules, a release candidate counts as its release.
        if release(version) not in SpecifierSet(self.kernels):
            raise KernelError(f"the scenario requires Linux {self.kernels}, this is {version}")
        arch = architecture.load(self.arch)
        clang = any(o.name == "CC_IS_CLANG" and o.value == "y" for o in options) or _FOR_CLANG.search(self.base.text)
        toolchain = toolchain_for(version, arch.cross, CLANG if clang else GCC)
        rules = portability.rules() if self.base.own else []
        base = (repr(self.base), *map(repr, rules)) if self.base.own else ()
        asked = (self.arch, kconfig.render(options), *base)
        rest = (toolchain.identity, *map("=".join, passed().items()))
        kin = _digest(str(self.tree.worktree), self.arch, *base, *rest)
        return _Setup(arch, tuple(rules), tuple(options), toolchain, _digest(*asked, *rest), kin)

    def _objects(self, commit: Commit, setup: _Setup) -> Path:
        """The object folder.  The caller holds the tree's lock."""
        if self.like is None:
            own = self.cache / "objects" / f"{self.tree.worktree.name}-{self.arch}-{setup.flavour}"
            objects.begin(own, setup.kin, [option.line for option in setup.options])
            return own
        own = self.like._objects(commit, self.like._setup(commit))
        shared = own.with_name(f"{own.name}{objects.SHARED}")
        if own.exists() and not shared.exists():
            objects.copy(own, shared)
        return shared


@dataclass(frozen=True)
class _Setup:
    """What a build of a commit is made with, and the digests of all that and of all but the options."""

    arch: Architecture
    rules: tuple[Rule, ...]
    options: tuple[kconfig.Option, ...]
    toolchain: Toolchain
    flavour: str
    kin: str


@dataclass
class _Work:
    """One build in the object folder, under the tree's lock."""

    builder: KernelBuilder
    commit: Commit
    setup: _Setup
    objects: Path
    log: Path
    lock: int

    def make(self) -> tuple[Path, dict[str, object]]:
        """Check out, configure and make; returns the object folder and the facts about the kernel."""
        started, builder = time.monotonic(), self.builder
        made = self.configure()
        kconfig.check(made.lost)
        tests = self._selftests() if builder.kselftest else []
        count = 0

        def tick(line: str) -> None:
            nonlocal count
            count += line.startswith(("  CC ", "  AS ", "  AR ", "  LD "))
            if count:
                builder.progress.update(f"building {self.commit.sha[:12]}: {count} steps, {line.strip()}")

        modular = modules.modular(made.text)
        targets = (self.setup.arch.image.name, *(("modules",) if modular else ()))
        self._make(*targets, on_line=tick)
        if modular:
            self._install(self.log.with_name(modules.FILE))
        image = self.objects / self.setup.arch.image
        tracked = builder.tree.workspace.files(self.commit.sha)
        if read := inputs.read(self.objects, builder.tree.worktree, tracked):
            more = {path for path in tracked if decides(builder.base, path) or (tests and selftests.reads(path))}
            also = dict.fromkeys(more, 0)
            replace(read, files=also | dict(read.files)).save(self.log.with_name(inputs.FILE))
        return self.objects, {
            "commit": self.commit.sha,
            "tree": self.commit.tree,
            "subject": self.commit.subject,
            "arch": self.setup.arch.name,
            "compiler": self.setup.toolchain.compiler.banner,
            "toolchain": self.setup.toolchain.reason,
            "command": self.argv(*targets),
            "environment": FIXED,
            # Names only: a value may be secret.
            "passed": list(passed()),
            "lost": [str(one) for one in made.lost],
            **({"configuration": builder.base.name} if builder.base.own else {}),
            **({"adapted": list(made.adapted), "dropped": list(made.dropped)} if builder.base.own else {}),
            **({"kselftest": tests} if tests else {}),
            "objects": _linked(self.objects),
            "signature": kernels.signature(image, self.log.parent),
            "image_bytes": image.stat().st_size,
            "seconds": round(time.monotonic() - started, 2),
        }

    def _selftests(self) -> list[str]:
        """Build the selftests; see `Selftests.build`."""
        builder = self.builder
        return selftests.Selftests(
            *(builder.kselftest, builder.tree.worktree, self.objects, self.setup.arch, self.log, self.lock),
            *(self._make, builder.jobs, builder.progress),
        ).build(self.log.with_name(selftests.FILE))

    def _install(self, archive: Path) -> None:
        """Pack up the modules as `make modules_install` leaves them.

        Raises:
            InfrastructureError: depmod is not installed.
        """
        installed = self.objects / "regress.modules"
        shutil.rmtree(installed, ignore_errors=True)
        self.builder.progress.update(f"installing the modules of {self.commit.sha[:12]}")
        self._make("modules_install", f"INSTALL_MOD_PATH={installed}", "INSTALL_MOD_STRIP=1")
        if not list(installed.glob("lib/modules/*/modules.dep")):
            raise InfrastructureError("depmod has not indexed the modules: install it (package kmod)")
        pack(installed, archive)
        shutil.rmtree(installed)

    def argv(self, *targets: str) -> list[str]:
        """The make command for some targets."""
        return [
            *(
                "make",
                "-C",
                str(self.builder.tree.worktree),
                f"O={self.objects}",
                f"ARCH={self.setup.arch.make}",
            ),
            *(*self.setup.toolchain.arguments, f"-j{self.builder.jobs}", *targets),
        ]

    def _make(self, *targets: str, asks: bool = False, on_line: Callable[[str], None] | None = None) -> None:
        """Run make; where it asks questions, the defaults are taken."""
        within = f"{self.builder.tree.worktree}/"
        argv = [*(IDLE if self.builder.idle else ()), *self.argv(*targets)]
        argv = ["sh", "-c", 'yes "" | "$@"', "sh", *argv] if asks else argv
        run_build(argv, self.log, self.lock, env=FIXED, on_line=on_line, within=within)

    def configure(self) -> kconfig.Configured:
        """Check out, and make the configuration."""
        setup, builder = self.setup, self.builder
        self.log.parent.mkdir(parents=True, exist_ok=True)
        return Configuring(
            *(builder.tree, self.commit, builder.base, setup.rules, setup.options, setup.flavour, setup.kin),
            *(self.objects, self._make, builder.progress),
        ).configure()


def _linked(objects: Path) -> int | None:
    """How many objects a kernel is linked of; None before v6.1, whose make keeps no list of them."""
    archive = objects / "vmlinux.a"
    return len(run(["ar", "t", str(archive)]).stdout.splitlines()) if archive.exists() else None


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
