"""What commits change, as git tells it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.git import Change, Git
from harness.progress import Silent
from harness.workspace import open_workspace

History = Callable[..., tuple[Git, list[str]]]


def test_every_kind_of_change(history: History) -> None:
    git, shas = history({"a.c": "one\n", "b": "x\n"}, {}, {"a.c": "two\n"})
    git.run("mv", "a.c", 'é "q".c')
    (git.path / "b").unlink()
    (git.path / "b").symlink_to("a.c")
    (git.path / "run").write_text("x")
    (git.path / "run").chmod(0o755)
    git.run("add", "--all")
    git.run("commit", "--quiet", "-m", "4")
    last = git.text("rev-parse", "HEAD")
    found = dict(git.changes([sha] for sha in (*shas, last)))
    assert found == {
        shas[0]: [Change("a.c", "A", ("000000", "100644")), Change("b", "A", ("000000", "100644"))],
        shas[2]: [Change("a.c", "M", ("100644", "100644"))],
        last: [
            Change("a.c", "D", ("100644", "000000")),
            Change("b", "T", ("100644", "120000")),
            Change("run", "A", ("000000", "100755")),
            Change('é "q".c', "A", ("000000", "100644")),
        ],
    }


def test_a_merge_is_compared_with_the_parent_that_is_named(history: History) -> None:
    git, shas = history({"a": "1\n"}, {"b": "1\n"})
    git.run("checkout", "--quiet", "-b", "side", shas[0])
    (git.path / "c").write_text("c\n")
    git.run("add", "--all")
    git.run("commit", "--quiet", "-m", "side")
    side = git.text("rev-parse", "HEAD")
    git.run("checkout", "--quiet", "main")
    git.run("merge", "--quiet", "--no-edit", "side")
    merge = git.text("rev-parse", "HEAD")
    assert [(sha, [one.path for one in some]) for sha, some in git.changes([(merge, shas[1]), (merge, side)])] == [
        (merge, ["c"]),
        (merge, ["b"]),
    ]
    assert list(git.changes([[merge]])) == []


def test_lines_that_look_like_headers_are_lines(history: History) -> None:
    git, shas = history(
        {"a.c": "keep\n-- a/x\n", "gone": "old\n"},
        {"a.c": "keep\n++ b/y\n@@ -1 +1 @@\ndiff --git a/z b/z\nno newline", "new": "new\n"},
    )
    git.run("rm", "--quiet", "gone")
    git.run("commit", "--quiet", "-m", "3")
    last = git.text("rev-parse", "HEAD")
    assert list(git.patches([[shas[1]], [last]])) == [
        (shas[1], "a.c", ["-- a/x", "++ b/y", "@@ -1 +1 @@", "diff --git a/z b/z", "no newline"]),
        (shas[1], "new", ["new"]),
        (last, "gone", ["old"]),
    ]


@pytest.mark.parametrize("count", [0, 3])
def test_the_texts_of_a_commit(history: History, tmp_path: Path, count: int) -> None:
    git, shas = history({f"n{number}.h": f"{number}\n\nlast\n" for number in range(4)}, {"n0.h": "later\n"})
    workspace = open_workspace(git, tmp_path / "workspace", Silent())
    asked = [f"n{number}.h" for number in range(count)]
    told = dict(workspace.texts(shas[0], [*asked, "missing.h"]))
    assert {path: text.split() for path, text in told.items()} == {path: [path[1], "last"] for path in asked}
    assert workspace.files(shas[0]) == {"n0.h", "n1.h", "n2.h", "n3.h"}
