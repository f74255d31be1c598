import os
from pathlib import Path

import pytest

from harness import prerequisites
from harness.errors import InfrastructureError, UserError
from harness.prerequisites import Prerequisite
from harness.progress import Progress

DEBIAN, FEDORA, SUSE = 'ID=debian\nVERSION_ID="12"\n', "ID=fedora\n", 'ID="opensuse-leap"\nID_LIKE="suse opensuse"\n'


class Notes(Progress):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def update(self, text: str) -> None:
        pass


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
    assert {purpose for one in known for purpose in one.purposes} >= {"git", "build", "boot", "guest", "i386"}
    assert all("apt" in one.packages for one in known)


def test_a_mistake_in_the_data_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("- {program: a, for: b, purposes: [c]}\n- {program: a, for: b, purpose: [c]}\n")
    with pytest.raises(UserError, match=r"p\.yaml:2: .*purpose"):
        prerequisites.load(path)


def test_what_is_there_is_not_missed() -> None:
    here = Prerequisite("sh", "trying", frozenset({"boot"}), optional=False, packages={})
    prerequisites.ensure({"boot"}, Notes(), [here])
    prerequisites.ensure({"build"}, Notes(), [absent()])


def test_optional_things_stop_nothing() -> None:
    prerequisites.ensure({"boot"}, Notes(), [absent(optional=True)])


@pytest.mark.parametrize(("text", "command"), [(FEDORA, "dnf install -y package-d"), (DEBIAN, "apt-get install")])
def test_where_nothing_may_be_installed_the_one_command_is_told(
    system: Path, monkeypatch: pytest.MonkeyPatch, text: str, command: str
) -> None:
    monkeypatch.setenv("REGRESS_NO_INSTALL", "1")
    system.write_text(text)
    notes = Notes()
    with pytest.raises(InfrastructureError, match=command):
        prerequisites.ensure({"boot"}, notes, [absent()], system)
    assert notes.notes == ["needed: no-such-program (trying)"]


def test_an_unknown_system_is_told_what_is_missing(system: Path) -> None:
    with pytest.raises(InfrastructureError, match="install by hand: no-such-program"):
        prerequisites.ensure({"boot"}, Notes(), [absent()], system)


def test_installs_and_fetches_stale_lists_once(system: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An apt-get of the test's own fails until its lists are fetched, then brings the program."""
    system.write_text(DEBIAN)
    programs = tmp_path / "bin"
    programs.mkdir()
    log, lists = tmp_path / "log", tmp_path / "lists"
    script = f"""#!/bin/sh
echo "$*" >>{log}
case $1 in
update) : >{lists} ;;
install) [ -e {lists} ] || exit 100; printf '#!/bin/sh\\n' >{programs}/brought; chmod +x {programs}/brought ;;
esac
"""
    for name, text in (("apt-get", script), ("sudo", '#!/bin/sh\nshift\nexec "$@"\n')):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("REGRESS_NO_INSTALL", raising=False)
    notes = Notes()
    prerequisites.ensure({"boot"}, notes, [absent("brought")], system)
    assert [line.split()[0] for line in log.read_text().splitlines()] == ["install", "update", "install"]
    assert any("package-a" in note for note in notes.notes)


def test_an_installation_that_brings_nothing_is_no_success(
    system: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.write_text(DEBIAN)
    for name, text in (("apt-get", "#!/bin/sh\n"), ("sudo", '#!/bin/sh\nshift\nexec "$@"\n')):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("REGRESS_NO_INSTALL", raising=False)
    with pytest.raises(InfrastructureError, match="still missing after the installation: no-such-program"):
        prerequisites.ensure({"boot"}, Notes(), [absent()], system)
