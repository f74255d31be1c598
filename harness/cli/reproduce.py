"""`regress reproduce DRAFT`."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from harness import catalog, paths
from harness.bisect.hint import defining
from harness.cli import commits, environment, fleets, shared
from harness.cli.environment import Environment
from harness.cli.progress import Talk
from harness.errors import UserError
from harness.fleet.fleet import Fleet
from harness.git import Commit
from harness.interrupts import Interrupts
from harness.kernel import config, reach
from harness.kernel.tree import Tree
from harness.model import Range, Revision, Scenario


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress reproduce`."""
    environment.configure(parser)
    fleets.configure(parser)
    shared.tree(parser)
    shared.group(parser, shared.COMMITS).add_argument(
        "--commit", metavar="REV", help="the kernel to try; default: the draft's bad commit"
    )
    shared.runs(parser, "variant")


def run(options: argparse.Namespace) -> int:
    """Try the scenarios that can reach the crash, and say which show it; exit status 1 if none does."""
    draft = catalog.find(options.scenario, options.scenarios)
    if draft.expect is None or draft.expect.any:
        raise UserError(f"{draft.id} expects no certain crash: say which in expect: {{crash: ...}} of {draft.folder}")
    talk, interrupts, tried = Talk(), Interrupts(), list[dict[str, Any]]()
    with interrupts.taken(), fleets.opened(options, talk) as fleet:
        search = Search(options, draft, talk, fleet)
        talk.say(search.head(), aside=options.json)
        for one in search.candidates:
            tried.append(search.attempt(one, interrupts))
    found = [one["scenario"] for one in tried if one["shows"]]
    document = {
        "draft": draft.id,
        "expect": str(draft.expect),
        "commit": search.commit.sha,
        "functions": search.files,
        "options": search.needed,
        "tried": tried,
        "found": found,
    }
    talk.result(render(document), document, as_json=options.json)
    return 0 if found else 1


def render(document: dict[str, Any]) -> str:
    """What was tried, and which of it shows the crash."""
    rows = [(one["scenario"], "SHOWS" if one["shows"] else "does not", one["reason"]) for one in document["tried"]]
    width = max((len(name) for name, _, _ in rows), default=0)
    lines = ["", *(f"  {name:{width}}  {word:8}  {reason}" for name, word, reason in rows)]
    found = document["found"]
    if found:
        return "\n".join([*lines, f"The crash shows in {', '.join(found)}."])
    return "\n".join([*lines, "No scenario shows the crash." if rows else "No scenario can reach the crash."])


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[^\W_]+", text.lower()))


