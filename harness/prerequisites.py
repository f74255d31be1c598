"""What the program needs from the system: what is installed, what is missing, and how to install it.

`prerequisites.yaml` says what is needed and which package has it, each architecture's file what its kernels need.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness import architecture
from harness.errors import InfrastructureError, ProgramFailed, TimedOut
from harness.process import run
from harness.progress import Progress
from harness.yamlfile import Node, read_yaml

DATA = Path(__file__).with_name("prerequisites.yaml")
OS_RELEASE = Path("/etc/os-release")
# Debian keeps these off the PATH of ordinary users.
SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


@dataclass(frozen=True)
class Manager:
    """A package manager.

    Attributes:
        name: as `prerequisites.yaml` has it.
        systems: the systems that use it, by ID and ID_LIKE of os-release(5).
        install: its command, followed by packages.
        automatic: whether this program may run it.
    """

    name: str
    systems: frozenset[str]
    install: tuple[str, ...]
    automatic: bool = False


Consent = Callable[[str], bool]
"""Asks whether a command may be run as root."""

MANAGERS = (
    Manager(
        name="apt",
        systems=frozenset({"debian", "ubuntu"}),
        install=("apt-get", "install", "-y", "--no-install-recommends"),
        automatic=True,
    ),
    Manager("dnf", frozenset({"fedora", "rhel", "centos"}), ("dnf", "install", "-y")),
    Manager("pacman", frozenset({"arch"}), ("pacman", "-S", "--needed", "--noconfirm")),
    Manager("zypper", frozenset({"suse", "opensuse", "sles"}), ("zypper", "--non-interactive", "install")),
)


@dataclass(frozen=True)
class Prerequisite:
    """Something that the system needs to have.

    Attributes:
        name: a program, or the path of a file.
        purpose: what it is for, for people.
        purposes: the kinds of work that need it.
        optional: whether it is dispensable.
        packages: its package, by package manager.
    """

    name: str
    purpose: str
    purposes: frozenset[str]
    optional: bool
    packages: dict[str, str]

    def found(self) -> str | None:
        """Where it is, or None."""
        if self.name.startswith("/"):
            return self.name if Path(self.name).exists() else None
        return shutil.which(self.name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *SBIN)))


def load(path: Path = DATA, architectures: Path = architecture.FOLDER) -> list[Prerequisite]:
    """All prerequisites.

    What `build` and `boot` need for one architecture has purposes of its own, such as `boot arm64`.

    Raises:
        harness.errors.UserError: a file is wrong; the message names the line.
    """
    found = [_prerequisite(node) for node in read_yaml(path).items()]
    of_all: dict[str, Prerequisite] = {}
    for name, node in architecture.needs(architectures):
        one, arch = _prerequisite(node), architecture.load(name, architectures)
        if arch.native and one.name.startswith(arch.compiler):
            continue
        before = of_all[one.name].purposes if one.name in of_all else frozenset()
        of_all[one.name] = replace(one, purposes=before | {f"{work} {name}" for work in one.purposes})
    return [*found, *of_all.values()]


def _prerequisite(node: Node) -> Prerequisite:
    got = node.entries(("program", "file", "for", "purposes", "optional", *(one.name for one in MANAGERS)))
    if ("program" in got) == ("file" in got) or not {"for", "purposes"} <= got.keys():
        raise node.error("expected a program or a file, and `for` and `purposes`")
    return Prerequisite(
        name=got["program" if "program" in got else "file"].text(),
        purpose=got["for"].text(),
        purposes=frozenset(got["purposes"].texts()),
        optional="optional" in got and got["optional"].choice("true", "false") == "true",
        packages={one.name: got[one.name].text() for one in MANAGERS if one.name in got},
    )


def manager(os_release: Path = OS_RELEASE) -> Manager | None:
    """The package manager of this system, or None if unknown.

    The name of the system decides, not its programs: Fedora and Arch have an apt-get too.

    Args:
        os_release: see os-release(5).
    """
    text = os_release.read_text(encoding="utf-8") if os_release.exists() else ""
    fields = dict(line.split("=", 1) for line in shlex.split(text, comments=True) if "=" in line)
    names = [fields.get("ID", ""), *fields.get("ID_LIKE", "").split()]
    for name in names:
        # openSUSE's IDs have suffixes: opensuse-leap, opensuse-tumbleweed.
        if found := next((one for one in MANAGERS if name.partition("-")[0] in one.systems), None):
            return found
    return None


def missing(purposes: Collection[str], known: Sequence[Prerequisite]) -> list[Prerequisite]:
    """What some kinds of work need and is missing, optional things included."""
    return [one for one in known if one.purposes & set(purposes) and one.found() is None]


def _packages(lacking: Sequence[Prerequisite], by: Manager) -> list[str]:
    return sorted({one.packages[by.name] for one in lacking if by.name in one.packages})


def remedy(lacking: Sequence[Prerequisite], by: Manager | None) -> str:
    """The command that installs what is missing, and the names of what is in no package.

    Args:
        lacking: what is missing, at least one.
        by: the package manager; None if unknown.
    """
    packages = _packages(lacking, by) if by else []
    others = [one.name for one in lacking if by is None or by.name not in one.packages]
    command = shlex.join([*_root(), *by.install, *packages]) if by and packages else ""
    rest = f"{'and ' if command else ''}install by hand: {', '.join(others)}" if others else ""
    return "   ".join(part for part in (command, rest) if part)


def ensure(
    purposes: Collection[str],
    progress: Progress,
    known: Sequence[Prerequisite] | None = None,
    os_release: Path = OS_RELEASE,
    consent: Consent | None = None,
    *,
    useful: bool = False,
) -> None:
    """Ensure that everything required for some kinds of work is installed; install what is missing, if allowed.

    Packages are installed on Debian and Ubuntu only: by root, and with the user's consent by anybody with a
    passwordless sudo.  `REGRESS_INSTALL` is consent, `REGRESS_NO_INSTALL` forbids it, even to root.  Optional things
    are installed along with the rest, but nothing fails without them.

    Args:
        purposes: kinds of work, as `prerequisites.yaml` names them.
        progress: shows what is missing, why it is needed, and how the installation goes.
        known: all prerequisites; by default those of `prerequisites.yaml`.
        os_release: names the system; see os-release(5).
        consent: asks the user; None if nobody can be asked.
        useful: install what is optional too, although nothing that is required is missing.

    Raises:
        InfrastructureError: something is missing and cannot or may not be installed; the message has the command.
    """
    lacking = missing(purposes, load() if known is None else known)
    required = [one for one in lacking if not one.optional]
    by = manager(os_release)
    if not required:
        if useful and by and by.automatic and _packages(lacking, by) and _may_install(remedy(lacking, by), consent):
            _install_useful(by, lacking, progress)
        return
    for one in required:
        progress.note(f"needed: {one.name} ({one.purpose})")
    if by is None or not by.automatic or not _packages(required, by) or not _may_install(remedy(lacking, by), consent):
        hint = "\n(or use --install or REGRESS_INSTALL=1)" if by and by.automatic and _root() else ""
        raise InfrastructureError(f"prerequisites are missing; run:\n  {remedy(required, by)}{hint}")
    _install(by, required, progress)
    if still := [one for one in required if one.found() is None]:
        raise InfrastructureError(
            f"still missing after the installation: {', '.join(one.name for one in still)}; run:\n  {remedy(still, by)}"
        )
    _install_useful(by, [one for one in lacking if one.optional], progress)


def _install_useful(by: Manager, lacking: Sequence[Prerequisite], progress: Progress) -> None:
    """Install what one can do without; what cannot be had is told."""
    for one in lacking:
        if by.name in one.packages:
            progress.note(f"useful: {one.name} ({one.purpose})")
            try:
                _install(by, [one], progress)
            except ProgramFailed as error:
                progress.note(f"{one.name} could not be installed: {str(error).splitlines()[0]}")


def _root() -> list[str]:
    return [] if os.geteuid() == 0 else ["sudo"]


def _may_install(command: str, consent: Consent | None) -> bool:
    if os.environ.get("REGRESS_NO_INSTALL"):
        return False
    if not _root():
        return True
    agreed = bool(os.environ.get("REGRESS_INSTALL"))
    if not agreed and consent is None:
        return False
    if shutil.which("sudo") is None or run(["sudo", "-n", "true"], check=False).returncode != 0:
        return False
    return agreed or (consent is not None and consent(command))


def _as_root() -> list[str]:
    # env, because sudo keeps little of the environment
    return [*_root(), *(["-n"] if _root() else []), "env", "DEBIAN_FRONTEND=noninteractive"]


def _command(by: Manager) -> list[str]:
    # a new machine may be busy with its first upgrade, which holds dpkg's lock
    return [*_as_root(), *by.install, "-o", "DPkg::Lock::Timeout=300"]


def _install(by: Manager, lacking: Sequence[Prerequisite], progress: Progress) -> None:
    argv = [*_command(by), *_packages(lacking, by)]
    progress.note(f"installing: {remedy(lacking, by)}")
    try:
        run(argv, on_line=_told(progress))
    except ProgramFailed:
        progress.note("updating apt's package lists, which are missing or old")
        run([*_as_root(), "apt-get", "update"], on_line=_told(progress))
        run(argv, on_line=_told(progress))


def _told(progress: Progress) -> Callable[[str], None]:
    """Shows the output as one piece of work: without a terminal, a line now and then instead of hundreds."""
    return lambda line: progress.update(f"installing: {line}")


def version(program: str) -> str | None:
    """The version that a program reports; None if it reports none (as busybox)."""
    try:
        told = run([program, "--version"], check=False, timeout=10)
    except TimedOut:
        return None
    found = re.search(r"\d+(\.\d+)+[\w.+~-]*", told.stdout or told.stderr)
    return found[0] if found and told.returncode == 0 else None
