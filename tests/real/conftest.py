import pytest


@pytest.fixture
def surroundings() -> None:
    """The user's own cache: what is built here is worth keeping."""
