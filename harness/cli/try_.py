"""`regress try SCENARIO PATCH...`."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness import assessment, catalog, document, patches
from harness.cli import environment, fleets, shared
from harness.cli.environment import Environment
from harness.cli.progress import Talk
from harness.errors import UserError
from harness.files import write_atomically
from harness.git import Commit
from harness.interrupts import Interrupts
from harness.kernel.tree import Tree
from harness.matrix import Cell, Row, conclude, try_all
from harness.model import Range, Revision, Scenario, Trial
from harness.record import Run
from harness.reports import patch_table, repro, summary
from harness.runner import Runner
from harness.session import End, Session


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress try`."""
    environment.configure(parser)
    fleets.configure(parser)
    parser.add_argument("patches", metavar="PATCH", type=Path, nargs="+", help="a mail, a series as an mbox, or a diff")
    parser.add_argument(
        "--against", metavar="all|A,B", default="", help="try each patch in these scenarios too, or in all of them"
    )
    shared.tree(parser)
    shared.group(parser, shared.COMMITS).add_argument(
        "--bad", metavar="REV", help="the commit to patch; default: the scenario's bad one"
    )
    shared.runs(parser, "kernel")


def run(options: argparse.Namespace) -> int:
    """Try patches; see `harness.matrix`."""
    changes = [patches.read_change(path) for path in options.patches]
    if len({change.name for change in changes}) < len(changes):
        changes = [replace(change, name=str(path)) for change, path in zip(changes, options.patches, strict=True)]
    talk, interrupts = Talk(), Interrupts()

    def tell(told: dict[str, Any]) -> None:
        talk.result(patch_table.conclusion(told), told, as_json=options.json)

    def keep(told: dict[str, Any], folder: Path) -> None:
        write_atomically(folder / "table.txt", f"{patch_table.render(told)}\n")

    with interrupts.taken(), fleets.opened(options, talk) as fleet:
        names = (options.scenario, *_others(options))
        environments = [Environment.of(_with(options, name), talk, fleet) for name in names]
        first = environments[0]
        tree, base = _base(first, options)
        own = tree.workspace
        rows = [Row(None, base), *(Row(change, patches.apply(own, base, change)) for change in changes)]
        tried = [(one.scenario, _role(one.scenario, first, tree, base), one.runner(tree)) for one in environments]
        journal = first.begin(tree, "try", interrupts)
        session = Session(journal, interrupts, tell, talk.note, keep, first.hosts)
        loop = Table(first, journal, base, rows, tried, options.patches, options.runs, aside=options.json)
        return assessment.exit_status(session.conduct(loop))


def _others(options: argparse.Namespace) -> list[str]:
    """The other scenarios requested with --against, by id."""
    own = catalog.find(options.scenario, options.scenarios).id
    if options.against == "all":
        found = [one.id for one in catalog.scenarios(options.scenarios)]
    else:
        found = [catalog.find(name, options.scenarios).id for name in options.against.split(",") if name]
    return [name for name in dict.fromkeys(found) if name != own]


def _with(options: argparse.Namespace, scenario: str) -> argparse.Namespace:
    return argparse.Namespace(**{**vars(options), "scenario": scenario})


def _base(environ: Environment, options: argparse.Namespace) -> tuple[Tree, Commit]:
    commits = dict(environ.scenario.commits)
    if options.bad:
        bad = Revision(options.bad)
        commits = dict.fromkeys((*commits, options.tree or ""), Range(bad, bad))
    tree = environ.tree(options.tree, commits)
    known = commits.get(tree.name)
    if options.bad:
        return tree, tree.resolve(Revision(options.bad))
    if known is None or not known.bad:
        trees = ", ".join(environ.scenario.commits) or "no tree"
        raise UserError(
            f"the scenario knows no bad commit of {tree.name} (it knows {trees}); name the commit to patch with --bad"
        )
    return tree, tree.resolve(known.bad)


def _role(scenario: Scenario, first: Environment, tree: Tree, base: Commit) -> str:
    """The role of the base in a scenario."""
    if scenario.id == first.scenario.id:
        return "bad"
    known = scenario.commits.get(tree.name)
    if known is None:
        return "commit"
    good = (("good", revision) for revision in (known.good, *known.also_good))
    for role, revision in (("bad", known.bad), *good, ("fixed", known.fixed)):
        if revision and tree.repository.has(revision.name) and tree.resolve(revision) == base:
            return role
    return "commit"


@dataclass
class Table:
    """Tries each patch in each scenario; a `harness.session.Loop`."""

    environ: Environment
    journal: Run
    base: Commit
    rows: list[Row]
    tried: Sequence[tuple[Scenario, str, AbstractContextManager[Runner]]]
    files: list[Path]
    runs: int
    aside: bool

    def __post_init__(self) -> None:
        self.cells: list[Cell] = []

    def run(self) -> End:
        """See `harness.session.Loop`."""
        for number, path in enumerate(self.files, 1):
            shutil.copyfile(path, self.journal.folder / f"{number}-{path.name}")
        self.journal.add("rows", document.rows(self.base, self.rows))
        told = self._document()
        for line in (summary.head(told), *patch_table.base(told)):
            self.environ.talk.say(line, aside=self.aside)
        try_all(self.rows, self.tried, self.journal.folder, self.runs, self._keep, self._tell)
        status, reason = conclude(self.cells)
        return End(str(status), reason)

    def stopped(self, status: str, reason: str) -> End:
        """See `harness.session.Loop`."""
        return End(status, reason)

    @property
    def progress(self) -> str:
        """See `harness.session.Loop`."""
        return f"after {len(self.cells)} of {len(self.rows) * len(self.tried)} cells"

    def _document(self) -> dict[str, Any]:
        return document.of(self.journal.events, self.journal.folder)

    def _keep(self, row: Row, scenario: Scenario, trial: Trial) -> None:
        assert isinstance(row.made, Commit)
        self.journal.trial(row.made.sha, document.role(row.name, scenario.id), trial)

    def _tell(self, cell: Cell) -> None:
        self.journal.add("cell", document.cell(cell, self.journal.folder))
        self.cells.append(cell)
        if cell.answer and cell.answer.kernel and cell.scenario.machine_command is None:
            repro.write(cell.answer.folder, cell.scenario, self.environ.arch)
        self.environ.talk.note(patch_table.progress(self._document()["cells"][-1]))
