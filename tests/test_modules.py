"""Modules: packed with the kernel, those that a scenario loads in the guest, and kernels told apart by them."""

import json
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.catalog import load
from harness.cli.environment import needs
from harness.configuration import base, keeping, trimmed
from harness.errors import KernelError, UserError
from harness.files import pack, sha256
from harness.git import Git
from harness.kernel import modules
from harness.kernel.build import KernelBuilder
from harness.kernel.modules import FILE, Index
from harness.kernel.tree import from_path
from harness.machine.rootfs import initramfs
from harness.model import Base, PiDisk, Scenario
from harness.paths import SCENARIOS
from harness.progress import Silent
from tests.machine.test_rootfs import listing
from tests.support import Noting, kernels

DEP = """\
kernel/drivers/md/dm-crypt.ko: kernel/drivers/md/dm-mod.ko kernel/crypto/xts.ko
kernel/drivers/md/dm-mod.ko:
kernel/crypto/xts.ko:
kernel/crypto/ecb.ko:
kernel/drivers/net/wifi.ko:
"""
SOFT = "# Soft dependencies\nsoftdep xts pre: ecb gone\n"
BUILT_IN = "kernel/fs/ext4/ext4.ko\nkernel/drivers/block/virtio_blk.ko\n"
INDEX = Index.of(DEP, BUILT_IN, SOFT)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """What `make modules_install` leaves."""
    top = tmp_path / "installed" / "lib/modules/6.1.0"
    for line in DEP.splitlines():
        path = top / line.partition(":")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\x7fELF\0license=GPL\0" + path.name.encode() + b"\0")
    (top / "kernel/drivers/net/wifi.ko").write_bytes(b"\0firmware=wifi/b.bin\0firmware=wifi/a.bin\0vermagic=6.1\0")
    for name, text in (("dep", DEP), ("builtin", BUILT_IN), ("softdep", SOFT)):
        (top / f"modules.{name}").write_text(text)
    (top / "build").symlink_to("/usr/src/linux")
    return tmp_path / "installed"


@pytest.fixture
def archive(installed: Path, tmp_path: Path) -> Path:
    pack(installed, tmp_path / FILE)
    return tmp_path / FILE


def test_a_module_comes_with_all_that_it_needs() -> None:
    assert INDEX.files(["dm-crypt"]) == [
        "kernel/crypto/ecb.ko",
        "kernel/crypto/xts.ko",
        "kernel/drivers/md/dm-crypt.ko",
        "kernel/drivers/md/dm-mod.ko",
    ]
    assert INDEX.files(["ext4", "gone"]) == []
    assert INDEX.missing(["dm_crypt", "dm-mod", "virtio-blk", "gone"]) == ["gone"]


def test_the_archive_has_the_same_bytes_for_the_same_files_and_no_links(installed: Path, archive: Path) -> None:
    again = archive.with_name("again.tar")
    (installed / "lib/modules/6.1.0/modules.dep").touch()
    pack(installed, again)
    assert again.read_bytes() == archive.read_bytes()
    with tarfile.open(archive) as tar:
        assert not [member for member in tar if not member.isreg()]
    assert modules.index(archive) == INDEX


def test_a_kernel_that_lacks_a_module_is_refused(archive: Path, tmp_path: Path) -> None:
    modules.assert_there(["dm-crypt", "ext4"], archive)
    with pytest.raises(KernelError, match=r"no module btrfs, and it is not built in either: .*--lsmod"):
        modules.assert_there(["btrfs", "dm-crypt"], archive)
    modules.assert_there(["btrfs"], tmp_path / "none")


