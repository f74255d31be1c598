"""Histories that no kernel tree should have, and some that all of them have: a wrong commit is never named."""

import pytest

from tests.support.edges import BAD, GOOD, Repo, Toy


def test_merge_of_unrelated_histories_is_the_culprit(toy: Toy, tree: Repo) -> None:
    """A project with a root of its own is merged in; each side alone is good."""
    good = tree.line("good*3")[0]
    tree.git("checkout", "--quiet", "--orphan", "other")
    tree.git("rm", "-rfq", ".")
    tree.write({"build.sh": "true\n", "lib": "x\n"})
    tree.commit("good", "other project")
    tree.git("checkout", "--quiet", "main")
    tree.git("merge", "--quiet", "--allow-unrelated-histories", "--no-commit", "--strategy=ours", "other")
    tree.git("checkout", "--quiet", "other", "--", "lib")
    merge = tree.commit("bad", "Merge the other project")
    tree.line("same*2")
    assert len(tree.git("rev-list", "--parents", "-1", merge).split()) == 3
    toy.bisect(tree, good, "main").is_culprit(merge)


@pytest.mark.parametrize("date", ["@0 +0000", "@4102444800 +0000"], ids=["1970", "2100"])
def test_committer_dates_that_git_does_not_take_back(toy: Toy, tree: Repo, date: str) -> None:
    tree.env = {"GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": "@1700000000 +0000"}
    shas = tree.line("good*2 bad same*2")
    toy.bisect(tree, shas[0], shas[-1]).is_culprit(shas[2])


def test_clone_that_was_shallow_once(toy: Toy) -> None:
    """The user fetches the rest after a first bisection: the old boundary is no boundary any more."""
    up = toy.repo("up")
    shas = up.line("good*2 bad same*7")
    tree = _clone(toy, up, "--depth=5")
    toy.bisect(tree, shas[-5], shas[-1]).is_open()
    tree.git("fetch", "--quiet", "--unshallow")
    toy.bisect(tree, shas[0], shas[-1]).is_culprit(shas[2])


def test_branches_whose_fork_was_cut_off(toy: Toy) -> None:
    """A clone of two branches as CI makes it: what joins them, and the culprit, are not there."""
    up = toy.repo("up")
    up.commit("good")
    up.git("branch", "stable")
    up.line("good bad same*5")
    up.git("checkout", "--quiet", "stable")
    up.line("good*4")
    done = toy.bisect(_clone(toy, up, "--depth=4", "--no-single-branch"), "origin/stable", "origin/main")
    done.is_open()
    assert "fetch" in done.said, done.said


def test_side_branch_that_was_cut_off(toy: Toy) -> None:
    """Both ends are on the main line; the culprit came with the part of a side branch that --depth left off."""
    up = toy.repo("up")
    up.commit("good", "base")
    up.git("checkout", "--quiet", "-b", "topic")
    up.commit("bad", "topic: the real culprit")
    up.line("same*14")
    up.git("checkout", "--quiet", "main")
    good = up.line("good*3")[-1]
    up.git("merge", "--quiet", "--no-ff", "-m", "Merge topic", "topic", "--strategy-option=theirs")
    up.line("same*2")
    done = toy.bisect(_clone(toy, up, "--depth=12"), good, "HEAD")
    done.is_open()
    assert "cut" in done.said
    assert "fetch" in done.said


def test_histories_joined_by_a_graft(toy: Toy, tree: Repo) -> None:
    """`git replace --graft` lays an old history under a new one, as for linux-history; git bisect follows it."""
    shas = tree.line("good*2 bad same")
    tree.git("checkout", "--quiet", "--orphan", "new")
    tree.git("commit", "--quiet", "-m", "initial import")
    root = tree.head
    tree.line("same*3")
    tree.git("replace", "--graft", root, shas[-1])
    toy.bisect(tree, shas[0], "new").is_culprit(shas[2])


