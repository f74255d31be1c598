"""What a host returns is checked before it is believed."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.console import find_crashes
from harness.fleet import reply as replies
from harness.fleet.reply import HostFault
from harness.fleet.request import BuildJob, Command, Request, Source, TrialJob
from harness.fleet.worker import SCHEMA, lines
from harness.model import Outcome, Timeouts
from tests.test_run import BAD

SOURCE = Source("a" * 40, "b" * 40, "a change", "sha1", "tree")
BUILD = BuildJob(SOURCE, "x86_64", command=Command(("sh", "build.sh")))
TRIAL = TrialJob("key", "x86_64", None, BUILD, None, (), 512, 2, None, Command(("sh", "x")), Timeouts(), None)
CONSOLE = b"booted\n"


def packed(files: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for name, content in files.items():
            told = tarfile.TarInfo(name)
            told.size, told.type, told.linkname = len(content) * (kind == tarfile.REGTYPE), kind, "/etc/passwd"
            tar.addfile(told, io.BytesIO(content))
    return raw.getvalue()


@pytest.fixture
def sent(tmp_path: Path) -> Callable[..., tuple[str, Path]]:
    """Makes a right reply to a trial, and changes it."""

    def make(files: dict[str, bytes] | None = None, /, **changes: Any) -> tuple[str, Path]:
        whole = {"console.log": CONSOLE} if files is None else files
        raw = packed(whole)
        archive = tmp_path / "sent.tar.gz"
        archive.write_bytes(raw)
        trial = {"outcome": "passed", "reason": "", "seconds": 1.0, "phases": [["up", 0.5]], "crash": None}
        data = {
            "schema": SCHEMA,
            "job": TRIAL.id,
            "host": "h",
            "kind": "trial",
            "trial": {**trial, **changes.pop("trial", {})},
            "files": {name: hashlib.sha256(content).hexdigest() for name, content in whole.items()},
            "archive": {"sha256": hashlib.sha256(raw).hexdigest(), "size": len(raw)},
        }
        return json.dumps({**data, **changes}), archive

    return make


def test_a_right_reply_is_a_trial(sent: Callable[..., tuple[str, Path]], tmp_path: Path) -> None:
    line, archive = sent()
    trial = replies.trial(replies.parse(line, TRIAL, "a", tmp_path, archive), tmp_path, "v")
    assert (trial.outcome, trial.host, trial.variant) == (Outcome.PASSED, "a", "v")
    assert (tmp_path / "console.log").read_bytes() == CONSOLE


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"job": "0" * 32}, "expected job"),
        ({"schema": 99}, "expected schema"),
        ({"kind": "kernel"}, "expected"),
        ({"kind": "gossip"}, "expected a kind"),
        ({"trial": {"outcome": "fine"}}, "expected an outcome"),
        ({"trial": {"outcome": "build failed"}}, "expected an outcome"),
        ({"trial": {"outcome": "crashed"}}, "expected a crash"),
        ({"trial": {"seconds": float("nan")}}, "expected the seconds"),
        ({"trial": {"seconds": -1}}, "expected the seconds"),
        ({"trial": {"reason": "one\ntwo"}}, "on one line"),
        ({"trial": {"crash": {"title": "x"}}}, "makes no sense"),
        ({"files": {"../../etc/passwd": "0" * 64}}, "expected files among"),
        ({"files": {"bzImage": "0" * 64}}, "expected files among"),
        ({"files": {"console.log": "what"}}, "expected the SHA-256"),
        ({"archive": {"sha256": "0" * 64, "size": 3}}, "bytes of files"),
        ({"archive": None}, "bytes of files"),
    ],
)
def test_a_wrong_reply_is_a_fault_of_the_host(
    sent: Callable[..., tuple[str, Path]], tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    line, archive = sent(**changes)
    with pytest.raises(HostFault, match=why):
        replies.trial(replies.parse(line, TRIAL, "a", tmp_path, archive), tmp_path, "")


def test_a_crash_has_to_be_on_the_console(sent: Callable[..., tuple[str, Path]], tmp_path: Path) -> None:
    (crash,) = find_crashes(BAD.replace("echo '", "").replace("'\n", "\n").encode())
    told = {"outcome": "crashed", "reason": "it crashed", "crash": crash.to_json()}
    line, archive = sent(trial=told)
    with pytest.raises(HostFault, match="its console does not show"):
        replies.trial(replies.parse(line, TRIAL, "a", tmp_path, archive), tmp_path, "")
    line, archive = sent({"console.log": BAD.replace("echo '", "").replace("'\n", "\n").encode()}, trial=told)
    assert replies.trial(replies.parse(line, TRIAL, "a", tmp_path, archive), tmp_path, "").crash == crash


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_only_plain_files_come_out_of_an_archive(
    sent: Callable[..., tuple[str, Path]], tmp_path: Path, kind: bytes
) -> None:
    line, archive = sent()
    raw = packed({"console.log": CONSOLE}, kind)
    archive.write_bytes(raw)
    data = {**json.loads(line), "archive": {"sha256": hashlib.sha256(raw).hexdigest(), "size": len(raw)}}
    reply = replies.parse(json.dumps(data), TRIAL, "a", tmp_path, archive)
    with pytest.raises(HostFault):
        replies.trial(reply, tmp_path, "")
    assert not (tmp_path / "console.log").is_symlink()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_garbage_is_never_believed(sent: Callable[..., tuple[str, Path]], tmp_path: Path, data: st.DataObject) -> None:
    line, archive = sent()
    raw, place = archive.read_bytes(), data.draw(st.integers(0, len(line) - 1))
    how = data.draw(st.sampled_from(("cut", "swap", "archive")))
    if how == "cut":
        line = line[:place]
    elif how == "swap":
        line = line[:place] + data.draw(st.characters(codec="ascii")) + line[place + 1 :]
    else:
        at = data.draw(st.integers(0, len(raw) - 1))
        archive.write_bytes(raw[:at] + data.draw(st.binary(max_size=3)) + raw[at + 1 :])
    try:
        trial = replies.trial(replies.parse(line, TRIAL, "a", tmp_path, archive), tmp_path, "")
    except HostFault:
        return
    # What got through is a trial of this very job, with the console that was sent.
    assert trial.outcome in {*Outcome} - {Outcome.INFRASTRUCTURE, Outcome.BUILD_FAILED, Outcome.CRASHED}
    assert trial.folder == tmp_path


def test_a_long_reply_goes_in_lines_of_bounded_length(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(b"x" * 100_000)
    told = list(lines({"job": "j", "archive": {"size": 100_000}}, archive))
    assert max(map(len, told)) < 40_000
    assert json.loads("".join(line.removeprefix("reply ") for line in told))["job"] == "j"
    assert not archive.exists()


def test_a_request_goes_over_and_back() -> None:
    request = Request(TRIAL, "digest", pack="p")
    assert Request.from_bytes(request.to_bytes()) == request
    assert BUILD.id == BuildJob(SOURCE, "x86_64", command=Command(("sh", "build.sh"))).id
