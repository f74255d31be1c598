import os
import platform
from dataclasses import replace
from pathlib import Path

import pytest

from harness.architecture import load
from harness.machine import accelerator
from harness.machine.accelerator import KEPT, Accelerator, probe
from harness.progress import Silent


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Accelerator]:
    """What the boot of the probe says, one answer after the other."""
    given: list[Accelerator] = []
    monkeypatch.setattr(accelerator, "boot_probe", lambda *_: given.pop(0))
    monkeypatch.setattr(os, "access", lambda *_: True)
    monkeypatch.setattr(Path, "exists", lambda path: path == Path("/dev/kvm") or os.path.lexists(path))
    return given


@pytest.mark.parametrize(("name", "asked_again"), [("kvm", False), ("tcg", True)])
def test_a_no_is_kept_for_an_hour(
    tmp_path: Path, answers: list[Accelerator], monkeypatch: pytest.MonkeyPatch, name: str, asked_again: bool
) -> None:
    monkeypatch.setattr(accelerator, "PROBED", "true")
    arch = replace(load("x86_64"), qemu="true", hosts=(platform.machine(),))
    answers += [Accelerator(name, "first"), Accelerator("kvm", "second")]
    assert probe(arch, tmp_path, Silent()).reason == "first"
    assert probe(arch, tmp_path, Silent()).reason == "first"
    [kept] = (tmp_path / "accelerator").iterdir()
    old = kept.stat().st_mtime - KEPT - 1
    os.utime(kept, (old, old))
    assert probe(arch, tmp_path, Silent()).reason == ("second" if asked_again else "first")


def test_another_architecture_is_emulated_without_a_boot(tmp_path: Path, answers: list[Accelerator]) -> None:
    arch = replace(load("x86_64"), name="other", machine="other", hosts=())
    assert probe(arch, tmp_path, Silent()) == Accelerator("tcg", f"other is emulated on {platform.machine()}")
    other_qemu = replace(load("x86_64"), qemu="qemu-system-other", hosts=(platform.machine(),))
    assert probe(other_qemu, tmp_path, Silent()).name == "tcg"
