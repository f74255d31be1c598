"""What each test of the edges is given."""

from pathlib import Path

import pytest

from tests.support.edges import Repo, Toy


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path)


@pytest.fixture
def tree(toy: Toy) -> Repo:
    """An empty repository of the user's."""
    return toy.repo()
