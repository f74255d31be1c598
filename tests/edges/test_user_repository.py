"""The user's repository, its configuration and its hooks: only read, and of no influence on what is found."""

import os
import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.edges import Repo, Toy, changes, contents


@pytest.fixture
def shas(tree: Repo) -> list[str]:
    """The third commit is the culprit."""
    return tree.line("good*2 bad same*2")


def dirty(tree: Repo) -> None:
    """Work that is staged, work that is not, and a new file."""
    tree.write({"f1": "my work\n"})
    tree.git("add", "f1")
    tree.write({"f2": "more of it\n", "new": "untracked\n"})


VARIABLES = {
    "GIT_DIR": {"GIT_DIR": "{tree}/.git"},
    "GIT_INDEX_FILE": {"GIT_INDEX_FILE": "{tree}/.git/index"},
    "GIT_WORK_TREE": {"GIT_DIR": "{tree}/.git", "GIT_WORK_TREE": "{tree}"},
}


@pytest.mark.parametrize("time", ["first time", "second time"])
@pytest.mark.parametrize("name", VARIABLES)
def test_variables_that_git_sets_for_hooks(toy: Toy, tree: Repo, shas: list[str], name: str, time: str) -> None:
    """... and for aliases, and for `git --git-dir=... bisect run`."""
    dirty(tree)
    if time == "second time":
        toy.call("run", "--tree", str(tree.path), "--commit", shas[0], reads=tree)
    env = {key: value.format(tree=tree.path) for key, value in VARIABLES[name].items()}
    toy.bisect(tree, shas[0], shas[-1], env=env).is_culprit(shas[2])


def test_bisect_run_with_git_dir(toy: Toy, tree: Repo, shas: list[str]) -> None:
    before = _lasting(tree)
    options = (f"--git-dir={tree.path}/.git", f"--work-tree={tree.path}")
    assert toy.bisect_run(tree, shas[0], shas[-1], git=options) == shas[2]
    assert not changes(before, _lasting(tree))


def test_bisect_run_in_a_linked_worktree(toy: Toy, tree: Repo, shas: list[str]) -> None:
    """git exports GIT_DIR there; the main work tree goes on to work."""
    linked = toy.top / "linked"
    tree.git("worktree", "add", "--quiet", "-b", "linked", str(linked))
    before = _lasting(tree)
    assert toy.bisect_run(tree, shas[0], shas[-1], cwd=linked) == shas[2]
    assert not changes(before, _lasting(tree))
    assert tree.git("status", "--porcelain") == ""


def test_alias_in_a_linked_worktree(toy: Toy, tree: Repo, shas: list[str]) -> None:
    linked = toy.top / "linked"
    tree.git("worktree", "add", "--quiet", "-b", "linked", str(linked))
    toy.bisect(tree, shas[0], shas[-1]).is_culprit(shas[2])
    (linked / "f1").write_text("my work\n")
    tree.git("-C", str(linked), "add", "f1")
    program, toy.program = toy.program, ("git", "-c", f"alias.reg=!{toy.program[0]}", "reg")
    before = contents(linked)
    ends = ("--tree", str(tree.path), "--good", shas[0], "--bad", shas[-1])
    toy.call("bisect", "--json", *ends, cwd=linked, reads=tree).is_culprit(shas[2])
    toy.program = program
    assert not changes(before, contents(linked))


@pytest.mark.parametrize("way", ["core.hooksPath", "init.templateDir"])
def test_hooks_of_the_user_do_not_run(toy: Toy, tree: Repo, shas: list[str], way: str) -> None:
    ran = toy.top / "hook-ran"
    hooks = toy.top / "template" / "hooks"
    hooks.mkdir(parents=True)
    for name in ("post-checkout", "reference-transaction", "post-index-change", "pre-commit"):
        _program(hooks / name, f"echo {name} >>{ran}\nexit 1\n")
    value = hooks if way == "core.hooksPath" else hooks.parent
    tree.git("config", "--global", way, str(value), env={"GIT_CONFIG_GLOBAL": str(toy.gitconfig)})
    toy.bisect(tree, shas[0], shas[-1]).is_culprit(shas[2])
    assert not ran.exists(), ran.read_text()


