"""Table, exit status, JSON, JUnit and the stored report agree, whatever comes of a commit, however it is asked for."""

import contextlib
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness import catalog
from harness.cli import main
from harness.cli.environment import Environment
from harness.console import Expectation
from harness.errors import InfrastructureError, RegressError
from harness.git import Git
from harness.kernel.tree import Tree
from harness.machine import Chunk
from harness.model import Boot, MachineSpec, Range, Revision, Scenario, Timeouts
from harness.progress import Silent
from harness.runner import GuestImage, Runner
from harness.testing import FakeBuilder, ScriptedMachine

History = Callable[..., tuple[Git, list[str]]]
UP = Chunk(status=b"regress: up\n")
OOPS = b"""BUG: kernel NULL pointer dereference, address: 0000000000000000
RIP: 0010:%s+0x10/0x20
---[ end trace 0000000000000000 ]---
"""
OUTCOMES: dict[str, list[Chunk | RegressError | None]] = {
    "quiet": [UP, Chunk(status=b"regress: passed\n")],
    "crash": [UP, Chunk(OOPS % b"toy_read")],
    "another crash": [UP, Chunk(OOPS % b"other")],
    "failed": [UP, Chunk(status=b"regress: failed no data\n")],
    "skipped": [UP, Chunk(status=b"regress: skipped no dd\n")],
    "lost": [UP],
    "no boot": [],
    "no machine": [InfrastructureError("the machine is gone")],
}
UNBUILDABLE = "no build"
WAYS = ("known", "by hand", "all known", "all by hand", "try", "bisect")


@pytest.fixture(params=[True, False], ids=["regression", "claim"])
def toy(request: pytest.FixtureRequest, tmp_path: Path) -> Scenario:
    """A scenario that expects a crash, or one that claims that there is none."""
    expect, claim = (Expectation(title="*in toy_read"), None) if request.param else (None, "it works")
    machine = MachineSpec(timeouts=Timeouts(30, 30, 30))
    return Scenario(
        "toy", "the toy", tmp_path, claim=claim, expect=expect, machine=machine, build_command="-", machine_command="-"
    )


class World:
    """The program as its users see it, over a machine of the test's own."""

    def __init__(self, toy: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
        self.outcomes: dict[str, str] = {}

        @contextlib.contextmanager
        def runner(_self: Environment, _tree: Tree) -> Iterator[Runner]:
            broken = {sha: "x.c:1: error" for sha, outcome in self.outcomes.items() if outcome == UNBUILDABLE}
            machine = ScriptedMachine(self.play)
            yield Runner(toy, FakeBuilder(broken), machine, lambda top: GuestImage(top, ()), "x86_64", Silent())

        monkeypatch.setattr(Environment, "runner", runner)
        monkeypatch.setattr(catalog, "find", lambda *_: toy)
        monkeypatch.setattr(catalog, "scenarios", lambda *_: [toy])

    def play(self, boot: Boot) -> list[Chunk | RegressError | None]:
        name = next(part for part in reversed(boot.folder.parts) if re.search(r"-[0-9a-f]{12}$", part))
        return OUTCOMES[next((o for sha, o in self.outcomes.items() if sha[:12] == name[-12:]), "quiet")]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("outcome", [*OUTCOMES, UNBUILDABLE])
def test_all_agree(
    history: History,
    toy: Scenario,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    way: str,
    outcome: str,
) -> None:
    git, (good, bad) = history({"file": "one\n"}, {"file": "two\n"})
    ends = Range(Revision(good), Revision(bad))
    World(replace(toy, commits={str(git.path): ends}), monkeypatch).outcomes = {bad: outcome}
    patch = tmp_path / "a.patch"
    patch.write_text("--- a/file\n+++ b/file\n@@ -1 +1 @@\n-two\n+three\n")
    by_hand = ["--commit", good, "--commit", bad]
    args = {
        "known": ["run", "toy"],
        "by hand": ["run", "toy", *by_hand],
        "all known": ["run", "--all"],
        "all by hand": ["run", "--all", *by_hand],
        "try": ["try", "toy", str(patch)],
        "bisect": ["bisect", "toy"],
    }[way]
    status = main([*args, "--tree", str(git.path), "--results", str(tmp_path / "results"), "--json"])
    out, err = capsys.readouterr()
    document = json.loads(out)
    if way.startswith("all"):
        assert document["scenarios"][0]["well"] == document["well"]
        [document] = document["scenarios"]
    well, folder = document["well"], Path(document["folder"])

    suites = ET.parse(folder / "junit.xml").getroot()
    kinds = {kind for kind in ("failure", "error", "skipped") if suites.find(f".//{kind}") is not None}
    assert suites.find(".//testcase") is not None
    assert (status == 0) is (well is True) is (not kinds)
    assert (well is False) is ("failure" in kinds)
    assert (status == 3) is (document["status"] == "infrastructure") is ("error" in kinds)
    if way.startswith("all"):
        [row] = [line for line in err.splitlines() if line.startswith("toy  ") and "tree" not in line]
        assert row.endswith(("absent", "yes")) is (well is True)
        assert row.endswith(("SHOWS", "NO")) is (well is False)

    for name, file in (("junit", "junit.xml"), ("json", "result.json")):
        assert main(["report", str(folder), "--format", name]) == 0
        assert capsys.readouterr().out == (folder / file).read_text()
    assert way.startswith("all") or out == (folder / "result.json").read_text()
    assert main(["report", str(folder)]) == 0
    assert set(capsys.readouterr().out.splitlines()) <= set(err.splitlines())
    assert toy.claim or status == STATUS.get((way, outcome), status)


STATUS = {
    ("known", "quiet"): 1,
    ("known", "crash"): 0,
    ("by hand", "quiet"): 0,
    ("by hand", "crash"): 1,
    ("all known", "quiet"): 1,
    ("all known", "crash"): 0,
    ("all by hand", "quiet"): 0,
    ("all by hand", "crash"): 1,
    ("try", "quiet"): 1,
    ("try", "crash"): 0,
    ("bisect", "quiet"): 1,
    ("bisect", "crash"): 0,
}
"""What the documentation says of a regression; the rest follows, as all agree."""
