"""`regress kconfig SCENARIO`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from harness import catalog, configuration, paths
from harness.cli import environment, minimise, shared
from harness.cli.environment import Environment
from harness.cli.progress import Talk
from harness.errors import UserError
from harness.files import write_atomically
from harness.git import Commit
from harness.interrupts import Interrupts
from harness.kernel import config
from harness.kernel.tree import Tree
from harness.model import Range, Revision
from harness.reports import kconfig as report


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress kconfig`."""
    environment.configure(parser)
    shared.tree(parser)
    shared.group(parser, shared.COMMITS).add_argument(
        "--commit", metavar="REV", help="what to configure; default: the scenario's bad commit"
    )
    parser.add_argument("--minimise", action="store_true", help="find the options that the regression needs")
    parser.add_argument(
        "--between",
        nargs=2,
        type=Path,
        metavar=("GOOD.config", "BAD.config"),
        help="find what makes the difference between two whole configurations, of which one shows the regression",
    )
    shared.ends(parser, also=", for --minimise and --between")
    shared.runs(parser, "configuration")
    parser.add_argument(
        *("--resume", "-r"),
        nargs="?",
        const="",
        metavar="RESULT",
        help="go on with the last search among this scenario's options, or with the one in a result folder",
    )


def run(options: argparse.Namespace) -> int:
    """Show a scenario's configuration, or what it can do without."""
    scenario = catalog.find(options.scenario, options.scenarios)
    if scenario.build_command is not None:
        raise UserError(f"{scenario.id} is built by its own command, which has no kconfig fragments")
    if options.minimise and options.between:
        raise UserError("--minimise and --between are two searches: name one")
    if options.between and (options.config or options.lsmod):
        raise UserError("--between has its own two configurations: leave out --config and --lsmod")
    if options.minimise or options.between or options.resume is not None:
        if options.commit:
            raise UserError("--commit does not go with a search among options: name commits with --good and --bad")
        return minimise.run(options)
    if options.good or options.bad:
        raise UserError("--good and --bad go with --minimise and --between; name the commit to configure with --commit")
    with Interrupts().taken():
        return _show(Environment.of(options, Talk()), options)


def _show(environ: Environment, options: argparse.Namespace) -> int:
    """Print the composed configuration; exit status 1 if it lost an option that the scenario needs."""
    tree, role, commit = _commit(environ, options)
    builder, scenario = environ.kernel_builder(tree), environ.scenario
    folder = paths.cache() / "kconfig" / f"{scenario.id}-{environ.arch}-{commit.sha[:12]}"
    made = builder.configure(commit, folder)
    write_atomically(folder / "config", made.text)
    facts = builder.facts(commit) or {}
    told: dict[str, Any] = {
        "scenario": scenario.id,
        "name": scenario.aliases[0] if scenario.aliases else scenario.id,
        "title": scenario.title,
        "tree": tree.description,
        "arch": environ.arch,
        "role": role,
        "commit": commit.sha,
        "subject": commit.subject,
        "version": builder.version(commit),
        "configuration": configuration.identity(scenario.base),
        "adapted": list(made.adapted),
        "dropped": list(made.dropped),
        **config.describe(config.laid_over(builder.base, builder.fragments), made.text, made.lost),
        "objects": facts.get("objects"),
        "image_bytes": facts.get("image_bytes"),
        "folder": str(folder),
    }
    environ.talk.result(report.render(told), told, as_json=options.json)
    return int(any(not one["optional"] and one["value"] != "n" for one in told["lost"]))


def _commit(environ: Environment, options: argparse.Namespace) -> tuple[Tree, str, Commit]:
    """The tree, and the commit to configure with its role."""
    commits = dict(environ.scenario.commits)
    if options.commit:
        given = Revision(options.commit)
        commits = dict.fromkeys((*commits, options.tree or ""), Range(given, given))
    tree = environ.tree(options.tree, commits)
    if options.commit:
        return tree, "commit", tree.resolve(Revision(options.commit))
    known = environ.scenario.commits.get(tree.name)
    if known is None:
        trees = ", ".join(environ.scenario.commits) or "no tree"
        raise UserError(f"the scenario knows no commits of {tree.name} (it knows {trees}); name one with --commit")
    role, revision = ("bad", known.bad) if known.bad else ("good", known.good)
    return tree, role, tree.resolve(revision, tree.resolve(known.good).sha if role == "bad" else None)
