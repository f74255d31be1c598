"""What came back from a worker, checked before it is believed."""

from __future__ import annotations

import base64
import json
import math
import re
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import architecture
from harness.console import Crash, Follower
from harness.errors import InfrastructureError
from harness.files import sha256
from harness.fleet.request import BuildJob, Job
from harness.fleet.worker import SCHEMA, TRIAL_FILES
from harness.kernel import modules
from harness.kernel.kept import BESIDE, BUILT_WITH, PACKED
from harness.model import Outcome, Trial
from harness.record import crash_of

LONGEST = 1 << 20
"""Bytes of a reply."""

SKEW = 120.0
"""Seconds by which a host's clock may be wrong before it is told."""


class HostFault(InfrastructureError):
    """A host failed: nothing is known of the commit, and the work goes elsewhere.

    Args:
        host: its name.
        reason: what happened.
    """

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(f"{host}: {reason}")
        self.host, self.reason = host, reason


@dataclass(frozen=True)
class Reply:
    """A reply that has the right form; see `harness.fleet.worker`.

    Attributes:
        kind: `kernel`, `trial`, `build error`, `kernel error`, `infrastructure` or `missing`.
        host: the name that the fleet has for the host.
        data: all of it.
        archive: the files that came with it; None without any.
    """

    kind: str
    host: str
    data: Mapping[str, Any]
    archive: Path | None = None

    @property
    def reason(self) -> str:
        """Why there is neither a kernel nor a trial."""
        return str(self.data.get("reason", ""))

    def unpack(self, folder: Path) -> list[str]:
        """Put the files that came back into a folder.

        Returns:
            Their names.

        Raises:
            HostFault: they are not what the reply says.
        """
        if self.archive is None:
            return []
        told = dict(self.data["files"])
        try:
            with tarfile.open(self.archive, "r:gz") as tar:
                for member in tar:
                    if member.name not in told or not member.isreg() or (folder / member.name).is_symlink():
                        raise HostFault(self.host, f"its reply has a file that it does not name: {member.name!r}")
                    opened = tar.extractfile(member)
                    assert opened is not None
                    with opened, (folder / member.name).open("wb") as file:
                        _copy(opened.read, file.write)
                    if sha256(folder / member.name) != told.pop(member.name):
                        raise HostFault(self.host, f"{member.name} came back damaged")
        except (tarfile.TarError, EOFError, OSError, ValueError) as error:
            if isinstance(error, OSError) and error.filename:
                raise
            raise HostFault(self.host, f"its files cannot be unpacked: {error}") from error
        if told:
            raise HostFault(self.host, f"files are missing from its reply: {', '.join(sorted(told))}")
        return sorted(self.data["files"])


def _copy(read: Callable[[int], bytes], write: Callable[[bytes], int]) -> None:
    while block := read(1 << 20):
        write(block)


def parse(line: str, job: Job, host: str, folder: Path, archive: Path | None = None) -> Reply:
    """A reply to a job.

    Args:
        line: the JSON.
        host: who sent it.
        folder: for an archive that is in the reply itself.
        archive: the files that came beside it.

    Raises:
        HostFault: it is not a reply to this job, or says what cannot be.
    """
    try:
        if len(line) > LONGEST:
            raise ValueError(f"{len(line)} bytes, more than {LONGEST}")
        data = json.loads(line)
        _expect(isinstance(data, dict), "an object", data)
        for name, wanted in (("schema", SCHEMA), ("job", job.id)):
            _expect(data.get(name) == wanted, f"{name} {wanted!r}", data.get(name))
        kind = data.get("kind")
        _expect(kind in ("kernel", "trial", "build error", "kernel error", "infrastructure", "missing"), "a kind", kind)
        _expect(kind not in ("kernel", "trial") or (kind == "kernel") == isinstance(job, BuildJob), "the other", kind)
        _check_files(data, job)
        {"kernel": _check_kernel, "trial": _check_trial, "missing": _check_missing}.get(kind, _check_error)(data, job)
        if text := data.pop("inline", None):
            archive = folder / "reply.tar.gz"
            archive.write_bytes(base64.b64decode(text, validate=True))
        _expect((archive is not None) == bool(data["files"]), "its files with it", archive)
        if archive is not None:
            said = data.get("archive") or {}
            _expect(archive.stat().st_size == said.get("size"), f"{said.get('size')} bytes of files", archive)
            _expect(sha256(archive) == said.get("sha256"), "the files that it names", "others")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise HostFault(host, f"its reply makes no sense: {_short(error)}") from error
    return Reply(kind, host, data, archive)


def _short(error: Exception) -> str:
    text = f"{type(error).__name__} {error}" if isinstance(error, KeyError | TypeError) else str(error)
    return text if len(text) < 200 else f"{text[:200]}..."


