"""What the commands that try commits share: makes a tree, a runner and a run from a scenario and the arguments."""

from __future__ import annotations

import argparse
import contextlib
import functools
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness import architecture, catalog, configuration, hosts, paths, prerequisites, record
from harness.cli import consent, shared
from harness.cli.progress import Talk
from harness.digest import digest
from harness.errors import Unavailable, UserError
from harness.fleet.fleet import Fleet
from harness.fleet.lab import FleetLab
from harness.interrupts import Interrupts
from harness.kernel import modules, replay, selftests
from harness.kernel.build import Builder, KernelBuilder
from harness.kernel.command import CommandBuilder
from harness.kernel.fixups import Fixups
from harness.kernel.tree import REPLAY, Tree, as_fetched, find
from harness.machine import Machine, accelerator, debian, rootfs
from harness.machine.command import CommandMachine
from harness.machine.vng import Vng
from harness.model import Range, Scenario
from harness.roots import RootKind
from harness.runner import GuestImage, Runner


def configure(parser: argparse.ArgumentParser, *, named: bool = True) -> None:
    """The arguments of every command that tries commits; with `named`, SCENARIO is required."""
    shared.scenario(parser, required=named)
    shared.kernel(parser)
    shared.results(parser)
    shared.scenarios(parser)
    consent.configure(parser)
    shared.json(parser)


def _configured(scenario: Scenario, options: argparse.Namespace) -> Scenario:
    """The scenario with the configuration that the arguments ask for.

    Raises:
        UserError: it is wrong, of another architecture, or the scenario is not built with it.
    """
    base = configuration.base(options.config) if options.config else scenario.base
    if options.lsmod and not base.own:
        raise UserError("--lsmod trims a configuration: name one with --config")
    base = configuration.trimmed(base, options.lsmod) if options.lsmod else base
    base = configuration.keeping(base, (*scenario.disk_modules, *scenario.modules))
    if base.own and scenario.build_command is not None:
        raise UserError(f"{scenario.id} is built by its own command, which has no kernel configuration")
    configuration.assert_architecture(base, options.arch)
    return replace(scenario, base=base)


def needs(scenario: Scenario, arch: str) -> set[str]:
    """What `regress doctor` has to find here, so that a scenario can be tried."""
    wanted = {"git"}
    wanted |= {"build", f"build {arch}"} if scenario.build_command is None else set()
    wanted |= {"modules"} if scenario.base.own or scenario.modules else set()
    wanted |= {"kselftest"} if scenario.kselftest else set()
    compiled = scenario.kselftest or any(name.endswith(".c") for name in scenario.run)
    wanted |= {f"programs {arch}"} if compiled else set()
    if scenario.machine_command is None:
        wanted |= {"ssh", "guest"} if scenario.machine_ssh else {"boot", f"boot {arch}", "guest"}
        wanted |= set() if architecture.load(arch).here else {"foreign"}
        wanted |= {"debian"} if scenario.rootfs.kind is RootKind.DEBIAN else set()
    return wanted


def elsewhere(arch: str) -> set[str]:
    """What is done on the hosts of a fleet."""
    return {f"{work}{of}" for work in ("build", "boot") for of in ("", f" {arch}")}


def lasting(tree: str) -> str:
    """The name of a tree that is valid in any folder."""
    return str(Path(tree).resolve()) if Path(tree).is_dir() else tree


def whole_tree(name: str, talk: Talk, *, kernel: bool) -> tuple[Tree, str | None]:
    """A tree with its whole history and all its tags, and why it could not be fetched: then it is as it was last.

    Args:
        kernel: whether it has to hold a kernel.

    Raises:
        UserError: no such tree, or it is a replay.
        Unavailable: the server does not answer, and nothing was fetched before.
    """
    named, default = catalog.tree_urls(paths.trees_config())
    try:
        found = find(name, {}, named, default, paths.cache(), talk, kernel=kernel)
    except Unavailable as error:
        stored = as_fetched(name, named, paths.cache(), talk, kernel=kernel)
        if stored is None:
            raise
        talk.note(f"{error}; going on with what was fetched before")
        return stored, str(error)
    if found is None:
        raise UserError(f"--tree {name}: a replay has no releases and no days; name a clone of a kernel tree")
    return found, None


