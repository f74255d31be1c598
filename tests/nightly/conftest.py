"""Three made-up weeks, played once for all tests that look at them."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness import site
from harness.cli import nightly
from harness.cli.nightly import Conducted
from harness.cli.progress import Talk
from harness.cli.serve import Server
from harness.nightly import demo


@dataclass
class Weeks:
    """The nights, by day."""

    top: Path
    nights: dict[int, Conducted]

    def night(self, day: int) -> dict[str, Any]:
        return dict[str, Any](self.nights[day].document["night"])

    def states(self, scenario: str) -> dict[int, str]:
        return {
            day: cell["state"]
            for day in self.nights
            for cell in self.night(day)["cells"]
            if cell["scenario"] == scenario
        }


@pytest.fixture(scope="session")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Weeks]:
    top = tmp_path_factory.mktemp("weeks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(top / "cache"))
        done = nightly.play(top, top / "results", range(1, demo.DAYS + 1))
        yield Weeks(top, dict(enumerate(done, 1)))


@pytest.fixture(scope="module")
def pages(weeks: Weeks) -> Path:
    """The folder of the pages, as the nights have left it."""
    return weeks.top / "results" / site.FOLDER


@pytest.fixture
def copy(weeks: Weeks, tmp_path: Path) -> Path:
    """Results of one's own."""
    shutil.copytree(weeks.top / "results", tmp_path / "results")
    return tmp_path / "results"


@contextlib.contextmanager
def serving(results: Path) -> Iterator[Server]:
    """`regress serve`, on any port that is free."""
    with Server(results, 0, Talk()) as one:
        thread = threading.Thread(target=one.serve_forever)
        thread.start()
        yield one
        one.shutdown()
        thread.join()