def _expect(true: bool, what: str, got: object) -> None:
    if not true:
        raise ValueError(f"expected {what}, got {str(got)[:80]!r}")


def _sha(text: object, what: str) -> None:
    _expect(isinstance(text, str) and re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", text) is not None, what, text)


def _kernel_files(job: BuildJob) -> tuple[str, ...]:
    return (architecture.load(job.arch).image.name, *BESIDE)


def _check_files(data: Mapping[str, Any], job: Job) -> None:
    allowed = (*_kernel_files(job), *BUILT_WITH) if isinstance(job, BuildJob) else TRIAL_FILES
    _expect(isinstance(data["files"], dict), "files", data["files"])
    for name, digest in data["files"].items():
        _expect(name in allowed, f"files among {', '.join(allowed)}", name)
        _sha(digest, f"the SHA-256 of {name}")


def _seconds(value: object, what: str) -> None:
    fine = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value < 1e7
    _expect(fine, what, value)


def _check_kernel(data: Mapping[str, Any], job: Job) -> None:
    assert isinstance(job, BuildJob)
    _sha(data["signature"], "the kernel's signature")
    _seconds(data["seconds"], "the seconds of the build")
    _expect(isinstance(data["built"], bool), "whether it was built", data["built"])
    if job.command is not None:
        _expect(data["signature"] == job.source.tree, "the tree that was asked for", data["signature"])
    else:
        files = _kernel_files(job)
        _expect(set(files) <= set(data["files"]), f"the files {', '.join(files)}", data["files"])
        signature = modules.signature(data["files"][files[0]], *map(data["files"].get, PACKED))
        _expect(signature == data["signature"], "an image of that signature", data["signature"])


def _check_trial(data: Mapping[str, Any], _job: Job) -> None:
    trial = data["trial"]
    _expect(trial["outcome"] in {*Outcome} - {Outcome.BUILD_FAILED, Outcome.INFRASTRUCTURE}, "an outcome", trial)
    _expect(isinstance(trial["reason"], str) and "\n" not in trial["reason"], "a reason on one line", trial["reason"])
    _seconds(trial["seconds"], "the seconds of the trial")
    for name, at in trial["phases"]:
        _expect(isinstance(name, str), "the name of a phase", name)
        _seconds(at, "the time of a phase")
    _expect("console.log" in data["files"], "console.log among the files", list(data["files"]))
    _expect(trial["outcome"] != Outcome.CRASHED or trial["crash"] is not None, "a crash", None)
    crash_of(trial["crash"])


def _check_missing(data: Mapping[str, Any], job: Job) -> None:
    have = data["have"]
    _expect(have is None or (isinstance(have, list) and job.source is not None), "commits that are there", have)
    for sha in have or ():
        _sha(sha, "a commit")
    _expect(isinstance(data["blobs"], list), "the files that are missing", data["blobs"])
    for digest in data["blobs"]:
        _sha(digest, "the SHA-256 of a missing file")


def _check_error(data: Mapping[str, Any], _job: Job) -> None:
    _expect(isinstance(data["reason"], str) and bool(data["reason"]), "a reason", data.get("reason"))


def trial(reply: Reply, folder: Path, variant: str) -> Trial:
    """The trial of a reply, its files in a folder.

    Raises:
        HostFault: files or crash are not what the reply says.
    """
    if reply.kind != "trial":
        raise HostFault(reply.host, f"{reply.kind}: {reply.reason}")
    reply.unpack(folder)
    told = reply.data["trial"]
    said = crash_of(told["crash"])
    if said is not None and not _shown(said, folder / "console.log"):
        raise HostFault(reply.host, f"it tells of a crash that its console does not show: {said.title}")
    phases = tuple((name, float(at)) for name, at in told["phases"])
    outcome, reason = Outcome(told["outcome"]), told["reason"]
    return Trial(outcome, reason, float(told["seconds"]), folder, said, phases, variant, reply.host)


def _shown(said: Crash, console: Path) -> bool:
    """Whether a crash is on a console."""
    follower = Follower()
    with console.open("rb") as file:
        while block := file.read(1 << 16):
            if any(event.crash.title == said.title for event in follower.feed(block)):
                return True
    return any(event.crash.title == said.title for event in follower.finish())


def wrong_clock(reply: Reply, began: float, ended: float) -> float | None:
    """By how many seconds a host's clock is wrong, if that is more than a little; times by the controller's."""
    try:
        first, last = (float(at) for at in reply.data["clock"])
    except (KeyError, TypeError, ValueError):
        return None
    off = first - began if first < began else max(0.0, last - ended)
    return off if abs(off) > SKEW else None