def test_hooks_filters_and_attributes_of_the_repository(toy: Toy, tree: Repo, shas: list[str]) -> None:
    """A smudge filter would change what is tested."""
    ran = toy.top / "hook-ran"
    for name in ("post-checkout", "reference-transaction", "pre-auto-gc", "post-index-change", "fsmonitor"):
        _program(tree.path / ".git/hooks" / name, f"echo {name} >>{ran}\nexit 1\n")
    for key, value in {
        "core.autocrlf": "true",
        "filter.evil.smudge": "sed s/passed/failed/",
        "filter.evil.clean": "cat",
        "filter.evil.required": "true",
        "core.fsmonitor": ".git/hooks/fsmonitor",
    }.items():
        tree.git("config", key, value)
    (tree.path / ".git/info/attributes").write_text("* filter=evil\n")
    toy.bisect(tree, shas[0], shas[-1]).is_culprit(shas[2])
    assert not ran.exists(), ran.read_text()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a repository to another user")
def test_repository_of_another_user(toy: Toy, tree: Repo, shas: list[str]) -> None:
    """git's word for it is `dubious ownership`; there is a repository, and nobody should make a second one."""
    tree.write({"Kconfig": ""})
    for path in (tree.path, *tree.path.rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)
    done = toy.bisect(tree, shas[0], shas[-1])
    done.is_refused()
    assert "ownership" in done.said or "safe.directory" in done.said
    assert "git init" not in done.said


ENDS = [
    "{0}",
    "--all",
    "v1.0",
    "{2:.12}",
    ":/commit 1 good",
    "HEAD@{{1}}",
    "HEAD^{{/commit 1 good}}",
    "{0}..{4}",
    "^{0}",
]


def test_names_of_the_good_end(toy: Toy, tree: Repo, shas: list[str]) -> None:
    """Branches and tags named like options, hashes and each other; a name means what it means to git, or nothing."""
    good, culprit, bad = shas[0], shas[2], shas[-1]
    named = ("heads/--all", "tags/-n1", f"tags/{culprit[:12]}", f"heads/{culprit}", "heads/HEAD", "heads/BISECT_HEAD")
    for name in (*named, "tags/v1.0"):
        tree.git("update-ref", f"refs/{name}", good)
    tree.git("update-ref", "refs/heads/v1.0", bad)
    for text in ENDS:
        name = text.format(*shas)
        done = toy.bisect(tree, name, bad)
        if name in (good, "v1.0"):
            done.is_culprit(culprit)
        elif done.out:
            done.is_culprit_or_open(culprit)
        else:
            done.is_refused()
    # The branch of that name is no bisection without a checkout (for git itself it is: `git bisect run` never ends).
    tree.git("checkout", "--quiet", "--detach", bad)
    assert toy.call("step", cwd=tree.path).status == 1


BIG = """\
[color]
ui = always
diff = always
[log]
showSignature = true
follow = true
decorate = full
date = relative
mailmap = true
showRoot = false
[core]
autocrlf = true
safecrlf = true
quotePath = false
pager = false
checkStat = minimal
trustctime = false
fileMode = false
symlinks = false
untrackedCache = true
fsmonitor = true
abbrev = 5
ignoreCase = true
sparseCheckout = true
attributesFile = /dev/null
[diff]
external = /bin/false
noprefix = true
mnemonicPrefix = true
renames = copies
ignoreSubmodules = all
[i18n]
logOutputEncoding = ISO-8859-1
commitEncoding = ISO-8859-1
[commit]
gpgsign = true
[user]
signingkey = nobody
[gpg]
program = /bin/false
[merge]
conflictStyle = diff3
renames = false
[checkout]
workers = 8
[feature]
manyFiles = true
experimental = true
[index]
version = 4
threads = true
[gc]
auto = 1
[submodule]
recurse = true
[transfer]
fsckObjects = true
[alias]
log = !false
rev-list = !false
[protocol]
version = 0
[safe]
bareRepository = explicit
[format]
pretty = fuller
signOff = true
attach = x
outputDirectory = /nonexistent/dir
"""
OPTIONS = {
    "much": BIG,
    "bare": "[core]\nbare = true\n",
    "worktree": "[core]\nworktree = /nonexistent\n",
    "object format": "[core]\nrepositoryformatversion = 1\n[extensions]\nobjectFormat = sha256\n",
}


