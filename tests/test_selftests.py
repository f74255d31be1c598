"""Tests of the kernel's own tree: built by its makefiles, packed beside the image, and run in the guest."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from harness import architecture, catalog, prerequisites
from harness.cli import main
from harness.cli.environment import needs
from harness.errors import BuildError, KernelError, UserError
from harness.git import Git
from harness.kernel import selftests
from harness.kernel.build import KernelBuilder
from harness.kernel.selftests import FILE, failures
from harness.kernel.tree import from_path
from harness.machine.reproducer import stage
from harness.machine.rootfs import initramfs
from harness.paths import SCENARIOS
from harness.progress import Silent
from tests.machine.test_rootfs import listing
from tests.support import Noting, kernels

# The parts of the kernel's lib.mk that are relied on: its variables and targets.
LIB = """\
TEST_GEN_PROGS := $(patsubst %,$(OUTPUT)/%,$(TEST_GEN_PROGS))
all: $(TEST_GEN_PROGS)
install: all
	mkdir -p $(INSTALL_PATH)
	$(foreach one,$(TEST_PROGS),rsync -a $(one) $(INSTALL_PATH)/;)
	$(foreach one,$(TEST_GEN_PROGS),rsync -a $(one) $(INSTALL_PATH)/;)
$(OUTPUT)/%: %.c
	$(CC) $(CFLAGS) $(LDFLAGS) $< $(LDLIBS) -o $@
"""
TREE = {
    "lib.mk": LIB,
    "kselftest/helpers.sh": "true\n",
    "toy/Makefile": "CFLAGS = -Wall\nTEST_GEN_PROGS := good bad\nTEST_PROGS := script.sh\ninclude ../lib.mk\n",
    "toy/good.c": "#include <toy/header.h>\nint main(void) { return TOY; }\nconst char *where = __FILE__;\n",
    "toy/bad.c": "int main(void) { return missing; }\n",
    "toy/script.sh": "#!/bin/sh\nexit 4\n",
    "toy/config": "# what it needs\nCONFIG_BUS=y\nCONFIG_SOUND=m\n",
    "empty/Makefile": "include ../lib.mk\n",
}
MAKE_HEADERS = """\
{target}:
	@mkdir -p {place}/include/toy && echo '#define TOY 4' >{place}/include/toy/header.h
"""
HEADERS = MAKE_HEADERS.format(target="headers", place="$(O)/usr")
OLD = MAKE_HEADERS.format(target="headers_install", place="$(INSTALL_HDR_PATH)")


@pytest.fixture
def toy(tmp_path: Path) -> Git:
    git, _, _ = kernels.kernel(tmp_path / "linux")
    write(
        git,
        {**{f"{selftests.FOLDER}/{name}": text for name, text in TREE.items()}, "Makefile": kernels.MAKEFILE + HEADERS},
    )
    (tmp_path / "guest.config").write_text("CONFIG_BUS=y\n")
    return git


def write(git: Git, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = git.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git.run("add", "--all")
    git.run("commit", "--quiet", "-m", "tests")


def build(git: Git, tmp_path: Path, *wanted: str, folder: str = "one", notes: Noting | None = None) -> tuple[str, Path]:
    tree = from_path(git.path, tmp_path / "cache", Silent())
    fragments = (tmp_path / "guest.config",)
    builder = KernelBuilder(tree, "x86_64", fragments, tmp_path / "cache", notes or Silent(), kselftest=wanted)
    return builder.build(git.commit("HEAD"), tmp_path / folder).signature, tmp_path / folder


def listed(folder: Path) -> list[str]:
    with tarfile.open(folder / FILE) as tar:
        told = tar.extractfile("list")
        assert told is not None
        return told.read().decode().splitlines()


@pytest.mark.parametrize("headers", [HEADERS, OLD])
def test_a_collection_is_built_as_far_as_it_goes(toy: Git, tmp_path: Path, headers: str) -> None:
    write(toy, {"Makefile": kernels.MAKEFILE + headers, "x": headers})
    notes = Noting()
    _, folder = build(toy, tmp_path, "toy", notes=notes)
    good, bad, script = listed(folder)
    assert (good, script) == ("toy:good", "toy:script.sh")
    assert bad.startswith("toy:bad it does not build: bad.c:1:25: error: ")
    assert notes.notes == [
        bad.replace(" ", ": ", 1),
        "toy: this kernel lacks CONFIG_SOUND, for which tools/testing/selftests/toy/config asks",
    ]
    with tarfile.open(folder / FILE) as tar:
        tar.extractall(tmp_path / "out", filter="data")
    assert (tmp_path / "out/kselftest/helpers.sh").exists()
    program = tmp_path / "out/toy/good"
    assert program.stat().st_mode & 0o111
    assert b"INTERP" not in program.read_bytes()
    assert str(tmp_path).encode() not in program.read_bytes()
    facts = json.loads((folder / "kernel.json").read_text())
    assert facts["kselftest"] == [good, bad, script]
    # It is told once for each object folder, unless it changes.
    write(toy, {"y": ""})
    build(toy, tmp_path, "toy", folder="two", notes=notes)
    assert len(notes.notes) == 2


def test_a_test_of_its_own_is_part_of_the_kernel(toy: Git, tmp_path: Path) -> None:
    plain, none = build(toy, tmp_path, folder="plain")
    assert not (none / FILE).exists()
    one, folder = build(toy, tmp_path, "toy:good")
    assert listed(folder) == ["toy:good"]
    assert (folder / "bzImage").read_bytes() == (none / "bzImage").read_bytes()
    # Equal sources give equal bytes, elsewhere too.
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/guest.config").write_text("CONFIG_BUS=y\n")
    assert build(toy, tmp_path / "elsewhere", "toy:good")[0] == one
    write(toy, {f"{selftests.FOLDER}/toy/good.c": "int main(void) { return 1; }\n"})
    other, _ = build(toy, tmp_path, "toy:good", folder="other")
    assert len({plain, one, other}) == 3
    assert build(toy, tmp_path, folder="again")[0] == plain


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("tyo", "has no collection 'tyo'; did you mean 'toy'?"),
        ("toy:god", "the selftests toy of this kernel have no god; did you mean 'good'?"),
        ("empty", "the selftests empty have no test for x86_64: "),
    ],
)
def test_what_the_tree_does_not_have(toy: Git, tmp_path: Path, wanted: str, told: str) -> None:
    with pytest.raises(KernelError) as raised:
        build(toy, tmp_path, wanted)
    assert told in str(raised.value)
    assert not isinstance(raised.value, BuildError)


def test_the_reason_of_each_is_its_own() -> None:
    log = """\
