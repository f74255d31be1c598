from pathlib import Path

import pytest


@pytest.fixture
def surroundings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own cache, as what is built here is worth keeping, and a configuration of the test's own."""
    top = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(top / "config"))
    return top
