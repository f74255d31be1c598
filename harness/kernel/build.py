"""Building: turns a commit into an image, or a reason why it does not build.

Each combination of tree, architecture, configuration and toolchain has an object folder for incremental builds;
finished images are cached by what went into them, so that nothing is built twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, cast

from packaging.specifiers import SpecifierSet

from harness import architecture
from harness.architecture import Architecture
from harness.cache import touch
from harness.errors import (
    BuildError,
    KernelError,
    ProgramFailed,
    TimedOut,
    UserError,
)
from harness.files import copy, locked, whole_folder, write_atomically
from harness.git import Commit, Git
from harness.kernel import config as kconfig
from harness.kernel import inputs
from harness.kernel.log import failure
from harness.kernel.toolchain import Toolchain, release, toolchain_for
from harness.kernel.tree import Tree
from harness.model import Kernel
from harness.process import IDLE, passed, run
from harness.progress import Progress

BESIDE = ("config", "build.log", "kernel.json")
"""The files of a kernel beside its image; what it read (`inputs.FILE`) is not known of all."""

FIXED = {
    # What a build records of its environment in the image; fixed, so that the same source gives the same bytes.
    "KBUILD_BUILD_TIMESTAMP": "1970-01-01 00:00:00 UTC",
    "KBUILD_BUILD_USER": "regress",
    "KBUILD_BUILD_HOST": "regress",
    "KBUILD_BUILD_VERSION": "1",
}

# The files that decide a configuration, besides the fragments.
_KCONFIG_INPUT = re.compile(
    r"(^|/)Kconfig[^/]*$|^scripts/(kconfig/|Kconfig|Makefile|.*version)|^Makefile$|tiny[\w-]*\.config$"
)

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
        fragments: the configuration, on top of tinyconfig.
        cache: the folder for objects and images.
        progress: shows what is going on.
        kernels: the versions required, such as `>=4.12`; empty for all.
        jobs: for `make -j`.
        idle: whether make runs only where nothing else wants a processor.
    """

    tree: Tree
    arch: str
    fragments: tuple[Path, ...]
    cache: Path
    progress: Progress
    kernels: str = ""
    jobs: int = len(os.sched_getaffinity(0))
    idle: bool = False

    def build(self, commit: Commit, folder: Path) -> Kernel:
        """See `Builder.build`; an image built before from the same source is reused."""
        options = kconfig.compose(self.fragments)
        version = _version(self.tree.workspace, commit.sha)
        # As in the toolchains' rules, a release candidate counts as its release.
        if release(version) not in SpecifierSet(self.kernels):
            raise KernelError(f"the scenario requires Linux {self.kernels}, this is {version}")
        arch = architecture.load(self.arch)
        toolchain = toolchain_for(version, arch.cross)
        flavour = _digest(self.arch, kconfig.render(options), toolchain.identity, *map("=".join, passed().items()))
        kept = self.cache / "kernels" / _digest(commit.tree, flavour)
        if not (kept / "kernel.json").exists():
            with locked(self.tree.lock, self.progress) as lock:
                if not (kept / "kernel.json").exists():
                    objects = self.cache / "objects" / f"{self.tree.worktree.name}-{self.arch}-{flavour}"
                    work = _Work(self, arch, commit, options, toolchain, objects, folder / "build.log", lock)
                    return _keep(work.make(), arch.image, kept, folder)
        return load(kept, folder)


