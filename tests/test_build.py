import pytest

from harness.errors import UserError
from harness.kernel.build import first_error, kernel_version, machinery_fault

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


def test_a_machine_at_fault_is_told_from_a_kernel() -> None:
    assert machinery_fault(LOG) is None
    full = "/usr/bin/ld: final link failed: No space left on device\n"
    assert machinery_fault(LOG + full) == full.strip()


def test_version_of_a_tree() -> None:
    assert kernel_version("VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 192\nEXTRAVERSION =\nNAME = x\n") == "6.1.192"
    assert kernel_version("VERSION = 4\nPATCHLEVEL = 13\nSUBLEVEL = 0\nEXTRAVERSION = -rc1\n") == "4.13-rc1"
    with pytest.raises(UserError, match="no kernel tree"):
        kernel_version("all:\n\ttrue\n")
