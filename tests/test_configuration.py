"""Configurations of one's own: what is read, what is laid over, and what is told, with the made-up kernel."""

import gzip
import json
import os
from pathlib import Path

import pytest

from harness import record
from harness.catalog import load
from harness.cli.environment import Environment
from harness.cli.progress import Talk
from harness.configuration import assert_architecture, base, identity, trimmed
from harness.digest import digest
from harness.errors import KernelError, UserError
from harness.git import Git
from harness.kernel import portability
from harness.kernel.build import KernelBuilder
from harness.kernel.config import parse_config
from harness.kernel.configure import decides
from harness.kernel.toolchain import LLVM, installed
from harness.kernel.tree import from_path
from harness.model import TINY, Base
from harness.progress import Silent
from tests.support import Noting, kernels

OWN = """\
# Linux/x86 6.18.0 Kernel Configuration
CONFIG_64BIT=y
CONFIG_X86_64=y
CONFIG_NOISE=y
CONFIG_WERROR=y
CONFIG_WIFI=m
CONFIG_SOUND=m
CONFIG_NEWER=y
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.config"
    path.write_text(OWN)
    return path


@pytest.fixture
def toy(tmp_path: Path) -> tuple[Git, Path]:
    """The made-up kernel, and a scenario of it."""
    git, *_ = kernels.kernel(tmp_path / "tree")
    return git, kernels.scenario(tmp_path / "scenarios")


def builder(toy: tuple[Git, Path], tmp_path: Path, on: Base, progress: Silent | None = None) -> KernelBuilder:
    tree = from_path(toy[0].path, tmp_path / "cache", Silent())
    fragments = tuple(toy[1] / f"{name}.config" for name in kernels.FRAGMENTS)
    return KernelBuilder(tree, "x86_64", fragments, tmp_path / "cache", progress or Silent(), base=on)


def test_a_file_compressed_or_not_or_targets(own: Path, tmp_path: Path) -> None:
    (tmp_path / "config.gz").write_bytes(gzip.compress(OWN.encode()))
    plain, packed = base("own.config", tmp_path), base(str(tmp_path / "config.gz"))
    assert plain == packed
    assert plain.own
    assert (plain.text, plain.name) == (OWN, "own.config")
    assert base("x86_64_defconfig+kvm_guest.config").targets == ("x86_64_defconfig", "kvm_guest.config")
    assert identity(plain) != identity(base("defconfig"))
    assert identity(TINY) is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.txt", "none.txt: no such file; expected one, or targets of the kernel's make"),
        ("defconfig+", "no such file"),
        ("/boot/none-config", "no such file"),
        ("empty", "empty: expected a kernel configuration"),
        ("broken.gz", "broken.gz: damaged gzip"),
        ("bomb.gz", "bomb.gz: longer than 16 MiB"),
    ],
)
def test_what_is_no_configuration_is_told(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty").write_text("hello\n")
    (tmp_path / "broken.gz").write_bytes(gzip.compress(OWN.encode())[:40])
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b"CONFIG_A=y\n" * (2 << 20), 1))
    with pytest.raises(UserError, match=message):
        base(name, tmp_path)


def test_the_modules_that_are_loaded(tmp_path: Path) -> None:
    (tmp_path / "lsmod").write_text("Module  Size  Used by\nwifi  16384  0\ndm-crypt 4096 1 a,b\n")
    (tmp_path / "names").write_text("dm_crypt\nwifi\n")
    full = base("defconfig")
    assert trimmed(full, "lsmod", tmp_path).loaded == ("dm_crypt", "wifi")
    assert trimmed(full, "lsmod", tmp_path) == trimmed(full, "names", tmp_path)
    for text, message in (
        ("", "no module is listed"),
        ("Module Size\n", "no module"),
        ("a b c\n", r"names:1: expected"),
    ):
        (tmp_path / "names").write_text(text)
        with pytest.raises(UserError, match=message):
            trimmed(full, "names", tmp_path)
    with pytest.raises(UserError, match="No such file"):
        trimmed(full, "none", tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CONFIG_ARM64=y\n", r"own is a configuration for arm64 \(CONFIG_ARM64=y\).*use --arch arm64"),
        ("CONFIG_X86_32=y\n", "for i386"),
        ("# Linux/arm 6.1.0 Kernel Configuration\nCONFIG_ARM=y\n", "for arm "),
    ],
)
def test_a_configuration_of_another_architecture_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        assert_architecture(Base((), text, name="own"), "x86_64")


def test_one_that_names_no_architecture_is_taken() -> None:
    for text in (OWN, "CONFIG_SMP=y\n"):
        assert_architecture(Base((), text, name="own"), "x86_64")


def test_each_rule_has_its_reason_and_applies_where_the_value_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    text = 'CONFIG_DEBUG_INFO_BTF=y\nCONFIG_SYSTEM_TRUSTED_KEYS="a.pem"\nCONFIG_LOCALVERSION=""\nCONFIG_WERROR=y\n'
    applied = portability.applied(portability.rules(), text)
    assert [[o.name for o in rule.options] for rule in applied] == [
        ["SYSTEM_TRUSTED_KEYS"],
        ["DEBUG_INFO_BTF"],
        ["WERROR"],
    ]
    assert str(applied[0]).startswith('CONFIG_SYSTEM_TRUSTED_KEYS="": the files of keys')
    assert str(applied[1]).startswith("CONFIG_DEBUG_INFO_BTF is off: pahole ")


def test_a_rule_for_a_program_holds_only_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pahole").write_text("#!/bin/sh\n")
    (tmp_path / "pahole").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not portability.applied(portability.rules(), "CONFIG_DEBUG_INFO_BTF=y\n")


def test_what_is_laid_over_and_what_is_told_once(toy: tuple[Git, Path], own: Path, tmp_path: Path) -> None:
    noting = Noting()
    (toy[1] / "guest.config").write_text(
        "# minimise: keep\n# off: for size\nCONFIG_CONSOLE=y\n# CONFIG_NOISE is not set\n"
        "CONFIG_SOUND=y  # tinyconfig: a choice\n"
    )
    making = builder(toy, tmp_path, base(str(own)), noting)
    made = making.build(toy[0].commit("HEAD"), tmp_path / "one")
    got = parse_config(made.image.read_text())
    # Its own options stay, what the fragments ask for is on, and what is off for size alone, or a choice, is as it was.
    assert {name: got.get(name) for name in ("NOISE", "WIFI", "CONSOLE", "TARGET", "WERROR", "SOUND")} == {
        "NOISE": "y", "WIFI": "m", "CONSOLE": "y", "TARGET": "y", "WERROR": None, "SOUND": "m"
    }  # fmt: skip
    assert [line for line in noting.notes if "WERROR is off: a compiler that is newer" in line]
    [lost] = [line for line in noting.notes if "options are off here" in line]
    assert "2 of its options are off here (it is of Linux 6.18.0, this is 6.1.0): CONFIG_X86_64, CONFIG_NEWER" in lost
    told = len(noting.notes)
    assert making.build(toy[0].commit("HEAD~1"), tmp_path / "two").built
    assert len(noting.notes) == told
    facts = json.loads((tmp_path / "two" / "kernel.json").read_text())
    assert facts["dropped"] == ["X86_64", "NEWER"]
    assert "WERROR" in facts["adapted"][0]


def test_over_tinyconfig_a_choice_is_made(toy: tuple[Git, Path], tmp_path: Path) -> None:
    (toy[1] / "guest.config").write_text("CONFIG_CONSOLE=y\nCONFIG_SOUND=y  # tinyconfig: a choice\n")
    made = builder(toy, tmp_path, TINY).build(toy[0].commit("HEAD"), tmp_path / "one")
    assert parse_config(made.image.read_text()).get("SOUND") == "y"


def test_the_content_is_part_of_the_kernels_identity(toy: tuple[Git, Path], own: Path, tmp_path: Path) -> None:
    commit = toy[0].commit("HEAD")
    first = builder(toy, tmp_path, base(str(own))).build(commit, tmp_path / "a")
    (tmp_path / "copy.config").write_text(OWN)
    assert not builder(toy, tmp_path, base("copy.config", tmp_path)).build(commit, tmp_path / "b").built
    own.write_text(OWN.replace("CONFIG_SOUND=m\n", ""))
    other = builder(toy, tmp_path, base(str(own))).build(commit, tmp_path / "c")
    assert other.built
    assert other.signature != first.signature


def test_a_configuration_for_clang_is_built_by_it(
    toy: tuple[Git, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("clang", *LLVM):
        (programs / name).write_text(
            "#!/bin/sh\ncase $1 in --version) echo a made-up clang ;; *) echo 14.0.6 ;; esac\n"
        )
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    installed.cache_clear()
    own = Base((), f"{OWN}CONFIG_CC_IS_CLANG=y\n", name="own")
    assert builder(toy, tmp_path, own).build(toy[0].commit("HEAD"), tmp_path / "a").compiler == "a made-up clang"
    command = json.loads((tmp_path / "a" / "kernel.json").read_text())["command"]
    assert "LLVM=1" in command
    assert any(word in ("CC=clang", "CC=ccache clang") for word in command)
    (toy[1] / "guest.config").write_text("CONFIG_CONSOLE=y\nCONFIG_CC_IS_CLANG=y  # optional: made up\n")
    made = builder(toy, tmp_path, TINY).build(toy[0].commit("HEAD"), tmp_path / "b")
    assert made.compiler == "a made-up clang"
    installed.cache_clear()


def test_targets_of_the_tree(toy: tuple[Git, Path], tmp_path: Path) -> None:
    made = builder(toy, tmp_path, base("defconfig+kvm_guest.config")).configure(toy[0].commit("HEAD"), tmp_path / "a")
    assert parse_config(made.text)["BUS"] == "y"
    with pytest.raises(KernelError, match=r"none_defconfig: `make none_defconfig` fails in this tree: .*[Nn]o rule"):
        builder(toy, tmp_path, base("none_defconfig")).configure(toy[0].commit("HEAD"), tmp_path / "b")


def test_trimmed_by_the_modules_that_are_loaded(toy: tuple[Git, Path], own: Path, tmp_path: Path) -> None:
    (tmp_path / "lsmod").write_text("wifi 1 0\n")
    made = builder(toy, tmp_path, trimmed(base(str(own)), "lsmod", tmp_path)).configure(
        toy[0].commit("HEAD"), tmp_path / "a"
    )
    got = parse_config(made.text)
    assert (got.get("WIFI"), got.get("SOUND")) == ("m", None)
    assert "SOUND" not in made.dropped


def test_one_that_loses_the_console_is_not_built(toy: tuple[Git, Path], own: Path, tmp_path: Path) -> None:
    path = toy[0].path / "Kconfig"
    path.write_text(path.read_text().replace("config CONSOLE\n\tbool\n", "config CONSOLE\n\tbool\n\tdepends on NONE\n"))
    toy[0].run("commit", "--quiet", "--all", "-m", "no console")
    with pytest.raises(KernelError, match="CONFIG_CONSOLE=y became n: depends on NONE; not set: NONE"):
        builder(toy, tmp_path, base(str(own))).build(toy[0].commit("HEAD"), tmp_path / "a")
    assert not (tmp_path / "a" / "bzImage").exists()


def test_what_decides_a_base() -> None:
    named, listed = Base(("defconfig",)), Base((), "CONFIG_A=y\n", ("a",))
    assert decides(named, "arch/x86/configs/x86_64_defconfig")
    assert not decides(named, "drivers/Makefile")
    assert decides(listed, "drivers/Makefile")
    assert not decides(listed, "arch/x86/configs/x86_64_defconfig")
    assert not decides(TINY, "kernel/configs/kvm_guest.config")


def test_a_scenario_names_its_own(toy: tuple[Git, Path], own: Path) -> None:
    folder = toy[1]
    text = (folder / "scenario.yaml").read_text()
    own.rename(folder / "own.config")
    (folder / "lsmod").write_text("wifi 1 0\n")
    lines = [line for line in text.splitlines() if not line.startswith("kconfig")]
    before = digest(load(folder), "x86_64")

    def scenario(kconfig: str) -> None:
        (folder / "scenario.yaml").write_text("\n".join([*lines, f"kconfig: {kconfig}", ""]))

    scenario("{file: own.config, lsmod: lsmod, fragments: [guest.config]}")
    loaded = load(folder)
    assert (loaded.base.text, loaded.base.loaded, loaded.kconfig) == (OWN, ("wifi",), ("guest.config",))
    assert digest(loaded, "x86_64") != before
    for wrong, message in (
        ("{fragments: []}", r"kconfig: expected a list of fragments, or `file: NAME`"),
        ("{file: none.txt}", r"scenario\.yaml:\d+: kconfig: .*none\.txt: no such file"),
        ("{file: defconfig, fragments: [bass]}", "did you mean 'base'"),
    ):
        scenario(wrong)
        with pytest.raises(UserError, match=message):
            load(folder)


def test_a_guest_needs_its_fragment_over_any_configuration(toy: tuple[Git, Path]) -> None:
    folder = toy[1]
    (folder / "run.sh").write_text("pass x\n")
    (folder / "scenario.yaml").write_text("id: toy\ntitle: toy\nkconfig: {file: defconfig, fragments: [raid]}\n")
    assert load(folder).fragments == ("base", "raid")
    (folder / "scenario.yaml").write_text("id: toy\ntitle: toy\nkconfig: [raid]\n")
    assert load(folder).fragments == ("raid",)


def test_a_run_goes_on_with_its_own_configuration_alone(toy: tuple[Git, Path], own: Path, tmp_path: Path) -> None:
    (tmp_path / "names").write_text("wifi\n")
    scenario = load(toy[1])
    given = base(str(own))
    run = record.start(tmp_path / "results", "toy", "tree", "x86_64", configuration=identity(given))
    environ = Environment(scenario, "x86_64", tmp_path, Talk())
    with pytest.raises(
        UserError, match=r"started with the configuration .*own\.config \(content \w+\), and this is tiny"
    ):
        environ.assert_unchanged(run, "")
