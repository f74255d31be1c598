"""What the program needs of the system: what is there, what is missing, and how it is put there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.catalog import read_yaml
from harness.errors import InfrastructureError, ProgramFailed
from harness.process import run
from harness.progress import Progress

DATA = Path(__file__).with_name("prerequisites.yaml")
INSTALL = {
    "apt": "apt-get install -y --no-install-recommends",
    "dnf": "dnf install -y",
    "pacman": "pacman -S --needed --noconfirm",
    "zypper": "zypper --non-interactive install",
}
# Debian keeps these off the PATH of ordinary users.
SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


@dataclass(frozen=True)
class Prerequisite:
    """Something that the system has to have.

    Attributes:
        name: a program, or the path of a file.
        purpose: what it is for, for people.
        purposes: the kinds of work that want it.
        optional: one can do without.
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


def load(path: Path = DATA) -> list[Prerequisite]:
    """All prerequisites.

    Raises:
        harness.errors.UserError: the file is wrong.
    """
    found = []
    for node in read_yaml(path).items():
        got = node.entries(("program", "file", "for", "purposes", "optional", *INSTALL))
        name = got["program"] if "program" in got else got["file"]
        found.append(
            Prerequisite(
                name=name.text(),
                purpose=got["for"].text(),
                purposes=frozenset(got["purposes"].texts()),
                optional="optional" in got,
                packages={manager: got[manager].text() for manager in INSTALL if manager in got},
            )
        )
    return found


def manager(path: str | None = None) -> str | None:
    """The package manager of this system (`apt`, `dnf`, `pacman`, `zypper`), or None."""
    programs = {"apt": "apt-get", "dnf": "dnf", "pacman": "pacman", "zypper": "zypper"}
    return next((name for name, program in programs.items() if shutil.which(program, path=path)), None)


def missing(purposes: Collection[str], known: Sequence[Prerequisite]) -> list[Prerequisite]:
    """What is not there of what some kinds of work want, optional ones included."""
    return [one for one in known if one.purposes & set(purposes) and one.found() is None]


def remedy(lacking: Sequence[Prerequisite], by: str | None) -> str:
    """The one command that puts what is lacking there, or the names where no package manager is known."""
    if by is None:
        return "install: " + ", ".join(one.name for one in lacking)
    packages = sorted({one.packages[by] for one in lacking if by in one.packages})
    others = [one.name for one in lacking if by not in one.packages]
    return f"{INSTALL[by]} {shlex.join(packages)}" + (f"   (and {', '.join(others)})" if others else "")


def ensure(purposes: Collection[str], progress: Progress) -> None:
    """See that everything required for some kinds of work is there, and install what is missing if that may be.

    It may be on Debian and Ubuntu, as root or with a sudo that asks no password, unless
    `REGRESS_NO_INSTALL` is set.  What is optional comes along, but nothing fails for want of it.

    Raises:
        InfrastructureError: something is missing and may not or cannot be installed; the message has the command.
    """
    lacking = missing(purposes, load())
    if not any(not one.optional for one in lacking):
        return
    by = manager()
    lacking = [one for one in lacking if not one.optional or (by in one.packages)]
    for one in lacking:
        progress.note(f"needed: {one.name} ({one.purpose})")
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    command = remedy(lacking, by)
    if by != "apt" or os.environ.get("REGRESS_NO_INSTALL") or not _may(root):
        raise InfrastructureError(f"something is missing; run:\n  {'sudo ' if root else ''}{command}")
    progress.note(f"installing: {' '.join([*root, command])}")
    _install(root, lacking, progress)
    if still := [one for one in missing(purposes, lacking) if not one.optional]:
        raise InfrastructureError(f"still missing after the installation: {', '.join(one.name for one in still)}")


def _may(root: Sequence[str]) -> bool:
    return not root or (shutil.which("sudo") is not None and run([*root, "true"], check=False).returncode == 0)


def _install(root: Sequence[str], lacking: Sequence[Prerequisite], progress: Progress) -> None:
    env = ["env", "DEBIAN_FRONTEND=noninteractive"]
    lists = Path("/var/lib/apt/lists")
    if not any(lists.glob("*_Packages*")):
        run([*root, *env, "apt-get", "update"], on_line=progress.update)
    required = sorted({one.packages["apt"] for one in lacking if not one.optional})
    optional = sorted({one.packages["apt"] for one in lacking if one.optional})
    argv = [*root, *env, *shlex.split(INSTALL["apt"])]
    try:
        run([*argv, *required, *optional], on_line=progress.update)
    except ProgramFailed:
        # Old lists name packages that are gone from the servers; and an optional one may not exist here.
        run([*root, *env, "apt-get", "update"], on_line=progress.update)
        run([*argv, *required], on_line=progress.update)


def version(program: str) -> str:
    """What a program says of its own version, on one line; empty where it says nothing."""
    told = run([program, "--version"], check=False, timeout=10)
    lines = (told.stdout or told.stderr).strip().splitlines()
    found = next((line for line in lines if re.search(r"\d", line)), "")
    return found.strip()[:60]
