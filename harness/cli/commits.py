"""One scenario on some commits: what `run`, `run --all` and `step` share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from harness import document, paths
from harness.cli.environment import Environment
from harness.errors import UserError
from harness.interrupts import Interrupts
from harness.kernel.tree import Tree
from harness.model import Range, Revision
from harness.record import Run
from harness.reports import repro, summary
from harness.runner import Answer, Runner, Subject, conclude
from harness.session import End, Session
from harness.turns import each


def conduct(
    environ: Environment,
    options: argparse.Namespace,
    interrupts: Interrupts,
    tell: Callable[[dict[str, Any]], None],
    kind: str = "run",
) -> dict[str, Any]:
    """Try a scenario on the commits that the arguments name, or else on those that it knows.

    Args:
        tell: called with the document at the end, however it ends.
        kind: the command.

    Returns:
        The document.

    Raises:
        UserError: the commits or the tree are unavailable.
        See `harness.session.Session.conduct`.
    """
    tree, wanted = subjects(environ, options)
    with environ.runner(tree) as runner:
        run = environ.begin(tree, kind, interrupts)
        session = Session(run, interrupts, tell, environ.talk.note, hosts=environ.hosts)
        return session.conduct(Commits(environ, runner, run, wanted, options.runs, aside=options.json))


@dataclass
class Commits:
    """Tries one commit after the other; a `harness.session.Loop`."""

    environ: Environment
    runner: Runner
    journal: Run
    subjects: list[Subject]
    runs: int
    aside: bool
    answers: list[Answer] = field(default_factory=list)

    def run(self) -> End:
        """See `harness.session.Loop`."""
        self.environ.talk.say(summary.head(self._document()), aside=self.aside)
        for answer in each((partial(self._try, subject) for subject in self.subjects), self.runner.elsewhere):
            self._keep(answer)
        status, reason = conclude(self.answers, claim=self.environ.scenario.claim is not None)
        return End(str(status), reason)

    def stopped(self, status: str, reason: str) -> End:
        """See `harness.session.Loop`."""
        return End(status, reason)

    @property
    def progress(self) -> str:
        """See `harness.session.Loop`."""
        return f"after {len(self.answers)} of {len(self.subjects)} commits"

    def _try(self, subject: Subject) -> Answer:
        sha = subject.commit.sha
        folder = self.journal.folder / f"{subject.role}-{sha[:12]}"
        return self.runner.answer(
            subject, folder, self.runs, lambda trial: self.journal.trial(sha, subject.role, trial)
        )

    def _keep(self, answer: Answer) -> None:
        self.journal.add("answer", document.answer(answer, self.journal.folder))
        self.answers.append(answer)
        if answer.kernel and self.environ.scenario.machine_command is None:
            repro.write(answer.folder, self.environ.scenario, self.environ.arch)
        self.environ.talk.say(summary.row(self._document()["commits"][-1]), aside=self.aside)

    def _document(self) -> dict[str, Any]:
        return document.of(self.journal.events, self.journal.folder)


def subjects(environ: Environment, options: argparse.Namespace) -> tuple[Tree, list[Subject]]:
    """The tree, and the commits to try: those named by hand, or else those that the scenario knows."""
    scenario = environ.scenario
    commits = dict(scenario.commits)
    given = [Revision(name) for name in (options.good, options.bad) if name]
    if options.good and options.bad:
        # The commits to request from a server.
        commits = dict.fromkeys((*commits, options.tree or ""), Range(given[0], given[1]))
    tree = environ.tree(options.tree, commits)
    role = "commit" if scenario.claim is None else "claim"
    wanted = [(role, Revision(name)) for name in options.commit] or _known(environ, options, tree)
    return tree, _resolved(tree, wanted)


def _resolved(tree: Tree, wanted: Sequence[tuple[str, Revision]]) -> list[Subject]:
    """The commits by their names or subjects; bad and fixed ones come after the good one."""
    subjects: list[Subject] = []
    for role, revision in wanted:
        since = subjects[0].commit.sha if subjects and role in ("bad", "fixed") else None
        subjects.append(Subject(role, tree.resolve(revision, since)))
    return subjects


def _known(environ: Environment, options: argparse.Namespace, tree: Tree) -> list[tuple[str, Revision]]:
    known = environ.scenario.commits.get(tree.name)
    by_hand = bool(options.good or options.bad)
    good = Revision(options.good) if options.good else known and known.good
    bad = Revision(options.bad) if options.bad else known and known.bad
    fixed = None if by_hand else known and known.fixed
    if good is None and bad is None:
        trees = ", ".join(environ.scenario.commits) or "no tree"
        raise UserError(
            f"the scenario knows no commits of {tree.name} (it knows {trees}); "
            "name some with --good and --bad, or with --commit; "
            f"if it is a clone of one of these, give it that name in {paths.trees_config()}"
        )
    also = () if by_hand or not known else known.also_good
    ends = (("good", good), *(("good", more) for more in also), ("bad", bad), ("fixed", fixed))
    return [(role, revision) for role, revision in ends if revision]
