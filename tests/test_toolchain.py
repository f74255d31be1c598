from pathlib import Path

import pytest

from harness.errors import InfrastructureError, UserError
from harness.kernel.toolchain import Compiler, choose, rules, toolchain_for

GCC12 = Compiler("gcc", "12.2.0", "gcc (Debian) 12.2.0")
GCC15 = Compiler("gcc", "15.1.0", "gcc 15.1.0")
GCC14 = Compiler("gcc-14", "14.2.0", "gcc-14 14.2.0")
GCC4 = Compiler("gcc-4.9", "4.9.4", "gcc-4.9 4.9.4")


def test_the_shipped_rules_are_well_formed() -> None:
    commands, known = rules()
    assert "gcc" in commands["gcc"]
    assert commands["clang"] == ("clang",)
    assert all(rule.because for rule in known)


def test_a_suitable_compiler_needs_no_flags() -> None:
    chosen = choose("6.1.192", [GCC12], rules()[1])
    assert chosen.cc == "gcc"
    assert "needs no flags" in chosen.reason


def test_a_compiler_without_flags_is_preferred() -> None:
    assert choose("6.1.192", [GCC15, GCC14], rules()[1]).compiler == GCC14


def test_c23_default_is_turned_off_in_the_compiler_command() -> None:
    assert choose("6.1.192", [GCC15], rules()[1]).cc == "gcc -std=gnu11"
    assert choose("4.13.9", [GCC15], rules()[1]).cc == "gcc -std=gnu89"
    assert choose("7.2", [GCC15], rules()[1]).cc == "gcc"


def test_an_old_tree_gets_host_flags() -> None:
    chosen = choose("4.13", [GCC12], rules()[1])
    assert chosen.make == ("HOSTCFLAGS=-fcommon",)
    assert "yylloc" in chosen.reason


def test_an_unsuitable_compiler_is_refused_with_the_reason() -> None:
    assert choose("6.1-rc3", [GCC4, GCC12], rules()[1]).compiler == GCC12
    with pytest.raises(InfrastructureError, match=r"gcc-4\.9 4\.9\.4: .*gcc 5\.1"):
        choose("6.1", [GCC4], rules()[1])
    with pytest.raises(InfrastructureError, match="no C compiler"):
        choose("6.1", [], rules()[1])


def test_clang_has_rules_of_its_own() -> None:
    clang = Compiler("clang", "14.0.6", "clang 14.0.6", "clang")
    chosen = choose("6.1", [clang], rules()[1], "LLD 14")
    assert (chosen.cc, chosen.make) == ("clang", ("LLVM=1",))
    assert "CONFIG_CC_IS_CLANG=y" in chosen.reason
    assert "LLVM=1" in chosen.arguments
    with pytest.raises(InfrastructureError, match=r"LLVM=1 since v5\.7"):
        choose("4.13", [clang], rules()[1])
    assert choose("6.1", [GCC12], rules()[1]).make == ()


def test_what_lacks_of_llvm_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("clang", "ld.lld"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InfrastructureError, match="lacks llvm-ar, llvm-nm, llvm-objcopy, llvm-strip: install clang"):
        toolchain_for("6.1", family="clang")


def test_identity_tells_builds_apart() -> None:
    known = rules()[1]
    assert choose("6.1", [GCC15], known).identity != choose("7.0", [GCC15], known).identity
    assert choose("6.1", [GCC12], known, "ld 1").identity != choose("6.1", [GCC12], known, "ld 2").identity


def test_a_wrong_range_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("compilers: [gcc]\nrules:\n  - kernel: six\n    compiler: '>=1'\n    because: x\n")
    with pytest.raises(UserError, match=r"t\.yaml:3: .*expected a version range"):
        rules(path)
