"""The record of everything that happened: one folder per run, and beside them the journal, `index.sqlite`.

The journal is an append-only list of events; each is on disk before the work goes on.
Everything else (evidence, tables, reports) is derived from it.  `results/README.md` defines the format.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import excerpt, journal
from harness.architecture import image_names
from harness.console import Crash, Frame, Wait
from harness.errors import InfrastructureError, UserError
from harness.files import locked
from harness.journal import Event
from harness.model import Outcome, Trial
from harness.progress import SILENT, Progress


@dataclass(frozen=True)
class Built:
    """The kernel of a commit in the journal.

    Attributes:
        signature: SHA-256 of the image; None if it did not build.
        seconds: duration of the build.
        built: False if it came from the cache.
        fixups: what was applied to make it build.
    """

    signature: str | None
    seconds: float
    built: bool
    fixups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tried:
    """A trial in the journal, with its commit and role."""

    sha: str
    role: str
    trial: Trial


@dataclass(frozen=True)
class Earlier:
    """Trials of an image in earlier runs that count for a commit.

    Attributes:
        sha: the commit.
        image: its signature.
        role: for what it was to be tried.
        asked: how many boots were to be made.
        trials: as JSON data, each with its `run`.
    """

    sha: str
    image: str
    role: str
    asked: int
    trials: tuple[Mapping[str, Any], ...]


@dataclass
class Run:
    """One run: its folder and its events.

    Attributes:
        folder: all files of this run.
        index: the journal, beside it.
    """

    folder: Path
    index: Path
    _events: list[Event] | None = field(default=None, repr=False)

    @property
    def events(self) -> list[Event]:
        """The run's events in the order in which they happened."""
        if self._events is None:
            self._events = journal.events(self.index, self.folder.name)
        return self._events

    def add(self, kind: str, data: Mapping[str, Any]) -> None:
        """Add an event; on return it is on disk.

        Raises:
            InfrastructureError: it cannot be written.
        """
        event = journal.event(kind, self.folder.name, data)
        known = self.events
        journal.add(self.index, event)
        known.append(event)

    def trial(self, sha: str, role: str, trial: Trial) -> None:
        """Write one finished trial into the journal; on return it is on disk."""
        told = {"sha": sha, "role": role, **self.told(trial), "digest": self._head.get("digest")}
        self.add("trial", {**told, "conditions": trial.conditions or None, **_hashes(trial.folder.parent)})

    def told(self, trial: Trial) -> dict[str, Any]:
        """A trial as JSON data, with the part of its console that tells how it ended."""
        top, folder = self.folder, trial.folder
        return {
            "variant": trial.variant,
            "host": trial.host,
            "outcome": str(trial.outcome),
            "reason": trial.reason,
            "seconds": trial.seconds,
            "phases": [list(phase) for phase in trial.phases],
            "signature": trial.crash.signature if trial.crash else None,
            "crash": trial.crash.to_json() if trial.crash else None,
            "excerpt": excerpt.of(trial),
            "tests": excerpt.tests(trial),
            "files": excerpt.files(trial, top),
            "folder": str(folder.relative_to(top) if folder.is_relative_to(top) else folder),
        }

    def trials(self) -> list[Tried]:
        """The finished trials of this run, in the order in which they were made."""
        with journal.whole(self.index):
            return [
                Tried(event.data["sha"], event.data["role"], _trial(event.data, self.folder))
                for event in self.events
                if event.kind == "trial"
            ]

    def past(self, image: str) -> list[dict[str, Any]]:
        """The finished trials of an image in all other runs, in their order, as JSON data with the `run` of each.

        Args:
            image: its signature.
        """
        with journal.reading(self.index) as database:
            # To look for the text first is quicker than to parse all.
            rows = database.execute(
                "SELECT run, data FROM events WHERE kind = 'trial' AND run <> ? AND instr(data, ?) "
                "AND json_extract(data, '$.image') = ? ORDER BY id",
                (self.folder.name, image, image),
            ).fetchall()
            return [{**json.loads(data), "run": run} for run, data in rows]

    def take(self, earlier: Earlier) -> None:
        """Write that trials of earlier runs count in this one; on return it is on disk."""
        self.add("earlier", asdict(earlier))

    def ahead(self, sha: str, seconds: float, *, built: bool) -> None:
        """Write what a build ahead of a commit took, and whether it ended with an image."""
        self.add("ahead", {"sha": sha, "seconds": round(seconds, 2), "built": built})

    def built_ahead(self) -> dict[str, tuple[float, bool]]:
        """By commit: the seconds of builds ahead, and whether they ended with an image."""
        found: dict[str, tuple[float, bool]] = {}
        with journal.whole(self.index):
            for data in (event.data for event in self.events if event.kind == "ahead"):
                seconds, built = found.get(data["sha"], (0.0, False))
                found[data["sha"]] = seconds + data["seconds"], built or data["built"]
        return found

    def drop(self) -> None:
        """Write that trials of earlier runs count in this one no longer."""
        self.add("dropped", {})

    @property
    def dropped(self) -> bool:
        """Whether they do not."""
        return any(event.kind == "dropped" for event in self.events)

    def taken(self) -> list[Earlier]:
        """The trials of earlier runs that count."""
        if self.dropped:
            return []
        with journal.whole(self.index):
            told = [event.data for event in self.events if event.kind == "earlier"]
            return [Earlier(**{**one, "trials": tuple(one["trials"])}) for one in told]

    def tried_before(self, data: Mapping[str, Any]) -> Trial:
        """A trial of another run, from its JSON data."""
        with journal.whole(self.index):
            return _trial(data, self.folder.parent / data["run"])

    def kernel(self, sha: str, kernel: Built) -> None:
        """Write the outcome of a build; the first one of a commit stays, as later ones come from the cache."""
        if sha not in self.kernels():
            built = {"signature": kernel.signature, "seconds": kernel.seconds, "built": kernel.built}
            self.add("kernel", {"sha": sha, **built, "mended": list(kernel.fixups)})

    def kernels(self) -> dict[str, Built]:
        """The builds of this run, by commit."""
        found: dict[str, Built] = {}
        with journal.whole(self.index):
            for data in (event.data for event in self.events if event.kind == "kernel"):
                kernel = Built(data["signature"], data["seconds"], data["built"], tuple(data["mended"]))
                found.setdefault(data["sha"], kernel)
        return found

    def averages(self) -> tuple[float | None, float | None]:
        """Average seconds of a build and of a boot over all runs with this scenario and architecture."""
        of = "(SELECT b.folder FROM runs a JOIN runs b USING (scenario, arch) WHERE a.folder = ?)"
        with journal.reading(self.index) as database:
            [builds] = database.execute(
                f"SELECT AVG(seconds) FROM kernels WHERE built AND signature IS NOT NULL AND run IN {of}",  # noqa: S608
                (self.folder.name,),
            ).fetchone()
            [boots] = database.execute(
                f"SELECT AVG(seconds) FROM trials WHERE outcome <> ? AND run IN {of}",  # noqa: S608
                (str(Outcome.BUILD_FAILED), self.folder.name),
            ).fetchone()
        return builds, boots

    def plan(self, plan: Mapping[str, Any]) -> None:
        """Write the plan of a bisection, before it starts."""
        self.add("plan", plan)

    def reopen(self) -> None:
        """Record that this run is resumed."""
        self.add("resume", {})

    @contextlib.contextmanager
    def held(self, progress: Progress) -> Iterator[None]:
        """Lock the run, so that no other process resumes it at the same time.

        Raises:
            UserError: another process holds it; the message says which.
        """
        with locked(self.folder / "run.lock", progress, wait=False):
            self._events = None  # another process may have added to it by now
            yield

    def close(self, status: str, reason: str, findings: Mapping[str, Any] | None = None) -> None:
        """Write the end of the run; if that fails, it is still among the events of this object.

        Args:
            findings: what was found, unless another event has it.

        Raises:
            InfrastructureError: it cannot be written.
        """
        data = {"status": status, "reason": reason, **(findings or {})}
        try:
            self.add("end", data)
        except InfrastructureError:
            self._events = [*(self._events or ()), journal.event("end", self.folder.name, data)]
            raise

    @property
    def _head(self) -> Mapping[str, Any]:
        return next((event.data for event in self.events if event.kind == "start"), {})


