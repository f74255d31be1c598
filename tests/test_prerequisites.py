import argparse
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import prerequisites
from harness.cli import consent
from harness.cli.progress import Talk
from harness.errors import InfrastructureError, UserError
from harness.prerequisites import Prerequisite
from tests.support import Noting

DEBIAN, FEDORA, SUSE = 'ID=debian\nVERSION_ID="12"\n', "ID=fedora\n", 'ID="opensuse-leap"\nID_LIKE="suse opensuse"\n'


def absent(name: str = "no-such-program", *, optional: bool = False) -> Prerequisite:
    return Prerequisite(name, "trying", frozenset({"boot"}), optional, {"apt": "package-a", "dnf": "package-d"})


@pytest.fixture
def system(tmp_path: Path) -> Path:
    return tmp_path / "os-release"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (DEBIAN, "apt"),
        ("ID=linuxmint\nID_LIKE='ubuntu debian'\n", "apt"),
        (FEDORA, "dnf"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "dnf"),
        ("ID=arch\n", "pacman"),
        (SUSE, "zypper"),
        ("ID=plan9\n", None),
    ],
)
def test_the_package_manager_follows_from_the_system(system: Path, text: str, name: str | None) -> None:
    system.write_text(text)
    by = prerequisites.manager(system)
    assert (by.name if by else None) == name


def test_everything_has_a_package_where_it_may_be_installed() -> None:
    known = prerequisites.load()
    assert {purpose for one in known for purpose in one.purposes} >= {
        "git",
        "build",
        "boot",
        "guest",
        "foreign",
        "boot i386",
    }
    assert all("apt" in one.packages for one in known)


def test_a_mistake_in_the_data_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("- {program: a, for: b, purposes: [c]}\n- {program: a, for: b, purpose: [c]}\n")
    with pytest.raises(UserError, match=r"p\.yaml:2: .*purpose"):
        prerequisites.load(path)


def test_what_is_there_is_not_missed() -> None:
    here = Prerequisite("sh", "trying", frozenset({"boot"}), optional=False, packages={})
    prerequisites.ensure({"boot"}, Noting(), [here])
    prerequisites.ensure({"build"}, Noting(), [absent()])


def test_optional_things_stop_nothing() -> None:
    prerequisites.ensure({"boot"}, Noting(), [absent(optional=True)])


@pytest.mark.parametrize(("text", "command"), [(FEDORA, "dnf install -y package-d"), (DEBIAN, "apt-get install")])
def test_where_nothing_may_be_installed_the_one_command_is_told(
    system: Path, monkeypatch: pytest.MonkeyPatch, text: str, command: str
) -> None:
    monkeypatch.setenv("REGRESS_NO_INSTALL", "1")
    system.write_text(text)
    notes = Noting()
    with pytest.raises(InfrastructureError, match=command):
        prerequisites.ensure({"boot"}, notes, [absent()], system)
    assert notes.notes == ["needed: no-such-program (trying)"]


def test_an_unknown_system_is_told_what_is_missing(system: Path) -> None:
    with pytest.raises(InfrastructureError, match="install by hand: no-such-program"):
        prerequisites.ensure({"boot"}, Noting(), [absent()], system)


