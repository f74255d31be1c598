"""Histories that hypothesis makes up, as data and as real repositories."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import strategies as st

from harness.git import Git
from harness.search import History

Parents = list[tuple[int, ...]]


@st.composite
def graphs(draw: st.DrawFn, most: int = 40, octopus: int = 4) -> Parents:
    """The parents of each commit, by number, oldest first; all are reachable from the last, commit 0 from all."""
    parents: Parents = [()]
    for here in range(1, draw(st.integers(2, most))):
        # Mostly a strand: the parent is the commit before, or a fork a few commits back.
        count = draw(st.sampled_from((1, 1, 1, 2, octopus)))
        back = draw(
            st.lists(st.integers(1, min(here, 8)), min_size=count, max_size=count, unique=True)
            if here >= 8
            else st.lists(st.integers(1, here), min_size=1, max_size=min(count, here), unique=True)
        )
        parents.append(tuple(here - step for step in back))
    tips = [here for here in range(len(parents)) if not any(here in of for of in parents)]
    if len(tips) > 1:
        parents.append(tuple(reversed(tips)))
    return parents


def history(parents: Parents) -> History:
    """The range after commit 0, with made-up hashes."""
    names = [name(here) for here in range(len(parents))]
    return History(
        tuple(names[1:]),
        {names[here]: tuple(names[parent] for parent in parents[here] if parent) for here in range(1, len(parents))},
        (names[0],),
    )


def line(count: int) -> History:
    """A range of this many commits in a row; hash and number agree, `0` is the good end."""
    names = [f"{here:012x}" + "0" * 28 for here in range(count + 1)]
    return History(
        tuple(names[1:]),
        {names[here]: tuple(names[max(here - 1, 1) : here]) for here in range(1, count + 1)},
        (names[0],),
    )


def name(here: int) -> str:
    """A made-up hash."""
    return f"{here * 2654435761 % 2**32:08x}" * 5


@pytest.fixture(scope="session")
def in_git(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Parents], tuple[Git, History]]:
    """Lays a graph in a real repository; the range after its commit 0."""
    root = tmp_path_factory.mktemp("histories")
    count = 0

    def lay(parents: Parents) -> tuple[Git, History]:
        nonlocal count
        count += 1
        git = Git(root / str(count))
        git.path.mkdir()
        git.run("init", "--quiet", "--bare", "--initial-branch=main")
        stream = "".join(
            f"commit refs/heads/main\nmark :{here + 1}\ncommitter A <a@b> {1700000000 + 60 * here} +0000\n"
            f"data 1\n{here % 10}\n"
            + "".join(f"{'merge' if at else 'from'} :{parent + 1}\n" for at, parent in enumerate(of))
            + "\n"
            for here, of in enumerate(parents)
        )
        git.run(
            "fast-import", "--quiet", "--force", input=f"feature done\nreset refs/heads/main\n{stream}done\n".encode()
        )
        start = git.text("rev-list", "--max-parents=0", "main")
        above = git.history(git.commit("main").sha, (start,))
        return git, History(tuple(above), above, (start,))

    return lay
