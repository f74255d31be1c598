"""`regress history WHAT`: what all results say of a scenario or a failure."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness import catalog, paths
from harness.changes import chronicle
from harness.cli import shared
from harness.cli.progress import Talk
from harness.errors import UserError
from harness.reports import history
from harness.yamlfile import nearest


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress history`."""
    parser.add_argument(
        "what",
        metavar="SCENARIO|SIGNATURE",
        help="a scenario, one variant of it (stacked:raid1), a failure's signature (a glob), or the title of a crash",
    )
    shared.results(parser)
    shared.scenarios(parser)
    shared.json(parser)


def run(options: argparse.Namespace) -> int:
    """Tell the history.

    Returns:
        0 there is one, 1 nothing is stored of it.

    Raises:
        UserError: neither a scenario nor a failure that was ever seen.
        InfrastructureError: the journal cannot be read.
    """
    results = (options.results or paths.results()).resolve()
    seen, found = list(chronicle.trials(results)), chronicle.culprits(results)
    names = _names(options.what, options.scenarios)
    # What is stored may be of a scenario that is not there any more.
    failing = not names and not any(map(chronicle.of_scenario([options.what]), seen))
    belongs = chronicle.of_failure(options.what) if failing else chronicle.of_scenario(names or [options.what])
    mine = chronicle.chronicle(seen, belongs, found, failing=failing)
    if failing and not mine["trials"]:
        hint = nearest(options.what, {one.failure for one in seen if one.failure} | _known(options.scenarios))
        raise UserError(f"{options.what!r} is neither a scenario nor a failure that was stored in {results}{hint}")
    told = {"asked": options.what, "kind": "failure" if failing else "scenario", "results": str(results), **mine}
    Talk().result(history.render(told), told, as_json=options.json)
    return 0 if told["trials"] else 1


def _known(folders: list[Path]) -> set[str]:
    return {name for one in catalog.scenarios(folders) for name in (one.id, *one.aliases)}


def _names(what: str, folders: list[Path]) -> list[str]:
    """A scenario as the journal names it, with the variant where one is named; nothing where it is none."""
    name, _, variant = what.partition(":")
    for one in catalog.scenarios(folders):
        if name in (one.id, *one.aliases, one.folder.name):
            return [f"{one.id}:{variant}" if variant else one.id]
    return []