@pytest.fixture
def programs(system: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Debian whose `sudo` needs no password and says in a log what it runs; its `apt-get` does nothing."""
    system.write_text(DEBIAN)
    folder = tmp_path / "bin"
    folder.mkdir()
    shim(folder, "sudo", f'echo "$*" >>{tmp_path / "sudo"}; shift; exec "$@"')
    shim(folder, "apt-get", f"echo $1 >>{tmp_path / 'log'}")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    for name in ("REGRESS_INSTALL", "REGRESS_NO_INSTALL"):
        monkeypatch.delenv(name, raising=False)
    return folder


def shim(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_installs_and_fetches_stale_lists_once(
    system: Path, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An apt-get of the test's own fails until its lists are fetched, then brings the program."""
    monkeypatch.setenv("REGRESS_INSTALL", "1")
    log, lists = tmp_path / "log", tmp_path / "lists"
    shim(
        programs,
        "apt-get",
        f"""echo "$*" >>{log}
case $1 in
update) : >{lists} ;;
install) [ -e {lists} ] || exit 100; printf '#!/bin/sh\\n' >{programs}/brought; chmod +x {programs}/brought ;;
esac""",
    )
    notes = Noting()
    prerequisites.ensure({"boot"}, notes, [absent("brought")], system)
    assert [line.split()[0] for line in log.read_text().splitlines()] == ["install", "update", "install"]
    assert any("package-a" in note for note in notes.notes)


def test_what_is_useful_is_installed_where_that_is_asked_for(
    system: Path, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though nothing that is required is missing; what cannot be had is told, and stops nothing."""
    monkeypatch.setenv("REGRESS_INSTALL", "1")
    shim(programs, "apt-get", f'echo "$*" >>{tmp_path / "log"}; [ $1 = update ]')
    prerequisites.ensure({"boot"}, Noting(), [absent(optional=True)], system)
    assert not (tmp_path / "log").exists()
    notes = Noting()
    prerequisites.ensure({"boot"}, notes, [absent(optional=True)], system, useful=True)
    assert "package-a" in (tmp_path / "log").read_text()
    assert any("no-such-program could not be installed" in note for note in notes.notes)


def test_an_installation_that_brings_nothing_is_no_success(
    system: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGRESS_INSTALL", "1")
    with pytest.raises(InfrastructureError, match="still missing after the installation: no-such-program"):
        prerequisites.ensure({"boot"}, Noting(), [absent()], system)


def test_a_user_is_asked_before_anything_is_installed(
    system: Path, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked with all that would run; a yes installs, a no tells the command, and with nobody to ask sudo is not run."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    questions: list[str] = []

    def answer(yes: bool) -> Callable[[str], bool]:
        def ask(command: str) -> bool:
            questions.append(command)
            return yes

        return ask

    known = [absent(), Prerequisite("no-such-extra", "trying", frozenset({"boot"}), True, {"apt": "package-b"})]
    told = r"run:\n  sudo apt-get install .* package-a\n\(or use --install or REGRESS"
    with pytest.raises(InfrastructureError, match=told):
        prerequisites.ensure({"boot"}, Noting(), known, system)
    assert not (tmp_path / "sudo").exists()
    with pytest.raises(InfrastructureError, match="prerequisites are missing"):
        prerequisites.ensure({"boot"}, Noting(), known, system, answer(False))
    assert questions == ["sudo apt-get install -y --no-install-recommends package-a package-b"]
    assert not (tmp_path / "log").exists()
    with pytest.raises(InfrastructureError, match="still missing"):
        prerequisites.ensure({"boot"}, Noting(), known, system, answer(True))
    assert (tmp_path / "log").exists()


def test_what_the_environment_says_is_not_asked(
    system: Path, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    def nobody(_command: str) -> bool:
        raise AssertionError("asked")

    monkeypatch.setenv("REGRESS_NO_INSTALL", "1")
    with pytest.raises(InfrastructureError, match="prerequisites are missing"):
        prerequisites.ensure({"boot"}, Noting(), [absent()], system, nobody)
    monkeypatch.delenv("REGRESS_NO_INSTALL")
    monkeypatch.setenv("REGRESS_INSTALL", "1")
    with pytest.raises(InfrastructureError, match="still missing"):
        prerequisites.ensure({"boot"}, Noting(), [absent()], system, nobody)
    assert (tmp_path / "log").exists()


def test_with_install_nobody_is_asked() -> None:
    said = consent.consent(argparse.Namespace(install=True), Talk())
    assert said is not None
    assert said("anything")


@pytest.mark.parametrize(
    ("typed", "yes"), [("y\n", True), ("Yes\n", True), ("\n", False), ("no\n", False), ("", False)]
)
def test_asks_on_a_terminal_only(
    typed: str, yes: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    options = argparse.Namespace(install=False)
    assert consent.consent(options, Talk()) is None
    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    ask = consent.consent(options, Talk())
    assert ask is not None
    assert ask("sudo true") is yes
    assert "run `sudo true` now? [y/N]" in capsys.readouterr().err


def test_what_only_checks_of_the_program_need_is_told_to_those_who_work_on_it(
    regress: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    told = {dev: regress("doctor", REGRESS_DEV=dev).stdout for dev in ("", "1")}
    assert ("chromium" in told["1"], "chromium" in told[""]) == (True, False)
