"""The program's own checkout: whatever a build, a kill or a power cut left in it, the next start gets through."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.edges import BAD, GOOD, Repo, Toy

LEFT = {
    "a locked HEAD": lambda git: (git / "HEAD.lock").touch(),
    "a locked index": lambda git: (git / "index.lock").touch(),
    "an empty index": lambda git: (git / "index").write_bytes(b""),
    "an index of noughts": lambda git: (git / "index").write_bytes(bytes(200)),
    "an empty HEAD": lambda git: (git / "HEAD").write_bytes(b""),
    "no alternates": lambda git: (git / "objects/info/alternates").unlink(missing_ok=True),
    "an empty configuration": lambda git: (git / "config").write_bytes(b""),
    "a locked configuration": lambda git: (git / "config.lock").touch(),
    "a locked shallow": lambda git: (git / "shallow.lock").touch(),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_a_power_cut_leaves(toy: Toy, tree: Repo, name: str) -> None:
    shas = tree.line("good bad")
    args = ("--json", "--tree", str(tree.path), "--commit")
    assert toy.call("run", *args, shas[1], reads=tree)["status"] == "shows"
    damage: Callable[[Path], object] = LEFT[name]
    for git in toy.repositories():
        damage(git)
    done = toy.call("run", *args, shas[0], "--commit", shas[1], reads=tree)
    assert [one["verdict"] for one in done["commits"]] == ["good", "bad"], done.err


def test_repository_that_was_half_made(toy: Toy, tree: Repo) -> None:
    """The first start was killed while git made it: HEAD is there, and nothing else."""
    shas = tree.line("good bad")
    toy.bisect(tree, shas[0], shas[-1]).is_culprit(shas[1])
    for git in toy.repositories():
        for path in sorted(git.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        (git / "HEAD").write_text("ref: refs/heads/main\n")
        (git / "refs").mkdir()
    toy.bisect(tree, shas[0], shas[-1]).is_culprit(shas[1])


LEFTOVERS: dict[str, tuple[str, dict[str, str]]] = {
    "a folder where a file comes": ("mkdir -p out 2>/dev/null && touch out/x 2>/dev/null; true\n", {"out": "file\n"}),
    "a file where a folder comes": ("test -d out || touch out\n", {"out/y": "file\n"}),
    "a read-only folder": ("mkdir -p out && touch out/x && chmod 500 out; true\n", {"out/y": "file\n"}),
    "a link where a folder comes": ("test -d out || ln -sfn /tmp out\n", {"out/y": "file\n"}),
    "a file named like the commit": ("echo built >$REGRESS_COMMIT\n", {}),
    "a repository": ("git init --quiet sub; touch sub/x\n", {"sub/x": "file\n"}),
    "a changed file": ("sed -i s/passed/PASSED/ console.sh; sed -i s/PASSED/passed/ console.sh; echo 99 >f1\n", {}),
    "a changed machine": ("printf '%s' \"$(cat console.sh)\" >c; sed -i s/toy_read/toy_rxxd/ console.sh\n", {}),
}


@pytest.mark.parametrize("name", LEFTOVERS)
def test_what_a_build_leaves(toy: Toy, tree: Repo, name: str) -> None:
    build, files = LEFTOVERS[name]
    tree.write({"build.sh": build})
    good = tree.line("good*3")[0]
    culprit = tree.commit("bad", files=files)
    tree.commit()
    toy.bisect(tree, good, "HEAD").is_culprit(culprit)


def test_programs_of_the_tree(toy: Toy, tree: Repo) -> None:
    """`./build.sh` is the tree's, wherever the program was started."""
    toy.scenario(build="./build.sh", machine="./console.sh")
    tree.write({"build.sh": "#!/bin/sh\ntrue\n", "console.sh": ""})
    for name in ("build.sh", "console.sh"):
        (tree.path / name).chmod(0o755)
    shas = [tree.commit(files={"console.sh": f"#!/bin/sh\n{text}"}) for text in (GOOD, GOOD, BAD)]
    toy.bisect(tree, shas[0], tree.commit()).is_culprit(shas[2])
