"""`regress run --all`: every scenario, in one table."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from harness import assessment, catalog
from harness.cli import commits, fleets
from harness.cli.environment import Environment
from harness.cli.progress import Talk
from harness.errors import UserError
from harness.fleet.fleet import Fleet
from harness.interrupts import Interrupts
from harness.model import Scenario
from harness.reports import json_, scenario_table, summary
from harness.turns import each


def run(options: argparse.Namespace) -> int:
    """Run each scenario as `regress run` does, except those that cannot run on this tree, with the reason.

    Returns:
        0 if all is well (`harness.assessment`), 3 if a machine failed, else 1.

    Raises:
        UserError: a scenario is wrong, or none could run.
    """
    documents: list[dict[str, Any]] = []
    talk, interrupts, scenarios = Talk(), Interrupts(), catalog.scenarios(options.scenarios)
    try:
        with interrupts.taken(), fleets.opened(options, talk) as fleet:
            tasks = (partial(_run, one, options, talk, fleet, interrupts, documents) for one in scenarios)
            # Over a fleet side by side, so that no host waits for the last trial of a scenario.
            for _ in each(tasks, fleet):
                pass
    finally:
        order = [one.id for one in scenarios]
        documents.sort(key=lambda document: order.index(document["scenario"]))
        _tell(talk, documents, json_wanted=options.json)
    tried = [document for document in documents if document["status"] is not None]
    if not tried:
        raise UserError(f"no scenario can run: {documents[0]['reason'] if documents else 'there is none'}")
    return max(map(assessment.exit_status, tried))


def _run(
    scenario: Scenario,
    options: argparse.Namespace,
    talk: Talk,
    fleet: Fleet | None,
    interrupts: Interrupts,
    documents: list[dict[str, Any]],
) -> None:
    one = argparse.Namespace(**{**vars(options), "scenario": scenario.id})
    environ = Environment.of(one, talk, fleet)

    def tell(document: dict[str, Any]) -> None:
        documents.append(document)
        talk.say(summary.conclusion(document), aside=options.json)

    try:
        commits.conduct(environ, one, interrupts, tell)
    except UserError as error:
        talk.note(f"{scenario.id} is skipped: {error}")
        documents.append({"scenario": scenario.id, "status": None, "well": None, "reason": str(error)})


def _tell(talk: Talk, documents: list[dict[str, Any]], *, json_wanted: bool) -> None:
    if documents:
        talk.say(f"\n{scenario_table.render(documents)}", aside=json_wanted)
    if json_wanted:
        talk.say(json_.render({"well": assessment.of_all(documents), "scenarios": documents}), aside=False)
