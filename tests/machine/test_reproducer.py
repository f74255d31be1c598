"""C files and programs of a scenario: compiled for the guest, or refused with the compiler's words."""

import subprocess
from pathlib import Path

import pytest

from harness.catalog import load
from harness.errors import UserError
from harness.machine.reproducer import stage
from harness.model import Repeat
from tests.support import Noting

HEAD = "id: toy\ntitle: t\n"
MAIN = "#include <pthread.h>\nint main(void) { return 3; }\n"


def made(tmp_path: Path, yaml: str, files: dict[str, str]) -> Path:
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "scenario.yaml").write_text(HEAD + yaml)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def staged(tmp_path: Path, folder: Path) -> tuple[Path, list[str]]:
    """A root file system with it, and what the compiler warned of."""
    top, notes = tmp_path / "top", Noting()
    (top / "lib/regress").mkdir(parents=True)
    (top / "scenario").mkdir()
    for path in folder.iterdir():
        (top / "scenario" / path.name).write_bytes(path.read_bytes())
    stage(load(folder), "x86_64", top, notes)
    return top, notes.notes


def test_a_script_is_sourced_as_ever(tmp_path: Path) -> None:
    top, _ = staged(tmp_path, made(tmp_path, "", {"run.sh": "pass\n"}))
    assert (top / "lib/regress/run").read_text() == ". ./run.sh\n"
    assert not (top / "lib/regress/repeat").exists()


def test_a_c_file_becomes_a_static_program(tmp_path: Path) -> None:
    yaml = "run: [setup.sh, repro.c]\nrepeat: {for: 30s, procs: 4}\n"
    top, told = staged(tmp_path, made(tmp_path, yaml, {"setup.sh": "true\n", "repro.c": MAIN}))
    assert (top / "lib/regress/run").read_text() == '. ./setup.sh\nreproduce ./repro\npass "$REPRODUCED"\n'
    assert (top / "lib/regress/repeat").read_text() == "TIMES=\nFOR=30\nPROCS=4\n"
    assert subprocess.run([top / "scenario/repro"], check=False).returncode == 3
    assert (
        "INTERP"
        not in subprocess.run(
            ["readelf", "-l", top / "scenario/repro"], capture_output=True, text=True, check=True
        ).stdout
    )
    assert told == []


def test_a_program_is_run_once_without_a_word(tmp_path: Path) -> None:
    folder = made(tmp_path, "run: poc\nmachine: {timeout: 100s}\n", {"poc": "#!/bin/sh\n"})
    assert load(folder).repeat == Repeat(times=1, seconds=80, procs=1)
    top, _ = staged(tmp_path, folder)
    assert (top / "scenario/poc").stat().st_mode & 0o111
    assert "TIMES=1\nFOR=80\n" in (top / "lib/regress/repeat").read_text()


def test_warnings_are_shown_and_errors_refused(tmp_path: Path) -> None:
    text = "\nint main(void) { return getpid() < 0; }\n"
    _, told = staged(tmp_path, made(tmp_path, "run: a.c\n", {"a.c": text}))
    assert any("a.c:2" in line and "warning" in line for line in told)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("int main(void) { return nothing; }\n", "a.c:1:25: error: 'nothing' undeclared"),
        ("int f;\n", "undefined reference to"),
    ],
)
def test_what_does_not_compile_is_refused(tmp_path: Path, text: str, said: str) -> None:
    folder = made(tmp_path, "run: a.c\n", {"a.c": text})
    with pytest.raises(UserError) as error:
        staged(tmp_path, folder)
    assert f"{folder}/a.c does not compile: " in str(error.value)
    assert said in str(error.value).replace("\u2018", "'").replace("\u2019", "'")
    assert "tried: gcc -O1 -pthread -static" in str(error.value)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    folder = made(tmp_path, "run: a.c\n", {"a.c": MAIN, "a": ""})
    with pytest.raises(UserError, match="compiled to a, which is there already"):
        staged(tmp_path, folder)


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("run: no.c\n", "no.c: no such file"),
        ("run: ../x.c\n", "scenario.yaml:3: run: expected a file beside scenario.yaml"),
        ("run: []\n", "expected a file beside scenario.yaml"),
        ("run: a.c\nrepeat: {procs: 2}\n", "repeat: expected `times: N`, `for: 60s`, or both"),
        ("run: a.c\nrepeat: {for: 130s}\n", "expected at most 96s, so that there is time to end"),
        ("run: a.c\nrepeat: {times: 0}\n", "times: expected a whole number, at least 1"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, yaml: str, said: str) -> None:
    folder = made(tmp_path, yaml, {"a.c": MAIN})
    with pytest.raises(UserError) as error:
        load(folder)
    assert said in str(error.value)
