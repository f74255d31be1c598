"""What the tests of the edges share: a toy scenario whose kernel is the tree, and the program as a black box.

The file `console.sh` of a commit is what the machine runs, `build.sh` what the builder runs.  Whatever is done to a
user's repository here, the program may only read it: `Toy.call` compares it byte by byte before and after.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import IDENTITY, ROOT, Called, processes

REGRESS = str(ROOT / "regress")
HANGS = 60.0
"""Seconds after which a call has hung; the longest one here takes a tenth of that."""

GOOD = "echo regress: passed\n"
CRASH = """\
echo 'BUG: kernel NULL pointer dereference, address: 0000000000000000'
echo 'RIP: 0010:{function}+0x10/0x20'
echo '---[ end trace 0000000000000000 ]---'
"""
BAD = CRASH.format(function="toy_read")
OTHER = CRASH.format(function="foreign_write")
CONSOLES = {"good": GOOD, "bad": BAD, "other": OTHER, "lost": "exit 0\n"}

FAULT = re.compile(r"Traceback \(most recent call last\)|AssertionError|INTERNAL ERROR")


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder, with what tells one state of it from another."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path)] = f"-> {path.readlink()}"
        elif path.is_file():
            found[str(path)] = f"{path.stat().st_mode:o} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        else:
            found[str(path)] = "folder"
    return found


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The names that differ between two `contents`."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


@dataclass
class Repo:
    """A user's repository; each commit has a file of its own besides what its machine does."""

    path: Path
    count: int = 0
    env: dict[str, str] = field(default_factory=dict)

    @classmethod
    def new(cls, path: Path, *options: str) -> Repo:
        path.mkdir(parents=True)
        repo = cls(path)
        repo.git("init", "--quiet", "--initial-branch=main", *options)
        repo.write({"build.sh": "true\n"})
        return repo

    def git(self, *args: str, check: bool = True, env: Mapping[str, str] | None = None) -> str:
        done = subprocess.run(
            ["git", "-c", "advice.detachedHead=false", *args],
            cwd=self.path,
            env={**os.environ, **IDENTITY, **self.env, **(env or {})},
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
        )
        assert not check or done.returncode == 0, f"git {args}: {done.stderr}"
        return done.stdout.strip()

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_text(text)

    def commit(self, kind: str = "same", subject: str | None = None, files: Mapping[str, str] | None = None) -> str:
        """A commit whose machine is `good`, `bad`, crashes elsewhere (`other`), is `lost`, or does as before."""
        self.count += 1
        self.write({f"f{self.count}": f"{self.count}\n", **(files or {})})
        if kind in CONSOLES:
            self.write({"console.sh": CONSOLES[kind]})
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", subject or f"commit {self.count} {kind}")
        return self.head

    def line(self, kinds: str) -> list[str]:
        """A commit a word: `good*3 bad same`."""
        words = (word.partition("*") for word in kinds.split())
        return [self.commit(kind) for kind, _, times in words for _ in range(int(times or 1))]

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")


class Answer(Called):
    """What a call printed, and how it ended."""

    @property
    def said(self) -> str:
        """All that it says to a person, in small letters."""
        document = self.json if self.out.startswith("{") else {}
        words = [
            document.get("reason", ""),
            *document.get("notes", ()),
            *document.get("candidate_reasons", {}).values(),
        ]
        return " ".join((*words, self.err, "" if document else self.out)).lower()

    def is_culprit(self, sha: str) -> None:
        """The right commit is named, and the exit status says so too."""
        document = self.json
        assert (document["status"], document["culprit"]) == ("culprit", sha), f"{document['reason']}\n{self.err}"
        assert self.status == 0

    def is_culprit_or_open(self, sha: str | None) -> None:
        """The right commit, or an honest word that it cannot be told; never another commit."""
        document = self.json
        assert document["culprit"] in (sha, None), f"WRONG: {document['subject']}\n{self.err}"
        assert document["status"] in ("culprit", "inconclusive", "not-reproduced"), document["reason"]
        assert self.status == (0 if document["culprit"] else 1)

    def is_open(self) -> None:
        """No commit is named, since none can be."""
        self.is_culprit_or_open(None)

    def is_refused(self) -> None:
        """An error of the user's or of the machine's, in words."""
        assert self.status in (2, 3), self.err
        assert "regress: " in self.err or self.out


