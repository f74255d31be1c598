"""Toolchains: which compiler builds which kernel, and with which flags.  The rules are data."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from harness.errors import InfrastructureError
from harness.process import run
from harness.yamlfile import Node, read_yaml

DATA = Path(__file__).with_name("toolchains.yaml")

GCC, CLANG = FAMILIES = ("gcc", "clang")

LLVM = ("ld.lld", "llvm-ar", "llvm-nm", "llvm-objcopy", "llvm-strip")
"""What the kernel's make takes of LLVM besides clang (Documentation/kbuild/llvm.rst)."""


@dataclass(frozen=True)
class Compiler:
    """An installed compiler: the command, its version such as `12.2.0`, its own version line, and its family."""

    command: str
    version: str
    banner: str
    family: str = GCC


@dataclass(frozen=True)
class Rule:
    """What one range of kernels needs with one range of compilers."""

    kernel: SpecifierSet
    compiler: SpecifierSet
    unsuitable: bool
    cc: tuple[str, ...]
    make: tuple[str, ...]
    because: str
    family: str = GCC

    def applies(self, kernel: str, compiler: Compiler) -> bool:
        """Whether this rule applies to these two versions."""
        if compiler.family != self.family:
            return False
        return self.kernel.contains(kernel, prereleases=True) and self.compiler.contains(compiler.version)


@dataclass(frozen=True)
class Toolchain:
    """A compiler chosen for a kernel.

    Attributes:
        cc: the whole `CC` command.
        make: further arguments of make.
        linker: the linker's own version line.
        cross: the prefix of a cross compiler's binutils; "" for the machine's own.
        reason: why it was chosen, and what each flag is for.
    """

    compiler: Compiler
    cc: str
    make: tuple[str, ...]
    linker: str
    cross: str
    reason: str

    @property
    def arguments(self) -> tuple[str, ...]:
        """Its arguments for make; with ccache, if installed."""
        cc = f"ccache {self.cc}" if shutil.which("ccache") else self.cc
        cross = [f"CROSS_COMPILE={self.cross}"] if self.cross else []
        return (*cross, f"CC={cc}", *self.make, "LOCALVERSION=")

    @property
    def identity(self) -> str:
        """Everything that may change the image: equal identities build the same image from the same source."""
        return "\n".join((self.compiler.banner, self.cc, *self.make, self.linker))


def _specifiers(node: Node) -> SpecifierSet:
    try:
        return SpecifierSet(node.text())
    except InvalidSpecifier as error:
        raise node.error(f"expected a version range such as '>=5.18,<6.14', got {node.text()!r}") from error


def rules(path: Path = DATA) -> tuple[Mapping[str, tuple[str, ...]], list[Rule]]:
    """The compilers to look for, in order, by family; and their rules.

    Raises:
        harness.errors.UserError: the file is wrong; the message names the line.
    """
    got = read_yaml(path).entries(("compilers", CLANG, "rules"))
    found = []
    for node in got["rules"].items():
        rule = node.entries(("kernel", "compiler", "family", "unsuitable", "cc", "make", "because"))
        for key in ("kernel", "compiler", "because"):
            if key not in rule:
                raise node.error(f"{key!r} is missing")
        found.append(
            Rule(
                kernel=_specifiers(rule["kernel"]),
                compiler=_specifiers(rule["compiler"]),
                unsuitable="unsuitable" in rule,
                cc=rule["cc"].texts() if "cc" in rule else (),
                make=rule["make"].texts() if "make" in rule else (),
                because=rule["because"].text(),
                family=rule["family"].choice(*FAMILIES) if "family" in rule else GCC,
            )
        )
    return {GCC: got["compilers"].texts(), CLANG: got[CLANG].texts() if CLANG in got else ()}, found


@cache
def installed(commands: tuple[str, ...], family: str = GCC) -> tuple[Compiler, ...]:
    """The compilers of a family that are installed, in the order given."""
    found = []
    for command in commands:
        if shutil.which(command) is None:
            continue
        version = run([command, "-dumpfullversion", "-dumpversion"], check=False).stdout.strip()
        banner = run([command, "--version"], check=False).stdout.partition("\n")[0]
        if re.match(r"\d", version):
            found.append(Compiler(command, version, banner, family))
    return tuple(found)


def release(kernel: str) -> str:
    """The release that a version belongs to: `4.13` for `4.13-rc1`, `6.1.192` unchanged."""
    return str(Version(re.sub(r"^(\d+(?:\.\d+)*).*$", r"\1", kernel)))


def choose(
    kernel: str, compilers: Sequence[Compiler], known: Sequence[Rule], linker: str = "", cross: str = ""
) -> Toolchain:
    """The toolchain for a kernel.

    Args:
        kernel: its version, such as `4.13.9`.
        compilers: the installed ones, in order of preference.
        known: the rules.
        linker: the linker's version line.
        cross: the prefix of a cross compiler's binutils; "" for the machine's own.

    Raises:
        InfrastructureError: no installed compiler suits this kernel.
    """
    version = release(kernel)
    suited = []
    refused = []
    for compiler in compilers:
        about = [rule for rule in known if rule.applies(version, compiler)]
        if out := [rule for rule in about if rule.unsuitable]:
            refused.append(f"{compiler.command} {compiler.version}: {out[0].because}")
        else:
            suited.append((compiler, about))
    if not suited:
        what = "; ".join(refused) or f"no C compiler {cross}gcc is installed"
        raise InfrastructureError(f"no compiler for Linux {version}: {what}; install another gcc")
    compiler, about = min(suited, key=lambda pair: bool(pair[1]))
    flags = [flag for rule in about for flag in rule.cc]
    why = "needs no flags for this version" if not about else "; ".join(rule.because for rule in about)
    return Toolchain(
        compiler=compiler,
        cc=shlex.join([compiler.command, *flags]),
        make=tuple(word for rule in about for word in rule.make),
        linker=linker,
        cross=cross,
        reason=f"{compiler.command} {compiler.version} for Linux {version}: {why}",
    )


def toolchain_for(kernel: str, cross: str = "", family: str = GCC) -> Toolchain:
    """The toolchain for a kernel version on this machine.

    Args:
        cross: the prefix of a cross compiler and its binutils; "" for the machine's own.  clang needs none.
        family: `gcc` or `clang`.

    Raises:
        InfrastructureError: no installed compiler suits it.
    """
    commands, known = rules()
    if family == CLANG:
        cross = ""
        if lacking := [name for name in (*commands[CLANG], *LLVM) if shutil.which(name) is None]:
            raise InfrastructureError(
                f"the configuration is one for clang, and this machine lacks {', '.join(lacking)}: install clang, lld "
                "and llvm, or take a configuration for gcc"
            )
    ld = LLVM[0] if family == CLANG else f"{cross}ld"
    linker = run([ld, "--version"], check=False).stdout.partition("\n")[0] if shutil.which(ld) else ""
    compilers = installed(tuple(cross + command for command in commands[family]), family)
    return choose(kernel, compilers, known, linker, cross)
