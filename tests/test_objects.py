"""Where kernels are built: a new object folder begins as the nearest one."""

import os
from pathlib import Path

import pytest

from harness.git import Commit
from harness.kernel import objects
from harness.kernel.build import KernelBuilder
from harness.kernel.tree import Tree, from_path
from harness.model import TINY, Base
from harness.progress import Silent
from tests.support import kernels

FIRST = "CONFIG_BUS=y\nCONFIG_DISK=y\nCONFIG_CORE=y\n"
NEAR = f"{FIRST}CONFIG_CIPHER=y\n"
FAR = "CONFIG_CONSOLE=y\nCONFIG_WIFI=y\n"


@pytest.fixture
def place(tmp_path: Path) -> tuple[Tree, Commit, Path]:
    """A tree with a commit of it, and a cache."""
    git, sha, _ = kernels.kernel(tmp_path / "tree")
    return from_path(git.path, tmp_path / "cache", Silent()), git.commit(sha), tmp_path / "cache"


def built(place: tuple[Tree, Commit, Path], asked: str, base: Base = TINY) -> set[str]:
    """Build with these options; the names of the object folders that came of it."""
    tree, commit, cache = place
    fragment = cache.with_name("asked.config")
    fragment.write_text(asked)
    before = {path.name for path in (cache / "objects").glob("*")}
    builder = KernelBuilder(tree, "x86_64", (fragment,), cache, Silent(), base=base)
    kernel = builder.build(commit, cache.with_name("folder"))
    for line in asked.splitlines():
        assert line in kernel.image.read_text().splitlines()
    return {path.name for path in (cache / "objects").glob("*")} - before


def mark(place: tuple[Tree, Commit, Path], names: set[str], word: str) -> None:
    """Leave something in a folder that a copy of it has too."""
    [name] = names
    (place[2] / "objects" / name / "mark").write_text(word)


def marked(place: tuple[Tree, Commit, Path], names: set[str]) -> str | None:
    """What is left in a folder."""
    [name] = names
    path = place[2] / "objects" / name / "mark"
    return path.read_text() if path.exists() else None


def test_a_new_folder_begins_as_the_nearest_one(place: tuple[Tree, Commit, Path]) -> None:
    mark(place, built(place, FIRST), "first")
    near = built(place, NEAR)
    assert marked(place, near) == "first"
    mark(place, near, "near")
    assert marked(place, built(place, f"{NEAR}CONFIG_UNUSED=y\n")) == "near"
    assert marked(place, built(place, f"{FIRST}CONFIG_SPARE=y\n")) == "first"


def test_a_folder_that_is_too_far_or_of_another_base_is_none(place: tuple[Tree, Commit, Path]) -> None:
    mark(place, built(place, FIRST), "first")
    assert marked(place, built(place, FAR)) is None
    assert marked(place, built(place, NEAR, Base(("defconfig",)))) is None


def test_a_folder_that_was_not_configured_to_the_end_is_none(place: tuple[Tree, Commit, Path]) -> None:
    first = built(place, FIRST)
    mark(place, first, "first")
    [name] = first
    (place[2] / "objects" / name / objects.STATE).write_text('{"kin"')
    assert marked(place, built(place, NEAR)) is None


def test_a_copy_that_was_killed_is_made_again(place: tuple[Tree, Commit, Path]) -> None:
    first = built(place, FIRST)
    mark(place, first, "first")
    near = built(place, NEAR)
    [name] = near
    folder = place[2] / "objects" / name
    folder.rename(folder.with_name(f".{name}"))
    (folder.with_name(f".{name}") / "half").touch()
    assert objects.begin(folder, "other", NEAR.splitlines()) is None
    nearest = objects.begin(folder, objects.state(place[2] / "objects" / next(iter(first)))["kin"], NEAR.splitlines())
    assert nearest is not None
    assert nearest.name in first
    assert not (folder / "half").exists()
    assert not objects.state(folder)


def test_commands_that_name_the_folder_name_the_copy_and_keep_their_time(tmp_path: Path) -> None:
    tool = tmp_path / "old/tools/.objtool.cmd"
    tool.parent.mkdir(parents=True)
    (tool.parent / "objtool").symlink_to("gone")
    tool.write_text(f"cmd_{tmp_path}/old/tools/objtool := gcc -o {tmp_path}/old/tools/objtool")
    os.utime(tool, ns=(1, 2_000_000_003))
    objects.copy(tmp_path / "old", tmp_path / "new")
    copied = tmp_path / "new/tools/.objtool.cmd"
    assert copied.read_text() == f"cmd_{tmp_path}/new/tools/objtool := gcc -o {tmp_path}/new/tools/objtool"
    assert copied.stat().st_mtime_ns == 2_000_000_003
    assert (tmp_path / "new/tools/objtool").is_symlink()
