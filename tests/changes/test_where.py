"""`regress where`: which releases have a culprit and which its fix, on real repositories with releases."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.git import Git
from harness.releases import mainline
from harness.releases.names import grouped, series
from tests.support import ROOT, Called
from tests.support.edges import Repo

CULPRIT, FIX = "bio: stop checking", "bio: check again"


class Kernel(Repo):
    """A repository with releases."""

    def release(self, *tags: str) -> None:
        for tag in tags:
            self.commit(subject=f"Linux {tag}")
            self.git("tag", "-a", "-m", tag, tag)

    def change(self, subject: str, body: str = "", text: str = "") -> str:
        self.write({"bio.c": text or f"// {subject}\n"})
        self.count += 1
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", f"{subject}\n\n{body}")
        return self.head

    def stable(self, tag: str) -> None:
        self.git("checkout", "--quiet", "-B", f"linux-{tag[1:]}.y", tag)

    def main(self) -> None:
        self.git("checkout", "--quiet", "main")


@pytest.fixture
def linux(tmp_path: Path) -> Kernel:
    repo = Kernel(tmp_path / "linux")
    repo.path.mkdir()
    repo.git("init", "--quiet", "--initial-branch=main")
    return repo


Where = Callable[..., Called]


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Where:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def call(*args: str, trees: tuple[Path, ...] = (), as_json: bool = True) -> Called:
        named = [word for tree in trees or (tmp_path / "linux",) for word in ("--tree", str(tree))]
        argv = [str(ROOT / "regress"), "where", *args, *named, *(["--json"] if as_json else [])]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=tmp_path)
        return Called(done.returncode, done.stdout, done.stderr)

    return call


def states(told: Called, tree: int = 0) -> dict[str, list[str]]:
    """The ranges of each series: `v4.13 to v4.13.2 affected`."""
    found = {}
    for one in told["trees"][tree]["series"]:
        found[one["series"]] = [
            f"{r['first']}..{r['last']} {r['state']}{' ?' if r['guess'] else ''}" for r in one["ranges"]
        ]
    return found


def hows(told: Called, tree: int = 0) -> dict[str, tuple[str, bool]]:
    return {one["commit"]: (one["how"], one["guess"]) for one in told["trees"][tree]["commits"]}


def test_a_backport_by_its_upstream_line(linux: Kernel, where: Where) -> None:
    linux.release("v4.12")
    culprit = linux.change(CULPRIT)
    linux.release("v4.13-rc1", "v4.13")
    fix = linux.change(FIX, f'Fixes: {culprit[:12]} ("{CULPRIT}")')
    linux.release("v4.14-rc1", "v4.14")
    linux.stable("v4.12")
    back = linux.change(CULPRIT, f"[ Upstream commit {culprit} ]")
    linux.release("v4.12.1")
    linux.stable("v4.13")
    linux.release("v4.13.1", "v4.13.2")
    mended = linux.change(FIX, f"commit {fix} upstream.")
    linux.release("v4.13.3", "v4.13.10")
    told = where(culprit, fix)
    assert told.status == 0
    assert states(told) == {
        "mainline": ["v4.12..v4.12 not affected", "v4.13-rc1..v4.13 affected", "v4.14-rc1..v4.14 fixed"],
        "4.13.y": ["v4.13.1..v4.13.2 affected", "v4.13.3..v4.13.10 fixed"],
        "4.12.y": ["v4.12.1..v4.12.1 affected"],
    }
    assert hows(told) == {
        culprit: ("hash", False),
        fix: ("hash", False),
        back: (f'says "commit {culprit[:12]} upstream"', False),
        mended: (f'says "commit {fix[:12]} upstream"', False),
    }
    text = where(culprit[:12], fix, as_json=False).out
    assert "v4.13.3 on" in text
    assert "v4.13.1 to v4.13.2" in text


def test_without_a_fix_a_fixes_tag_counts_as_a_guess(linux: Kernel, where: Where) -> None:
    linux.release("v5.1")
    culprit = linux.change(CULPRIT)
    linux.release("v5.2")
    linux.change(FIX, f'Fixes: {culprit[:8]} ("{CULPRIT}")')
    linux.release("v5.3")
    told = where("v5.2~1")
    assert states(told)["mainline"] == ["v5.1..v5.1 not affected", "v5.2..v5.2 affected", "v5.3..v5.3 fixed ?"]
    assert told["trees"][0]["commits"][1]["how"] == "Fixes: tag"


def test_all_of_several_fixes_are_needed(linux: Kernel, where: Where) -> None:
    culprit = linux.change(CULPRIT)
    linux.release("v5.1")
    one = linux.change(FIX)
    linux.release("v5.2")
    two = linux.change("bio: check twice")
    linux.release("v5.3")
    assert states(where(culprit, one, two))["mainline"] == [
        "v5.1..v5.1 affected",
        "v5.2..v5.2 affected",
        "v5.3..v5.3 fixed",
    ]
    assert "; 1 of 2 fixes" in where(culprit, one, two, as_json=False).out


def test_what_shares_a_subject_is_told_by_its_patch(linux: Kernel, where: Where) -> None:
    """A branch without an upstream line: the same patch is the same change, another one is a guess."""
    linux.write({"bio.c": "a\n"})
    linux.release("v4.1")
    culprit = linux.change(CULPRIT, text="a\nb\n")
    linux.release("v4.2")
    linux.stable("v4.1")
    same = linux.change(CULPRIT, "for us", text="a\nb\n")
    linux.release("v4.1.1")
    linux.git("checkout", "--quiet", "-B", "vendor", "v4.1")
    other = linux.change(CULPRIT, text="c\n")
    linux.release("vendor-4.1-1")
    linux.git("checkout", "--quiet", "-B", "far", "v4.1")
    far = linux.change(CULPRIT, f"commit {'1' * 40} upstream.")
    linux.release("far-1")
    told = where(culprit)
    assert states(told) == {
        "mainline": ["v4.1..v4.1 not affected", "v4.2..v4.2 affected"],
        "4.1.y": ["v4.1.1..v4.1.1 affected"],
        "far": ["far-1..far-1 not affected"],
        "vendor": ["vendor-4.1-1..vendor-4.1-1 affected ?"],
    }
    assert hows(told)[same] == ("subject and patch-id", False)
    assert hows(told)[other] == ("subject; another patch", True)
    assert far not in hows(told)


def test_a_namesake_before_the_culprit_is_another_change(linux: Kernel, where: Where) -> None:
    linux.change(CULPRIT, text="first\n")
    linux.release("v4.1")
    culprit = linux.change(CULPRIT, text="second\n")
    linux.release("v4.2")
    assert states(where(culprit))["mainline"] == ["v4.1..v4.1 not affected", "v4.2..v4.2 affected"]


def test_reverts_and_what_comes_back(linux: Kernel, where: Where) -> None:
    linux.release("v4.1")
    culprit = linux.change(CULPRIT, text="bad\n")
    linux.release("v4.2")
    revert = linux.change(f'Revert "{CULPRIT}"', f"This reverts commit {culprit}.")
    linux.release("v4.3")
    linux.change(f'Reapply "{CULPRIT}"', f"This reverts commit {revert}.", text="bad\n")
    linux.release("v4.4")
    linux.stable("v4.2")
    linux.change(f'Revert "{CULPRIT}"', f"This reverts commit 0123456789abcdef which is commit {culprit} upstream.")
    linux.release("v4.2.1")
    linux.stable("v4.1")
    linux.change(f'Revert "{CULPRIT}"', f"commit {revert} upstream.\n\nThis reverts commit {culprit}.")
    linux.release("v4.1.1")
    assert states(where(culprit)) == {
        "mainline": [
            *("v4.1..v4.1 not affected", "v4.2..v4.2 affected", "v4.3..v4.3 fixed", "v4.4..v4.4 affected"),
        ],
        "4.2.y": ["v4.2.1..v4.2.1 fixed"],
        "4.1.y": ["v4.1.1..v4.1.1 fixed"],
    }


def test_a_fix_that_is_reverted(linux: Kernel, where: Where) -> None:
    culprit = linux.change(CULPRIT)
    fix = linux.change(FIX)
    linux.release("v4.1")
    linux.change(f'Revert "{FIX}"', f"This reverts commit {fix}.")
    linux.release("v4.2")
    assert states(where(culprit, fix))["mainline"] == ["v4.1..v4.1 fixed", "v4.2..v4.2 affected"]


def test_a_cut_history_says_so(linux: Kernel, where: Where, tmp_path: Path) -> None:
    linux.release("v4.1")
    culprit = linux.change(CULPRIT)
    linux.release("v4.2", "v4.3")
    shallow = tmp_path / "shallow"
    subprocess.run(["git", "clone", "--quiet", "--depth=2", f"file://{linux.path}", str(shallow)], check=True)
    told = where(culprit, trees=(shallow,))
    assert told.status == 1
    assert states(told)["mainline"] == ["v4.2..v4.3 cut here"]
    assert "not affected" not in where(culprit, trees=(shallow,), as_json=False).out
    # Where the culprit itself is there, what is behind the cut does not matter.
    deep = tmp_path / "deep"
    subprocess.run(["git", "clone", "--quiet", "--depth=3", f"file://{linux.path}", str(deep)], check=True)
    assert states(where(culprit, trees=(deep,)))["mainline"] == ["v4.2..v4.3 affected"]


def test_several_trees(linux: Kernel, where: Where, tmp_path: Path) -> None:
    """What one tree knows of the culprit, its subject, serves for one that never had its hash."""
    linux.release("v6.1")
    culprit = linux.change(CULPRIT, text="x\n")
    linux.release("v6.2")
    vendor = Kernel(tmp_path / "vendor")
    vendor.path.mkdir()
    vendor.git("init", "--quiet", "--initial-branch=main")
    vendor.release("vendor-1")
    vendor.change(CULPRIT, text="x\n")
    vendor.release("vendor-2")
    told = where(culprit, trees=(vendor.path, linux.path))
    assert told.status == 0
    assert states(told, 0) == {"vendor": ["vendor-1..vendor-1 not affected", "vendor-2..vendor-2 affected"]}
    assert states(told, 1)["mainline"] == ["v6.1..v6.1 not affected", "v6.2..v6.2 affected"]


def test_of_a_scenario(linux: Kernel, where: Where) -> None:
    """lr#35498d names its culprit and its fix by hash and subject: a history of other hashes is a guess."""
    linux.release("v4.12")
    linux.change("bio-integrity: stop abusing bi_end_io")
    linux.release("v4.13-rc1")
    linux.change("bio-integrity: Fix regression if profile verify_fn is NULL")
    linux.release("v4.13")
    told = where("lr#35498d")
    assert states(told)["mainline"] == [
        "v4.12..v4.12 not affected",
        "v4.13-rc1..v4.13-rc1 affected ?",
        "v4.13..v4.13 fixed ?",
    ]


