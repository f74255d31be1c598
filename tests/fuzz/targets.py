"""What is fuzzed: each target makes the function that tries one input, and the examples that the fuzzer begins with."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import hostile
from harness import catalog, configuration, journal, ktap, record
from harness.console import Crash, Follower, find_crashes
from harness.console.rules import RULES
from harness.errors import InfrastructureError, UserError
from harness.fleet import reply as replies
from harness.fleet.reply import HostFault
from harness.fleet.request import BuildJob, Command, Source, TrialJob
from harness.fleet.worker import SCHEMA
from harness.kernel import config as kconfig
from harness.model import Base, Outcome, Timeouts
from harness.paths import SCENARIOS
from harness.thread.bisection import bisection_in
from harness.thread.diff import find
from harness.thread.draft import draft
from harness.thread.read import read
from harness.thread.render import files
from harness.thread.repair import Old, Unclear, repair
from tests.console.schema import check

OneInput = Callable[[bytes], None]
Target = Callable[[Path], tuple[OneInput, Sequence[bytes]]]

GOLDEN = Path(__file__).parent.parent / "console" / "golden"
HEAD = b"id: toy\ntitle: toy\nmachine: {command: sh boot.sh}\n"


def _told(data: bytes, size: int) -> list[tuple[bool, Crash]]:
    """All events of a console that comes in pieces of one size."""
    follower = Follower(notices=True)
    events = [event for at in range(0, len(data), size) for event in follower.feed(data[at : at + size])]
    return [(event.complete, event.crash) for event in events + follower.finish()]


def _refuses(call: Callable[[], object], place: str) -> None:
    """Call what may refuse its input, by an error that names the place."""
    try:
        call()
    except UserError as error:
        if place not in str(error):
            raise


def console(_scratch: Path) -> tuple[OneInput, Sequence[bytes]]:
    """A console; its first byte says how it is cut.

    What is found fits its schema, and cutting the stream into pieces does not change what is told.
    """

    def one(data: bytes) -> None:
        size, data = (data[0] if data else 0) + 1, data[1:]
        for crash in find_crashes(data, notices=True):
            check(crash.to_json(), data.count(b"\n") + 1)
        assert _told(data, size) == _told(data, len(data) + 1)

    texts = [rule.example.encode() for rule in RULES] + [log.read_bytes() for log in GOLDEN.glob("*.log")]
    return one, [b"\x40" + text for text in texts]


def mail(scratch: Path) -> tuple[OneInput, Sequence[bytes]]:
    """A mail, mbox, thread page or log: the draft loads as a scenario, and its files lie flat in its folder."""

    def one(data: bytes) -> None:
        for name, text in files(draft(read(data), "mail"), ["base"]).items():
            assert Path(name).name == name
            (scratch / name).write_bytes(text)
        catalog.load(scratch)
        for path in scratch.iterdir():
            path.unlink()

    return one, hostile.seeds()


def patch(_scratch: Path) -> tuple[OneInput, Sequence[bytes]]:
    r"""A file and, after a line `\0`, a damaged diff: a repair fits the file to the byte, or is refused."""

    def one(data: bytes) -> None:
        old, _, rest = data.decode(errors="replace").partition("\n\0\n")
        lines, diff = old.split("\n"), find(rest.split("\n"))
        if diff is None:
            return
        for exact in (True, False):
            with contextlib.suppress(Unclear):
                for file in repair(diff, lambda _, exact=exact: Old(lines, exact)).diff.files:  # type: ignore[misc]
                    for hunk in file.hunks:
                        before = [line[1:] for line in hunk.lines if line[:1] in "- "]
                        first = hunk.old[0] - 1 if hunk.old[1] else hunk.old[0]
                        assert lines[first : first + len(before)] == before, (exact, hunk)

    return one, [b"int toy(void)\n{ return 1; }\n\n\0\n" + hostile.DIFF.encode().replace(b"\n ", b"\n")]


def scenario(scratch: Path) -> tuple[OneInput, Sequence[bytes]]:
    """A scenario.yaml: it loads, or the error names the file."""

    def one(data: bytes) -> None:
        (scratch / "scenario.yaml").write_bytes(data)
        _refuses(lambda: catalog.load(scratch), "scenario.yaml")

    (scratch / "run.sh").write_text("pass ok\n")
    (scratch / "repro.c").write_text("int main(void) { return 0; }\n")
    texts = [path.read_bytes() for path in SCENARIOS.glob("*/scenario.yaml")]
    return one, [HEAD, *texts]


def reply(scratch: Path) -> tuple[OneInput, Sequence[bytes]]:
    """A host's reply and, after a line, its archive: it is believed or a fault of the host, and no file is elsewhere.

    Sizes and hashes of what came are put right, else nothing would get past them.
    """
    source = Source("a" * 40, "b" * 40, "a change", "sha1", "tree")
    build = BuildJob(source, "x86_64", command=Command(("sh", "build.sh")))
    trial = TrialJob("key", "x86_64", None, build, None, (), 512, 2, None, Command(("sh", "x")), Timeouts(), None)
    archive, folder = scratch / "reply.tar.gz", scratch / "folder"
    folder.mkdir()

    def one(data: bytes) -> None:
        line, _, rest = data.partition(b"\n")
        archive.write_bytes(rest)
        with contextlib.suppress(ValueError, RecursionError):
            told = json.loads(line)
            if isinstance(told, dict):
                right = {"sha256": hashlib.sha256(rest).hexdigest(), "size": len(rest)}
                line = json.dumps({**told, "archive": right}).encode()
        for job in (build, trial):
            with contextlib.suppress(HostFault):
                got = replies.parse(line.decode(errors="replace"), job, "a", folder, archive)
                if got.kind == "trial":
                    replies.trial(got, folder, "")
                else:
                    got.unpack(folder)
        assert {path.name for path in scratch.iterdir()} == {"folder", "reply.tar.gz"}
        for path in folder.iterdir():
            assert path.is_file()
            assert not path.is_symlink()
            path.unlink()

    def right(job: BuildJob | TrialJob, kind: str, whole: dict[str, bytes], **more: object) -> bytes:
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w:gz", compresslevel=0) as tar:
            for name, content in whole.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        named = {name: hashlib.sha256(content).hexdigest() for name, content in whole.items()}
        head = {"schema": SCHEMA, "job": job.id, "host": "h", "kind": kind, "files": named, **more}
        return json.dumps(head).encode() + b"\n" + raw.getvalue()

    passed = {"outcome": "passed", "reason": "", "seconds": 1.0, "phases": [["up", 0.5]], "crash": None}
    return one, [
        right(trial, "trial", {"console.log": b"booted\n"}, trial=passed),
        right(build, "kernel", {}, signature="b" * 40, seconds=1.0, built=True),
        right(build, "build error", {"build.log": b"x.c: error\n"}, reason="x.c: error", seconds=1.0),
        right(trial, "missing", {}, have=[]),
    ]


def journal_file(scratch: Path) -> tuple[OneInput, Sequence[bytes]]:
    """The journal's file, bytes of it changed: its runs are read, or it is said to be damaged."""
    results = scratch / "results"
    run = record.start(results, "toy", "tree", "x86_64", kind="bisect", scenario_digest="0")
    run.plan({"good": ["a" * 40], "bad": "b" * 40})
    run.close("finished", "done", {"culprit": None})
    path, name = results / "index.sqlite", run.folder.name

    def one(data: bytes) -> None:
        path.write_bytes(data)
        for beside in results.glob("index.sqlite-*"):
            beside.unlink()
        for ask in (
            lambda: record.find(results / name).trials(),
            lambda: record.bisections(results),
            lambda: record.last(results, "bisect", "toy", ("finished",)),
            lambda: journal.add(path, journal.event("resume", name, {})),
        ):
            with contextlib.suppress(InfrastructureError, UserError):
                ask()

    return one, [path.read_bytes()]


