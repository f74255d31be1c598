"""`regress run SCENARIO`."""

from __future__ import annotations

import argparse
import json
import sys

from harness import store
from harness.cli import environment
from harness.cli.environment import Environment
from harness.errors import RegressError, UserError
from harness.files import write_atomically
from harness.model import Range, Revision
from harness.reports import json_, junit, repro, summary
from harness.runner import Answer, Runner, RunStatus, Subject, conclude

EXIT = {RunStatus.SHOWS: 0, RunStatus.HOLDS: 0, RunStatus.INFRASTRUCTURE: 3}
"""Exit statuses; 1 for all others."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress run`."""
    environment.configure(parser, named=False)
    parser.add_argument("--all", action="store_true", help="every scenario that the tree has commits for; a table")
    parser.add_argument("--tree", metavar="NAME|PATH|URL", help="the kernel tree; default: mainline, else the replay")
    parser.add_argument(
        "--commit", metavar="REV", action="append", default=[], help="try this commit only (repeatable)"
    )
    parser.add_argument("--good", metavar="REV", help="a commit without the regression")
    parser.add_argument("--bad", metavar="REV", help="a commit with it")
    parser.add_argument(
        "--runs", type=environment.count, default=1, metavar="N", help="boots of each commit (default: 1)"
    )


def run(options: argparse.Namespace) -> int:
    """Try the scenario; see `harness.runner`."""
    if (options.good or options.bad) and options.commit:
        raise UserError("--commit does not go with --good and --bad")
    if options.all is (options.scenario is not None):
        raise UserError("name one scenario, or say --all (`regress list` has the names)")
    if options.all and (options.good or options.bad):
        raise UserError("--good and --bad are one scenario's ends; with --all, name commits with --commit")
    if options.all:
        from harness.cli import run_all

        return run_all.run(options)
    one = Run(Environment.of(options), options)
    with environment.ended_cleanly():
        try:
            return EXIT.get(one.run(), 1)
        finally:
            one.print_json()


class Run:
    """One `regress run`: finds what it needs, then tries commit after commit and stores each answer."""

    def __init__(self, here: Environment, options: argparse.Namespace) -> None:
        self.here, self.options = here, options
        self.scenario, self.talk = here.scenario, here.talk
        self.answers: list[Answer] = []
        self.result: dict[str, object] = {}

    def run(self) -> RunStatus:
        """Try all; what was found out is told and stored, however it ends."""
        subjects = self._subjects()
        with self.here.runner(self.tree) as runner:
            self.stored = store.start(self.here.results, self.scenario.id, self.tree.description, self.options.arch)
            self.talk.say(
                summary.head(self.scenario, self.tree.description, self.options.arch), aside=self.options.json
            )
            status, reason = RunStatus.INTERRUPTED, "stopped before the first commit was tried"
            try:
                for subject in subjects:
                    self._answer(runner, subject)
                status, reason = conclude(self.answers, claim=self.scenario.claim is not None)
            except KeyboardInterrupt:
                reason = f"after {len(self.answers)} of {len(subjects)} commits"
                raise
            except RegressError as error:
                status, reason = RunStatus.INFRASTRUCTURE, str(error)
            finally:
                self._finish(status, reason)
        return status

    def print_json(self) -> None:
        """Print the result as JSON, if that was asked for and there is one."""
        if self.options.json and self.result:
            print(json.dumps(self.result, indent=2))

    def _subjects(self) -> list[Subject]:
        options, commits = self.options, dict(self.scenario.commits)
        given = [Revision(name) for name in (options.good, options.bad) if name]
        if options.good and options.bad:
            commits = dict.fromkeys((*commits, options.tree or ""), Range(given[0], given[1]))
        self.tree = self.here.tree(options.tree, commits)
        role = "commit" if self.scenario.claim is None else "claim"
        wanted = [(role, Revision(name)) for name in options.commit] or self._known()
        return [Subject(role, self.tree.resolve(revision)) for role, revision in wanted]

    def _known(self) -> list[tuple[str, Revision]]:
        """The commits to try: those given by hand, and for the rest those that the scenario knows."""
        known = self.scenario.commits.get(self.tree.name)
        by_hand = bool(self.options.good or self.options.bad)
        good = Revision(self.options.good) if self.options.good else known and known.good
        bad = Revision(self.options.bad) if self.options.bad else known and known.bad
        fixed = None if by_hand else known and known.fixed
        if good is None and bad is None:
            trees = ", ".join(self.scenario.commits) or "no tree"
            raise UserError(
                f"the scenario knows no commits of {self.tree.name} (it knows {trees}); "
                "name some with --good and --bad, or with --commit"
            )
        also = () if by_hand or not known else known.also_good
        ends = (("good", good), *(("good", more) for more in also), ("bad", bad), ("fixed", fixed))
        return [(role, revision) for role, revision in ends if revision]

    def _answer(self, runner: Runner, subject: Subject) -> None:
        folder = self.stored.folder / f"{subject.role}-{subject.commit.sha[:12]}"
        answer = runner.answer(
            subject,
            folder,
            self.options.runs,
            lambda trial: self.stored.trial(subject.commit.sha, subject.role, trial),
        )
        self.answers.append(answer)
        if answer.kernel and self.scenario.machine_command is None:
            repro.write(folder, self.scenario)
        self.talk.say(summary.row(answer), aside=self.options.json)

    def _finish(self, status: RunStatus, reason: str) -> None:
        """Whatever happened: what was found out is stored and told."""
        top = self.stored.folder
        self.result = {
            "status": str(status),
            "reason": reason,
            "scenario": self.scenario.id,
            "title": self.scenario.title,
            "tree": self.tree.description,
            "arch": self.options.arch,
            "command": ["regress", *sys.argv[1:]],
            "commits": [json_.answer(answer, top) for answer in self.answers],
            "folder": str(top),
        }
        write_atomically(top / "junit.xml", junit.render(self.scenario.id, self.answers))
        self.stored.close(str(status), reason, self.result)
        self.talk.say(summary.conclusion(status, reason, top), aside=self.options.json)