@dataclass
class Search:
    """Which scenarios can reach a draft's crash, most likely first.

    Args:
        options: the arguments.
        draft: says which crash is expected.
        talk: shows progress.
        fleet: builds and boots; None for this machine.
    """

    options: argparse.Namespace
    draft: Scenario
    talk: Talk
    fleet: Fleet | None

    @cached_property
    def tree(self) -> Tree:
        """The tree to try; a draft has no replay of its own, so that the first scenario's is meant."""
        known = dict(self.draft.commits)
        if self.options.commit:
            given = Revision(self.options.commit)
            known = dict.fromkeys((*known, self.options.tree or ""), Range(given, given))
        own = self.draft if self.draft.replay and self.draft.replay.is_dir() else next(iter(self._others), self.draft)
        return self._environ(own).tree(self.options.tree, known)

    @cached_property
    def commit(self) -> Commit:
        """The commit to try."""
        if self.options.commit:
            return self.tree.resolve(Revision(self.options.commit))
        known = self.draft.commits.get(self.tree.name)
        if known is None or known.bad is None:
            raise UserError(f"{self.draft.id} knows no bad commit of {self.tree.name}: name one with --commit")
        return self.tree.resolve(known.bad)

    @cached_property
    def files(self) -> dict[str, list[str]]:
        """The functions that the crash names, each with the files that define it."""
        names = reach.functions(self.draft.expect) if self.draft.expect else []
        if not names or self._plain:
            return {}
        self.talk.update("looking for the functions of the crash")
        return defining(self.tree.workspace, names, self.commit.sha, "*.c")

    @cached_property
    def needed(self) -> list[str]:
        """The options, without `CONFIG_`, that the kernel needs to have these functions."""
        found = (
            reach.options(path, self._makefile) for paths_ in self.files.values() if len(paths_) == 1 for path in paths_
        )
        return list(dict.fromkeys(option for options in found for option in options))

    @cached_property
    def candidates(self) -> list[Scenario]:
        """The scenarios to try, with the draft's expectation."""
        able = [one for one in map(self._asked, self._others) if self._reaches(one)]
        own = {one.id: frozenset(one.kconfig) for one in self._others}
        theirs, said = frozenset(self.draft.kconfig), _words((self.draft.folder / "scenario.yaml").read_text("utf-8"))

        def likely(one: Scenario) -> tuple[float, float]:
            alike = len(own[one.id] & theirs) / max(1, len(own[one.id] | theirs))
            return -alike, -len(_words(one.id) & said) / len(_words(one.id))

        return sorted(able, key=likely)

    def head(self) -> str:
        """What is looked for, on two lines."""
        places = [f"{name} ({', '.join(files)})" for name, files in self.files.items()]
        needs = f"; it needs {', '.join(f'CONFIG_{name}' for name in self.needed)}" if self.needed else ""
        names = ", ".join(one.id for one in self.candidates) or "none"
        return (
            f"{self.draft.expect}, on {self.commit.sha[:12]} of {self.tree.description}\n"
            f"{', '.join(places) or 'it names no function of this tree'}{needs}\n"
            f"scenarios that can reach it, most likely first: {names}"
        )

    def attempt(self, scenario: Scenario, interrupts: Interrupts) -> dict[str, Any]:
        """Try a scenario on the commit.

        Returns:
            `scenario`, whether it `shows` the crash, in which `variants`, why, and in which `folder` everything is.
        """
        told: list[dict[str, Any]] = []
        asked = {"good": None, "bad": None, "commit": [self.commit.sha]}
        one = argparse.Namespace(**{**vars(self.options), **asked})
        found: dict[str, Any] = {"scenario": scenario.id, "shows": False, "variants": [], "folder": None}
        try:
            commits.conduct(self._environ(scenario), one, interrupts, told.append)
        except UserError as error:
            return {**found, "reason": str(error)}
        found["folder"] = told[-1]["folder"]
        for answer in told[-1]["commits"]:
            shows = answer["verdict"] == "bad"
            crashed = [trial.get("variant") for trial in answer["trials"] if shows and trial["outcome"] == "crashed"]
            variants = list(dict.fromkeys(filter(None, crashed)))
            where = f" ({', '.join(variants)})" if variants else ""
            return {**found, "shows": shows, "variants": variants, "reason": f"{answer['reason']}{where}"}
        return {**found, "reason": told[-1]["reason"]}

    @cached_property
    def _others(self) -> list[Scenario]:
        """All scenarios but drafts of this one that cannot be tried as they are."""
        return [one for one in catalog.scenarios(self.options.scenarios) if one.folder != self.draft.folder]

    @property
    def _plain(self) -> bool:
        """Whether what is tried is no kernel."""
        return self.draft.build_command is not None

    def _asked(self, scenario: Scenario) -> Scenario:
        """The scenario with the draft's crash in place of what it looks for, and with the draft's fragments too."""
        theirs = [name for name in self.draft.kconfig if not name.endswith(".config")]
        return replace(
            scenario,
            claim=None,
            expect=self.draft.expect,
            failure=False,
            tests=(),
            ignore=(*scenario.ignore, *self.draft.ignore),
            kconfig=tuple(dict.fromkeys((*scenario.kconfig, *theirs))),
        )

    def _reaches(self, scenario: Scenario) -> bool:
        """Whether the kernel of a scenario, which may be configured for that, has the crash's functions."""
        if self._plain or scenario.build_command is not None:
            return self._plain and scenario.build_command is not None
        if not self.needed:
            return True
        return all(self._on(scenario, name) for name in self.needed)

    def _on(self, scenario: Scenario, option: str) -> bool:
        key = (scenario.kconfig, scenario.base)
        if key not in self._configured:
            folder = paths.cache() / "kconfig" / f"{scenario.id}-{self.options.arch}-{self.commit.sha[:12]}"
            made = self._environ(scenario).kernel_builder(self.tree).configure(self.commit, folder)
            self._configured[key] = frozenset(
                name for name, value in config.parse_config(made.text).items() if value in ("y", "m")
            )
        return option in self._configured[key]

    @cached_property
    def _configured(self) -> dict[tuple[Any, ...], frozenset[str]]:
        return {}

    def _makefile(self, folder: str) -> str:
        top = f"{folder}/" if folder else ""
        texts = (
            self.tree.workspace.run("cat-file", "blob", f"{self.commit.sha}:{top}{name}", check=False)
            for name in ("Kbuild", "Makefile")
        )
        return "\n".join(done.stdout for done in texts if done.returncode == 0)

    def _environ(self, scenario: Scenario) -> Environment:
        named = argparse.Namespace(**{**vars(self.options), "scenario": str(scenario.folder)})
        return replace(Environment.of(named, self.talk, self.fleet), scenario=scenario)