def test_the_guest_gets_what_the_scenario_loads_and_what_that_needs(archive: Path, tmp_path: Path) -> None:
    scenario = Scenario(id="x", title="x", folder=SCENARIOS / "lr-35498d", modules=("dm-crypt", "wifi"), image=8)
    noting = Noting()
    initramfs(scenario, Path("/"), tmp_path / "a.cpio", progress=noting, archive=archive)
    names = listing(tmp_path / "a.cpio")
    assert {"lib/modules/6.1.0/kernel/crypto/ecb.ko", "lib/modules/6.1.0/modules.dep", "sbin/modprobe"} <= set(names)
    assert any(name.endswith("bin/kmod") for name in names)
    assert noting.notes == ["module wifi may ask for firmware that the guest does not have: wifi/a.bin, wifi/b.bin"]
    listed = subprocess.run(
        ["cpio", "--extract", "--quiet", "--to-stdout", f"--file={tmp_path / 'a.cpio'}", "lib/regress/modules"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    # The disk's modules come first, where they are not a part of the kernel and not missing.
    assert listed.split() == ["virtio_blk", "dm-crypt", "wifi"]


def test_a_guest_without_modules_is_what_it_was(archive: Path, tmp_path: Path) -> None:
    scenario = load(SCENARIOS / "lr-35498d")
    for name, given in (("a", None), ("b", tmp_path / "none")):
        initramfs(scenario, Path("/"), tmp_path / name, archive=given)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert not [name for name in listing(tmp_path / "a") if "kmod" in name or "modules" in name]
    assert "modules" not in needs(scenario, "x86_64")
    assert archive.exists()


@pytest.fixture
def toy(tmp_path: Path) -> tuple[Git, Path]:
    """The made-up kernel, and a scenario of it."""
    git, *_ = kernels.kernel(tmp_path / "tree")
    return git, kernels.scenario(tmp_path / "scenarios")


OWN = Base((), "CONFIG_64BIT=y\nCONFIG_X86_64=y\nCONFIG_WIFI=m\nCONFIG_SOUND=m\n", name="own")


def build(toy: tuple[Git, Path], tmp_path: Path, commit: str, folder: str, on: Base = OWN) -> tuple[str, Path]:
    tree = from_path(toy[0].path, tmp_path / "cache", Silent())
    builder = KernelBuilder(tree, "x86_64", (toy[1] / "guest.config",), tmp_path / "cache", Silent(), base=on)
    made = builder.build(toy[0].commit(commit), tmp_path / folder)
    return made.signature, tmp_path / folder


def test_kernels_that_differ_in_a_module_are_not_the_same(toy: tuple[Git, Path], tmp_path: Path) -> None:
    one, folder = build(toy, tmp_path, "HEAD", "one")
    with tarfile.open(folder / FILE) as tar:
        assert "lib/modules/6.1.0/kernel/wifi.ko" in tar.getnames()
    (toy[0].path / "module.c").write_text("int other;\n")
    toy[0].run("commit", "--quiet", "--all", "-m", "a module")
    other, again = build(toy, tmp_path, "HEAD", "other")
    assert (folder / "bzImage").read_bytes() == (again / "bzImage").read_bytes()
    assert one != other
    assert json.loads((folder / "kernel.json").read_text())["command"][-2:] == ["bzImage", "modules"]
    # From the cache they come with their modules too.
    assert build(toy, tmp_path, "HEAD~1", "cached")[0] == one
    assert (tmp_path / "cached" / FILE).read_bytes() == (folder / FILE).read_bytes()


def test_a_kernel_without_modules_makes_none(toy: tuple[Git, Path], tmp_path: Path) -> None:
    signature, folder = build(toy, tmp_path, "HEAD", "one", Base((), "CONFIG_64BIT=y\n", name="own"))
    assert not (folder / FILE).exists()
    assert signature == sha256(folder / "bzImage")
    assert "installing" not in (folder / "build.log").read_text()


def test_what_a_scenario_loads_is_not_trimmed_away(tmp_path: Path) -> None:
    (tmp_path / "names").write_text("wifi\n")
    few = trimmed(base("defconfig"), "names", tmp_path)
    scenario = Scenario(id="x", title="x", folder=tmp_path, pi_disk=PiDisk(), modules=("dm-crypt",))
    kept = keeping(few, (*scenario.disk_modules, *scenario.modules))
    assert kept.loaded == ("dm_crypt", "scsi_debug", "sd_mod", "wifi")
    assert keeping(base("defconfig"), ["dm-crypt"]).loaded is None


def test_the_name_of_a_module_is_checked(toy: tuple[Git, Path]) -> None:
    path = toy[1] / "scenario.yaml"
    path.write_text(path.read_text() + "modules: ['a b']\n")
    with pytest.raises(UserError, match="modules: expected the name of a module such as dm-crypt, got 'a b'"):
        load(toy[1])


@pytest.mark.parametrize("fleet", [(), ("--fleet", "local:2")])
def test_a_run_with_modules_of_ones_own_configuration(
    toy: tuple[Git, Path], tmp_path: Path, fleet: tuple[str, ...],
    regress: Callable[..., subprocess.CompletedProcess[str]],
) -> None:  # fmt: skip
    (tmp_path / "own.config").write_text(OWN.text)
    argv = ["run", "toy", "--scenarios", str(toy[1].parent), "--tree", str(toy[0].path), "--commit", "HEAD", *fleet]
    argv += ["--results", str(tmp_path / "results"), "--config", str(tmp_path / "own.config"), "--json"]
    told = json.loads(regress(*argv).stdout)
    assert told["commits"][0]["verdict"] == "bad", told["reason"]
    assert told["configuration"]["name"].endswith("own.config")
    kernel = Path(told["folder"]) / told["commits"][0]["folder"]
    assert "CONFIG_WIFI=m" in (kernel / "config").read_text()
    with tarfile.open(kernel / FILE) as tar:
        assert "lib/modules/6.1.0/kernel/sound.ko" in tar.getnames()
    path = toy[1] / "scenario.yaml"
    path.write_text(path.read_text() + "modules: [wifi, core, gone]\n")
    refused = json.loads(regress(*argv).stdout)
    assert refused["status"] == "inconclusive"
    assert "this kernel has no module gone" in refused["reason"]
