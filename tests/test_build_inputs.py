"""What the builder keeps of what a build read."""

from pathlib import Path

import pytest

from harness.kernel import inputs
from harness.kernel.build import KernelBuilder
from harness.kernel.inputs import Inputs
from harness.kernel.tree import from_path
from harness.progress import Silent
from tests.support.kbuild import TREE, Kernel


def built(kernel: Kernel, sha: str) -> Inputs | None:
    tree = from_path(kernel.git.path, kernel.top / "cache", Silent())
    folder = kernel.top / sha
    made = KernelBuilder(tree, "x86_64", (), kernel.top / "cache", Silent()).build(kernel.git.commit(sha), folder)
    assert inputs.load(made.folder / inputs.FILE) == inputs.load(folder / inputs.FILE)
    return inputs.load(folder / inputs.FILE)


def test_what_a_build_read_is_kept(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    sha = kernel.commit({"lib/b.c": '#include "l.h"\n', "lib/l.h": "-> ../hidden/secret.h"})
    read = built(kernel, sha)
    assert read is not None
    sources = {path for path, count in read.files.items() if count}
    assert sources == {
        *("lib/a.c", "lib/b.c", "lib/all/one.c", "include/linux/core.h", "include/part.h"),
        *("lib/l.h", "hidden/secret.h"),
    }
    # Under an #if that does not hold; makefiles; what kconfig reads.
    rest = {"include/linux/extra.h", "lib/Makefile", "lib/all/Makefile", "drivers/Makefile", "Kconfig", "lib/Kconfig"}
    assert rest <= read.files.keys()
    assert not {"lib/x.c", "drivers/d.c", "drivers/Kconfig", "arch/arm/Makefile"} & read.files.keys()
    assert {"", "lib", "lib/all", "drivers"} <= read.folders
    assert "lib/all" in read.globbed
    assert read.search == {"include"}
    assert {"linux/core.h", "part.h", "linux/extra.h", "l.h"} <= read.names
    assert read.options == {"ALWAYS"}


def test_what_an_earlier_build_read_and_is_gone_does_not_count(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    first = kernel.git.text("rev-parse", "HEAD")
    last = kernel.commit({"lib/a.c": None, "lib/Makefile": TREE["lib/Makefile"].replace("a.o", "")})
    before, after = built(kernel, first), built(kernel, last)
    assert before is not None
    assert after is not None
    assert "lib/a.c" in before.files
    assert "lib/a.c" not in after.files


def test_kernels_of_other_makes_have_none(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    sha = kernel.commit({"scripts/conf.sh": TREE["scripts/conf.sh"].replace("auto.conf.cmd", "other")})
    assert built(kernel, sha) is None


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", b"{}"])
def test_a_damaged_file_is_as_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / inputs.FILE
    assert inputs.load(path) is None
    path.write_bytes(content)
    assert inputs.load(path) is None
    whole = Inputs({"a": 1}, frozenset("b"), frozenset("c"), frozenset("d"), frozenset("e"), frozenset("f"))
    whole.save(path)
    assert inputs.load(path) == whole


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("bzImage", b"\xff"),
        ("bzImage", None),
        ("config", None),
        ("kernel.json", b""),
        ("kernel.json", b"[]"),
        ("kernel.json", b'{"arch": "pdp11"}'),
    ],
)
def test_a_kernel_that_was_damaged_in_the_cache_is_built_again(tmp_path: Path, name: str, damage: bytes | None) -> None:
    kernel = Kernel(tmp_path)
    tree = from_path(kernel.git.path, tmp_path / "cache", Silent())
    builder = KernelBuilder(tree, "x86_64", (), tmp_path / "cache", Silent())
    commit = kernel.git.commit(kernel.git.text("rev-parse", "HEAD"))
    first = builder.build(commit, tmp_path / "first")
    assert not builder.build(commit, tmp_path / "again").built
    path = first.folder / name
    path.unlink() if damage is None else path.write_bytes(damage)
    mended = builder.build(commit, tmp_path / "mended")
    assert mended.built
    assert (mended.signature, mended.image.read_bytes()) == (first.signature, (tmp_path / "first/bzImage").read_bytes())
    assert not builder.build(commit, tmp_path / "last").built
