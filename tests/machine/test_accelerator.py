import os
from pathlib import Path

import pytest

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
def test_a_no_is_kept_for_an_hour(tmp_path: Path, answers: list[Accelerator], name: str, asked_again: bool) -> None:
    answers += [Accelerator(name, "first"), Accelerator("kvm", "second")]
    assert probe(tmp_path, Silent(), "true").reason == "first"
    assert probe(tmp_path, Silent(), "true").reason == "first"
    [kept] = (tmp_path / "accelerator").iterdir()
    old = kept.stat().st_mtime - KEPT - 1
    os.utime(kept, (old, old))
    assert probe(tmp_path, Silent(), "true").reason == ("second" if asked_again else "first")
