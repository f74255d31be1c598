import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from harness.git import Git
from tests.support import IDENTITY, ROOT

if TYPE_CHECKING:
    from tests.support.browsers import Browser

# A shell's background job ignores Ctrl-C, and so would all that the tests start and then interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# In CI the same source has the same answer; chance looks for new cases wherever else the tests run.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write what the golden tests give now, and show what changes"
    )


@pytest.fixture(autouse=True)
def surroundings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache and a configuration of the test's own, and git without the user's."""
    top = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_CACHE_HOME", str(top / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(top / "config"))
    for name, value in IDENTITY.items():
        monkeypatch.setenv(name, value)
    return top


@pytest.fixture
def history(tmp_path: Path) -> Callable[..., tuple[Git, list[str]]]:
    """Makes a git repository with one commit for each dictionary of files; returns it and the hashes."""

    def make(*commits: dict[str, str], name: str = "tree") -> tuple[Git, list[str]]:
        path = tmp_path / name
        path.mkdir()
        git = Git(path)
        git.run("init", "--quiet", "--initial-branch=main")
        shas = []
        for number, files in enumerate(commits, 1):
            for file, text in files.items():
                (path / file).parent.mkdir(parents=True, exist_ok=True)
                (path / file).write_text(text)
            git.run("add", "--all")
            git.run("commit", "--quiet", "--allow-empty", "-m", f"commit {number}")
            shas.append(git.text("rev-parse", "HEAD"))
        return git, shas

    return make


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """Chromium, started once."""
    from tests.support import browsers  # only the tests that need it wait for it

    if why := browsers.lacking():
        pytest.skip(why)
    with browsers.started() as one:
        yield one


@pytest.fixture
def regress() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `./regress` as a user would."""

    def call(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(ROOT / "regress"), *args], capture_output=True, text=True, check=False, env={**os.environ, **env}
        )

    return call