def test_nothing_has_it(linux: Kernel, where: Where) -> None:
    linux.release("v6.1")
    told = where("0123456789abcdef")
    assert (told.status, told["status"]) == (1, "nowhere")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("lr#35498e",), "unknown scenario 'lr#35498e'; did you mean 'lr#35498d'?"),
        (("no/such/thing",), "is neither a scenario, nor the folder of a result, nor a commit of these trees"),
        (("pi-disk",), "it does not say which commit is at fault"),
    ],
)
def test_wrong_input(linux: Kernel, where: Where, args: tuple[str, ...], said: str) -> None:
    linux.release("v6.1")
    told = where(*args)
    assert (told.status, told.out) == (2, "")
    assert said in told.err


def test_a_tree_without_tags(linux: Kernel, where: Where) -> None:
    culprit = linux.change(CULPRIT)
    told = where(culprit)
    assert told.status == 2
    assert "has no tags: fetch them" in told.err


def test_series_of_tags() -> None:
    names = ["v2.6.11", "v2.6.32.10", "v2.6.32-rc1", "v4.13", "v4.13-rc7", "v4.13.12", "v6.12.3-rt4", "next-20260506"]
    assert [series(name) for name in (*names, "Ubuntu-5.15.0-25.25", "v10.2.3", "1")] == [
        *("mainline", "2.6.32.y", "mainline", "mainline", "mainline", "4.13.y", "6.12.y-rt", "linux-next"),
        *("Ubuntu", "10.2.y", "other"),
    ]
    tags = ["v4.9.10", "v4.9.9", "v4.10", "v4.9", "v4.10-rc10", "v4.10-rc9", "v5.10.1", "v5.9.1", "rel-2", "rel-10"]
    assert grouped(tags) == {
        "mainline": ["v4.9", "v4.10-rc9", "v4.10-rc10", "v4.10"],
        "5.10.y": ["v5.10.1"],
        "5.9.y": ["v5.9.1"],
        "4.9.y": ["v4.9.9", "v4.9.10"],
        "rel": ["rel-2", "rel-10"],
    }