def _trial(data: Mapping[str, Any], top: Path) -> Trial:
    return Trial(
        Outcome(data["outcome"]),
        data["reason"],
        data["seconds"],
        top / data["folder"],
        crash_of(data["crash"]),
        tuple((name, at) for name, at in data["phases"]),
        data["variant"],
        data.get("host", ""),
        data.get("conditions") or "",
    )


def crash_of(data: Mapping[str, Any] | None) -> Crash | None:
    """A crash from its JSON data."""
    if data is None:
        return None
    told: dict[str, Any] = {name: tuple(data.get(name, ())) for name in ("alt_titles", "modules", "said")}
    told["frames"] = tuple(Frame(**frame) for frame in data["frames"])
    told["waits"] = tuple(Wait(**wait) for wait in data.get("waits", ()))
    return Crash(**{**data, **told})


def _hashes(folder: Path) -> dict[str, str | None]:
    """The hashes of the image and of the configuration in a commit's folder, if they are there."""
    image = config = None
    with contextlib.suppress(OSError, ValueError, AttributeError):
        image = json.loads((folder / "kernel.json").read_text(encoding="utf-8")).get("signature")
    with contextlib.suppress(OSError):
        config = hashlib.sha256((folder / "config").read_bytes()).hexdigest()
    return {"image": image, "config": config}


