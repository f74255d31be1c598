"""`regress nightly`: the same scenarios every night, and what is new."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness import assessment, catalog, document, paths, prerequisites, record
from harness.cli import consent, fleets, shared
from harness.cli.environment import needs, whole_tree
from harness.cli.night_lab import NightLab
from harness.cli.night_page import NightPage
from harness.cli.progress import Talk
from harness.errors import ProgramFailed, ProgramMissing, TimedOut, UserError
from harness.files import locked
from harness.fleet.fleet import Fleet
from harness.git import Git
from harness.interrupts import Interrupts
from harness.kernel.tree import Tree
from harness.nightly import config, day, demo, history, told
from harness.nightly.config import Cell, Config
from harness.nightly.history import Night
from harness.nightly.night import Clock, Loop
from harness.process import run as run_program
from harness.record import Run
from harness.reports import json_, night
from harness.session import End, Session

DEFAULT = Path("nightly.yaml")
NOTIFY_TIME = 300.0
"""Seconds that the operator's command may take."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress nightly`."""
    parser.add_argument("--config", type=Path, metavar="FILE", help=f"what is tried; default: {DEFAULT}")
    shared.tree(parser, "in place of the file's")
    parser.add_argument("--until", type=_argument(config.clock), metavar="HH:MM", help="when the night is over")
    parser.add_argument("--budget", type=_argument(config.duration), metavar="TIME", help="how long it may take: 4h")
    parser.add_argument("--notify", metavar="COMMAND", help="is given the JSON of what is new")
    shared.results(parser)
    shared.scenarios(parser)
    shared.json(parser)
    parser.add_argument("--demo", action="store_true", help="play three made-up weeks, and say where they are")
    consent.configure(parser)
    fleets.configure(parser)


def _argument(read: Callable[[str], Any]) -> Callable[[str], Any]:
    def value(text: str) -> Any:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return value


def run(options: argparse.Namespace) -> int:
    """Try what the configuration says on the newest day.

    Returns:
        0 nothing is new, 1 something is, 3 the machinery failed in part or as a whole.

    Raises:
        UserError: the configuration or the tree is wrong.
    """
    if options.demo:
        return _demo(options)
    path = options.config or DEFAULT
    if not path.exists():
        raise UserError(f"{path}: no such file; name one with --config, or see `regress nightly --demo`")
    chosen = config.load(path)
    chosen = replace(
        chosen,
        tree=options.tree or chosen.tree,
        until=options.until or chosen.until,
        budget=options.budget or chosen.budget,
        notify=options.notify or chosen.notify,
    )
    results = (options.results or paths.results()).resolve()
    talk = Talk()
    cells = config.cells(chosen, catalog.scenarios(options.scenarios))
    wanted = set[str]().union(*(needs(cell.scenario, cell.arch) for cell in cells))
    with fleets.opened(options, talk) as fleet:
        wanted -= {"build", "boot"} if fleet else set()
        prerequisites.ensure(wanted, talk, consent=consent.consent(options, talk))
        conducted = conduct(chosen, cells, results, talk, datetime.datetime.now().astimezone(), fleet)
    talk.result(night.render(conducted.document), conducted.document, as_json=options.json)
    if conducted.page:
        talk.note(f"the page: {conducted.page.as_uri()}   (or: regress serve)")
    return conducted.status


@dataclass(frozen=True)
class Conducted:
    """A night that was worked on.

    Attributes:
        document: what it found.  status: for the process.
        page: the first page of all nights; None where it could not be written.
    """

    document: dict[str, Any]
    status: int
    page: Path | None = None


