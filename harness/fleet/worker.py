"""Carries out one request on the machine that it runs on; what is told of it is data, and checked by the controller.

    python -m harness.fleet.worker FOLDER [MIB] <REQUEST >LINES

`FOLDER` holds all that a worker keeps: sources, objects, kernels and blobs; the last two may take `MIB` each.  Lines on
standard output are `tell TEXT` while it works, and at the end `reply JSON`, in as many lines as it takes.  Files that
come back are in an archive: in the reply if it is small, else (a line `files`) in `FOLDER/out/JOB.tar.gz`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import platform
import shlex
import shutil
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import architecture
from harness.errors import FULL, BuildError, InfrastructureError, KernelError, RegressError
from harness.files import sha256
from harness.fleet.program import program
from harness.fleet.request import BuildJob, Command, Request, TrialJob
from harness.fleet.sources import Sources
from harness.fleet.store import MOST, Store, prune
from harness.git import Commit
from harness.kernel.build import KernelBuilder
from harness.kernel.command import CommandBuilder
from harness.kernel.kept import BESIDE, BUILT_WITH
from harness.kernel.tree import Tree
from harness.machine import Machine, accelerator
from harness.machine.command import CommandMachine
from harness.machine.vng import Vng
from harness.model import Boot, Kernel, Outcome, Trial
from harness.trial import run_trial

SCHEMA = 1
"""The version of replies."""

TRIAL_FILES = ("console.log", "status.log", "vng.command", "qemu.command", "build.log")
"""The files of a trial that come back."""

SMALL = 256 << 10
"""Bytes of an archive that goes with the reply."""

PART = 32000
"""Characters of a reply in one line."""

LEFT = 3600.0
"""Seconds after which files that nobody fetched are removed."""

ROOM = 256 << 20
"""Bytes that must be free on the worker's disk before it begins."""

Tell = Callable[[str], None]


class Missing(Exception):
    """The worker lacks something that the controller has.

    Args:
        blobs: the digests of files.
        have: commits that are here, if a commit is missing.
    """

    def __init__(self, blobs: list[str], have: list[str] | None = None) -> None:
        super().__init__()
        self.blobs, self.have = blobs, have


class _Telling:
    """Progress that goes to the controller."""

    def __init__(self, tell: Tell) -> None:
        self.note = self.update = tell


class Worker:
    """Carries out requests in a folder.

    Args:
        folder: all that it keeps.
        tell: is told what it does.
        most: bytes that files and kernels may take each.
    """

    def __init__(self, folder: Path, tell: Tell, most: int = MOST) -> None:
        self.folder, self.tell, self.most = folder, tell, most
        self.store, self.sources = Store(folder / "blobs", most), Sources(folder)

    def reply(self, request: Request, archive: Path) -> dict[str, Any]:
        """Carry out a request.

        Args:
            archive: the file to pack up what comes back in.

        Returns:
            The reply; whatever happens, there is one.
        """
        said: dict[str, Any] = {"schema": SCHEMA, "job": request.job.id, "host": platform.node(), "files": {}}
        began = time.time()
        try:
            if request.program != program().digest:
                raise InfrastructureError("another version of regress is installed here: install the controller's")
            with tempfile.TemporaryDirectory(prefix="job-", dir=self._room()) as name:
                top = Path(name)
                said |= self._do(request, top)
                said["files"], said["archive"] = _packed(top / "out", archive, request.most)
        except Missing as missing:
            said |= {"kind": "missing", "blobs": missing.blobs, "have": missing.have}
        except RegressError as error:
            said |= {"kind": _kind(error), "reason": str(error)}
        except OSError as error:
            said |= {"kind": "infrastructure", "reason": f"{error.filename or self.folder}: {error.strerror}"}
        return said | {"clock": [began, time.time()]}

    def _room(self) -> Path:
        place = self.folder / "jobs"
        place.mkdir(parents=True, exist_ok=True)
        for left in (*place.iterdir(), *(self.folder / "out").glob("*")):
            with contextlib.suppress(OSError):
                if time.time() - left.stat().st_mtime > LEFT:
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
        self.store.prune()
        prune(self.folder / "kernels", self.most)
        if shutil.disk_usage(place).free < ROOM:
            raise InfrastructureError(f"{place}: {FULL}")
        return place

    def _do(self, request: Request, top: Path) -> dict[str, Any]:
        job = request.job
        for digest, content in request.files.items():
            (top / "file").write_bytes(content)
            self.store.add(top / "file", digest)
        if job.passed:
            os.environ |= dict(job.passed)
            os.environ["REGRESS_PASS_ENV"] = " ".join(name for name, _ in job.passed)
        missing = [digest for digest in job.blobs if self.store.path(digest) is None]
        if job.source and (have := self.sources.missing(job.source)) is not None:
            packed = self.store.path(request.pack) if request.pack else None
            if packed is None:
                raise Missing([*missing, *([request.pack] if request.pack else [])], have)
            self.tell("unpacking sources")
            self.sources.take(job.source, packed)
            packed.unlink()
        if missing:
            raise Missing(missing)
        (top / "out").mkdir()
        if isinstance(job, BuildJob):
            return self._build(job, top)
        return self._trial(job, top)

    def _build(self, job: BuildJob, top: Path) -> dict[str, Any]:
        out = top / "out"
        with self._built(job, top, out) as kernel:
            return {"kind": "kernel", "signature": kernel.signature, "seconds": kernel.seconds, "built": kernel.built}

    @contextlib.contextmanager
    def _built(self, job: BuildJob, top: Path, out: Path) -> Iterator[Kernel]:
        """The kernel of a job; where a command builds it, its worktree is held during the block."""
        source, want = job.source, f"{job.id}\n"
        commit = Commit(source.sha, source.tree, source.subject)
        with self.sources.tree(source, want) as (tree, ready):
            if job.command is None:
                yield self._make(job, tree, commit, top, out)
                return
            line = self._words(job.command, top)
            if ready:
                where = tree.worktree
                yield Kernel(where, where, "command", source.tree, line, False, 0.0)
                return
            self.sources.mark(tree, None)
            began = time.monotonic()
            with CommandBuilder(tree, line, _Telling(self.tell)) as builder:
                kernel = builder.build(commit, out)
                self.sources.mark(tree, want)
                yield replace(kernel, built=True, seconds=round(time.monotonic() - began, 2))

    def _make(self, job: BuildJob, tree: Tree, commit: Commit, top: Path, out: Path) -> Kernel:
        fragments = []
        for number, (name, text) in enumerate(job.fragments):
            path = top / str(number) / name  # a scenario's own may be named like one of the program's
            path.parent.mkdir()
            path.write_text(text, encoding="utf-8")
            fragments.append(path)
        cache, progress = self.folder, _Telling(self.tell)
        builder = KernelBuilder(
            *(tree, job.arch, tuple(fragments), cache, progress, job.kernels),
            base=job.base,
            kselftest=job.kselftest,
        )
        return builder.build(commit, out)

    def _trial(self, job: TrialJob, top: Path) -> dict[str, Any]:
        out = top / "out"
        with contextlib.ExitStack() as stack:
            if job.build is not None:
                try:
                    image = stack.enter_context(self._built(job.build, top, out)).image
                except BuildError as error:
                    # It was built before, on this or another host.
                    raise InfrastructureError(f"it does not build here: {error}") from error
            else:
                image = self._blob(job.image)
            disk = top / "disk.img" if job.disk else None
            if disk is not None:
                with disk.open("xb") as file:
                    file.truncate((job.disk or 0) << 20)
            initrd = self._blob(job.initrd) if job.initrd else top / "initramfs.cpio"
            root = self._blob(job.root) if job.root else None
            boot = Boot(image, job.arch, initrd, job.append, job.memory, job.cpus, out, disk, root)
            tell = self.tell
            trial = run_trial(self._machine(job, top), boot, job.timeouts, job.expected, tell, job.ignore, job.tests)
        if trial.outcome is Outcome.INFRASTRUCTURE:
            raise InfrastructureError(trial.reason)
        return {"kind": "trial", "trial": _told(trial)}

    def _machine(self, job: TrialJob, top: Path) -> Machine:
        if job.command is not None:
            return CommandMachine(self._words(job.command, top))
        return Vng(accelerator.probe(architecture.load(job.arch), self.folder, _Telling(self.tell)).name)

    def _blob(self, digest: str | None) -> Path:
        path = self.store.path(digest or "")
        if path is None:
            raise Missing([digest or ""])
        return path

    def _words(self, command: Command, top: Path) -> str:
        """A command with the files that came with it in place of those that it names."""
        words = list(command.words)
        for number, digest, name in command.files:
            place = top / "files" / str(number) / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._blob(digest), place)
            place.chmod(0o755)
            key, equals, _ = words[number].rpartition("=")
            words[number] = f"{key}{equals}{place}"
        return shlex.join(words)