def start(results: Path, scenario: str, tree: str, arch: str, **more: Any) -> Run:
    """A new run, already in the journal.

    Args:
        results: the folder of all results; created if missing.
        more: other data for the start event.

    Raises:
        UserError: the folder is not writable.
        InfrastructureError: the disk is full, or the journal cannot be written.
    """
    stamp = time.strftime("%Y-%m-%d-%H%M%S")
    for number in range(1, 1000):
        name = f"{stamp}-{scenario}" + (f"-{number}" if number > 1 else "")
        try:
            results.mkdir(parents=True, exist_ok=True)
            (results / name).mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                raise InfrastructureError(f"--results {results}: {error.strerror}") from error
            raise UserError(f"--results {results}: {error.strerror}") from error
        break
    else:
        raise UserError(f"--results {results}: a thousand runs in one second; is the clock right?")
    run = Run(results / name, results / "index.sqlite")
    event = journal.event("start", name, {"scenario": scenario, "tree": tree, "arch": arch, **more})
    try:
        journal.add(run.index, event, new=True)
    except (InfrastructureError, UserError):
        with contextlib.suppress(OSError):
            run.folder.rmdir()
        raise
    run._events = [event]
    return run


def find(folder: Path) -> Run:
    """The run in a folder.

    Raises:
        UserError: not a run in the journal beside it.
    """
    index = folder.parent / "index.sqlite"
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; expected a result such as results/2026-05-01-101500-pi-disk")
    if not index.exists():
        raise UserError(f"{folder}: not a result: its journal, {index}, is missing; move results and journal together")
    run = Run(folder, index)
    if not run.events:
        raise UserError(f"{folder}: not a result: no such run in {index}")
    return run


def last(results: Path, kind: str, scenario: str, statuses: Sequence[str]) -> Run | None:
    """The last run of a scenario by some command that has one of these statuses, in a folder of results."""
    index = results / "index.sqlite"
    if not index.exists():
        return None
    with journal.reading(index) as database:
        rows = database.execute(
            "SELECT folder, status FROM runs WHERE kind = ? AND scenario = ? ORDER BY id DESC", (kind, scenario)
        ).fetchall()
    return next((Run(results / name, index) for name, status in rows if status in statuses), None)


def bisections(results: Path) -> list[tuple[Run, dict[str, Any], str]]:
    """The bisections in a folder of results, the latest first, each with its plan and status."""
    index = results / "index.sqlite"
    if not index.exists():
        return []
    with journal.reading(index) as database:
        rows = database.execute(
            "SELECT run, plan, status FROM bisections JOIN runs ON run = folder ORDER BY bisections.id DESC"
        ).fetchall()
        return [(Run(results / name, index), json.loads(plan), status) for name, plan, status in rows]


HEAVY = ("initramfs.cpio", "disk.img", "modules.tar", "kselftest.tar")
"""What a result can do without, besides its images: it is made again, or it is what the last boot left of a disk."""


def heavy(results: Path, before: float) -> Iterator[Path]:
    """The heavy files of runs that began before a moment, but for those that somebody works on.

    Args:
        results: the folder of all results.
        before: seconds since the epoch.
    """
    index, wanted = results / "index.sqlite", (*image_names(), *HEAVY)
    if not index.exists():
        return
    began = datetime.fromtimestamp(before, UTC).isoformat(timespec="milliseconds")
    with journal.reading(index) as database:
        names = [name for (name,) in database.execute("SELECT folder FROM runs WHERE started < ?", (began,))]
    for folder in (results / name for name in names):
        lock = folder / "run.lock"
        held = locked(lock, SILENT, wait=False) if lock.exists() else contextlib.nullcontext()
        with contextlib.suppress(UserError), held:
            yield from (path for name in wanted for path in folder.rglob(name) if not path.is_symlink())