def conduct(
    chosen: Config,
    cells: list[Cell],
    results: Path,
    talk: Talk,
    now: datetime.datetime,
    fleet: Fleet | None = None,
) -> Conducted:
    """Begin tonight's work, or go on with it; a night that is done is only told again.

    Args:
        cells: what is tried.
        results: the folder of all results.
        now: by the operator's clock.
        fleet: builds and boots; None for this machine.

    Raises:
        UserError: the tree cannot be used, or another process works on it.
        InfrastructureError: the journal cannot be written.
    """
    known = config.load_known(chosen.known) if chosen.known else ()
    clock = Clock(_seconds(chosen, now))
    interrupts = Interrupts()
    with contextlib.ExitStack() as nested:
        nested.enter_context(interrupts.taken())
        nested.enter_context(locked(results / "nightly.lock", talk, wait=False))
        tree, lost = _tree(chosen, cells, talk)
        nights = history.nights(results, chosen.tree)
        today = now.date()
        if nights and nights[-1].date > today.isoformat():
            talk.note(f"the clock says {today}, and the last night was {nights[-1].date}: is it right?")
        again = nights[-1] if nights and nights[-1].date == today.isoformat() else None
        before = nights[:-1] if again else nights
        newest = _newest(tree, before, talk)
        if again and again.tag is None and newest[0] is not None:
            # The day's tag came after the first start.
            before, again = nights, None
        run = _run(again, results, tree, chosen, cells, today, newest)
        if again and again.status in (told.NOTHING_NEW, told.SOMETHING_NEW):
            stored = document.of(run.events, run.folder)
            if not stored["night"]["carried"]:
                talk.note(f"{run.folder}: tonight's work is done")
                return Conducted(stored, _status(stored, lost), NightPage(results, talk).after(run.folder))
        if again:
            run.reopen()
        tonight = again or Night(run.folder.name, today.isoformat(), *newest)
        found = history.regressions(results, [one.run for one in (*before, tonight)])
        lab = nested.enter_context(NightLab(tree, results, talk, interrupts, clock, fleet=fleet))
        page = NightPage(results, talk)
        loop = Loop(lab, run, tree.workspace, cells, tonight, before, found, known, today, clock)
        loop.told = lab.tried = lambda: page.during(loop)
        work = _Work(loop)
        session = Session(run, interrupts, lambda _told: None, talk.note, hosts=fleet.summary if fleet else list)
        try:
            done = session.conduct(work)
        finally:
            index = page.after(run.folder)
        if chosen.notify and _is_news(done):
            lost = _notify(chosen.notify, done, talk) or lost
        return Conducted(done, _status(done, lost), index)


@dataclass
class _Work:
    """A night as a `harness.session.Loop`."""

    loop: Loop

    def run(self) -> End:
        """See `harness.session.Loop`."""
        self.loop.work()
        found = told.findings(self.loop)
        return End(*told.conclusion(found), found)

    def stopped(self, status: str, reason: str) -> End:
        """See `harness.session.Loop`."""
        return End(status, f"{reason}; the next start goes on", told.findings(self.loop))

    @property
    def progress(self) -> str:
        """See `harness.session.Loop`."""
        return f"after {len(self.loop.night.cells)} of {len(self.loop.cells)} cells"


def _seconds(chosen: Config, now: datetime.datetime) -> float | None:
    """How long the night may take."""
    limits = [chosen.budget] if chosen.budget is not None else []
    if chosen.until is not None:
        end = now.replace(hour=chosen.until[0], minute=chosen.until[1], second=0, microsecond=0)
        limits.append(((end if end > now else end + datetime.timedelta(days=1)) - now).total_seconds())
    return min(limits, default=None)


def _tree(chosen: Config, cells: list[Cell], talk: Talk) -> tuple[Tree, str | None]:
    """The tree, and why it could not be fetched: then it is as it was fetched last."""
    real = any(cell.scenario.build_command is None for cell in cells)
    return whole_tree(chosen.tree, talk, kernel=real)


def _newest(tree: Tree, before: list[Night], talk: Talk) -> tuple[str | None, str | None]:
    """The tag and the commit of tonight; none where the newest tag was tried in an earlier night."""
    tags = day.tags(tree.repository)
    if not tags:
        raise UserError(f"{tree.description} has no tag next-YYYYMMDD; is it linux-next, and were its tags fetched?")
    tag, sha = tags[-1]
    if any(night.tag == tag for night in before):
        talk.note(f"no new tag: {tag} is the newest, and was tried already")
        return None, None
    return tag, sha