def _kind(error: RegressError) -> str:
    if isinstance(error, BuildError):
        return "build error"
    return "kernel error" if isinstance(error, KernelError) else "infrastructure"


def _told(trial: Trial) -> dict[str, Any]:
    return {
        "outcome": str(trial.outcome),
        "reason": trial.reason,
        "seconds": round(trial.seconds, 3),
        "phases": [list(phase) for phase in trial.phases],
        "crash": trial.crash.to_json() if trial.crash else None,
    }


def _packed(out: Path, archive: Path, most: int) -> tuple[dict[str, str], Mapping[str, Any] | None]:
    """Pack up the files that go back."""
    names = {*architecture.image_names(), *BESIDE, *BUILT_WITH, *TRIAL_FILES}
    files = [path for path in sorted(out.iterdir()) if path.name in names and path.is_file()]
    if not files:
        return {}, None
    if sum(path.stat().st_size for path in files) > most:
        raise InfrastructureError(f"the files of the trial take more than {most >> 20} MiB")
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for path in files:
            tar.add(path, path.name, recursive=False)
    return (
        {path.name: sha256(path) for path in files},
        {"sha256": sha256(archive), "size": archive.stat().st_size},
    )


def main() -> int:
    """Carry out the request on standard input; the archive goes to `FOLDER/out/JOB.tar.gz`."""
    folder, most = Path(sys.argv[1]).expanduser(), int(sys.argv[2]) << 20 if len(sys.argv) > 2 else MOST
    request = Request.from_bytes(sys.stdin.buffer.read())
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
    # What a library prints must not be taken for ours.
    os.dup2(2, 1)

    def tell(text: str) -> None:
        print(f"tell {text}".replace("\n", " "), file=channel, flush=True)

    archive = folder / "out" / f"{request.job.id}.tar.gz"
    reply = Worker(folder, tell, most).reply(request, archive)
    for line in lines(reply, archive):
        print(line, file=channel)
    channel.flush()
    return 0


def lines(reply: Mapping[str, Any], archive: Path) -> Iterator[str]:
    """A reply as lines of bounded length; a small archive is in it."""
    told = dict(reply)
    if told.get("archive"):
        if archive.stat().st_size <= SMALL:
            told["inline"] = base64.b64encode(archive.read_bytes()).decode("ascii")
            archive.unlink()
        else:
            yield "files"
    text = json.dumps(told)
    yield from (f"reply {text[start : start + PART]}" for start in range(0, len(text), PART))


if __name__ == "__main__":
    sys.exit(main())
