"""`regress run SCENARIO`."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from harness import catalog, paths, prerequisites, store
from harness.cli.progress import Talk
from harness.errors import RegressError, UserError
from harness.files import write_atomically
from harness.kernel import replay, tree
from harness.kernel.build import Builder, KernelBuilder
from harness.kernel.command import CommandBuilder
from harness.machine import Machine, accelerator, rootfs
from harness.machine.command import CommandMachine
from harness.machine.vng import Vng
from harness.model import Range, Revision, Scenario
from harness.reports import document, junit, repro, text
from harness.reproduce import Answer, Guest, Laboratory, Status, Subject, conclude


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress run`."""
    parser.add_argument("scenario", metavar="SCENARIO", help="a name or an id, such as lr#35498d")
    parser.add_argument("--tree", metavar="NAME|PATH|URL", help="the kernel tree; default: mainline, else the replay")
    parser.add_argument("--arch", choices=("x86_64", "i386"), default="x86_64", help="default: x86_64")
    parser.add_argument(
        "--commit", metavar="REV", action="append", default=[], help="try this commit only (repeatable)"
    )
    parser.add_argument("--good", metavar="REV", help="a commit without the regression")
    parser.add_argument("--bad", metavar="REV", help="a commit with it")
    parser.add_argument("--runs", type=_count, default=1, metavar="N", help="boots of each commit (default: 1)")
    parser.add_argument("--results", type=Path, metavar="DIR", help="where results go")
    parser.add_argument(
        "--scenarios", type=Path, action="append", default=[], metavar="DIR", help="a folder of your own"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Try the scenario; see `harness.reproduce`."""
    scenario = catalog.find(options.scenario, options.scenarios)
    if (options.good or options.bad) and options.commit:
        raise UserError("--commit does not go with --good and --bad")
    talk = Talk()
    prerequisites.ensure(_purposes(scenario, options.arch), talk)
    with _ended_cleanly():
        return _Run(scenario, options, talk).run()


def _purposes(scenario: Scenario, arch: str) -> set[str]:
    """What this machine must be able to do for a run."""
    real = (scenario.build_command is None, scenario.machine_command is None)
    wanted = {"git"} | ({"build"} if real[0] else set()) | ({"boot", "guest"} if real[1] else set())
    return wanted | ({"i386"} if arch == "i386" else set())


@contextlib.contextmanager
def _ended_cleanly() -> Iterator[None]:
    """Make a request to end (SIGTERM, a closed terminal) unwind like Ctrl-C, so that all that runs is ended."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Run:
    """One `regress run`: finds what it needs, then tries commit after commit and stores each answer."""

    def __init__(self, scenario: Scenario, options: argparse.Namespace, talk: Talk) -> None:
        self.scenario, self.options, self.talk = scenario, options, talk
        self.cache = paths.cache()
        self.answers: list[Answer] = []

    def run(self) -> int:
        subjects = self._subjects()
        lab = Laboratory(
            self.scenario,
            self._builder(),
            self._machine(),
            self._guest,
            self.options.arch,
            self.options.runs,
            self.talk,
        )
        results = (self.options.results or paths.results()).absolute()
        self.stored = store.start(results, self.scenario.id, self.tree.description, self.options.arch)
        self._say(text.head(self.scenario, self.tree.description, self.options.arch))
        status, reason = Status.INTERRUPTED, "stopped before the first commit was tried"
        try:
            for subject in subjects:
                self._answer(lab, subject)
            status, reason = conclude(self.answers)
        except KeyboardInterrupt:
            reason = f"after {len(self.answers)} of {len(subjects)} commits"
            raise
        except RegressError as error:
            status, reason = Status.INFRASTRUCTURE, str(error)
        finally:
            self._finish(status, reason)
        return {Status.SHOWS: 0, Status.INFRASTRUCTURE: 3}.get(status, 1)

    def _say(self, line: str) -> None:
        """A line of the report: on standard output, or aside when that is for JSON."""
        self.talk.clear()
        print(line, file=sys.stderr if self.options.json else sys.stdout, flush=True)

    def _subjects(self) -> list[Subject]:
        options, commits = self.options, dict(self.scenario.commits)
        given = [Revision(name) for name in (options.good, options.bad) if name]
        if options.good and options.bad:
            commits = dict.fromkeys((*commits, options.tree or ""), Range(*given))
        named, default = catalog.tree_urls(paths.trees_config())
        found = tree.find(options.tree, commits, named, default, self.cache, self.talk, kernel=not self._commanded())
        self.tree = found or self._replay()
        wanted = [("commit", Revision(name)) for name in options.commit]
        if not wanted:
            wanted = self._known()
        return [Subject(role, self.tree.resolve(revision)) for role, revision in wanted]

    def _commanded(self) -> bool:
        return self.scenario.build_command is not None

    def _known(self) -> list[tuple[str, Revision]]:
        """The commits to try: those given by hand, and for the rest those that the scenario knows."""
        known = self.scenario.commits.get(self.tree.name)
        by_hand = bool(self.options.good or self.options.bad)
        good = Revision(self.options.good) if self.options.good else known and known.good
        bad = Revision(self.options.bad) if self.options.bad else known and known.bad
        fixed = None if by_hand else known and known.fixed
        if good is None and bad is None:
            trees = ", ".join(self.scenario.commits) or "no tree"
            raise UserError(
                f"the scenario knows no commits of {self.tree.name} (it knows {trees}); "
                "name some with --good and --bad, or with --commit"
            )
        return [(role, revision) for role, revision in (("good", good), ("bad", bad), ("fixed", fixed)) if revision]

    def _replay(self) -> tree.Tree:
        folder = self.scenario.folder / "replay"
        if not folder.is_dir():
            raise UserError(f"{self.scenario.id} has no replay; name a kernel tree with --tree")
        series = replay.read_series(folder)
        return replay.lay(series, replay.find_source(series.kernel, self.cache, self.talk), self.cache, self.talk)

    def _builder(self) -> Builder:
        if self.scenario.build_command is not None:
            return CommandBuilder(self.tree, self.scenario.build_command, self.talk)
        names = (self.options.arch, *self.scenario.kconfig)
        fragments = tuple(catalog.KCONFIGS / f"{name}.config" for name in names)
        return KernelBuilder(self.tree, self.options.arch, fragments, self.cache, self.talk)

    def _machine(self) -> Machine:
        if self.scenario.machine_command is not None:
            return CommandMachine(self.scenario.machine_command)
        return Vng(accelerator.probe(self.cache, self.talk).name)

    def _guest(self, folder: Path) -> Guest:
        disk = self.scenario.pi_disk
        if self.scenario.machine_command is None:
            root = rootfs.i386_root(self.cache, self.talk) if self.options.arch == "i386" else Path("/")
            rootfs.initramfs(self.scenario, root, folder / "initramfs.cpio")
        return Guest(folder / "initramfs.cpio", disk.append if disk else ())

    def _answer(self, lab: Laboratory, subject: Subject) -> None:
        folder = self.stored.folder / f"{subject.role}-{subject.commit.sha[:12]}"
        answer = lab.answer(subject, folder, lambda trial: self.stored.trial(subject.commit.sha, subject.role, trial))
        self.answers.append(answer)
        if answer.kernel and self.scenario.machine_command is None:
            repro.write(folder, self.scenario.machine, lab.guest(folder).append)
        self._say(text.row(answer))

    def _finish(self, status: Status, reason: str) -> None:
        """Whatever happened: what was found out is stored and told."""
        top = self.stored.folder
        result = {
            "status": str(status),
            "reason": reason,
            "scenario": self.scenario.id,
            "title": self.scenario.title,
            "tree": self.tree.description,
            "arch": self.options.arch,
            "command": ["regress", *sys.argv[1:]],
            "commits": [document.answer(answer, top) for answer in self.answers],
            "folder": str(top),
        }
        write_atomically(top / "junit.xml", junit.render(self.scenario.id, self.answers))
        self.stored.close(str(status), reason, result)
        self._say(text.conclusion(status, reason, top))
        if self.options.json:
            print(json.dumps(result, indent=2))
