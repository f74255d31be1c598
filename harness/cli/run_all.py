"""`regress run --all`: every scenario, in one table."""

from __future__ import annotations

import argparse
import copy
from typing import Any

from harness import assessment, catalog
from harness.cli import commits, fleets
from harness.cli.environment import Environment
from harness.cli.progress import Talk
from harness.errors import UserError
from harness.interrupts import Interrupts
from harness.reports import json_, scenario_table, summary


def run(options: argparse.Namespace) -> int:
    """Run each scenario as `regress run` does, except those that cannot run on this tree, with the reason.

    Returns:
        0 if all is well (`harness.assessment`), 3 if a machine failed, else 1.

    Raises:
        UserError: a scenario is wrong, or none could run.
    """
    documents: list[dict[str, Any]] = []
    talk, interrupts = Talk(), Interrupts()
    try:
        with interrupts.taken(), fleets.opened(options, talk) as fleet:
            for scenario in catalog.scenarios(options.scenarios):
                one = copy.copy(options)
                one.scenario = scenario.id
                _run(Environment.of(one, talk, fleet), one, interrupts, documents)
    finally:
        _tell(talk, documents, json_wanted=options.json)
    tried = [document for document in documents if document["status"] is not None]
    if not tried:
        raise UserError(f"no scenario can run: {documents[0]['reason'] if documents else 'there is none'}")
    return max(map(assessment.exit_status, tried))


def _run(
    environ: Environment, options: argparse.Namespace, interrupts: Interrupts, documents: list[dict[str, Any]]
) -> None:
    def tell(document: dict[str, Any]) -> None:
        documents.append(document)
        environ.talk.say(summary.conclusion(document), aside=options.json)

    try:
        commits.conduct(environ, options, interrupts, tell)
    except UserError as error:
        environ.talk.note(f"{environ.scenario.id} is skipped: {error}")
        documents.append({"scenario": environ.scenario.id, "status": None, "well": None, "reason": str(error)})


def _tell(talk: Talk, documents: list[dict[str, Any]], *, json_wanted: bool) -> None:
    if documents:
        talk.say(f"\n{scenario_table.render(documents)}", aside=json_wanted)
    if json_wanted:
        talk.say(json_.render({"well": assessment.of_all(documents), "scenarios": documents}), aside=False)