@pytest.mark.parametrize("command", ["run", "bisect"])
def test_replaced_commit_is_what_git_shows(toy: Toy, command: str) -> None:
    """X is replaced by X', tried, and the replacement taken away: X' has its own image, not that of X."""
    toy.machine(f'if grep -q BUG "$REGRESS_IMAGE"; then\n{BAD}else {GOOD}fi\n')
    toy.scenario(build=None, machine=f"sh {toy.top}/m.sh")
    tree = _kernel(toy)
    tree.write({"code": "BUG\n"})
    old = tree.commit(subject="X")
    tree.write({"code": "fine\n"})
    tree.git("add", "--all")
    tree.git("commit", "--quiet", "--amend", "-m", "X'")
    new = tree.head
    tree.git("replace", old, new)
    if command == "run":
        toy.call("run", "--json", "--tree", str(tree.path), "--commit", old, reads=tree)
    else:
        tree.commit(files={"code": "BUG two\n"})
        toy.bisect(tree, old, "HEAD")
    tree.git("replace", "-d", old)
    done = toy.call("run", "--json", "--tree", str(tree.path), "--commit", new, reads=tree)
    [one] = done["commits"]
    assert one["trials"][0]["crash"] is None, "X' was tried with the image of X"


def test_sha256(toy: Toy) -> None:
    """Found, or refused in words."""
    tree = toy.repo("tree", "--object-format=sha256")
    shas = tree.line("good*2 bad same*2")
    done = toy.bisect(tree, shas[0], shas[-1])
    if done.status == 0:
        done.is_culprit(shas[2])
    else:
        done.is_refused()
        assert "sha256" in done.said


def test_partial_clone(toy: Toy) -> None:
    """git fetches what is missing, but not into the user's repository."""
    up = toy.repo("up")
    shas = up.line("good*2 bad same")
    up.git("config", "uploadpack.allowFilter", "true")
    up.git("config", "uploadpack.allowAnySHA1InWant", "true")
    tree = _clone(toy, up, "--filter=blob:none")
    toy.bisect(tree, shas[0], shas[-1]).is_culprit(shas[2])


def test_tree_by_url(toy: Toy, tree: Repo) -> None:
    shas = tree.line("good*2 bad same")
    tree.git("tag", "v1.0", shas[0])
    tree.git("tag", "v1.1", shas[-1])
    url = f"file://{tree.path}"
    toy.call("bisect", "--json", "--tree", url, "--good=v1.0", "--bad=v1.1", reads=tree).is_culprit(shas[2])


def test_objects_borrowed_by_a_relative_path(toy: Toy) -> None:
    base = toy.repo("base")
    shas = base.line("good*2 bad same")
    tree = toy.repo("tree")
    (tree.path / ".git/objects/info/alternates").write_text("../../../base/.git/objects\n")
    tree.git("update-ref", "refs/heads/main", shas[-1])
    tree.git("reset", "--quiet", "--hard")
    toy.bisect(tree, shas[0], "main").is_culprit(shas[2])


def test_objects_borrowed_twice_over(toy: Toy) -> None:
    first = toy.repo("first")
    shas = first.line("good*2 bad same")
    _clone(toy, first, "--shared", name="second")
    tree = _clone(toy, Repo(toy.top / "second"), "--shared", name="third")
    toy.bisect(tree, shas[0], shas[-1]).is_culprit(shas[2])


def test_merge_base_that_does_not_build(toy: Toy, tree: Repo) -> None:
    """The regression is older than the release that both sides come from; stable has a fix."""
    tree.line("good bad")
    tree.commit(subject="v5.10", files={"build.sh": "exit 1\n"})
    tree.git("branch", "stable")
    tree.commit(subject="innocent: build fix", files={"build.sh": "true\n"})
    tree.line("same*4")
    _stable(tree)
    toy.bisect(tree, "stable", "main").is_open()


def test_stretch_around_the_merge_base_that_does_not_build(toy: Toy, tree: Repo) -> None:
    tree.commit("bad")
    tree.commit(subject="broken", files={"build.sh": "exit 1\n"})
    tree.commit(subject="v5.10, broken too")
    tree.git("branch", "stable")
    tree.commit(subject="mainline, broken")
    tree.commit(subject="innocent: build fix", files={"build.sh": "true\n"})
    tree.line("same*4")
    _stable(tree)
    toy.bisect(tree, "stable", "main").is_open()


def test_change_of_line_ends_by_an_attribute(toy: Toy, tree: Repo) -> None:
    """A change of .gitattributes concerns files that a checkout does not write anew."""
    toy.machine(f'if grep -q "$(printf "\\r")" data; then\n{BAD}else {GOOD}fi\n')
    tree.write({"data": "line\n"})
    shas = tree.line("same*4")
    culprit = tree.commit(files={".gitattributes": "data text eol=crlf\n"})
    tree.line("same*3")
    toy.bisect(tree, shas[0], "HEAD").is_culprit_or_open(culprit)