@dataclass
class _Work:
    """One build in the object folder, under the tree's lock."""

    builder: KernelBuilder
    arch: Architecture
    commit: Commit
    options: Sequence[kconfig.Option]
    toolchain: Toolchain
    objects: Path
    log: Path
    lock: int

    def make(self) -> tuple[Path, dict[str, object]]:
        """Check out, configure and make; returns the object folder and the facts about the kernel."""
        self.objects.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        tree = self.builder.tree
        tree.workspace.check_out(self.commit.sha)
        lost = self._configure(self.objects / "regress.json")
        count = 0

        def tick(line: str) -> None:
            nonlocal count
            count += line.startswith(("  CC ", "  AS ", "  AR ", "  LD "))
            if count:
                self.builder.progress.update(f"building {self.commit.sha[:12]}: {count} steps, {line.strip()}")

        self._make(self.arch.image.name, on_line=tick)
        if read := inputs.read(self.objects, tree.worktree, tree.workspace.files(self.commit.sha)):
            read.save(self.log.with_name(inputs.FILE))
        return self.objects, {
            "commit": self.commit.sha,
            "tree": self.commit.tree,
            "subject": self.commit.subject,
            "arch": self.arch.name,
            "compiler": self.toolchain.compiler.banner,
            "toolchain": self.toolchain.reason,
            "command": self.argv(self.arch.image.name),
            "environment": FIXED,
            # Names only: a value may be secret.
            "passed": list(passed()),
            "lost": [str(one) for one in lost],
            "signature": hashlib.sha256((self.objects / self.arch.image).read_bytes()).hexdigest(),
            "seconds": round(time.monotonic() - started, 2),
        }

    def argv(self, *targets: str) -> list[str]:
        """The make command for some targets."""
        return [
            *(
                "make",
                "-C",
                str(self.builder.tree.worktree),
                f"O={self.objects}",
                f"ARCH={self.arch.make}",
            ),
            *(*self.toolchain.arguments, f"-j{self.builder.jobs}", *targets),
        ]

    def _make(self, target: str, on_line: Callable[[str], None] | None = None) -> None:
        within = f"{self.builder.tree.worktree}/"
        argv = [*(IDLE if self.builder.idle else ()), *self.argv(target)]
        run_build(argv, self.log, self.lock, env=FIXED, on_line=on_line, within=within)

    def _configure(self, state: Path) -> list[kconfig.Lost]:
        """Make `.config` from tinyconfig and the fragments, unless it is up to date.

        A configuration made at another commit may lack options of this commit's Kconfig, so it is
        remade whenever a file that decides it differs.
        """
        worktree = self.builder.tree.worktree
        final = self.objects / ".config"
        before = json.loads(state.read_text()) if state.exists() else None
        if before and final.exists() and not self._kconfig_differs(before["tree"]):
            write_atomically(state, json.dumps({"tree": self.commit.tree}))
            return []
        old = final.read_bytes() if final.exists() else None
        times = final.stat() if old is not None else None
        state.unlink(missing_ok=True)
        self.builder.progress.update(f"configuring {self.commit.sha[:12]}")
        self._make("tinyconfig")
        with final.open("a", encoding="utf-8") as file:
            file.write(kconfig.render(self.options))
        self._make("olddefconfig")
        if times is not None and final.read_bytes() == old:
            os.utime(final, ns=(times.st_atime_ns, times.st_mtime_ns))
        lost = kconfig.check(self.options, final, worktree)
        write_atomically(state, json.dumps({"tree": self.commit.tree}))
        return lost

    def _kconfig_differs(self, tree: str) -> bool:
        if tree == self.commit.tree:
            return False
        changed = self.builder.tree.workspace.changed(tree, self.commit.tree)
        return any(_KCONFIG_INPUT.search(path) for path in changed)


def _version(git: Git, sha: str) -> str:
    """The version of a commit's kernel.

    Raises:
        BuildError: it has no Makefile, or not that of a kernel.
    """
    try:
        return kernel_version(git.text("show", f"{sha}:Makefile") if git.text("ls-tree", sha, "Makefile") else "")
    except UserError as error:
        raise BuildError(str(error)) from error


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _keep(made: tuple[Path, dict[str, object]], image: Path, kept: Path, folder: Path) -> Kernel:
    """Store image, configuration, log and facts of a finished build in the cache."""
    objects, facts = made
    with whole_folder(kept) as new:
        shutil.copyfile(objects / image, new / image.name)
        shutil.copyfile(objects / ".config", new / "config")
        for name in ("build.log", inputs.FILE):
            if (folder / name).exists():
                shutil.copyfile(folder / name, new / name)
        (new / "kernel.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return replace(load(kept, folder), built=True, seconds=cast(float, facts["seconds"]))


def load(kept: Path, folder: Path) -> Kernel:
    """The kernel in a cache folder, with its artifacts copied to a result folder."""
    touch(kept)
    facts = json.loads((kept / "kernel.json").read_text(encoding="utf-8"))
    folder.mkdir(parents=True, exist_ok=True)
    image = architecture.load(facts["arch"]).image.name
    for name in (image, *BESIDE, *([inputs.FILE] if (kept / inputs.FILE).exists() else [])):
        copy(kept / name, folder / name)
    return Kernel(
        folder=kept,
        image=kept / image,
        arch=facts["arch"],
        signature=facts["signature"],
        compiler=facts["compiler"],
        built=False,
        seconds=0.0,
    )
