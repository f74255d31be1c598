"""The tests of a kernel's own tree, `tools/testing/selftests`, built for the guest and packed beside the image.

The tree's makefiles build and install them.  Each program is static, as a guest need have no library; one that does not
build stays on the list with the reason, and the guest reports it as skipped.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.architecture import Architecture
from harness.errors import InfrastructureError, KernelError, ProgramMissing, TimedOut
from harness.files import pack, write_atomically
from harness.kernel import config as kconfig
from harness.kernel.log import first_error, machinery_fault
from harness.process import run
from harness.progress import Progress
from harness.yamlfile import nearest

FILE = "kselftest.tar"
"""The name of the archive beside an image."""

LIST = "list"
"""In the archive: a line for each test, its name and, where it was not built, why."""

FOLDER = "tools/testing/selftests"

TIMEOUT = 3600.0
"""Seconds that the tests of one collection may take to build."""

SHOWN = 5
"""So many options are named that a kernel lacks."""

_READ = re.compile(r"tools/|usr/|(?:.*/)?include/")
_GAVE_UP = re.compile(r"^make(?:\[\d+\])?: \*\*\* \[[^\]]*?(?P<target>[^\s/\]]+)\] Error ")
_NAMES = "regress-names:;@printf '%s\\n' $(notdir $(TEST_GEN_PROGS) $(TEST_CUSTOM_PROGS) $(TEST_PROGS))"


def reads(path: str) -> bool:
    """Whether tests may be built of a file of the tree."""
    return _READ.match(path) is not None


def identity(wanted: Sequence[str], arch: Architecture) -> tuple[str, ...]:
    """What may alter the tests besides the source: equal ones build the same."""
    if not wanted:
        return ()
    return (*wanted, *arch.cc, run([arch.cc[0], "--version"], check=False).stdout.partition("\n")[0])


@dataclass(frozen=True)
class Selftests:
    """What builds tests: the tree that is checked out, and the object folder of its kernel.

    Args:
        wanted: a collection each, or `COLLECTION:TEST`.
        tree: the sources.
        objects: the folder of the kernel's objects, configured.
        arch: the guest's architecture.
        log: the file to append the output to.
        lock: the tree's, held until every process has ended.
        make: runs a target of the kernel's make.
        jobs: for `make -j`.
        progress: is told what does not build, and what the tests ask of the configuration.
    """

    wanted: Sequence[str]
    tree: Path
    objects: Path
    arch: Architecture
    log: Path
    lock: int
    make: Callable[..., None]
    jobs: int
    progress: Progress

    def build(self, archive: Path) -> list[str]:
        """Build them all.

        Args:
            archive: the file to pack them in.

        Returns:
            A line for each test, as in the archive's list.

        Raises:
            KernelError: the tree has no such test.
            BuildError: it has no headers for programs.
            InfrastructureError: the machine failed, or lacks what the makefiles call.
        """
        for name in (self.arch.cc[0], "rsync"):
            if shutil.which(name) is None:
                raise ProgramMissing(name)
        collections: dict[str, set[str]] = {}
        for one in self.wanted:
            collections.setdefault(one.partition(":")[0], set()).add(one.partition(":")[2])
        for name in collections:
            self._assert_there(name)
        self._headers()
        installed = self.objects / "regress.kselftest"
        shutil.rmtree(installed, ignore_errors=True)
        lines = [line for name, tests in collections.items() for line in self._collection(name, tests, installed)]
        if (shared := self.tree / FOLDER / "kselftest").is_dir():  # shell functions that scripts read
            shutil.copytree(shared, installed / "kselftest")
        write_atomically(installed / LIST, "".join(f"{line}\n" for line in lines))
        pack(installed, archive)
        shutil.rmtree(installed)
        self._tell(collections, lines)
        return lines

    def _assert_there(self, collection: str) -> None:
        top = self.tree / FOLDER
        if not (top / collection / "Makefile").is_file():
            others = [str(path.parent.relative_to(top)) for path in top.glob("**/Makefile")]
            raise KernelError(f"{FOLDER} of this kernel has no collection {collection!r}{nearest(collection, others)}")

    def _headers(self) -> None:
        """The kernel's headers as programs see them, in `usr/include` of the object folder."""
        makefile = (self.tree / "Makefile").read_text(encoding="utf-8", errors="replace")
        if re.search(r"^headers:", makefile, re.MULTILINE):  # since v5.3
            self.make("headers")
        else:
            self.make("headers_install", f"INSTALL_HDR_PATH={self.objects / 'usr'}")

    def _run(self, collection: str, *words: str) -> str:
        """Run make in the folder of a collection; returns what it printed."""
        maps = (f"-ffile-prefix-map={path}=." for path in (self.tree, self.objects))
        cc = shlex.join((*self.arch.cc, "-static", *maps, "-isystem", str(self.objects / "usr/include")))
        out = self.objects / "kselftest" / collection
        out.mkdir(parents=True, exist_ok=True)
        argv = [
            *("make", "-C", str(self.tree / FOLDER / collection), f"OUTPUT={out}", f"CC={cc}"),
            *(f"ARCH={self.arch.make}", f"CROSS_COMPILE={self.arch.cross}", "KSFT_KHDR_INSTALL_DONE=1", *words),
        ]
        try:
            done = run(argv, log=self.log, check=False, locks=(self.lock,), timeout=TIMEOUT)
        except TimedOut as error:
            raise KernelError(f"the selftests {collection} were given up: {error}") from error
        if fault := machinery_fault(done.stdout, done.returncode):
            raise InfrastructureError(f"the selftests were not built because of this machine: {fault}")
        return done.stdout

    def _collection(self, collection: str, tests: set[str], installed: Path) -> Iterable[str]:
        """Build and install a collection.

        Args:
            tests: those that are wanted; an empty name means all.

        Returns:
            A line for each of these.
        """
        self.progress.update(f"building the selftests {collection}")
        built = self._run(collection, f"-j{self.jobs}", "--keep-going", "--output-sync=target", "all")
        # One that was not built would keep all others from being installed.
        places = (f"INSTALL_PATH={installed / collection}", f"OBJ_PATH={installed}", f"SRC_PATH={self.tree / FOLDER}")
        self._run(collection, "--ignore-errors", "--old-file=all", *places, "install")
        printed = self._run(collection, "--silent", "--no-print-directory", f"--eval={_NAMES}", "regress-names")
        names = [line for line in dict.fromkeys(printed.split("\n")) if re.fullmatch(r"[\w.+-]+", line)]
        for missing in sorted(tests - {"", *names}):
            raise KernelError(f"the selftests {collection} of this kernel have no {missing}{nearest(missing, names)}")
        if not names:
            raise KernelError(f"the selftests {collection} have no test for {self.arch.name}: {first_error(built)}")
        reasons = failures(built)
        for name in names:
            if "" in tests or name in tests:
                there = (installed / collection / name).is_file()
                why = "" if there else f" it does not build: {reasons.get(name) or first_error(built)}"
                yield f"{collection}:{name}{why}".replace(f"{self.tree}/", "").replace(f"{self.objects}/", "")
                if there:
                    (installed / collection / name).chmod(0o755)

    def _tell(self, collections: Iterable[str], lines: Sequence[str]) -> None:
        """Tell what is missing, unless this was told before of what is in the object folder."""
        told = [line.replace(" ", ": ", 1) for line in lines if " " in line]
        got = kconfig.parse_config((self.objects / ".config").read_text(encoding="utf-8"))
        for name in collections:
            asks = self.tree / FOLDER / name / "config"
            options = kconfig.parse_config(asks.read_text(encoding="utf-8", errors="replace")) if asks.exists() else {}
            wanted = (option for option, value in options.items() if value.strip() in ("y", "m"))
            if lacking := [f"CONFIG_{option}" for option in wanted if option not in got]:
                few = f"{', '.join(lacking[:SHOWN])}{f' and {len(lacking) - SHOWN} more' if lacking[SHOWN:] else ''}"
                told.append(f"{name}: this kernel lacks {few}, for which {FOLDER}/{name}/config asks")
        known = self.objects / "regress.kselftest.told"
        text = "".join(f"{line}\n" for line in told)
        if text != (known.read_text(encoding="utf-8") if known.exists() else ""):
            write_atomically(known, text)
            for line in told:
                self.progress.note(line)


def failures(log: str) -> dict[str, str]:
    """What make gave up in a log, each with its first error.

    Args:
        log: what make printed; all of a target's output stands together.
    """
    found: dict[str, str] = {}
    since: list[str] = []
    for line in log.splitlines():
        if gave_up := _GAVE_UP.match(line):
            found[gave_up["target"]] = first_error("\n".join(since)) if since else line
            since = []
        else:
            since.append(line)
    return found
