"""`regress where WHAT`: which releases have a regression, and which its fix."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import catalog, document, paths, record, releases
from harness.cli import environment, shared
from harness.cli.progress import Talk
from harness.errors import InfrastructureError, UserError
from harness.git import Git
from harness.model import Range, Revision
from harness.releases import Change, State, ranges
from harness.releases.marks import LEAST
from harness.reports import where
from harness.yamlfile import nearest

DEFAULT = "stable"
"""The tree that has all releases, where the user's own list names none."""

TOLD, PARTLY, NOWHERE, UNREAD = "told", "cut here", "nowhere", "infrastructure"
STATUS = {TOLD: 0, PARTLY: 1, NOWHERE: 1, UNREAD: 3}


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress where`."""
    parser.add_argument(
        "what", metavar="WHAT", help="a scenario (lr#35498d), the folder of a bisection, or the commit that is at fault"
    )
    parser.add_argument("fixes", metavar="FIX", nargs="*", help="the commits that fix it, all of which are needed")
    shared.group(parser, shared.COMMITS).add_argument(
        "--tree", metavar="NAME|PATH|URL", action="append", default=[], help="a tree with tags (repeatable)"
    )
    shared.scenarios(parser)
    shared.json(parser)


@dataclass(frozen=True)
class _Wanted:
    """What is looked for.

    Attributes:
        title: for people.
    """

    title: str
    culprit: Change
    fixes: tuple[Change, ...] = ()


def run(options: argparse.Namespace) -> int:
    """Look through the tags of trees.

    Returns:
        0 each release is told, 1 nothing has it or history is cut, 3 a tree could not be read.

    Raises:
        UserError: nothing is known of what is asked about, or a tree is none.
    """
    talk = Talk()
    _, default = catalog.tree_urls(paths.trees_config())
    wanted = _wanted(options)
    trees: list[dict[str, Any]] = []
    gits: list[tuple[str, Git]] = []
    for name in options.tree or [default or DEFAULT]:
        try:
            found, lost = environment.whole_tree(name, talk, kernel=False)
        except InfrastructureError as error:
            trees.append({"tree": name, "error": _line(error)})
            continue
        if lost:
            trees.append({"tree": name, "error": f"{lost}; going on with what was fetched before"})
        gits.append((found.description, found.repository))
    everywhere = [git for _, git in gits]
    culprit, *fixes = (_known(one, everywhere) for one in (wanted.culprit, *wanted.fixes))
    states: set[State] = set()
    for description, git in gits:
        talk.update(f"{description}: looking through its history")
        try:
            surveyed = releases.survey(git, culprit, fixes)
        except InfrastructureError as error:
            trees.append({"tree": description, "error": _line(error)})
            continue
        states |= ranges.states(surveyed)
        trees.append({"tree": description, **ranges.told(surveyed)})
    status, reason = _conclusion(states, trees)
    told = {
        "status": status,
        "reason": reason,
        "title": wanted.title,
        "culprit": ranges.change(culprit),
        "fixes": [ranges.change(one) for one in fixes],
        "trees": trees,
    }
    talk.result(where.render(told), told, as_json=options.json)
    return STATUS[status]


def _conclusion(states: set[State], trees: Iterable[dict[str, Any]]) -> tuple[str, str]:
    unread = [one["tree"] for one in trees if "error" in one]
    if unread:
        return UNREAD, f"not everything could be read: {', '.join(unread)}; a clone of yours is named with --tree PATH"
    if State.CUT in states:
        return PARTLY, "where history is cut it cannot be told; fetch the rest with `git fetch --unshallow`"
    if not states & {State.AFFECTED, State.FIXED}:
        return NOWHERE, "no release has the culprit, as far as it can be recognised"
    return TOLD, "some releases are affected" if State.AFFECTED in states else "each release that has it has the fix"


def _line(error: Exception) -> str:
    return "; ".join(str(error).splitlines())


def _known(change: Change, gits: Iterable[Git]) -> Change:
    """A change with what the first tree that has it knows of it.

    Raises:
        UserError: no tree has it, and it is not named by a hash.
    """
    for git in gits:
        found = releases.known(git, change)
        if found.patch or found.sha != change.sha:
            return found
    if change.sha and not re.fullmatch(rf"[0-9a-f]{{{LEAST},64}}", change.sha):
        raise UserError(
            f"{change.sha!r} is neither a scenario, nor the folder of a result, nor a commit of these trees"
        )
    return change


def _wanted(options: argparse.Namespace) -> _Wanted:
    fixes = tuple(Change(one) for one in options.fixes)
    if (folder := Path(options.what)).is_dir() and not (folder / "scenario.yaml").exists():
        found = _of_result(folder.resolve(), options.scenarios)
    else:
        scenarios = {n: s for s in catalog.scenarios(options.scenarios) for n in (s.id, *s.aliases, s.folder.name)}
        if options.what in scenarios or (folder / "scenario.yaml").exists():
            found = _of_scenario(options.what, options.scenarios)
        elif re.match(r"[a-z]+[#-][0-9a-z-]+$", options.what) and not re.fullmatch(r"v\d.*", options.what):
            raise UserError(f"unknown scenario {options.what!r}{nearest(options.what, scenarios)}")
        else:
            found = _Wanted("", Change(options.what))
    return _Wanted(found.title, found.culprit, fixes or found.fixes)


def _of_scenario(name: str, folders: list[Path]) -> _Wanted:
    scenario = catalog.find(name, folders)
    for tree in sorted(scenario.commits, key=lambda one: (one != "mainline", one)):
        known = scenario.commits[tree]
        if culprit := known.culprit or _with_subject(known.bad):
            title = f"{scenario.aliases[0] if scenario.aliases else scenario.id}  {scenario.title}"
            return _Wanted(title, _change(culprit), tuple(map(_change, _fixes(known))))
    raise UserError(
        f"{scenario.folder / 'scenario.yaml'}: it does not say which commit is at fault (`culprit:` below `commits:`); "
        "name it: regress where COMMIT [FIX]"
    )


def _fixes(known: Range) -> Iterable[Revision]:
    fixed = _with_subject(known.fixed)
    return known.fixes or ((fixed,) if fixed else ())


def _with_subject(one: Revision | None) -> Revision | None:
    """An end of a range that is a commit of its own, and no release."""
    return one if one and one.subject else None


def _change(one: Revision) -> Change:
    return Change(one.name, one.subject)


def _of_result(folder: Path, folders: list[Path]) -> _Wanted:
    """The culprit that a bisection found, and the fix that another one of the scenario found."""
    run = record.find(folder)
    told = document.of(run.events, folder)
    if told["kind"] == "nightly":
        names = [name for one in told["night"].get("new", ()) for name in (one["bisection"] or {}).get("runs", ())]
        hint = f": {', '.join(names)}" if names else ""
        raise UserError(f"{folder}: a night may have several culprits; name one of its bisections{hint}")
    found: dict[str, Change] = {}
    if told.get("culprit"):
        found[told["sought"]] = Change(told["culprit"], told["subject"])
    for other, plan, status in record.bisections(folder.parent):
        sought = "fix" if plan.get("find_fix") else "regression"
        if plan["scenario"] == told["scenario"] and status == "culprit" and sought not in found:
            one = document.of(other.events, other.folder)
            found[sought] = Change(one["culprit"], one["subject"])
    if "regression" not in found:
        wanted = _or_else(lambda: _of_scenario(told["scenario"], folders))
        if wanted is None:
            raise UserError(f"{folder}: no culprit was found here, and the scenario names none; name a commit")
        return _Wanted(wanted.title, wanted.culprit, (found["fix"],) if "fix" in found else wanted.fixes)
    return _Wanted(f"{told['name']}  {told['title']}", found["regression"], (found["fix"],) if "fix" in found else ())


def _or_else(make: Callable[[], _Wanted]) -> _Wanted | None:
    try:
        return make()
    except UserError:
        return None