def test_submodules(toy: Toy, tree: Repo) -> None:
    """... and a user who lets all commands recurse into them."""
    sub = toy.repo("sub")
    sub.commit("good")
    good = tree.commit("good")
    tree.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(sub.path), "lib/sub")
    tree.line("good*2")
    culprit = tree.commit("bad")
    tree.git("rm", "--quiet", "-f", "lib/sub")
    tree.line("same")
    toy.gitconfig.write_text("[submodule]\n\trecurse = true\n")
    toy.bisect(tree, good, "HEAD").is_culprit(culprit)


def test_fixup_by_a_root_commit(toy: Toy, tree: Repo) -> None:
    """A root has no parent to take the difference from; it is applied, or said not to."""
    shas = tree.line("good*2 bad same")
    toy.scenario(extra=f"mend: [{{since: {shas[0]}, pick: {shas[0]}, because: it is needed}}]\n")
    done = toy.bisect(tree, shas[0], shas[-1])
    if done.out:
        done.is_culprit_or_open(shas[2])
    else:
        done.is_refused()


def test_fixup_of_a_commit_of_1970(toy: Toy, tree: Repo) -> None:
    tree.env = {"GIT_COMMITTER_DATE": "@0 +0000"}
    shas = tree.line("good*2 bad same")
    tree.env = {}
    tree.line("same*3")
    (toy.folder / "m.patch").write_text("--- /dev/null\n+++ b/mended\n@@ -0,0 +1 @@\n+x\n")
    toy.scenario(extra=f"mend: [{{since: {shas[0]}, patch: m.patch, because: it is needed}}]\n")
    toy.bisect(tree, shas[0], "HEAD").is_culprit(shas[2])


def test_image_that_another_commit_was_quiet_with(toy: Toy) -> None:
    """P brings the crash, Q has the same image and happens to be quiet once: X, after P, is not the culprit."""
    toy.machine(
        f'if ! grep -q BUG "$REGRESS_IMAGE"; then {GOOD}'
        f'elif ! grep -q X "$REGRESS_IMAGE" && ! [ -e {toy.top}/once ]; then touch {toy.top}/once; {GOOD}'
        f"else\n{BAD}fi\n"
    )
    toy.scenario(build=None, machine=f"sh {toy.top}/m.sh")
    tree = _kernel(toy)
    good = tree.commit(files={"code": "fine\n"})
    tree.commit(files={"code": "fine\nmore\n"})
    culprit = tree.commit(subject="P", files={"code": "fine\nmore\nBUG\n"})
    tree.git("branch", "docs")
    code = "fine\nmore\nBUG\n"
    for number in range(5):
        code += f"X{number}\n"
        tree.commit(subject=f"X{number}", files={"code": code})
    tree.git("checkout", "--quiet", "docs")
    for number in range(5):
        tree.commit(subject=f"Q{number}", files={f"doc{number}": "\n"})
    tree.git("checkout", "--quiet", "main")
    tree.git("merge", "--quiet", "--no-ff", "-m", "M", "docs")
    bad = tree.commit(files={"code": code + "B\n"})
    toy.bisect(tree, good, bad).is_culprit_or_open(culprit)


def _clone(toy: Toy, up: Repo, *options: str, name: str = "tree") -> Repo:
    up.git(
        "clone", "--quiet", *options, f"file://{up.path}" if "--shared" not in options else str(up.path), "../" + name
    )
    return Repo(toy.top / name)


def _stable(tree: Repo) -> None:
    tree.git("checkout", "--quiet", "stable")
    tree.commit(subject="stable: build fix", files={"build.sh": "true\n"})
    tree.commit("good", "stable: the fix")
    tree.commit("good")


def _kernel(toy: Toy) -> Repo:
    """What the builder for kernels takes for one: its image is the file `code`."""
    tree = toy.repo()
    tree.write(
        {
            "Kconfig": "",
            "Makefile": (
                "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 0\n# KERNELRELEASE\n"
                "tinyconfig olddefconfig:\n\ttouch $(O)/.config\n"
                "bzImage:\n\tmkdir -p $(O)/arch/x86/boot && cat code > $(O)/arch/x86/boot/bzImage\n"
            ),
        }
    )
    return tree
