"""`regress try SCENARIO PATCH...`."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from harness import catalog, patches, store
from harness.cli import workshop
from harness.cli.workshop import Workshop
from harness.compare import Cell, Row, Standing, conclude, try_all
from harness.errors import RegressError, UserError
from harness.files import write_atomically
from harness.git import Commit, Git
from harness.kernel.tree import Tree
from harness.model import Range, Revision, Scenario, Trial
from harness.reports import document, grid, junit, repro, text

EXIT = {Standing.AS_EXPECTED: 0, Standing.INFRASTRUCTURE: 3}
"""Exit statuses; 1 for all others."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress try`."""
    workshop.configure(parser)
    parser.add_argument("patches", metavar="PATCH", type=Path, nargs="+", help="a mail, a series as mbox, or a diff")
    parser.add_argument(
        "--against", metavar="all|A,B", default="", help="try each patch in these scenarios too, or in all there are"
    )
    parser.add_argument("--tree", metavar="NAME|PATH|URL", help="the kernel tree; default: mainline, else the replay")
    parser.add_argument("--bad", metavar="REV", help="the commit to patch; default: the scenario's bad one")
    parser.add_argument("--runs", type=workshop.count, default=1, metavar="N", help="boots of each kernel (default: 1)")


def run(options: argparse.Namespace) -> int:
    """Try patches; see `harness.compare`."""
    changes = [patches.read_change(path) for path in options.patches]
    if len({change.name for change in changes}) < len(changes):
        changes = [replace(change, name=str(path)) for change, path in zip(changes, options.patches, strict=True)]
    shops = [Workshop.of(options), *(_shop(options, name) for name in _others(options))]
    with workshop.ended_cleanly():
        return EXIT.get(Try(shops, options, changes).run(), 1)


def _others(options: argparse.Namespace) -> list[str]:
    """The further scenarios that are asked for, by id, that of SCENARIO left out."""
    own = catalog.find(options.scenario, options.scenarios).id
    if options.against == "all":
        found = [one.id for one in catalog.scenarios(options.scenarios)]
    else:
        found = [catalog.find(name, options.scenarios).id for name in options.against.split(",") if name]
    return [name for name in dict.fromkeys(found) if name != own]


def _shop(options: argparse.Namespace, name: str) -> Workshop:
    return Workshop.of(argparse.Namespace(**{**vars(options), "scenario": name}))


class Try:
    """One `regress try`: patched commits are made, then tried in scenario after scenario, each answer stored."""

    def __init__(self, shops: list[Workshop], options: argparse.Namespace, changes: list[patches.Change]) -> None:
        self.shops, self.options, self.changes = shops, options, changes
        self.scenario, self.talk = shops[0].scenario, shops[0].talk
        self.cells: list[Cell] = []

    def run(self) -> Standing:
        """Try all; what was found out is told and stored, however it ends."""
        self.tree, base = self._base()
        own = Git(self.tree.worktree)
        self.rows = [Row(None, base), *(Row(change, patches.apply(own, base, change)) for change in self.changes)]
        tried = [(shop.scenario, self._role(shop.scenario, base), shop.laboratory(self.tree)) for shop in self.shops]
        self.stored = store.start(self.shops[0].results, self.scenario.id, self.tree.description, self.options.arch)
        for number, path in enumerate(self.options.patches, 1):
            shutil.copyfile(path, self.stored.folder / f"{number}-{path.name}")
        self.talk.say(text.head(self.scenario, self.tree.description, self.options.arch), aside=self.options.json)
        self.talk.say(f"patches on {base.sha[:12]}  {base.subject}", aside=self.options.json)
        standing, reason = Standing.INTERRUPTED, "stopped before the first patch was tried"
        try:
            try_all(self.rows, tried, self.stored.folder, self.options.runs, self._keep, self._tell)
            standing, reason = conclude(self.cells)
        except KeyboardInterrupt:
            reason = f"after {len(self.cells)} of {len(self.rows) * len(tried)} cells"
            raise
        except RegressError as error:
            standing, reason = Standing.INFRASTRUCTURE, str(error)
        finally:
            self._finish(standing, reason)
        return standing

    def _base(self) -> tuple[Tree, Commit]:
        commits = dict(self.scenario.commits)
        if self.options.bad:
            bad = Revision(self.options.bad)
            commits = dict.fromkeys((*commits, self.options.tree or ""), Range(bad, bad))
        tree = self.shops[0].tree(self.options.tree, commits)
        known = commits.get(tree.name)
        if self.options.bad:
            return tree, tree.resolve(Revision(self.options.bad))
        if known is None or not known.bad:
            trees = ", ".join(self.scenario.commits) or "no tree"
            raise UserError(
                f"the scenario knows no bad commit of {tree.name} (it knows {trees}); name the one to patch with --bad"
            )
        return tree, tree.resolve(known.bad)

    def _role(self, scenario: Scenario, base: Commit) -> str:
        """What the base is to a scenario."""
        if scenario.id == self.scenario.id:
            return "bad"
        known = scenario.commits.get(self.tree.name)
        if known is None:
            return "commit"
        good = (("good", revision) for revision in (known.good, *known.also_good))
        for role, revision in (("bad", known.bad), *good, ("fixed", known.fixed)):
            if revision and self.tree.repository.has(revision.name) and self.tree.resolve(revision) == base:
                return role
        return "commit"

    def _keep(self, row: Row, scenario: Scenario, trial: Trial) -> None:
        assert isinstance(row.made, Commit)
        self.stored.trial(row.made.sha, f"{row.name} in {scenario.id}", trial)

    def _tell(self, cell: Cell) -> None:
        self.cells.append(cell)
        if cell.answer and cell.answer.kernel and cell.scenario.machine_command is None:
            repro.write(cell.answer.folder, cell.scenario)
        self.talk.note(grid.progress(cell))

    def _finish(self, standing: Standing, reason: str) -> None:
        """Whatever happened: what was found out is stored and told."""
        top, base = self.stored.folder, self.rows[0].made
        assert isinstance(base, Commit)
        result = {
            "status": str(standing),
            "reason": reason,
            "scenario": self.scenario.id,
            "title": self.scenario.title,
            "tree": self.tree.description,
            "arch": self.options.arch,
            "command": ["regress", *sys.argv[1:]],
            "base": {"commit": base.sha, "subject": base.subject},
            "rows": [document.row(row) for row in self.rows],
            "cells": [document.cell(cell, top) for cell in self.cells],
            "folder": str(top),
        }
        write_atomically(top / "junit.xml", junit.render_table(self.cells))
        told = grid.render(self.cells)
        write_atomically(top / "table.txt", f"{told}\n")
        self.stored.close(str(standing), reason, result)
        self.talk.say(f"{told}\n{grid.conclusion(standing, reason, top)}", aside=self.options.json)
        if self.options.json:
            print(json.dumps(result, indent=2))