def test_of_bisections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The culprit of one, and the fix that another one of the scenario found."""
    from tests.support.edges import Toy

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    toy = Toy(tmp_path)
    tree = toy.repo()
    shas = tree.line("good bad good")
    for number, sha in enumerate(shas, 1):
        tree.git("tag", f"v5.{number}", sha)
    found = toy.bisect(tree, shas[0], shas[1])
    folder = Path(found["folder"])
    argv = [str(ROOT / "regress"), "where", str(folder), "--tree", str(tree.path), "--json"]

    def told() -> Any:
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, env={**toy.env, "PATH": "/usr/bin:/bin"}
        )
        return json.loads(done.stdout)

    first = told()
    assert (first["culprit"]["commit"], first["fixes"]) == (shas[1], [])
    toy.call("bisect", "--json", "--tree", str(tree.path), "--find-fix", "--bad", shas[1], "--good", shas[2])
    second = told()
    assert [one["commit"] for one in second["fixes"]] == [shas[2]]
    assert [one["state"] for one in second["trees"][0]["series"][0]["ranges"]] == ["not affected", "affected", "fixed"]


def test_the_newest_release_of_mainline(linux: Kernel) -> None:
    """What a mail says of it: whether an end of the search that has it shows the regression."""
    git = Git(linux.path)
    assert mainline.newest(git, [], []) is None
    linux.release("v6.1")
    good = linux.head
    linux.release("v6.2-rc1")
    bad = linux.head
    linux.stable("v6.1")
    linux.release("v6.1.9")
    assert mainline.newest(git, [good], [bad]) == {"tag": "v6.2-rc1", "state": "bad", "at": bad}
    assert mainline.newest(git, [bad], []) == {"tag": "v6.2-rc1", "state": "good", "at": bad}
    assert mainline.newest(git, [good], [linux.head]) == {"tag": "v6.2-rc1", "state": None, "at": None}


def test_hostile_subjects_do_nothing_to_a_terminal(linux: Kernel, where: Where) -> None:
    culprit = linux.change("bio: \x1b[31mred\u202e <b>--grep=x")
    linux.release("v6.1")
    told = where(culprit, as_json=False)
    assert told.status == 0
    assert not {"\x1b", "\u202e"} & set(told.out)
    assert "bio: \u241b[31mred<U+202E> <b>--grep=x" in told.out


def test_a_server_that_does_not_answer(linux: Kernel, where: Where, tmp_path: Path) -> None:
    """The other trees are told, and the exit status says that something is missing."""
    culprit = linux.change(CULPRIT)
    linux.release("v6.1")
    argv = [
        str(ROOT / "regress"),
        "where",
        culprit,
        "--json",
        "--tree",
        str(linux.path),
        "--tree",
        f"file://{tmp_path}/no",
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    told = Called(done.returncode, done.stdout, done.stderr)
    assert (told.status, told["status"]) == (3, "infrastructure")
    assert "does not answer" in told["trees"][0]["error"]
    assert states(told, 1)["mainline"] == ["v6.1..v6.1 affected"]
