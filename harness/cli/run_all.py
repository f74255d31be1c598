"""`regress run --all`: every scenario, and one table of them."""

from __future__ import annotations

import argparse
import copy
import json
import sys

from harness import catalog
from harness.cli import environment
from harness.cli.environment import Environment
from harness.cli.run import EXIT, Run
from harness.errors import UserError
from harness.reports import scenario_table
from harness.reports.scenario_table import Entry
from harness.runner import RunStatus


def run(options: argparse.Namespace) -> int:
    """Run each scenario as `regress run` does; one that cannot be tried on this tree is left out, with its reason.

    Returns:
        0 when all that was tried went as expected (a regression on commits that are named by hand: when none
        shows it), 3 when a machine failed, else 1.

    Raises:
        UserError: a scenario is wrong, or none could be tried.
    """
    entries: list[Entry] = []
    results: list[dict[str, object]] = []
    try:
        with environment.ended_cleanly():
            for scenario in catalog.scenarios(options.scenarios):
                one = copy.copy(options)
                one.scenario = scenario.id
                entries.append(_entry(one, results))
    finally:
        print(f"\n{scenario_table.render(entries)}" if entries else "", file=sys.stderr if options.json else sys.stdout)
        if options.json:
            print(json.dumps({"scenarios": results}, indent=2))
    tried = [entry for entry in entries if entry.status is not None]
    if not tried:
        raise UserError(f"no scenario can be tried: {entries[0].reason if entries else 'there is none'}")
    return max(
        0 if entry.well else EXIT[RunStatus.INFRASTRUCTURE] if entry.status is RunStatus.INFRASTRUCTURE else 1
        for entry in tried
    )


def _entry(options: argparse.Namespace, results: list[dict[str, object]]) -> Entry:
    scenario = catalog.find(options.scenario, options.scenarios)
    one = Run(Environment.of(options), options)
    try:
        status = one.run()
    except UserError as error:
        one.talk.note(f"{scenario.id} is left out: {error}")
        results.append({"scenario": scenario.id, "status": None, "reason": str(error)})
        return Entry(scenario, None, str(error))
    results.append(one.result)
    return Entry(scenario, status, str(one.result["reason"]), tuple(one.answers))
