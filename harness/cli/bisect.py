"""`regress bisect SCENARIO`."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import assessment, document, record
from harness.bisect import (
    Bisection,
    BisectStatus,
    Economy,
    Evaluator,
    EvidenceLog,
    Plan,
    Result,
    gitlog,
    search_for,
)
from harness.bisect.audit import Audit
from harness.bisect.narrowing import narrowing
from harness.cli import dates, environment, fleets, shared
from harness.cli.environment import Environment
from harness.cli.view import View
from harness.digest import digest
from harness.errors import UserError
from harness.files import write_atomically
from harness.interrupts import Interrupts
from harness.kernel import maintainers
from harness.kernel.ahead import Ahead, spare
from harness.kernel.build import KernelBuilder
from harness.kernel.tree import Tree
from harness.model import Range, Revision, Trial, Verdict
from harness.progress import SILENT
from harness.record import Run
from harness.releases import mainline
from harness.reports import bisect as report
from harness.reports import mail, repro
from harness.runner import Runner
from harness.session import End, Session


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress bisect`."""
    environment.configure(parser)
    configure_range(parser)
    parser.set_defaults(accused=None)
    shared.group(parser, shared.COMMITS).add_argument(
        "--path",
        metavar="PATH",
        action="append",
        default=[],
        help="suspect only commits that change this path (repeatable)",
    )
    shared.group(parser, shared.COMMITS).add_argument(
        "--first-parent", action="store_true", help="follow only the first parent of merges"
    )
    parser.add_argument(
        "--without",
        metavar="WHAT",
        action="append",
        default=[],
        choices=list(map(str, Economy)),
        help=f"do not save builds and boots by {', '.join(Economy)} (repeatable; docs/economies.md)",
    )
    parser.add_argument(
        *("--resume", "-r"),
        nargs="?",
        const="",
        metavar="LOG|RESULT",
        help="resume the last bisection of this scenario, the one in a result folder, or a `git bisect log`",
    )


def configure_range(parser: argparse.ArgumentParser) -> None:
    """The arguments that say where, between which commits and how surely; of `regress audit` too."""
    fleets.configure(parser)
    shared.tree(parser)
    shared.group(parser, shared.COMMITS).add_argument(
        "--good", metavar="REV|DATE", action="append", default=[], help="a commit without the regression (repeatable)"
    )
    shared.group(parser, shared.COMMITS).add_argument(
        "--bad", metavar="REV|DATE", action="append", default=[], help="a commit with the regression (repeatable)"
    )
    shared.group(parser, shared.COMMITS).add_argument(
        "--find-fix", action="store_true", help="the commit that fixed the regression"
    )
    shared.group(parser, shared.BOOTS).add_argument(
        "--runs",
        type=_runs,
        metavar="N|auto",
        help="boots per commit, or `auto`: as many as it takes (default: 1)",
    )
    shared.group(parser, shared.BOOTS).add_argument(
        "--confidence", type=_confidence, metavar="P", help="how sure --runs auto has to be (default: 0.99)"
    )


AUTO = "auto"
"""As many runs of a commit as it takes."""


def _runs(text: str) -> int | str:
    return AUTO if text == AUTO else shared.count(text)