@dataclass(frozen=True)
class Environment:
    """A scenario on this machine.

    Args:
        scenario: what to try.
        arch: the architecture.
        results: the folder for results.
        talk: shows progress.
        fleet: builds and boots; None for this machine.
    """

    scenario: Scenario
    arch: str
    results: Path
    talk: Talk
    fleet: Fleet | None = None

    @classmethod
    def of(cls, options: argparse.Namespace, talk: Talk | None = None, fleet: Fleet | None = None) -> Environment:
        """The environment that the arguments ask for, with all required programs installed.

        Args:
            talk: shows progress.
            fleet: builds and boots; None for this machine.

        Raises:
            UserError: no such scenario, or it is wrong.
            InfrastructureError: a prerequisite is missing.
        """
        scenario, talk = _configured(catalog.find(options.scenario, options.scenarios), options), talk or Talk()
        wanted = needs(scenario, options.arch) - (elsewhere(options.arch) if fleet else set())
        prerequisites.ensure(wanted, talk, consent=consent.consent(options, talk))
        return cls(scenario, options.arch, (options.results or paths.results()).resolve(), talk, fleet)

    def assert_unchanged(self, run: record.Run, before: str) -> None:
        """Refuse to go on with a run of the scenario as it was.

        Args:
            before: the digest of the scenario when it was started.

        Raises:
            UserError: the scenario, or the kernel's configuration, is another one now.
        """
        folder, here = run.folder, configuration.identity(self.scenario.base)
        was = next(event.data for event in run.events if event.kind == "start").get("configuration")
        if (was or {}).get("digest") != (here or {}).get("digest"):
            names = [f"{one['name']} (content {one['digest']})" if one else "tinyconfig" for one in (was, here)]
            raise UserError(
                f"{folder} was started with the configuration {names[0]}, and this is {names[1]}: give --config and "
                "--lsmod as at the start, or start over without --resume"
            )
        if before != digest(self.scenario, self.arch):
            raise UserError(
                f"{self.scenario.id} was changed after {folder} was started, so its results may no longer hold; "
                "start over without --resume"
            )

    def begin(self, tree: Tree, kind: str, interrupts: Interrupts) -> record.Run:
        """Start a new run, already in the journal.

        Args:
            kind: `run`, `step`, `try` or `bisect`.

        Raises:
            UserError, InfrastructureError: see `harness.record.start`.
        """
        scenario = self.scenario
        with interrupts.held():
            return record.start(
                *(self.results, scenario.id, tree.description, self.arch),
                kind=kind,
                name=scenario.aliases[0] if scenario.aliases else scenario.id,
                title=scenario.title,
                links=list(scenario.links),
                synthetic=tree.name.startswith(REPLAY),
                repository=tree.url,
                configuration=configuration.identity(scenario.base),
                programs={"build": scenario.build_command, "machine": scenario.machine_command or scenario.machine_ssh},
                digest=digest(scenario, self.arch),
                command=["regress", *sys.argv[1:]],
            )

    def tree(self, wanted: str | None, commits: dict[str, Range]) -> Tree:
        """The tree to work on.

        Args:
            wanted: the value of `--tree`.
            commits: the range needed, by tree name.

        Raises:
            UserError: no such tree.
            Unavailable: its source is unavailable.
        """
        named, default = catalog.tree_urls(paths.trees_config())
        real = self.scenario.build_command is None
        found = find(wanted, commits, named, default, paths.cache(), self.talk, kernel=real)
        return found or self._replay()

    def _replay(self) -> Tree:
        folder = self.scenario.replay
        if folder is None or not folder.is_dir():
            raise UserError(f"{self.scenario.id} has no replay; name a kernel tree with --tree")
        series, cache = replay.read_series(folder), paths.cache()
        return replay.lay(series, replay.find_source(series.kernel, cache, self.talk), cache, self.talk)

    @contextlib.contextmanager
    def runner(self, on: Tree, builder: Builder | None = None) -> Iterator[Runner]:
        """A runner for the commits of a tree.

        Args:
            builder: builds them; by default one of its own.
        """
        with contextlib.ExitStack() as stack:
            fragments = self.fragments
            root = rootfs.root(self.scenario.rootfs, architecture.load(self.arch), paths.cache(), self.talk)
            guest = functools.partial(self._guest, self._programs(), root)
            fix_up = Fixups(on, self.scenario.fixups, self.scenario.folder).apply
            if self.fleet is not None:
                lab = FleetLab(self.fleet, on, self.scenario, self.arch, fragments, paths.cache())
                yield Runner(self.scenario, lab, None, guest, self.arch, self.talk, fix_up, lab)
                return
            if builder is not None:
                pass
            elif self.scenario.build_command is not None:
                builder = stack.enter_context(CommandBuilder(on, self.scenario.build_command, self.talk))
            else:
                builder = self.kernel_builder(on)
            yield Runner(self.scenario, builder, self._machine(), guest, self.arch, self.talk, fix_up)

    @property
    def fragments(self) -> tuple[Path, ...]:
        """The files of the kernel's configuration, in the order in which they are put on top of each other."""
        return tuple(paths.fragment(name, self.scenario.folder) for name in (self.arch, *self.scenario.fragments))

    def kernel_builder(self, on: Tree) -> KernelBuilder:
        """The builder of the scenario's kernels, with the kernel's own make."""
        scenario = self.scenario
        return KernelBuilder(
            *(on, self.arch, self.fragments, paths.cache(), self.talk, scenario.kernels),
            base=scenario.base,
            kselftest=scenario.kselftest,
        )

    def hosts(self) -> list[dict[str, Any]]:
        """What each host of the fleet did, as JSON data."""
        return self.fleet.summary() if self.fleet is not None else []

    def _programs(self) -> Path:
        """Where the guest's programs come from.  Made before any build, as it may be unavailable."""
        arch = architecture.load(self.arch)
        foreign = not arch.here and self.scenario.machine_command is None
        return debian.unpacked(arch, paths.cache(), self.talk) if foreign else Path("/")

    def _machine(self) -> Machine:
        if self.scenario.machine_command is not None:
            return CommandMachine(self.scenario.machine_command)
        if self.scenario.machine_ssh is not None:
            from harness.machine.ssh import SshMachine  # cryptography takes a while to import, and few need it

            host = hosts.find(self.scenario.machine_ssh, paths.hosts_config())
            return SshMachine(host, paths.cache(), self.talk)
        return Vng(accelerator.probe(architecture.load(self.arch), paths.cache(), self.talk).name)

    def _guest(self, programs: Path, root: Path | None, folder: Path) -> GuestImage:
        if self.scenario.machine_command is None:
            target, archive, tests = (folder / name for name in ("initramfs.cpio", modules.FILE, selftests.FILE))
            rootfs.initramfs(self.scenario, programs, target, self.arch, self.talk, archive, root, tests)
            if root is not None and root.is_file():
                link = folder / "root.img"
                link.unlink(missing_ok=True)
                link.symlink_to(root)
        return GuestImage(folder / "initramfs.cpio", (), root)
