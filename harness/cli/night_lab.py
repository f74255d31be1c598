"""What a night needs of the program around it: runners of its cells, and bisections."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from harness import assessment, document, record
from harness.bisect import Plan, State
from harness.cli.bisect import Search
from harness.cli.environment import Environment
from harness.cli.progress import Talk
from harness.cli.view import View
from harness.digest import digest
from harness.fleet.fleet import Fleet
from harness.git import Commit
from harness.interrupts import Interrupts
from harness.kernel.command import CommandBuilder
from harness.kernel.tree import Tree
from harness.model import Judgement
from harness.nightly import culprit
from harness.nightly.config import Cell
from harness.nightly.history import Regression
from harness.nightly.night import Clock
from harness.record import Run
from harness.runner import Runner
from harness.session import End, Session


class OutOfTimeError(Exception):
    """The night is over."""


class NightView(View):
    """Watches a bisection, and ends it between two commits when the night is over."""

    def __init__(self, clock: Clock, seen: Callable[[], None]) -> None:
        super().__init__()
        self.clock, self.seen = clock, seen

    def state(self, state: State) -> None:
        """See `harness.bisect.Watcher`."""
        self._assert_time()
        super().state(state)

    def tried(self, commit: Commit, role: str, verdict: Judgement) -> None:
        """See `harness.bisect.Watcher`."""
        super().tried(commit, role, verdict)
        self.seen()
        self._assert_time()

    def _assert_time(self) -> None:
        if self.clock.over():
            raise OutOfTimeError


class NightSearch(Search):
    """A bisection that goes on in the next night where this one is over."""

    def run(self) -> End:
        """See `harness.session.Loop`."""
        try:
            return super().run()
        except OutOfTimeError:
            return self.stopped(assessment.INTERRUPTED, f"the night was over {self.progress}")


@dataclass
class NightLab:
    """See `harness.nightly.night.Lab`; a context manager: a builder that several cells share holds the tree until then.

    Args:
        tree: whose commits are tried.
        results: the folder of all results.
        talk: is told what goes on.
        interrupts: requests to end.
        clock: says when the night is over.
        tried: is called when a commit of a bisection was tried.
        fleet: builds and boots; None for this machine.
    """

    tree: Tree
    results: Path
    talk: Talk
    interrupts: Interrupts
    clock: Clock
    tried: Callable[[], None] = lambda: None
    fleet: Fleet | None = None
    _shared: tuple[str, CommandBuilder] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._release()

    @contextlib.contextmanager
    def runner(self, cell: Cell) -> Iterator[Runner]:
        """See `harness.nightly.night.Lab`."""
        builder = self._builder(cell.scenario.build_command) if self.fleet is None else None
        environ = Environment(cell.scenario, cell.arch, self.results, self.talk, self.fleet)
        with environ.runner(self.tree, builder) as runner:
            yield runner

    def _builder(self, command: str | None) -> CommandBuilder | None:
        """The builder of cells that are built by one command; None for kernels, which are kept anyway."""
        if self._shared is None or self._shared[0] != command:
            self._release()
            if command is not None:
                self._shared = command, CommandBuilder(self.tree, command, self.talk)
        return self._shared[1] if self._shared else None

    def _release(self) -> None:
        if self._shared is not None:
            self._shared[1].__exit__()
            self._shared = None

    def note(self, text: str) -> None:
        """See `harness.nightly.night.Lab`."""
        self.talk.note(text)

    def bisect(self, cell: Cell, one: Regression, begun: Callable[[str], None]) -> Mapping[str, Any]:
        """See `harness.nightly.night.Lab`."""
        self._release()
        scenario = culprit.sought(cell.scenario, one.signature)
        environ = Environment(scenario, cell.arch, self.results, self.talk, self.fleet)
        git = self.tree.workspace
        basis = Plan(scenario.id, digest(scenario, cell.arch), self.tree.name, cell.arch, (), (), runs=None)
        documents: list[dict[str, Any]] = []
        for plan in culprit.plans(git, one, basis):
            documents.append(self._search(environ, plan, one, begun))
            if not self._bad_good_end(documents[-1]):
                break
        return culprit.told(git, one, documents)

    def _bad_good_end(self, told: Mapping[str, Any]) -> bool:
        """Whether what is looked for is older than the range: its good end is bad."""
        good = set(told["plan"]["good"])
        return told["culprit"] is None and any(
            step["commit"] in good and step["verdict"] == "bad" for step in told["steps"]
        )

    def _search(
        self, environ: Environment, plan: Plan, one: Regression, begun: Callable[[str], None]
    ) -> dict[str, Any]:
        """One bisection: what an earlier night found, what it left, or a new one."""
        known = [record.find(self.results / name) for name in one.runs if (self.results / name).is_dir()]
        mine = [run for run in known if self._plan(run) == plan]
        if mine and (told := document.of(mine[-1].events, mine[-1].folder))["status"] not in assessment.OPEN:
            return told
        view = NightView(self.clock, self.tried)
        with contextlib.ExitStack() as stack:
            stack.enter_context(view)
            if mine:
                run = mine[-1]
                stack.enter_context(run.held(view))
                run.reopen()
            else:
                with self.interrupts.held():
                    run = environ.begin(self.tree, "bisect", self.interrupts)
                    run.plan(plan.to_json())
                    begun(run.folder.name)
                stack.enter_context(run.held(view))
            runner = stack.enter_context(environ.runner(self.tree))
            loop = NightSearch(runner, self.tree, plan, run, view)
            return Session(
                *(run, self.interrupts, lambda _told: view.end(), view.note, loop.keep, environ.hosts)
            ).conduct(loop)

    def _plan(self, run: Run) -> Plan | None:
        data = next((event.data for event in run.events if event.kind == "plan"), None)
        return Plan.from_json(data) if data else None