def _run(
    again: Night | None,
    results: Path,
    tree: Tree,
    chosen: Config,
    cells: list[Cell],
    today: datetime.date,
    newest: tuple[str | None, str | None],
) -> Run:
    """Tonight's run in the journal: the one of today, or a new one."""
    if again is None:
        arches = ",".join(dict.fromkeys(cell.arch for cell in cells))
        more: dict[str, Any] = {
            "kind": history.KIND,
            "name": "nightly",
            "title": "what is new tonight",
            "place": chosen.tree,
        }
        more["repository"] = tree.url
        run = record.start(results, "nightly", chosen.tree, arches, **more, date=today.isoformat())
    else:
        run = record.find(results / again.run)
    if not any(event.kind == "tonight" for event in run.events):
        run.add("tonight", {"tag": newest[0], "sha": newest[1]})
        if again is not None:
            again.tag, again.sha = newest
    return run


def _status(stored: dict[str, Any], lost: str | None) -> int:
    """3 where the machinery failed, in part or as a whole; 1 where something is new."""
    if stored["status"] == told.SOMETHING_NEW:
        return 1
    unsaid = any(cell["state"] == "infrastructure" for cell in stored["night"].get("cells", ()))
    return 3 if lost or unsaid else assessment.exit_status(stored)


def _is_news(stored: dict[str, Any]) -> bool:
    return any(stored["night"].get(key) for key in ("new", "news", "fixed", "gone"))


def _notify(command: str, stored: dict[str, Any], talk: Talk) -> str | None:
    """Give the operator's command what is new; returns why that failed, if it did."""
    names = ("date", "tag", "new", "news", "fixed", "gone")
    news = {"folder": stored["folder"], "tree": stored["tree"], **{name: stored["night"][name] for name in names}}
    try:
        run_program(["sh", "-c", command], input=json_.render(news).encode(), timeout=NOTIFY_TIME)
    except (ProgramFailed, ProgramMissing, TimedOut) as error:
        talk.note(f"--notify: {error}")
        return str(error)
    return None


def _demo(options: argparse.Namespace) -> int:
    """Play the made-up weeks."""
    top = Path(tempfile.mkdtemp(prefix="regress-demo-"))
    talk = Talk()
    talk.note(f"three made-up weeks of linux-next, in {top}")
    results = (options.results or top / "results").resolve()
    documents, page = [], None
    for one in play(top, results, range(1, demo.DAYS + 1)):
        talk.say(f"{night.render(one.document)}\n", aside=options.json)
        documents.append(one.document)
        page = one.page
    if options.json:
        talk.say(json_.render({"nights": documents}), aside=False)
    talk.say(f"All nights: {results}/   one of them again: regress report {results}/NIGHT", aside=options.json)
    if page:
        talk.say(f"The page: {page.as_uri()}   (or: regress serve --results {results})", aside=options.json)
    return 0


def play(top: Path, results: Path, days: range) -> Iterator[Conducted]:
    """Play some of the demo's days, each as one night, and give what came of it.

    Args:
        top: an empty folder, or one where earlier days were played.
        results: the folder of results.
    """
    tree = top / "next.git"
    if not tree.exists():
        demo.scenarios(top)
        demo.repository(tree)
    found = catalog.scenarios([top / "scenarios"])
    quiet = _Quiet()
    for number in days:
        demo.publish(Git(tree), number)
        demo.tonight(top, number)
        chosen = Config(str(tree), tags=("demo",), budget=1e-9 if number == demo.CUT_SHORT else None)
        now = datetime.datetime.combine(demo.date(number), datetime.time(1), datetime.UTC)
        yield conduct(chosen, config.cells(chosen, found), results, quiet, now)


class _Quiet(Talk):
    """Tells nothing."""

    def note(self, text: str) -> None:
        """See `harness.progress.Progress.note`."""

    def update(self, text: str) -> None:
        """See `harness.progress.Progress.update`."""