def tests(_scratch: Path) -> tuple[OneInput, Sequence[bytes]]:
    """KTAP: each test has one of four results, and what failed or is lost never makes a pass."""

    def one(data: bytes) -> None:
        found = ktap.subtests(data.decode(errors="replace").splitlines())
        outcome, reason = ktap.outcome(found)
        assert reason
        assert outcome is not Outcome.PASSED or {test.result for test in found} <= {ktap.PASSED, ktap.SKIPPED}, found

    return one, [
        b"KTAP version 1\n1..2\n  KTAP version 1\n  1..1\n  # Subtest: a\n  ok 1 one # SKIP no\nok 1 a\nnot ok 2 b\n",
        b"TAP version 13\n1..1\nok 1 - x # TODO later\n# Totals: pass:1 fail:0\n",
        b"1..3\nBail out! broken\n",
    ]


def config(scratch: Path) -> tuple[OneInput, Sequence[bytes]]:
    """A configuration, a fragment, a list of modules, a `git bisect log`: read, or an error that names the file."""
    path = scratch / "one.config"

    def one(data: bytes) -> None:
        path.write_bytes(data)
        for ask in (
            lambda: configuration.read_config(path),
            lambda: kconfig.read_fragment(path),
            lambda: configuration.trimmed(Base(targets=("defconfig",)), path.name, scratch),
        ):
            _refuses(ask, path.name)
        bisection_in(data.decode(errors="replace"))

    modules = b"Module                  Size  Used by\next4                  987136  1\n"
    log = b"git bisect start\n# good: [" + b"a" * 40 + b"] one\ngit bisect good " + b"a" * 40 + b"\n"
    return one, [b"CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=y  # optional: x\n", modules, log]


TARGETS: dict[str, Target] = {
    "console": console,
    "mail": mail,
    "patch": patch,
    "scenario": scenario,
    "reply": reply,
    "journal": journal_file,
    "ktap": tests,
    "config": config,
}
