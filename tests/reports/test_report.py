"""`regress report`, and what the documents keep for the formats."""

from pathlib import Path

import pytest

from harness import document, excerpt, record, reports
from harness.bisect.narrowing import narrowing
from harness.bisect.plan import Step
from harness.cli import main
from harness.console import find_crashes
from harness.model import Outcome, Trial, Verdict
from harness.search import History
from harness.search.graph import Graph
from tests.reports import test_junit, test_kcidb, test_mail
from tests.reports.conftest import Results
from tests.support.html import parsed
from tests.support.toy import crash


@pytest.mark.parametrize("name", reports.FORMATS)
def test_each_format_is_printed_or_written(
    results: Results, capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    folder, file = str(results.folders["bisect"]), tmp_path / "new" / "report"
    assert main(["report", folder, "--format", name]) == 0
    printed = capsys.readouterr().out
    assert main(["report", folder, "--format", name, "--output", str(file)]) == 0
    assert capsys.readouterr().out == ""
    assert file.read_text(encoding="utf-8") == printed


def test_what_cannot_be(results: Results, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = str(results.folders["run"])
    (tmp_path / "file").write_text("")
    assert main(["report", folder, "--output", str(tmp_path / "file" / "x")]) == 2
    assert f"--output {tmp_path}/file/x: " in capsys.readouterr().err
    for url in ("ftp://example.org", "example.org", "https://a b", "javascript:x", 'https://x/"><script>'):
        assert main(["report", folder, "--base-url", url]) == 2
        assert "expected an address such as" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["bisect", "run", "try"])
def test_a_run_that_was_killed_at_any_moment(results: Results, name: str) -> None:
    events = record.find(results.folders[name]).events
    for count in range(1, len(events)):
        told = document.of(events[:count], results.folders[name])
        assert told["status"] == "running"
        texts = {one: reports.render(one, told) for one in reports.FORMATS}
        test_junit.check(texts["junit"])
        test_kcidb.valid(texts["kcidb"])
        parsed(texts["html"])
        assert not test_mail.read(texts["mail"])["to"]


def test_a_terminal_is_told_nothing_that_acts(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    told = results.document("bisect")
    step = {**told["steps"][0], "subject": "\x1b]0;owned\x07 \u202e"}
    assert "␛]0;owned␇ <U+202E>" in reports.render("text", {**told, "steps": [step]})


def steps(*told: str) -> list[Step]:
    words = {"G": Verdict.GOOD, "B": Verdict.BAD, "S": Verdict.SKIP}
    return [Step(one[1:], "commit", "", words[one[0]], "", False, 1, 1.0) for one in told]


def test_how_a_range_narrows_over_a_merge() -> None:
    # a - b - d - e, with c beside b.
    parents = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "e": ("d",)}
    graph = Graph(History(tuple(parents), parents, ("old",)))
    drawn = [(one["left"], one["bar"]) for one in narrowing(graph, steps("Be", "Gc", "Sd", "Bb"), Verdict.BAD)]
    assert drawn == [(5, "====B"), (3, "-=G=="), (3, "-=-S="), (1, "-B---")]
    drawn = [(one["left"], one["bar"]) for one in narrowing(graph, steps("Ge", "Bb", "Gx"), Verdict.GOOD)]
    assert drawn == [(5, "====G"), (3, "-B===")]


def test_a_long_range_is_drawn_in_sixty_signs() -> None:
    names = [f"c{number}" for number in range(1000)]
    parents = {name: tuple(names[place - 1 : place]) for place, name in enumerate(names)}
    [one] = narrowing(Graph(History(tuple(names), parents, ("old",))), steps("Gc499"), Verdict.BAD)
    assert (one["left"], len(one["bar"])) == (500, 60)
    assert set(one["bar"][:29]) == {"-"}
    assert set(one["bar"][30:]) == {"="}


def test_what_is_kept_of_a_console(tmp_path: Path) -> None:
    folder = tmp_path / "commit-1" / "trial-1"
    folder.mkdir(parents=True)
    lines = [f"line {number}".encode() for number in range(1, 101)]
    (folder / "console.log").write_bytes(b"\r\n".join(lines) + b"\n" + b"x" * 1_000_000)
    kept = excerpt.of(Trial(Outcome.HUNG, "", 1.0, folder))
    assert kept
    assert (kept["first"], kept["lines"][0], kept["crash"], len(kept["lines"])) == (62, "line 62", None, 40)
    assert kept["lines"][-1] == "x" * 397 + "..."
    assert excerpt.of(Trial(Outcome.PASSED, "", 1.0, folder)) is None
    console = b"\n".join(lines) + b"\n" + crash("toy_read") + b"after\n" * 20
    (folder / "console.log").write_bytes(console)
    [found] = find_crashes(console)
    kept = excerpt.of(Trial(Outcome.CRASHED, "", 1.0, folder, found))
    assert kept
    assert (kept["first"], kept["crash"]) == (91, [101, 103])
    assert kept["lines"][-1] == "after"
    assert excerpt.files(Trial(Outcome.CRASHED, "", 1.0, folder), tmp_path) == ["commit-1/trial-1/console.log"]
    assert excerpt.files(Trial(Outcome.CRASHED, "", 1.0, folder), tmp_path / "other") == []
    (folder.parent / "initramfs.cpio").touch()
    assert excerpt.files(Trial(Outcome.CRASHED, "", 1.0, folder), tmp_path)[-1] == "commit-1/repro.sh"
    (folder / "console.log").unlink()
    assert excerpt.of(Trial(Outcome.HUNG, "", 1.0, folder)) is None
