"""`regress show SCENARIO`."""

from __future__ import annotations

import argparse
import json
from typing import Any

from harness.cli import shared
from harness.model import PiDisk, Revision, Scenario


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress show`."""
    shared.scenario(parser)
    shared.scenarios(parser)
    shared.json(parser)


def _revision(revision: Revision | None) -> str | None:
    if revision is None:
        return None
    return f"{revision.name} ({revision.subject})" if revision.subject else revision.name


def _disk(disk: PiDisk | None) -> dict[str, Any] | None:
    if disk is None:
        return None
    return {"dif": disk.dif, "dix": disk.dix, "guard": disk.guard, "size_mib": disk.size}


def describe(scenario: Scenario) -> dict[str, Any]:
    """A scenario as JSON data."""
    machine = scenario.machine
    return {
        "id": scenario.id,
        "aliases": list(scenario.aliases),
        "title": scenario.title,
        "claim": scenario.claim,
        "links": list(scenario.links),
        "runs": [str(scenario.folder / name) for name in scenario.run],
        "repeat": scenario.repeat
        and {"times": scenario.repeat.times, "for_s": scenario.repeat.seconds, "procs": scenario.repeat.procs},
        "kunit": list(scenario.kunit),
        "kselftest": list(scenario.kselftest),
        "needs": list(scenario.needs),
        "modules": list(scenario.modules),
        "kconfig": list(scenario.kconfig),
        "config": scenario.base.name if scenario.base.own else None,
        "kernels": scenario.kernels or None,
        "machine": scenario.machine_command
        or (f"ssh {scenario.machine_ssh}" if scenario.machine_ssh else None)
        or {
            "memory_mib": machine.memory,
            "cpus": machine.cpus,
            "timeouts_s": {
                "boot": machine.timeouts.boot,
                "scenario": machine.timeouts.scenario,
                "silence": machine.timeouts.silence,
            },
        },
        "disk": _disk(scenario.pi_disk),
        "image_mib": scenario.image,
        "rootfs": str(scenario.rootfs.image or scenario.rootfs.kind),
        "packages": list(scenario.rootfs.packages),
        "append": list(scenario.append),
        "variants": {way.name: {"disk": _disk(way.pi_disk), "append": list(way.append)} for way in scenario.variants},
        "expects": " or ".join(
            [
                *([str(scenario.expect)] if scenario.expect else []),
                *(["the script's failure"] if scenario.failure and not scenario.tests else []),
                *([f"a failure of the tests {', '.join(scenario.tests)}"] if scenario.tests else []),
            ]
        ),
        "commits": {
            tree: {
                "good": ", ".join(str(_revision(one)) for one in (r.good, *r.also_good)),
                "bad": _revision(r.bad),
                "fixed": _revision(r.fixed),
            }
            for tree, r in scenario.commits.items()
        },
    }


def run(options: argparse.Namespace) -> int:
    """Print what a scenario is."""
    from harness import catalog

    told = describe(catalog.find(options.scenario, options.scenarios))
    if options.json:
        print(json.dumps(told, indent=2))
        return 0
    for key, value in told.items():
        if key == "commits":
            for tree, ends in value.items():
                print(f"{'commits':9}{tree}")
                for end, revision in ends.items():
                    if revision:
                        print(f"{'':11}{end:7}{revision}")
        elif key == "variants":
            for name, way in value.items():
                disk = ", ".join(f"{k} {v}" for k, v in (way["disk"] or {}).items())
                print(f"{'variant':9}{name:24}{disk}  {' '.join(way['append'])}".rstrip())
        elif value:
            text = "  ".join(map(str, value)) if isinstance(value, list) else value
            if key == "machine" and isinstance(value, dict):
                text = _machine(value)
            elif isinstance(value, dict):
                text = ", ".join(f"{k} {v}" for k, v in value.items())
            print(f"{key:8} {text}")
    return 0


def _machine(told: dict[str, Any]) -> str:
    limits = told["timeouts_s"]
    return (
        f"{told['memory_mib']} MiB, {told['cpus']} CPUs; at most {limits['boot']:g} s to boot, "
        f"{limits['scenario']:g} s to run, {limits['silence']:g} s of silence"
    )
