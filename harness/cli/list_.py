"""`regress list`."""

from __future__ import annotations

import argparse
import json

from harness.cli import shared


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress list`."""
    shared.scenarios(parser)
    shared.json(parser)


def run(options: argparse.Namespace) -> int:
    """Print one line per scenario."""
    from harness import catalog

    found = catalog.scenarios(options.scenarios)
    if options.json:
        print(
            json.dumps(
                [
                    {
                        "id": s.id,
                        "aliases": s.aliases,
                        "title": s.title,
                        "claim": s.claim,
                        "variants": [way.name for way in s.variants],
                        "folder": str(s.folder),
                    }
                    for s in found
                ]
            )
        )
        return 0
    width = max((len(s.id) for s in found), default=0)
    for scenario in found:
        also = f"  ({', '.join(scenario.aliases)})" if scenario.aliases else ""
        print(f"{scenario.id:{width}}  {scenario.title}{also}")
    return 0
