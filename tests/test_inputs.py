"""What a build reads narrows the range, and the culprit is the same: real commits, built by a real make."""

import gzip
import itertools
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.kernel import inputs
from harness.model import Fixup, Revision, Verdict
from tests.support.kbuild import CRASH, TREE, WITHOUT, Files, Kernel

A, MAKE, CORE = TREE["lib/a.c"], TREE["lib/Makefile"], TREE["include/linux/core.h"]
BAD = f"int {CRASH};\n"
LINK = TREE["scripts/link.sh"]

# Commits, and which of them is the culprit.
CASES: dict[str, tuple[list[Files], int]] = {
    "a source": ([{"lib/b.c": "int c;\n"}, {"lib/a.c": A + BAD}, {"lib/b.c": "int d;\n"}], 1),
    "a header": ([{"include/linux/core.h": CORE + BAD}, {"lib/b.c": "int d;\n"}], 0),
    "a source that is renamed": (
        [
            {"lib/a.c": None, "lib/c.c": A, "lib/Makefile": MAKE.replace("a.o", "c.o")},
            {"lib/c.c": A + BAD},
            {"lib/c.c": None, "lib/e.c": A + BAD, "lib/Makefile": MAKE.replace("a.o", "e.o")},
        ],
        1,
    ),
    "a header that is read between the ends only": (
        [
            {"include/linux/new.h": "int new;\n"},
            {"lib/a.c": A + "#include <linux/new.h>\n"},
            {"include/linux/new.h": BAD},
            {"lib/a.c": A + BAD},
        ],
        2,
    ),
    "a header that one which is read between the ends only reads": (
        [
            {"include/linux/new.h": '#include "deep.h"\n', "include/linux/deep.h": "int deep;\n"},
            {"lib/a.c": A + "#include <linux/new.h>\n"},
            {"include/linux/deep.h": BAD},
            {"lib/a.c": A + BAD},
        ],
        2,
    ),
    "a header under an #if that holds between the ends only": (
        [
            {"include/linux/core.h": CORE + "#define TOGGLE\n"},
            {"include/linux/extra.h": BAD},
            {"include/linux/core.h": CORE + BAD},
        ],
        1,
    ),
    "an object that comes and goes": (
        [
            {"lib/n.c": "int n;\n"},
            {"lib/Makefile": MAKE + "obj-y += n.o\n"},
            {"lib/n.c": BAD},
            {"lib/Makefile": MAKE, "lib/a.c": A + BAD, "lib/n.c": None},
        ],
        2,
    ),
    "a folder that comes and goes": (
        [
            {"lib/sub/Makefile": "obj-y := s.o\n", "lib/sub/s.c": "int s;\n"},
            {"lib/Makefile": MAKE + "obj-y += sub/\n"},
            {"lib/sub/s.c": BAD},
            {"lib/Makefile": MAKE, "lib/a.c": A + BAD, "lib/sub/s.c": None, "lib/sub/Makefile": None},
        ],
        2,
    ),
    "a header that hides another": ([{"lib/b.c": "int c;\n"}, {"lib/part.h": BAD}, {"lib/b.c": "int d;\n"}], 1),
    "an assembly source that hides another": ([{"lib/b.S": BAD}, {"lib/a.c": A + "int a2;\n"}], 0),
    "a Kbuild file that hides a Makefile": ([{"lib/y.c": BAD}, {"lib/Kbuild": MAKE + "obj-y += y.o\n"}], 1),
    "a file that a makefile finds": ([{"lib/b.c": "int c;\n"}, {"lib/all/two.c": BAD}], 1),
    "an option": ([{"lib/x.c": BAD}, {"lib/Kconfig": "config EXTRA\n\tdefault y\n"}], 1),
    "a Kconfig file that is not read at first": (
        [
            {"Kconfig": TREE["Kconfig"] + 'source "drivers/Kconfig"\n', "drivers/d.c": BAD},
            {"drivers/Kconfig": "config DRIVER\n\tdefault y\n"},
        ],
        1,
    ),
    "a script": (
        [{"lib/b.c": "int c;\n"}, {"scripts/link.sh": LINK + f"echo {CRASH}\n"}, {"lib/b.c": "int d;\n"}],
        1,
    ),
    "a symbolic link": (
        [
            {"lib/a.c": '#include "link.h"\n' + A, "lib/link.h": "-> ../hidden/secret.h"},
            {"hidden/secret.h": BAD},
            {"lib/b.c": "int d;\n"},
        ],
        1,
    ),
    "a symbolic link that leads elsewhere": (
        [
            {"lib/a.c": '#include "link.h"\n' + A, "lib/link.h": "-> b.c", "hidden/secret.h": BAD},
            {"lib/link.h": "-> ../hidden/secret.h"},
        ],
        1,
    ),
    "the path of the headers": (
        [{"lib/own/part.h": BAD}, {"lib/Makefile": MAKE + "ccflags-y := -I$(CURDIR)/lib/own\n"}],
        1,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_culprit_is_the_same_with_fewer_suspects(tmp_path: Path, case: str) -> None:
    kernel = Kernel(tmp_path)
    commits, number = CASES[case]
    first = kernel.git.text("rev-parse", "HEAD")
    shas = kernel.line(commits)
    plain = kernel.bisect(first, shas[-1], without=WITHOUT)
    found = kernel.bisect(first, shas[-1])
    culprit = shas[3 + 4 * number]
    assert (plain.culprit, found.culprit) == (culprit, culprit), found.reason
    assert not any("outside" in note for note in found.notes), found.notes
    assert any("change nothing that the build reads" in note for note in found.notes)
    assert not any("build reads" in note for note in plain.notes)
    assert len(kernel.bisection.range.history.commits) <= 1 + len(commits)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def test_a_commit_that_is_wrongly_left_out_is_found_outside(kernel: Kernel) -> None:
    """The script reads a header that nothing names: no rule can know."""
    first = kernel.commit({"scripts/link.sh": LINK + "cat hid*/sec*.h\n"})
    shas = kernel.line([{"lib/b.c": "int c;\n"}, {"hidden/secret.h": BAD}, {"lib/b.c": "int d;\n"}])
    found = kernel.bisect(first, shas[-1])
    assert found.culprit == shas[7], found.reason
    assert (
        f"{shas[11][:12]} is not the culprit: its parent is no better; searching on outside of what the build reads"
        in (found.notes)
    )


def test_a_path_that_is_wrong_is_given_up_before_what_the_build_reads(kernel: Kernel) -> None:
    first = kernel.git.text("rev-parse", "HEAD")
    shas = kernel.line([{"lib/b.c": "int c;\n"}, {"include/linux/core.h": BAD}, {"lib/b.c": "int d;\n"}])
    found = kernel.bisect(first, shas[-1], paths=("lib",))
    assert found.culprit == shas[7], found.reason
    assert [note.partition("outside of ")[2] for note in found.notes if "outside" in note] == ["lib"]
    assert len(kernel.bisection.range.history.commits) == 4


@pytest.mark.parametrize("runs", [1, None])
def test_no_commit_matters_and_the_crash_comes_and_goes(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, runs: int | None
) -> None:
    first = kernel.git.text("rev-parse", "HEAD")
    shas = kernel.line([])
    played = itertools.chain(["bad"] * (1 if runs else 20), itertools.repeat("good"))
    monkeypatch.setattr(kernel, "play", lambda boot: next(played))
    found = kernel.bisect(first, shas[-1], runs=runs)
    assert found.culprit is None
    assert "identical images" in found.reason


def test_resumed_it_goes_on_as_it_began(kernel: Kernel) -> None:
    first = kernel.git.text("rev-parse", "HEAD")
    shas = kernel.line([{"lib/b.c": "int c;\n"}, {"lib/a.c": A + BAD}, {"lib/b.c": "int d;\n"}])
    whole = kernel.bisect(first, shas[-1])
    shutil.rmtree(kernel.top / "cache" / "kernels")
    again = kernel.bisect(first, shas[-1], run=kernel.run)
    assert (again.culprit, again.boots, again.notes) == (whole.culprit, whole.boots, whole.notes)


def test_a_fix_is_found_alike(kernel: Kernel) -> None:
    first = kernel.commit({"lib/a.c": A + BAD})
    shas = kernel.line([{"lib/b.c": "int c;\n"}, {"lib/a.c": A}, {"lib/b.c": "int d;\n"}])
    found = kernel.bisect(first, shas[-1], good=(shas[-1],), bad=(first,), find_fix=True)
    assert found.culprit == shas[7], found.reason
    assert len(kernel.bisection.range.history.commits) == 4


def test_an_intermittent_crash_is_found_alike(kernel: Kernel) -> None:
    first = kernel.git.text("rev-parse", "HEAD")
    shas = kernel.line([{"lib/b.c": "int c;\n"}, {"lib/a.c": A + BAD}, {"lib/b.c": "int d;\n"}])
    found = kernel.bisect(first, shas[-1], runs=None)
    assert found.culprit == shas[7], found.reason
    assert len(kernel.bisection.range.history.commits) == 4


def merged(kernel: Kernel, main: Sequence[Files], side: Sequence[Files], *, after: Files | None = None) -> str:
    """Commits on the main line and on a side branch, and a merge of both; `after` is part of the merge."""
    fork = kernel.git.text("rev-parse", "HEAD")
    kernel.git.run("checkout", "--quiet", "-b", f"side{kernel.count}", fork)
    for files in side:
        kernel.commit(files)
    tip = kernel.git.text("rev-parse", "HEAD")
    kernel.git.run("checkout", "--quiet", "main")
    for files in main:
        kernel.commit(files)
    kernel.git.run("merge", "--quiet", "--no-ff", "--no-commit", tip)
    return kernel.commit(after or {})


def test_merges_of_what_is_not_read_are_no_suspects(kernel: Kernel) -> None:
    first = kernel.git.text("rev-parse", "HEAD")
    kernel.idle()
    idle = merged(kernel, [{"lib/b.c": "int c;\n"}], [{"drivers/d.c": "int e;\n"}])
    both = merged(kernel, [{"lib/b.c": "int e;\n"}], [{"lib/all/one.c": "int two;\n"}])
    evil = merged(kernel, [{"drivers/d.c": "int f;\n"}], [{"drivers/d.h": "int g;\n"}], after={"lib/a.c": A + BAD})
    last = kernel.idle()[-1]
    found = kernel.bisect(first, last)
    assert found.culprit == evil, found.reason
    suspects = set(kernel.bisection.range.history.commits)
    assert {both, evil} <= suspects
    assert idle not in suspects
    plain = kernel.bisect(first, last, without=WITHOUT)
    assert plain.culprit == evil


def test_a_merge_that_drops_a_change_is_a_suspect(kernel: Kernel) -> None:
    """The side branch changes nothing that is read, and yet the merge differs from both parents in what is."""
    first = kernel.git.text("rev-parse", "HEAD")
    kernel.idle()
    safe = A + "#include <linux/extra.h>\n"
    main = [{"lib/a.c": safe, "lib/b.c": "int c;\n"}, {"lib/all/one.c": "int two;\n"}]
    merge = merged(kernel, main, [{"drivers/d.c": "int e;\n"}], after={"lib/all/one.c": BAD, "lib/a.c": A})
    last = kernel.idle()[-1]
    assert kernel.bisect(first, last).culprit == merge


def test_along_the_first_parent_a_merge_is_one_commit(kernel: Kernel) -> None:
    first = kernel.git.text("rev-parse", "HEAD")
    kernel.idle()
    merged(kernel, [{"lib/b.c": "int c;\n"}], [{"drivers/d.c": "int e;\n"}])
    merge = merged(kernel, [{"lib/b.c": "int e;\n"}], [{"lib/all/one.c": "int two;\n"}, {"lib/a.c": A + BAD}])
    last = kernel.idle()[-1]
    found = kernel.bisect(first, last, first_parent=True)
    assert found.culprit == merge, found.reason
    assert len(kernel.bisection.range.history.commits) == 4


def test_a_merge_base_is_an_end_too(kernel: Kernel) -> None:
    kernel.idle()
    base = kernel.git.text("rev-parse", "HEAD")
    kernel.git.run("checkout", "--quiet", "-b", "other")
    good = kernel.commit({"lib/b.c": "int other;\n"})
    kernel.git.run("checkout", "--quiet", "main")
    shas = kernel.line([{"lib/b.c": "int c;\n"}, {"lib/a.c": A + BAD}])
    found = kernel.bisect(good, shas[-1])
    assert found.culprit == shas[7], found.reason
    assert kernel.bisection.range.history.old == (good, base)
    assert len(kernel.bisection.range.history.commits) == 3


def test_releases_are_searched_first(kernel: Kernel) -> None:
    kernel.git.run("tag", "v6.1")
    shas = kernel.line([{"lib/b.c": "int c;\n"}, {"lib/a.c": A + BAD}])
    kernel.git.run("tag", "v6.2")
    shas += kernel.line([{"lib/b.c": "int d;\n"}])
    found = kernel.bisect("", shas[-1], good=())
    assert found.culprit == shas[7], found.reason
    assert len(kernel.bisection.range.history.commits) == 3


@pytest.mark.parametrize("what", ["missing", "damaged", "of another version"])
def test_a_kernel_of_which_nothing_is_known_narrows_nothing(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def save(self: inputs.Inputs, path: Path) -> None:
        if what == "damaged":
            path.write_bytes(b"\x1f\x8b no")
        elif what == "of another version":
            path.write_bytes(gzip.compress(b'{"schema": 99, "files": {}}'))

    monkeypatch.setattr(inputs.Inputs, "save", save)
    first = kernel.git.text("rev-parse", "HEAD")
    shas = kernel.line([{"lib/a.c": A + BAD}])
    found = kernel.bisect(first, shas[-1])
    assert found.culprit == shas[3]
    assert not found.notes


def test_fixups_alter_what_is_built_so_nothing_is_left_out(kernel: Kernel) -> None:
    first = kernel.git.text("rev-parse", "HEAD")
    shas = kernel.line([{"lib/a.c": A + BAD}])
    kernel.fixups = (Fixup(Revision(first), None, "because", "fix.patch"),)
    found = kernel.bisect(first, shas[-1])
    assert found.culprit == shas[3]
    assert not found.notes


def test_what_a_log_says_of_other_commits_is_kept(kernel: Kernel) -> None:
    first = kernel.git.text("rev-parse", "HEAD")
    shas = kernel.line([{"lib/b.c": "int c;\n"}, {"lib/a.c": A + BAD}, {"lib/b.c": "int d;\n"}])
    found = kernel.bisect(first, shas[-1], log=((shas[9], Verdict.BAD), (shas[4], Verdict.GOOD)))
    assert found.culprit == shas[7]
    assert shas[11] not in {step.commit for step in found.steps}
