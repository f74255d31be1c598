"""The architectures' files: complete, and what they make of command lines."""

import platform
from pathlib import Path

import pytest

from harness import architecture, prerequisites
from harness.architecture import Architecture, load
from harness.errors import UserError
from harness.kernel.toolchain import Compiler, choose
from harness.machine.vng import qemu_command, vng_command
from harness.model import Boot
from harness.paths import KCONFIGS
from harness.reports import kcidb


@pytest.fixture(params=architecture.names())
def arch(request: pytest.FixtureRequest) -> Architecture:
    return load(request.param)


def test_each_architecture_is_complete(arch: Architecture) -> None:
    assert (KCONFIGS / f"{arch.name}.config").is_file()
    assert any("{status}" in word for word in arch.status_options)
    assert arch.compiler.endswith("-")
    assert arch.image.name in kcidb.OUTPUTS
    needed = {one.name for one in prerequisites.load() if f"boot {arch.name}" in one.purposes}
    assert arch.qemu in needed
    built = {one.name for one in prerequisites.load() if f"build {arch.name}" in one.purposes}
    assert arch.native or f"{arch.compiler}gcc" in built


def test_the_default_comes_first() -> None:
    assert architecture.names()[0] == architecture.DEFAULT
    assert {"x86_64", "i386"} <= set(architecture.names())


def test_an_unknown_name_gets_the_known_ones() -> None:
    with pytest.raises(UserError, match="unknown architecture 'x86_46'; did you mean 'x86_64'"):
        load("x86_46")
    with pytest.raises(UserError, match=r"known: .*i386"):
        load("pdp11")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("make: a\nimage: b\n", r"a\.yaml:1: mark, machine, compiler, .*: missing"),
        ("makes: a\n", r"a\.yaml:1: unknown key 'makes'; did you mean 'make'"),
    ],
)
def test_a_mistake_in_a_file_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        load("a", tmp_path)


def qemu(name: str, tmp_path: Path) -> list[str]:
    boot = Boot(tmp_path / "image", name, tmp_path / "initrd", ("VARIANT=a",), 512, 2, tmp_path, tmp_path / "disk")
    return qemu_command(["qemu"], boot, tmp_path / "status")


def expected(tmp_path: Path, append: str, status: str, disk: str) -> list[str]:
    """The whole command, `STATUS` for the status channel's file."""
    return [
        *("qemu", "-kernel", f"{tmp_path}/image", "-initrd", f"{tmp_path}/initrd", "-append", append, "-no-reboot"),
        *status.replace("STATUS", f"{tmp_path}/status").split(),
        *("-drive", f"file={tmp_path}/disk,if=none,id=image,format=raw,cache=writeback"),
        *("-device", f"{disk},drive=image"),
    ]


COMMON = "ignore_loglevel oops=panic panic=-1 random.trust_cpu=on"


@pytest.mark.parametrize("name", ["x86_64", "i386"])
def test_the_command_line_of_a_pc(name: str, tmp_path: Path) -> None:
    append = f"console=ttyS0 {COMMON} tsc=reliable no_timer_check REGRESS_STATUS=/dev/ttyS1 VARIANT=a"
    assert qemu(name, tmp_path) == expected(tmp_path, append, "-serial file:STATUS", "virtio-blk-pci")
    assert "--arch" not in vng_command(load(name), "tcg", 512, 2, tmp_path, tmp_path)


PCI_SERIAL = "-chardev file,id=status,path=STATUS -device pci-serial,chardev=status"


@pytest.mark.parametrize(
    ("name", "vng", "console", "own", "device", "status"),
    [
        ("arm64", "arm64", "ttyAMA0", "random.trust_bootloader=on ", "ttyS0", PCI_SERIAL),
        ("riscv64", "riscv64", "ttyS0", "random.trust_bootloader=on ", "ttyS1", PCI_SERIAL),
        ("s390x", "s390x", "ttysclp0", "", "sclp_line0", "-serial file:STATUS"),
        ("ppc64le", "ppc64el", "hvc0", "", "hvc1", "-serial file:STATUS"),
    ],
)
def test_the_command_line_of_others(
    tmp_path: Path, name: str, vng: str, console: str, own: str, device: str, status: str
) -> None:
    append = f"console={console} {COMMON} {own}REGRESS_STATUS=/dev/{device} VARIANT=a"
    assert qemu(name, tmp_path) == expected(tmp_path, append, status, "virtio-blk-pci")
    argv = vng_command(load(name), "tcg", 512, 2, tmp_path, tmp_path)
    assert argv[argv.index("--arch") + 1] == vng


def test_a_cross_compiler_gives_its_prefix_to_make() -> None:
    cross = Compiler("x-linux-gnu-gcc", "12.2.0", "x-linux-gnu-gcc (Debian 12.2.0)")
    assert "CROSS_COMPILE=x-linux-gnu-" in choose("6.1", [cross], [], cross="x-linux-gnu-").arguments
    assert not any(word.startswith("CROSS") for word in choose("6.1", [cross], []).arguments)


def test_the_host_decides_what_is_native(monkeypatch: pytest.MonkeyPatch) -> None:
    for machine, native, here in (
        ("x86_64", "x86_64 i386", "x86_64"),
        ("i686", "i386", "i386"),
        ("aarch64", "arm64", "arm64"),
    ):
        monkeypatch.setattr(platform, "machine", lambda machine=machine: machine)
        known = [load(name) for name in architecture.names()]
        assert {arch.name for arch in known if arch.native} == set(native.split())
        assert {arch.name for arch in known if arch.here} == {here}
        assert all(bool(arch.cross) != arch.native for arch in known)