gcc -static a.c -o /o/kselftest/x/a
gcc -static b.c -o /o/kselftest/x/b
/usr/bin/ld: cannot find -lcap: No such file or directory
collect2: error: ld returned 1 exit status
make: *** [../lib.mk:155: /o/kselftest/x/b] Error 1
c.c:3:1: warning: error: no
c.c:4:10: fatal error: cap.h: No such file or directory
make[1]: *** [Makefile:8: /o/kselftest/x/c.sh] Error 2
make: *** [d] Error 1
make: Target 'all' not remade because of errors.
"""
    assert failures(log) == {
        "b": "/usr/bin/ld: cannot find -lcap: No such file or directory",
        "c.sh": "c.c:4:10: fatal error: cap.h: No such file or directory",
        "d": "make: *** [d] Error 1",
    }


def test_a_commit_that_changes_only_a_test_matters() -> None:
    paths = ("tools/testing/selftests/toy/a.c", "include/uapi/linux/fs.h", "arch/x86/include/uapi/asm/a.h", "usr/a")
    assert all(map(selftests.reads, paths))
    assert not any(map(selftests.reads, ("kernel/fork.c", "Documentation/tools/x", "lib/list_sort.c")))


def scenario(top: Path, text: str) -> Path:
    (top / "scenario.yaml").write_text(f"id: toy\ntitle: toy\n{text}")
    return top


def test_the_guest_has_them_and_runs_them(toy: Git, tmp_path: Path) -> None:
    _, folder = build(toy, tmp_path, "toy")
    made = catalog.load(scenario(tmp_path, "kconfig: [base]\nkselftest: [toy, 'net/forwarding:a.sh']\nkunit: [sort]\n"))
    assert (made.run, made.kselftest) == ((), ("toy", "net/forwarding:a.sh"))
    assert "kselftest" in needs(made, "x86_64")
    top = tmp_path / "root"
    for name in ("scenario", "lib/regress"):
        (top / name).mkdir(parents=True)
    stage(made, "x86_64", top, Silent())
    assert (top / "lib/regress/run").read_text() == 'kunit sort\nkselftest\npass "its tests have run"\n'
    plain = catalog.load(SCENARIOS / "lr-35498d")
    initramfs(plain, Path("/"), tmp_path / "a.cpio", tests=folder / FILE)
    names = listing(tmp_path / "a.cpio")
    assert {"lib/regress/kselftest/list", "lib/regress/kselftest/toy/good"} <= set(names)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "kselftest: []\n",
            "scenario.yaml:3: kselftest: expected a list of selftests, a collection or COLLECTION:TEST",
        ),
        ("kselftest: [../x]\n", "expected a list of selftests"),
        ("kselftest: ['timers:a b']\n", "expected a list of selftests"),
        ("kselftest: ['timers:']\n", "expected a list of selftests"),
        ("kselftest: [timers]\nbuild: {command: make}\n", "this needs the kernel's own make"),
        ("kselftest: [timers]\nmachine: {command: boot}\n", "this needs the kernel's own make"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UserError) as raised:
        catalog.load(scenario(tmp_path, text))
    assert told in str(raised.value)


def test_the_compiler_is_a_part_of_what_they_are() -> None:
    of_pc, of_arm = (selftests.identity(["toy"], architecture.load(name)) for name in ("x86_64", "arm64"))
    assert of_pc != of_arm
    assert selftests.identity([], architecture.load("arm64")) == ()


def test_programs_for_another_architecture_need_its_c_library(tmp_path: Path) -> None:
    (tmp_path / "repro.c").write_text("int main(void) { return 0; }\n")
    compiled = catalog.load(scenario(tmp_path, "kconfig: [base]\nrun: repro.c\n"))
    assert "programs arm64" in needs(compiled, "arm64")
    assert "programs arm64" not in needs(catalog.load(SCENARIOS / "lr-35498d"), "arm64")
    [library] = [one for one in prerequisites.load() if "programs arm64" in one.purposes]
    assert library.packages["apt"] == "libc6-dev-arm64-cross"


def test_show_tells_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario(tmp_path, "kconfig: [base]\nkselftest: [timers, 'size:get_size']\nexpect: {tests: [timers.*]}\n")
    assert main(["show", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "kselftest timers  size:get_size\n" in told
    assert "expects  a failure of the tests timers.*\n" in told
