"""`regress kconfig SCENARIO --minimise`, and `--between`: searches among options."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from harness import assessment, configuration, document, record
from harness.cli import commits, environment
from harness.cli.environment import Environment
from harness.cli.progress import Talk
from harness.errors import InfrastructureError, KernelError, UserError
from harness.files import write_atomically
from harness.git import Commit
from harness.interrupts import Interrupts
from harness.kernel import config as kconfig
from harness.kernel.build import KernelBuilder
from harness.kernel.tree import Tree
from harness.minimise import NEEDED, Configurations, Data, Question, fragment_text, nearest, size, smallest, told
from harness.model import Base, Outcome, Trial
from harness.record import Run
from harness.reports import kconfig as report
from harness.reports import repro
from harness.runner import Answer, Runner, RunStatus, Subject, conclude
from harness.session import End, Session

KIND = "kconfig"
MINIMAL = "minimal.config"
SIDES = ("good.config", "bad.config")
"""The two configurations of `--between`, as they were given, in the result folder."""

_STATUS = {
    RunStatus.DOES_NOT_SHOW: "not verified",
    RunStatus.INCONCLUSIVE: "inconclusive",
    RunStatus.INFRASTRUCTURE: "infrastructure",
}


def run(options: argparse.Namespace) -> int:
    """Search among the options of a scenario, or of two configurations; see `harness.minimise`."""
    talk, interrupts = Talk(), Interrupts()

    def tell(found: dict[str, Any]) -> None:
        talk.result(report.search(found), found, as_json=options.json)

    with interrupts.taken():
        environ = Environment.of(options, talk)
        texts = [configuration.read_config(path) for path in options.between or ()]
        journal = None if options.resume is None else _unfinished(environ, options)
        tree, bad, good = _ends(environ, options, journal)
        builder = environ.kernel_builder(tree)
        with environ.runner(tree, builder) as runner:
            if journal is None:
                with interrupts.held():
                    journal = environ.begin(tree, KIND, interrupts)
                    for name, text in zip(SIDES, texts, strict=False):
                        write_atomically(journal.folder / name, text)
                    journal.add("question", _asked(options, tree, bad, good))
            with journal.held(talk):
                if options.resume is not None:
                    journal.reopen()
                plan = _question(journal)
                kind = Between if plan["between"] else Minimisation
                loop = kind(environ, runner, builder, journal, bad, good, int(plan["runs"]))
                session = Session(journal, interrupts, tell, talk.note)
                return assessment.exit_status(session.conduct(loop))


def _asked(options: argparse.Namespace, tree: Tree, bad: Commit, good: Commit | None) -> Data:
    """What a search is about, for the journal."""
    return {
        "tree": environment.lasting(options.tree or tree.name),
        "bad": bad.sha,
        "subject": bad.subject,
        "good": good.sha if good else None,
        "runs": options.runs,
        "between": [str(path) for path in options.between or ()],
    }


def _question(journal: Run) -> Data:
    return dict(next(event.data for event in journal.events if event.kind == "question"))


def _unfinished(environ: Environment, options: argparse.Namespace) -> Run:
    """The run to go on with: the one in a folder, or the last of this scenario that is not finished.

    Raises:
        UserError: there is none, or what it was started with no longer holds.
    """
    for name in ("tree", "good", "bad", "commit", "between"):
        if getattr(options, name):
            raise UserError(f"--{name} does not go with --resume, which keeps the options of the start")
    id_ = environ.scenario.id
    if options.resume:
        journal = record.find(Path(options.resume).resolve())
    else:
        found = record.last(environ.results, KIND, id_, assessment.OPEN)
        if found is None:
            raise UserError(f"no unfinished search among the options of {id_} in {environ.results}")
        journal = found
    start = next(event.data for event in journal.events if event.kind == "start")
    if start.get("kind") != KIND or start["scenario"] != id_:
        raise UserError(f"{journal.folder} is not a search among the options of {id_}")
    if start["arch"] != environ.arch:
        raise UserError(f"{journal.folder} is for {start['arch']}: use --arch {start['arch']}")
    environ.assert_unchanged(journal, start["digest"])
    return journal


def _ends(environ: Environment, options: argparse.Namespace, journal: Run | None) -> tuple[Tree, Commit, Commit | None]:
    """The tree, the commit that shows the regression, and one that does not; the latter matters to --minimise alone."""
    if len(environ.scenario.ways) > 1:
        way = environ.scenario.ways[0].name
        raise UserError(
            f"{environ.scenario.id} has several variants, and each may need other options: name one, such as "
            f"{environ.scenario.id}:{way}"
        )
    if journal is not None:
        known = _question(journal)
        tree = environ.tree(known["tree"], dict(environ.scenario.commits))
        good = tree.workspace.commit(known["good"]) if known["good"] else None
        return tree, tree.workspace.commit(known["bad"]), good
    tree, subjects = commits.subjects(environ, argparse.Namespace(**{**vars(options), "commit": []}))
    ends = {subject.role: subject.commit for subject in subjects}
    for role in ("bad",) if options.between else ("bad", "good"):
        if role not in ends:
            raise UserError(f"the scenario knows no {role} commit of {tree.name}; name one with --{role}")
    return tree, ends["bad"], None if options.between else ends["good"]


def _base(text: str) -> Base:
    """A configuration that was made here."""
    return Base((), text, name="the good configuration")


@dataclass
class OptionSearch:
    """What both searches share; a `harness.session.Loop`."""

    environ: Environment
    runner: Runner
    builder: KernelBuilder
    journal: Run
    bad: Commit
    good: Commit | None
    runs: int

    def stopped(self, status: str, reason: str) -> End:
        """See `harness.session.Loop`."""
        when = "" if status == assessment.INTERRUPTED else " once that is fixed"
        return End(status, f"{reason}; continue with --resume{when}")

    @property
    def progress(self) -> str:
        """See `harness.session.Loop`."""
        return f"after {sum(event.kind == 'configuration' for event in self.journal.events)} configurations"

    def oracle(self, builder: KernelBuilder) -> Configurations:
        """Tries configurations that differ in a few options from that of a builder."""
        # The last fragment stands for the options to try.
        near = replace(builder, fragments=(*builder.fragments, builder.fragments[0]), like=builder)
        return Configurations(self.journal, self.runner, near, self.bad, self.runs, self._tell)

    def _tell(self, one: Data) -> None:
        self.environ.talk.note(report.attempt(one))

    def from_nothing(self, builders: Sequence[tuple[str, Commit, KernelBuilder]]) -> list[Answer]:
        """Verify configurations, built in an object folder that begins empty; each with its role and commit."""
        scratch, answers = self.journal.folder / "from-nothing", []
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            for role, commit, builder in builders:
                runner = replace(self.runner, builder=replace(builder, cache=scratch, like=None))
                folder = self.journal.folder / f"verified-{role}-{commit.sha[:12]}"
                answer = runner.answer(Subject(role, commit), folder, self.runs, partial(self._trial, commit.sha, role))
                self.journal.add("answer", document.answer(answer, self.journal.folder))
                if answer.kernel and self.environ.scenario.machine_command is None:
                    repro.write(folder, self.environ.scenario, self.environ.arch)
                answers.append(answer)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return answers

    def _trial(self, sha: str, role: str, trial: Trial) -> None:
        self.journal.trial(sha, role, trial)
        if trial.outcome is Outcome.INFRASTRUCTURE:
            raise InfrastructureError(f"the verification is inconclusive: {trial.reason}")


@dataclass
class Minimisation(OptionSearch):
    """Leaves out options, then verifies what is left."""

    def run(self) -> End:
        """See `harness.session.Loop`."""
        assert self.good is not None
        arch, *others = self.builder.fragments
        question = Question.of(kconfig.laid_over(self.builder.base, others))
        oracle = self.oracle(replace(self.builder, fragments=(arch,)))
        oracle.builder = replace(oracle.builder, like=self.builder)
        whole = oracle.attempt(question.options)
        if whole["verdict"] != "bad":
            status = "not reproduced" if whole["verdict"] == "good" else "inconclusive"
            return End(status, f"{self.bad.sha[:12]} with the whole configuration: {whole['reason']}")
        kept = smallest(question, oracle)
        found = told(question, oracle, kept)
        whys = {one["name"]: f"without it: {one['why']}" for one in found if one["state"] == NEEDED}
        options = question.without(question.names - kept)
        fragment = self.journal.folder / MINIMAL
        write_atomically(fragment, fragment_text(options, whys))
        minimal = replace(self.builder, fragments=(arch, fragment))
        answers = self.from_nothing([("bad", self.bad, minimal), ("good", self.good, minimal)])
        status, reason = conclude(answers)
        kernel = answers[0].kernel
        incremental = oracle.signature(oracle.attempt(options))
        findings = {
            "options": found,
            "fragment": MINIMAL,
            "from_nothing": kernel and {"seconds": kernel.seconds, "same_image": kernel.signature == incremental},
            "before": size(question.options, self.journal.folder / whole["folder"]),
            "after": size(options, answers[0].folder),
        }
        return End(_STATUS.get(status, "minimal"), reason, {"kconfig": findings})


@dataclass
class Between(OptionSearch):
    """Brings a good and a bad configuration as near to each other as can be, then verifies both."""

    def run(self) -> End:
        """See `harness.session.Loop`."""
        good, bad = (self._side(name) for name in SIDES)
        texts = [self._configured(side) for side in (good, bad)]
        differences = kconfig.differences(*texts)
        if not differences:
            return End("inconclusive", "the two configurations are the same, once the kernel's own make has read them")
        oracle = self.oracle(replace(good, base=_base(texts[0])))
        self.environ.talk.note(f"the two configurations differ in {len(differences)} options")
        for options, want, name in (([], "good", "good"), (differences, "bad", "bad")):
            one = oracle.attempt(options, taken=len(options))
            if one["verdict"] != want:
                status = "inconclusive" if one["verdict"] == "skip" else "not reproduced"
                return End(status, f"{self.bad.sha[:12]} with the {name} configuration: {one['reason']}")
        sets = nearest(differences, oracle)
        finals = []
        for name, taken in zip(("does-not-show.config", "shows.config"), sets, strict=True):
            one = oracle.attempt([o for o in differences if o.name in taken], taken=len(taken))
            finals.append((self.journal.folder / one["folder"] / "config").read_text(encoding="utf-8"))
            write_atomically(self.journal.folder / name, finals[-1])
        names = sets[1] - sets[0]
        entailed = kconfig.differences(*finals)
        before = kconfig.parse_config(finals[0])
        nears = [replace(good, base=_base(text), fragments=good.fragments) for text in finals]
        roles = (("good", self.bad, nears[0]), ("bad", self.bad, nears[1]))
        status, reason = conclude(self.from_nothing(roles))
        findings = {
            "differences": len(differences),
            "makes_the_difference": [
                {"name": o.name, "good": before.get(o.name, "n"), "bad": o.value, "asked": o.name in names}
                for o in entailed
            ],
            "fragment": "shows.config",
        }
        return End(_STATUS.get(status, "isolated"), reason, {"kconfig": findings})

    def _side(self, name: str) -> KernelBuilder:
        """The builder of one of the two, with what any guest needs laid over it."""
        arch, *others = self.builder.fragments
        over = self.journal.folder / "guest.config"
        write_atomically(over, fragment_text(kconfig.needs([kconfig.read_fragment(path) for path in others])))
        text = (self.journal.folder / name).read_text(encoding="utf-8")
        base = Base((), text, name=name)
        configuration.assert_architecture(base, self.environ.arch)
        return replace(self.builder, base=base, fragments=(arch, over))

    def _configured(self, builder: KernelBuilder) -> str:
        """The final `.config` of one of the two.

        Raises:
            UserError: it cannot be used: the kernel's make refuses it, or loses what any guest needs.
        """
        try:
            made = builder.configure(self.runner.fix_up(self.bad).commit, self.journal.folder)
            kconfig.check(made.lost)
        except KernelError as error:
            raise UserError(f"the configuration cannot be used: {error}") from error
        return made.text
