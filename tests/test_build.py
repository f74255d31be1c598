from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import BuildError, InfrastructureError, ProgramMissing, UserError
from harness.git import Git
from harness.kernel.build import KernelBuilder, kernel_version, run_build
from harness.kernel.command import CommandBuilder
from harness.kernel.log import first_error, machinery_fault
from harness.kernel.tree import Tree, from_path
from harness.progress import Silent

History = Callable[..., tuple[Git, list[str]]]

LOG = """\
  CC      block/bio.o
block/blk-core.c: In function 'blk_x':
block/blk-core.c:10:5: warning: unused variable 'error' [-Wunused-variable]
  CC      block/bio-integrity.o
../block/bio-integrity.c:120:9: error: implicit declaration of function 'foo' [-Werror=implicit-function-declaration]
  CC      block/t10-pi.o
cc1: some warnings being treated as errors
make[3]: *** [../scripts/Makefile.build:250: block/bio-integrity.o] Error 1
make[3]: *** Waiting for unfinished jobs....
make: *** [Makefile:232: __sub-make] Error 2
"""


def test_the_first_error_is_the_compilers() -> None:
    assert first_error(LOG).startswith("../block/bio-integrity.c:120:9: error: implicit declaration")


@pytest.mark.parametrize(
    "line",
    [
        "ld: block/bio.o: in function `bio_x': bio.c:(.text+0x10): undefined reference to `gone'",
        "make[2]: *** No rule to make target 'block/gone.o', needed by 'block/built-in.a'.  Stop.",
        "foo.S:3: Error: no such instruction: `hlp'",
        "block/Kconfig:12: syntax error",
        "scripts/sign.c:5:10: fatal error: openssl/bio.h: No such file or directory",
        "Makefile:10: *** missing separator.  Stop.",
    ],
)
def test_every_stage_of_a_build_has_its_errors(line: str) -> None:
    log = f"  CC a.o\n{line}\nmake[1]: *** [Makefile:1: vmlinux] Error 1\n"
    assert first_error(log) == line


def test_without_an_error_line_the_makefile_is_named() -> None:
    assert "bzImage] Error 2" in first_error("  CC a.o\nmake: *** [Makefile:3: bzImage] Error 2\n")
    assert first_error("") == "the build printed nothing"


@pytest.mark.parametrize(
    "line",
    [
        "/usr/bin/ld: final link failed: No space left on device",
        "cc1: error: x.o: No space left on device",
        "fatal error: error writing to /tmp/ccx.s: No space left on device",
        "/bin/sh: 1: cannot create .tmp: Read-only file system",
        "ar: built-in.a: Input/output error",
        "virtual memory exhausted: Cannot allocate memory",
        "cc1: out of memory allocating 65536 bytes after a total of 1048576 bytes",
        "gcc: fatal error: Killed signal terminated program cc1",
        "gcc: internal compiler error: Killed (program cc1)",
        "collect2: fatal error: ld terminated with signal 9 [Killed]",
        "scripts/link-vmlinux.sh: line 62: 1234 Killed                  ld -o vmlinux",
        "Killed",
        "Bus error (core dumped)",
        "make[2]: *** [scripts/Makefile.build:250: fs/inode.o] Killed",
        "make[2]: *** [scripts/Makefile.build:250: fs/inode.o] Error 137",
        "make[1]: *** [Makefile:1: vmlinux] Bus error",
        "Makefile:5: *** source directory cannot contain spaces or colons.  Stop.",
        "OSError: [Errno 28] No space left on device: 'x.o'",
    ],
)
def test_a_machine_at_fault_is_told_from_a_kernel(line: str) -> None:
    assert machinery_fault(LOG) is None
    assert machinery_fault(f"{LOG}{line}\n") == line


@pytest.mark.parametrize(
    "lines",
    [
        '  120 |   pr_err("x: Input/output error");\n      |   ^~~~~~',
        '   pr_err("no: Input/output error\n   ^~~~~~',
        "x.c:3:2: error: #error disk: No space left on device",
        'x.c:7:9: error: "Killed" undeclared',
        "  CC      lib/killed.o",
        "make[2]: *** [scripts/Makefile.build:250: fs/inode.o] Error 1",
        "make[2]: *** [Makefile:1: x.o] Segmentation fault (core dumped)",
    ],
)
def test_what_a_compiler_quotes_is_not_the_machines_fault(lines: str) -> None:
    assert machinery_fault(f"{LOG}{lines}\n") is None