@pytest.mark.parametrize("name", OPTIONS)
def test_configuration_of_the_user(toy: Toy, tree: Repo, name: str) -> None:
    """A global configuration changes neither what is found nor how it reads."""
    good = tree.commit("good")
    tree.line("good*3")
    tree.commit("good", "naïve")
    culprit = tree.commit("bad", "crème")
    tree.git("checkout", "--quiet", "-b", "side", "HEAD~2")
    tree.commit("same")
    tree.git("checkout", "--quiet", "main")
    tree.git("merge", "--quiet", "--no-edit", "side", "--strategy-option=ours")
    tree.commit("same")
    bad = tree.head
    toy.gitconfig.write_text(OPTIONS[name])
    done = toy.bisect(tree, good, bad)
    done.is_culprit(culprit)
    assert done["subject"] == "crème"


@pytest.mark.parametrize("locale", ["C", "en_US.ISO-8859-1"])
def test_subject_that_the_terminal_cannot_show(toy: Toy, tree: Repo, locale: str) -> None:
    good = tree.line("good*2")[0]
    culprit = tree.commit("bad", "fix: naïve 日本語")
    tree.commit()
    env = {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    toy.bisect(tree, good, tree.head, env=env).is_culprit(culprit)


@pytest.mark.parametrize("name", ["caf\udce9", "new\nline", 'sp ace "q" #x', "-dash", "co:lon"])
def test_name_of_the_folder(toy: Toy, name: str) -> None:
    """It works, or it is refused in words."""
    tree = toy.repo(f"x/{name}")
    shas = tree.line("good*2 bad same")
    done = toy.bisect(tree, shas[0], shas[-1])
    if done.status in (2, 3):
        done.is_refused()
    else:
        done.is_culprit(shas[2])


def test_garbage_is_collected_meanwhile(toy: Toy, tree: Repo) -> None:
    """The user packs all anew, and prunes, again and again."""
    shas = tree.line("good*10 bad same*6")
    over = threading.Event()

    def collect() -> None:
        while not over.is_set():
            tree.git("repack", "-q", "-a", "-d", "-f")
            tree.git("gc", "--quiet", "--prune=now")

    thread = threading.Thread(target=collect)
    thread.start()
    try:
        toy.bisect(tree, shas[0], shas[-1], untouched=False).is_culprit(shas[10])
    finally:
        over.set()
        thread.join()


def test_commits_that_are_pruned_before_the_resume(toy: Toy, tree: Repo) -> None:
    """The user drops the branch that is bisected, and prunes: what is borrowed has to be kept."""
    toy.machine("sleep 0.1\nexec sh console.sh\n")
    good = tree.line("good*2")[0]
    tree.git("checkout", "--quiet", "-b", "topic")
    topic = tree.line("good*4 bad same*4")
    toy.killed_after(3, "--tree", str(tree.path), "--good", good, "--bad", topic[-1])
    tree.git("checkout", "--quiet", "main")
    tree.git("branch", "--quiet", "-D", "topic")
    tree.git("reflog", "expire", "--expire=now", "--all")
    tree.git("gc", "--quiet", "--prune=now")
    done = toy.resume()
    if done.status == 0:
        done.is_culprit(topic[4])
    else:
        done.is_refused()


def test_repository_that_is_made_anew(toy: Toy, tree: Repo, shas: list[str]) -> None:
    toy.bisect(tree, shas[0], shas[-1]).is_culprit(shas[2])
    shutil.rmtree(tree.path)
    other = toy.repo()
    other.write({"o": "other\n"})
    anew = other.line("good*3 bad same")
    toy.bisect(other, anew[0], anew[-1]).is_culprit(anew[3])


@pytest.mark.parametrize(
    "options", [("--no-checkout",), ("--first-parent",), ("--term-new=broken", "--term-old=fine")], ids=lambda o: o[0]
)
def test_bisect_run_with_options(toy: Toy, tree: Repo, shas: list[str], options: Sequence[str]) -> None:
    assert toy.bisect_run(tree, shas[0], shas[-1], *options) == shas[2]


def test_bisect_run_in_a_folder_below(toy: Toy, tree: Repo) -> None:
    tree.write({"sub/x": "x\n"})
    shas = tree.line("good*2 bad same")
    assert toy.bisect_run(tree, shas[0], shas[-1], sub="sub") == shas[2]


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)


def _lasting(tree: Repo) -> dict[str, str]:
    """What git's own bisection leaves as it was: files, configuration, branches, tags."""
    subprocess.run(["git", "update-index", "-q", "--refresh"], cwd=tree.path, check=False)
    found = {name: state for name, state in contents(tree.path).items() if "/.git/" not in name}
    refs = tree.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags")
    config = (tree.path / ".git/config").read_text()
    return {**found, "refs": refs, "config": config, "HEAD": tree.git("symbolic-ref", "HEAD")}