def _confidence(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.5 < value < 1:
        raise argparse.ArgumentTypeError(f"must be between 0.5 and 1, got {text!r}")
    return value


def run(options: argparse.Namespace) -> int:
    """Find the culprit; see `harness.bisect`."""
    view, interrupts = View(), Interrupts()

    def tell(told: dict[str, Any]) -> None:
        view.end()
        view.result(report.render(told), told, as_json=options.json)

    with interrupts.taken(), contextlib.ExitStack() as stack:
        environ = Environment.of(options, view, stack.enter_context(fleets.opened(options, view)))
        stack.enter_context(view)
        tree, plan, journal = _Planning(environ, options).decide()
        if journal is not None:
            stack.enter_context(journal.held(view))
        runner = stack.enter_context(environ.runner(tree))
        if journal is None:
            with interrupts.held():
                journal = environ.begin(tree, "bisect", interrupts)
                journal.plan(plan.to_json())
            stack.enter_context(journal.held(view))
        else:
            journal.reopen()
        loop = Search(runner, tree, plan, journal, view)
        session = Session(journal, interrupts, tell, view.note, loop.keep, environ.hosts)
        return assessment.exit_status(session.conduct(loop))


class Search:
    """Bisects; a `harness.session.Loop`."""

    def __init__(self, runner: Runner, tree: Tree, plan: Plan, journal: Run, view: View) -> None:
        self.runner, self.tree, self.plan, self.journal, self.view = runner, tree, plan, journal, view
        scenario = runner.scenario
        real = scenario.build_command is None
        # Evidence that is counted in probabilities must not be counted twice.
        self.evidence_log = EvidenceLog(
            *(journal, scenario.expect, plan), share=real and plan.runs is not None, failure=scenario.failure
        )
        evaluator = Evaluator(plan, tree, runner, self.evidence_log, view, self._ahead())
        kind = Bisection if plan.accused is None else Audit
        self.bisection = kind(evaluator, search_for(plan, self.evidence_log.rates))
        self.crash: Trial | None = None

    def _ahead(self) -> Ahead | None:
        """Builds kernels while others boot here, where there are processors to spare."""
        scenario, builder = self.runner.scenario, self.runner.builder
        guest = 0 if scenario.machine_ssh else scenario.machine.cpus
        jobs = spare(len(os.sched_getaffinity(0)), guest)
        if Economy.AHEAD in self.plan.without or not jobs or not isinstance(builder, KernelBuilder):
            return None
        journal = self.journal
        idle = replace(builder, jobs=jobs, idle=True, progress=SILENT)
        return Ahead(idle, journal.folder / "ahead", lambda sha, s, made: journal.ahead(sha, s, built=made))

    def run(self) -> End:
        """See `harness.session.Loop`."""
        self.view.begin(self.runner.scenario, self.tree, self.plan, self.journal.folder)
        return self._end(self.bisection.run())

    def stopped(self, status: str, reason: str) -> End:
        """See `harness.session.Loop`."""
        when = "" if status == assessment.INTERRUPTED else " once that is fixed"
        return self._end(self.bisection.result(BisectStatus(status), f"{reason}; continue with --resume{when}"))

    @property
    def progress(self) -> str:
        """See `harness.session.Loop`."""
        return f"after {len(self.evidence_log.order)} commits"

    def _end(self, result: Result) -> End:
        git = self.tree.workspace
        self.crash = result.crash
        found = document.findings(result, lambda sha: git.commit(sha).subject)
        if graph := getattr(self.bisection.range, "graph", None):
            found["narrowing"] = narrowing(graph, result.steps, self.plan.sought)
        if result.crash:
            found["crash"] = self.journal.told(result.crash)
        if self.plan.accused:
            found["accused"] = {"commit": self.plan.accused, "subject": git.commit(self.plan.accused).subject}
        if result.culprit:
            found["commit"] = maintainers.described(self.tree, result.culprit, self.plan.bad[0])
            found["mainline"] = mainline.newest(git, self.plan.good, self.plan.bad)
            if self.plan.accused is None:
                found["log"] = (self.journal.folder / "bisect.log").read_text(encoding="utf-8")
        return End(str(result.status), result.reason, found)

    def keep(self, told: dict[str, Any], folder: Path) -> None:
        """Write `repro.sh` for a kernel that crashed, and a mail about the culprit."""
        scenario = self.runner.scenario
        here = self.crash and self.crash.folder.is_relative_to(folder)
        if self.crash and here and scenario.machine_command is None:
            repro.write(self.crash.folder.parent, scenario, self.runner.arch)
        if told["culprit"] or told.get("accused"):
            write_atomically(folder / "report.txt", mail.render(told))


class _Planning:
    """Makes a plan from the arguments, a journal or a `git bisect log`."""

    def __init__(self, here: Environment, options: argparse.Namespace) -> None:
        self.here, self.options, self.scenario = here, options, here.scenario
        self.digest = digest(here.scenario, here.arch)
        if len(self.scenario.ways) > 1:
            names = ", ".join(way.name for way in self.scenario.ways)
            raise UserError(
                f"{self.scenario.id} has several variants ({names}), and each may have its own culprit: "
                f"name one, such as {self.scenario.id}:{self.scenario.ways[0].name}"
            )

    def decide(self) -> tuple[Tree, Plan, Run | None]:
        """Tree, plan, and the run that is resumed, if any."""
        resume = self.options.resume
        if resume is None:
            return self._new(None)
        log = Path(resume) if Path(resume).is_file() else None
        ends = ("good", "bad", "path", "first_parent")
        for name in ends if log else (*ends, "find_fix", "runs", "confidence"):
            if getattr(self.options, name):
                raise UserError(
                    f"--{name.replace('_', '-')} does not go with --resume, which keeps the options of the start"
                )
        return self._new(log) if log else self._old(Path(resume).resolve() if resume else None)

    def _old(self, folder: Path | None) -> tuple[Tree, Plan, Run]:
        """Resume a bisection of our own: the one in a folder, or the last of this scenario."""
        known = record.bisections(folder.parent if folder else self.here.results)
        if folder:
            mine = [(run, plan) for run, plan, _ in known if run.folder.name == folder.name]
            missing = f"--resume {folder}: neither a result of `regress bisect` nor a `git bisect log`"
            if not (folder.parent / "index.sqlite").exists():
                missing += f"; a result needs its journal beside it; move index.sqlite to {folder.parent} too"
        else:
            own = ((run, plan) for run, plan, status in known if status in assessment.OPEN)
            mine = [(run, plan) for run, plan in own if plan["scenario"] == self.scenario.id]
            missing = f"no unfinished bisection of {self.scenario.id} in {self.here.results}"
            if ended := next((run for run, plan, _ in known if plan["scenario"] == self.scenario.id), None):
                missing += f"; the last one has come to its end: regress report {ended.folder}"
        if not mine:
            raise UserError(missing)
        stored, data = mine[0]
        plan = Plan.from_json(data)
        if plan.scenario != self.scenario.id:
            raise UserError(f"{stored.folder} is a bisection of {plan.scenario}, not of {self.scenario.id}")
        if self.here.arch != plan.arch:
            raise UserError(f"{stored.folder} is a bisection for {plan.arch}: use --arch {plan.arch}")
        self.here.assert_unchanged(stored, plan.digest)
        if self.options.tree and environment.lasting(self.options.tree) != plan.tree:
            raise UserError(f"{stored.folder} is a bisection of {plan.tree}, not of {self.options.tree}")
        return self._tree(plan.tree), plan, stored

    def _tree(self, name: str | None) -> Tree:
        options, commits = self.options, dict(self.scenario.commits)
        if dates.any_of(options.good, options.bad):
            commits = {}  # only the whole history has them for sure
        elif options.good and options.bad:
            # The commits to request from a server.
            good, bad = ([Revision(one) for one in ends] for ends in (options.good, options.bad))
            wanted = Range(good[0], bad[0], also_good=(*good[1:], *bad[1:]))
            commits = dict.fromkeys((*commits, name or ""), wanted)
        return self.here.tree(name, commits)

    def _new(self, log: Path | None) -> tuple[Tree, Plan, None]:
        """A new bisection of the range given, or of the one that the scenario knows."""
        options = self.options
        tree = self._tree(options.tree)
        taken = gitlog.read(log.read_text(encoding="utf-8", errors="replace"), str(log)) if log else None
        find_fix = options.find_fix or (taken is not None and taken.terms == ("fixed", "broken"))
        bad, good = options.bad, options.good
        if taken:
            bad, good = (taken.old, taken.new) if find_fix else (taken.new, taken.old)
        known = self.scenario.commits.get(tree.name)
        bad, good = self._dated(tree, bad, good, known, find_fix=find_fix)
        known_good = known and (known.fixed if find_fix else known.good)
        bad_end = [Revision(name) for name in bad] or ([known.bad] if known and known.bad else [])
        good_end = [Revision(name) for name in good] or ([known_good] if known_good else [])
        accused = tree.resolve(options.accused).sha if options.accused else None
        if accused:
            before = [Revision(parent) for parent in tree.workspace.parents(accused)[:1]]
            bad_end = bad_end or (before if find_fix else [Revision(accused)])
            good_end = good_end or ([Revision(accused)] if find_fix else before)
        if not bad_end:
            raise UserError(f"the scenario knows no bad commit of {tree.name}; name one with --bad")
        if not good_end and find_fix:
            raise UserError(f"the scenario knows no fixed commit of {tree.name}; name one with --good")
        words: dict[str, Verdict] = {}
        for revision, is_new in taken.words if taken else ():
            word = Verdict.SKIP if is_new is None else Verdict.BAD if is_new is not find_fix else Verdict.GOOD
            words[tree.resolve(Revision(revision)).sha] = word
        bad_shas, good_shas = _resolved(tree, bad_end, good_end, find_fix=find_fix)
        plan = Plan(
            scenario=self.scenario.id,
            digest=self.digest,
            tree=environment.lasting(options.tree or tree.name),
            arch=options.arch,
            bad=bad_shas,
            good=good_shas,
            paths=taken.paths if taken else tuple(options.path),
            first_parent=taken.first_parent if taken else options.first_parent,
            find_fix=find_fix,
            runs=None if options.runs == AUTO else options.runs or 1,
            confidence=options.confidence or Plan.confidence,
            # The ends are tried whatever the log says about them.
            log=tuple((sha, word) for sha, word in words.items() if sha not in (*bad_shas, *good_shas)),
            without=tuple(map(Economy, options.without)),
            accused=accused,
        )
        _check_ends(tree, plan)
        return tree, plan, None

    def _dated(
        self, tree: Tree, bad: Sequence[str], good: Sequence[str], known: Range | None, *, find_fix: bool
    ) -> tuple[list[str], list[str]]:
        """The names of both ends without dates: those of the new end are of the tree's history, the others of its."""
        note, head = self.here.talk.note, Revision("HEAD")
        (new_option, new), (old_option, old) = ("--bad", bad), ("--good", good)
        end = known and known.bad
        if find_fix:
            (new_option, new), (old_option, old) = (old_option, old), (new_option, new)
            end = known and known.fixed
        news = dates.commits(tree, new_option, new, lambda: end or head, note)
        olds = dates.commits(tree, old_option, old, lambda: Revision(news[0]) if news else end or head, note)
        return (olds, news) if find_fix else (news, olds)


def _resolved(
    tree: Tree, bad: Sequence[Revision], good: Sequence[Revision], *, find_fix: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The bad and good ends as hashes; the newer ones come after the older ones."""
    old, new = (bad, good) if find_fix else (good, bad)
    olds = tuple(tree.resolve(revision).sha for revision in old)
    news = tuple(tree.resolve(revision, next(iter(olds), None)).sha for revision in new)
    return (olds, news) if find_fix else (news, olds)


def _check_ends(tree: Tree, plan: Plan) -> None:
    """Refuse new ends that come before the old ones."""
    for new in plan.new:
        for old in plan.old:
            if new == old:
                raise UserError(f"{new[:12]} cannot be both good and bad")
            if tree.workspace.is_ancestor(new, old):
                other = "or leave out --find-fix" if plan.find_fix else "or use --find-fix to find the fix"
                names: Sequence[str] = ("fixed", "broken") if plan.find_fix else ("bad", "good")
                raise UserError(
                    f"the {names[0]} end {new[:12]} comes before the {names[1]} end {old[:12]}: swap them, {other}"
                )
    if not plan.old and not tree.workspace.releases(plan.new[0]):
        raise UserError(
            f"{tree.description} has no release tag (v*) before {plan.new[0][:12]}; name a commit with --good"
        )
