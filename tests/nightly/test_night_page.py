"""The page while a night runs, and that no night fails by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import site
from harness.cli import night_page
from harness.nightly import demo
from harness.site import reading
from tests.nightly.test_command import Lab
from tests.support.html import parsed, words


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Lab(tmp_path, 1)


def test_it_is_written_while_the_night_runs(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def update(results: Path) -> Path | None:
        index = site.update(results)
        assert index
        seen.append(words(parsed(index.read_text())))
        return index

    monkeypatch.setattr(night_page, "PAUSE", 0.0)
    monkeypatch.setattr(night_page, "SHARE", 1.0)
    monkeypatch.setattr(night_page, "update", update)
    told = lab.night(1, "usb-plug", "old-board")
    assert "running: 1 of 2 cells" in seen[0]
    assert all("running: 2 of 2 cells" in text for text in seen[1:-1])
    assert "running" not in seen[-1]
    assert told.page == lab.results / "site" / "index.html"
    assert f"Nothing new in {demo.tag(1)}" in seen[-1]
    assert not list(lab.results.rglob(reading.PROGRESS))


def test_a_page_that_cannot_be_written_stops_nothing(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.results.mkdir()
    (lab.results / "site").write_text("in the way")
    told = lab.night(1, "usb-plug")
    assert (told.status, told.document["status"], told.page) == (0, "nothing new", None)
    assert capsys.readouterr().err.count("the page could not be written: ") == 1
