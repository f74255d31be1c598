import os
import subprocess
from pathlib import Path

import pytest

from harness.catalog import load
from harness.errors import UserError
from harness.machine.debian import keep_links_inside
from harness.machine.rootfs import closure, initramfs
from harness.model import Scenario
from harness.paths import SCENARIOS


def listing(archive: Path) -> list[str]:
    return subprocess.run(
        ["cpio", "--list", "--quiet", f"--file={archive}"], capture_output=True, text=True, check=True
    ).stdout.split()


def test_the_image_has_what_the_programs_load_and_nothing_of_the_host(tmp_path: Path) -> None:
    scenario = load(SCENARIOS / "lr-35498d")
    initramfs(scenario, Path("/"), tmp_path / "a.cpio")
    names = listing(tmp_path / "a.cpio")
    assert {"init", "lib/regress/lib.sh", "scenario/run.sh", "scenario/scenario.yaml"} <= set(names)
    assert any("libcryptsetup" in name for name in names)
    assert any("ld-linux" in name for name in names)
    assert not any(name.startswith(("etc/", "root/", "home", "scenario/replay")) for name in names)
    assert len(names) < 80


def test_the_programs_run_in_it(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("chroot needs root")
    initramfs(load(SCENARIOS / "lr-35498d"), Path("/"), tmp_path / "a.cpio")
    root = tmp_path / "root"
    root.mkdir()
    subprocess.run(["cpio", "--extract", "--quiet", f"--file={tmp_path / 'a.cpio'}"], cwd=root, check=True)
    for argv in (["/bin/busybox", "true"], ["/sbin/cryptsetup", "--version"], ["/sbin/dmsetup", "--help"]):
        real = next(p for p in (argv[0], f"/usr{argv[0]}") if (root / p.lstrip("/")).exists())
        done = subprocess.run(["chroot", str(root), real, *argv[1:]], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    scenario = load(SCENARIOS / "lr-35498d")
    for name in ("a", "b"):
        initramfs(scenario, Path("/"), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    scenario = Scenario(id="x", title="x", folder=tmp_path, needs=("no-such-program",))
    with pytest.raises(UserError, match="needs no-such-program"):
        initramfs(scenario, Path("/"), tmp_path / "a.cpio")
    assert list(closure(Path("/"), ["busybox"]))


def test_the_links_of_another_root_stay_in_it(tmp_path: Path) -> None:
    for folder in ("usr/bin", "usr/lib64", "lib64"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "usr/bin/true").write_text("true\n")
    (tmp_path / "lib64/ld.so.2").symlink_to("/usr/bin/true")
    keep_links_inside(tmp_path)
    assert (tmp_path / "lib64/ld.so.2").readlink() == Path("../usr/bin/true")
    assert (tmp_path / "bin/true").read_text() == "true\n"
    assert not (tmp_path / "lib64").is_symlink()