@dataclass
class Toy:
    """A toy scenario, a place for its results, and an environment that is nobody's."""

    top: Path
    env: dict[str, str] = field(default_factory=dict)
    program: Sequence[str] = (REGRESS,)

    def __post_init__(self) -> None:
        self.results = self.top / "results"
        self.cache = self.top / "cache"
        self.folder = self.top / "scn" / "toy"
        self.folder.mkdir(parents=True)
        self.gitconfig = self.top / "gitconfig"
        self.gitconfig.touch()
        self.env = {
            "XDG_CACHE_HOME": str(self.cache),
            "XDG_CONFIG_HOME": str(self.top / "config"),
            "GIT_CONFIG_GLOBAL": str(self.gitconfig),
            "REGRESS_NO_INSTALL": "1",
            **self.env,
        }
        self.scenario()

    def scenario(
        self, build: str | None = "sh build.sh", machine: str = "sh console.sh", timeout: str = "20s", extra: str = ""
    ) -> None:
        """Write the scenario; without `build` it takes the builder for kernels."""
        built = f"build: {{command: {json.dumps(build)}}}\n" if build else ""
        (self.folder / "scenario.yaml").write_text(
            f"id: toy\ntitle: a toy crash\n{built}machine: {{command: {json.dumps(machine)}, timeout: {timeout}}}\n"
            f'expect:\n  crash: {{title: "NULL pointer dereference in toy_*"}}\n{extra}'
        )

    def machine(self, text: str, **options: str) -> Path:
        """Let a shell script outside of the tree be the machine."""
        script = self.top / "m.sh"
        script.write_text(text)
        self.scenario(machine=f"sh {script}", **options)
        return script

    def repo(self, name: str = "tree", *options: str) -> Repo:
        return Repo.new(self.top / name, *options)

    def argv(self, command: str, *args: str) -> list[str]:
        where = ("--scenarios", str(self.folder.parent), "--results", str(self.results))
        return [*self.program, command, "toy", *where, *args]

    def start(self, command: str, *args: str, cwd: Path | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.argv(command, *args),
            cwd=cwd or self.top,
            env={**os.environ, **self.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="surrogateescape",
        )

    def call(
        self,
        command: str,
        *args: str,
        reads: Repo | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Answer:
        """Call the program to its end; it must not hang or fall over, nor change the repository that it `reads`."""
        before = contents(reads.path) if reads else {}
        done = subprocess.run(
            self.argv(command, *args),
            cwd=cwd or self.top,
            env={**os.environ, **self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=HANGS,
            check=False,
        )
        assert not FAULT.search(done.stderr), done.stderr[-3000:]
        assert not reads or not changes(before, contents(reads.path)), "the user's repository was written to"
        return Answer(done.returncode, done.stdout, done.stderr)

    def bisect(
        self,
        repo: Repo,
        good: str,
        bad: str,
        *args: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        untouched: bool = True,
    ) -> Answer:
        """`regress bisect --json`; the repository has to be left as it was, bytes and all."""
        ends = ("--tree", str(repo.path), f"--good={good}", f"--bad={bad}")
        return self.call("bisect", "--json", *ends, *args, reads=repo if untouched else None, cwd=cwd, env=env)

    def resume(self, *args: str, env: Mapping[str, str] | None = None) -> Answer:
        return self.call("bisect", "--json", "--resume", *args, env=env)

    def bisect_run(
        self,
        repo: Repo,
        good: str,
        bad: str,
        *start: str,
        git: Sequence[str] = (),
        cwd: Path | None = None,
        sub: str = ".",
    ) -> str:
        """git's own bisection, with `regress step`; the hash that git names at its end, or all that it said.

        Args:
            start: options of `git bisect start`.
            git: options of git itself.
            cwd: another work tree of the repository.
            sub: the folder in it that `regress step` is called from.
        """
        place = cwd or repo.path
        repo.git("-C", str(place), "bisect", "start", *start, bad, good)
        done = subprocess.run(
            ["git", *git, "bisect", "run", "sh", "-c", f'cd {sub} && exec "$@"', "step", *self.argv("step")],
            cwd=place,
            env={**os.environ, **self.env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=HANGS,
            check=False,
        )
        repo.git("-C", str(place), "bisect", "reset")
        found = re.search(r"^([0-9a-f]{40,64}) is the first \S+ commit", done.stdout, re.MULTILINE)
        return found[1] if found else done.stdout + done.stderr

    def trials(self) -> int:
        """How many finished trials the journal has."""
        return trials(self.results)

    def killed_after(self, trials: int, *args: str, env: Mapping[str, str] | None = None) -> None:
        """A bisection that SIGKILL ends once the journal has so many trials."""
        before, self.env = self.env, {**self.env, **(env or {})}
        process = self.start("bisect", "--json", *args)
        self.env = before
        assert until(lambda: self.trials() >= trials or process.poll() is not None)
        assert process.poll() is None, f"it ended before it could be killed: {process.communicate()}"
        process.send_signal(signal.SIGKILL)
        process.communicate()

    def repositories(self) -> list[Path]:
        """The git folders that the program has made for itself."""
        found = [head.parent for head in self.cache.rglob("HEAD") if (head.parent / "objects").is_dir()]
        assert found, f"no repository below {self.cache}"
        return found


def trials(results: Path) -> int:
    """How many finished trials a journal has."""
    try:
        with contextlib.closing(sqlite3.connect(results / "index.sqlite")) as database:
            [count] = database.execute("SELECT COUNT(*) FROM trials").fetchone()
    except sqlite3.Error:
        return 0
    return int(count)


def until(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Whether a condition comes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


@contextlib.contextmanager
def daemons(folder: Path) -> Iterator[str]:
    """Shell text that notes the pid of a daemon; what is left of them in the end is killed."""
    pids = folder / "daemons"
    pids.touch()
    try:
        yield f"echo $$ >>{pids}"
    finally:
        # Those that have ended may have lent their numbers to others.
        for pid in set(map(int, pids.read_text().split())).intersection(processes(str(folder))):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
