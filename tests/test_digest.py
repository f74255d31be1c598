from pathlib import Path

import pytest

from harness import architecture
from harness.catalog import load
from harness.digest import digest
from harness.paths import GUEST

REAL = "id: toy\ntitle: a toy\nkconfig: [raid]\n"
COMMANDS = "id: toy\ntitle: a toy\nbuild: {{command: sh build.sh}}\nmachine: {{command: 'sh {boot}'}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    top = tmp_path / "toy"
    (top / "proof").mkdir(parents=True)
    (top / "lib").mkdir()
    for name in ("run.sh", "lib/helper.sh", "proof/x.patch", ".hidden"):
        (top / name).write_text("true\n")
    (top / "scenario.yaml").write_text(REAL)
    return top


@pytest.mark.parametrize("name", ["run.sh", "lib/helper.sh", "new"])
def test_each_file_of_the_scenario_counts(folder: Path, name: str) -> None:
    before = digest(load(folder), "x86_64")
    (folder / name).write_text("false\n")
    assert digest(load(folder), "x86_64") != before


@pytest.mark.parametrize("name", ["proof/x.patch", ".hidden", "proof/new"])
def test_what_gets_into_no_trial_does_not_count(folder: Path, name: str) -> None:
    before = digest(load(folder), "x86_64")
    (folder / name).write_text("false\n")
    assert digest(load(folder), "x86_64") == before


def test_title_and_place_do_not_count(folder: Path) -> None:
    before = digest(load(folder), "x86_64")
    (folder / "scenario.yaml").write_text(REAL.replace("a toy", "another title"))
    assert digest(load(folder.rename(folder.with_name("moved"))), "x86_64") == before


def test_the_scripts_of_machine_and_builder_count(folder: Path, tmp_path: Path) -> None:
    boot = tmp_path / "boot.sh"
    boot.write_text("true\n")
    (folder / "scenario.yaml").write_text(COMMANDS.format(boot=boot))
    before = digest(load(folder), "x86_64")
    boot.write_text("false\n")
    assert digest(load(folder), "x86_64") != before


def test_what_is_passed_by_name_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest(load(folder), "x86_64")
    monkeypatch.setenv("BOARD", "7")
    assert digest(load(folder), "x86_64") == before
    monkeypatch.setenv("REGRESS_PASS_ENV", "BOARD")
    assert digest(load(folder), "x86_64") != before


@pytest.mark.parametrize("name", ["init", "lib.sh", "root", "scenario"])
def test_the_guests_own_scripts_count(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    before = digest(load(folder), "x86_64")
    guest = tmp_path / "guest"
    guest.mkdir()
    for file in ("init", "lib.sh", "root", "scenario"):
        (guest / file).write_bytes((GUEST / file).read_bytes())
    monkeypatch.setattr("harness.digest.GUEST", guest)
    assert digest(load(folder), "x86_64") == before
    (guest / name).write_text("false\n")
    assert digest(load(folder), "x86_64") != before


def test_the_words_of_every_command_line_count(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest(load(folder), "x86_64")
    monkeypatch.setattr("harness.architecture.APPEND", (*architecture.APPEND, "quiet"))
    assert digest(load(folder), "x86_64") != before


def test_the_architecture_counts(folder: Path) -> None:
    assert digest(load(folder), "x86_64") != digest(load(folder), "i386")
