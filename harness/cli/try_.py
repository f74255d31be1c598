"""`regress try SCENARIO PATCH...`."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from harness import catalog, patches, store
from harness.cli import environment
from harness.cli.environment import Environment
from harness.errors import RegressError, UserError
from harness.files import write_atomically
from harness.git import Commit
from harness.kernel.tree import Tree
from harness.matrix import Cell, Row, TryStatus, conclude, try_all
from harness.model import Range, Revision, Scenario, Trial
from harness.reports import json_, junit, patch_table, repro, summary

EXIT = {TryStatus.AS_EXPECTED: 0, TryStatus.INFRASTRUCTURE: 3}
"""Exit statuses; 1 for all others."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress try`."""
    environment.configure(parser)
    parser.add_argument("patches", metavar="PATCH", type=Path, nargs="+", help="a mail, a series as mbox, or a diff")
    parser.add_argument(
        "--against", metavar="all|A,B", default="", help="try each patch in these scenarios too, or in all there are"
    )
    parser.add_argument("--tree", metavar="NAME|PATH|URL", help="the kernel tree; default: mainline, else the replay")
    parser.add_argument("--bad", metavar="REV", help="the commit to patch; default: the scenario's bad one")
    parser.add_argument(
        "--runs", type=environment.count, default=1, metavar="N", help="boots of each kernel (default: 1)"
    )


def run(options: argparse.Namespace) -> int:
    """Try patches; see `harness.matrix`."""
    changes = [patches.read_change(path) for path in options.patches]
    if len({change.name for change in changes}) < len(changes):
        changes = [replace(change, name=str(path)) for change, path in zip(changes, options.patches, strict=True)]
    environments = [Environment.of(options), *(_other(options, name) for name in _others(options))]
    with environment.ended_cleanly():
        return EXIT.get(Try(environments, options, changes).run(), 1)


def _others(options: argparse.Namespace) -> list[str]:
    """The further scenarios that are asked for, by id, that of SCENARIO left out."""
    own = catalog.find(options.scenario, options.scenarios).id
    if options.against == "all":
        found = [one.id for one in catalog.scenarios(options.scenarios)]
    else:
        found = [catalog.find(name, options.scenarios).id for name in options.against.split(",") if name]
    return [name for name in dict.fromkeys(found) if name != own]


def _other(options: argparse.Namespace, name: str) -> Environment:
    return Environment.of(argparse.Namespace(**{**vars(options), "scenario": name}))


class Try:
    """One `regress try`: patched commits are made, then tried in scenario after scenario, each answer stored."""

    def __init__(
        self, environments: list[Environment], options: argparse.Namespace, changes: list[patches.Change]
    ) -> None:
        self.environments, self.options, self.changes = environments, options, changes
        self.scenario, self.talk = environments[0].scenario, environments[0].talk
        self.cells: list[Cell] = []

    def run(self) -> TryStatus:
        """Try all; what was found out is told and stored, however it ends."""
        self.tree, base = self._base()
        own = self.tree.workspace
        self.rows = [Row(None, base), *(Row(change, patches.apply(own, base, change)) for change in self.changes)]
        tried = [(here.scenario, self._role(here.scenario, base), here.runner(self.tree)) for here in self.environments]
        self.stored = store.start(
            self.environments[0].results, self.scenario.id, self.tree.description, self.options.arch
        )
        for number, path in enumerate(self.options.patches, 1):
            shutil.copyfile(path, self.stored.folder / f"{number}-{path.name}")
        self.talk.say(summary.head(self.scenario, self.tree.description, self.options.arch), aside=self.options.json)
        self.talk.say(f"patches on {base.sha[:12]}  {base.subject}", aside=self.options.json)
        standing, reason = TryStatus.INTERRUPTED, "stopped before the first patch was tried"
        try:
            try_all(self.rows, tried, self.stored.folder, self.options.runs, self._keep, self._tell)
            standing, reason = conclude(self.cells)
        except KeyboardInterrupt:
            reason = f"after {len(self.cells)} of {len(self.rows) * len(tried)} cells"
            raise
        except RegressError as error:
            standing, reason = TryStatus.INFRASTRUCTURE, str(error)
        finally:
            self._finish(standing, reason)
        return standing

    def _base(self) -> tuple[Tree, Commit]:
        commits = dict(self.scenario.commits)
        if self.options.bad:
            bad = Revision(self.options.bad)
            commits = dict.fromkeys((*commits, self.options.tree or ""), Range(bad, bad))
        tree = self.environments[0].tree(self.options.tree, commits)
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
        self.talk.note(patch_table.progress(cell))

    def _finish(self, standing: TryStatus, reason: str) -> None:
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
            "rows": [json_.row(row) for row in self.rows],
            "cells": [json_.cell(cell, top) for cell in self.cells],
            "folder": str(top),
        }
        write_atomically(top / "junit.xml", junit.render_table(self.cells))
        told = patch_table.render(self.cells)
        write_atomically(top / "table.txt", f"{told}\n")
        self.stored.close(str(standing), reason, result)
        self.talk.say(f"{told}\n{patch_table.conclusion(standing, reason, top)}", aside=self.options.json)
        if self.options.json:
            print(json.dumps(result, indent=2))