@pytest.mark.parametrize(("status", "infrastructure"), [(1, False), (2, False), (137, True), (135, True), (139, False)])
def test_a_build_that_was_ended_from_outside_is_the_machines_fault(status: int, infrastructure: bool) -> None:
    assert (machinery_fault("", status) is not None) is infrastructure


def build(folder: Path, script: str, timeout: float = 60.0) -> str:
    """Run a build in a folder; returns what it printed."""
    with (folder / "lock").open("w") as lock:
        run_build(["sh", "-c", script], folder / "build.log", lock.fileno(), cwd=folder, timeout=timeout)
    return (folder / "build.log").read_text()


@pytest.mark.parametrize("how", ["exit 1", "kill -9 $$", "echo 'x.o: No space left on device'; exit 1"])
def test_a_build_that_fails_once_is_tried_again(tmp_path: Path, how: str) -> None:
    assert build(tmp_path, f"test -e once || {{ touch once; {how}; }}; echo built").endswith("built\n")


def test_two_failures_in_a_row_count(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"x\.c:1: error: no"):
        build(tmp_path, "echo try >>tries; echo 'x.c:1: error: no'; exit 1")
    assert (tmp_path / "tries").read_text() == "try\n" * 2
    with pytest.raises(InfrastructureError, match="SIGKILL"):
        build(tmp_path, "kill -9 $$")


def test_only_this_attempts_output_is_judged(tmp_path: Path) -> None:
    (tmp_path / "build.log").write_text("cc1: error: x.o: No space left on device\n")
    with pytest.raises(BuildError, match=r"x\.c:1: error: no"):
        build(tmp_path, "echo 'x.c:1: error: no'; exit 1")


def test_a_build_has_a_time_limit(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"did not end within 0\.2 s"):
        build(tmp_path, "sleep 100", timeout=0.2)


def tree(git: Git, tmp_path: Path) -> Tree:
    return from_path(git.path, tmp_path / "cache", Silent(), kernel=False)


def test_a_command_is_a_program_of_the_tree(history: History, tmp_path: Path) -> None:
    git, shas = history({"other": "x"}, {"build.sh": "#!/bin/sh\ntouch built\n"})
    (git.path / "build.sh").chmod(0o755)
    git.run("commit", "--quiet", "-a", "-m", "executable")
    on = tree(git, tmp_path)
    with CommandBuilder(on, "./build.sh", Silent()) as builder:
        builder.build(git.commit("HEAD"), tmp_path)
        assert (on.worktree / "built").exists()
        with pytest.raises(BuildError, match=r"no program \./build\.sh at this commit"):
            builder.build(git.commit(shas[0]), tmp_path)
    with CommandBuilder(on, "no-such-program", Silent()) as builder, pytest.raises(ProgramMissing):
        builder.build(git.commit("HEAD"), tmp_path)


@pytest.mark.parametrize("files", [{"README": "x"}, {"Makefile": "all:\n"}, {"Makefile/x": "x"}])
def test_a_commit_without_a_kernels_makefile_does_not_build(
    history: History, tmp_path: Path, files: dict[str, str]
) -> None:
    git, _ = history(files)
    builder = KernelBuilder(tree(git, tmp_path), "x86_64", (), tmp_path, Silent())
    with pytest.raises(BuildError, match="not a kernel tree"):
        builder.build(git.commit("HEAD"), tmp_path)


def test_version_of_a_tree() -> None:
    assert kernel_version("VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 192\nEXTRAVERSION =\nNAME = x\n") == "6.1.192"
    assert kernel_version("VERSION = 4\nPATCHLEVEL = 13\nSUBLEVEL = 0\nEXTRAVERSION = -rc1\n") == "4.13-rc1"
    with pytest.raises(UserError, match="not a kernel tree"):
        kernel_version("all:\n\ttrue\n")
