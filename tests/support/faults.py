"""Faults for a fleet at work, each put where it hurts: in the middle of a build, a trial or a transfer."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.fleet.program import START
from tests.support import liar, processes, said_by_processes
from tests.support.edges import until
from tests.support.hosts import Hosts

PATIENCE = 10.0
"""Seconds in which the moment for a fault has to come, else the next one is tried."""

LIES = (
    *("garbage", "truncated", "oversized", "another job's"),
    *("damaged files", "truncated files", "oversized files"),
)


def kill(pids: list[int]) -> bool:
    """Whether one was there to be killed."""
    killed = False
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            killed = True
    return killed


def _when(condition: Callable[[], bool], pause: float = 0.02, seconds: float = PATIENCE) -> bool:
    """Wait for the moment of a fault; with a short pause where it may be over in a few milliseconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A disk of its own for a folder, which may be filled; False where nobody may mount one."""
    folder.mkdir(parents=True)
    argv = ["mount", "-t", "tmpfs", "-o", "size=640m", "regress-test", str(folder)]
    mounted = bool(shutil.which("mount")) and subprocess.run(argv, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


@dataclass
class Faults:
    """Puts faults into a fleet until there were enough.

    Args:
        hosts: they serve a controller.
        disks: whether the hosts' disks may be filled.
        transfers: the folder in which the controller keeps what is on its way.

    Attributes:
        wanted: how many faults.
        chance: chooses them.
        controller: who gives the hosts their work; None while there is nobody.
        progress: a number that grows with the work that is done, and starts again with the next bisection: each fault
            waits for some after the last one.
        done: how many of each kind there were.
        missed: how often the moment for one did not come.
    """

    hosts: Hosts
    disks: bool
    transfers: Path
    wanted: int = 0
    chance: random.Random = field(default_factory=random.Random)
    controller: subprocess.Popen[str] | None = None
    progress: Callable[[], int] = lambda: 0
    done: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        for name in self.hosts.servers:
            folder = self.hosts.folder(name)
            for python in folder.glob("environments/*/bin/python"):
                lie = f'[ "$#" -gt 4 ] && mv {folder}/lie {folder}/lied 2>/dev/null || exec {sys.executable} "$@"'
                liar_ = f'exec {sys.executable} {liar.__file__} "$(cat {folder}/lied)" {folder} "$@"'
                python.write_text(f"#!/bin/sh\n{lie}\n{liar_}\n")

    @property
    def kinds(self) -> dict[str, Callable[[str], bool]]:
        """What can go wrong on a host."""
        kinds: dict[str, Callable[[str], bool]] = {
            "sshd killed in a build": lambda host: self._killed_sshd(host, "build.sh"),
            "sshd killed in a trial": lambda host: self._killed_sshd(host, "console.sh"),
            "sshd killed while files go there": lambda host: self._cut(host, self.hosts.folder(host), "blobs/.*.part"),
            "sshd killed while files come back": lambda host: self._cut(host, self.transfers, f"*/{host}-*/.*.part"),
            "worker killed": self._killed_worker,
            "all processes of a host killed": self._killed_host,
            "all hosts away": self._all_away,
            "controller killed": self._killed_controller,
        }
        kinds |= {f"result: {lie}": functools.partial(self._lied, lie) for lie in LIES}
        return {**kinds, "disk full": self._full} if self.disks else kinds

    def run(self) -> None:
        """Put them in, one after another, in rounds of each kind once."""
        bag: list[str] = []
        while not self._over.is_set() and sum(self.done.values()) < self.wanted:
            bag = bag or self.chance.sample(list(self.kinds), len(self.kinds))
            kind, before = bag.pop(), self.progress()
            if self.kinds[kind](self.chance.choice(list(self.hosts.servers))):
                self.done[kind] += 1
                # A busy machine would else do nothing but fail.
                _when(lambda: self.progress() != before or self._over.is_set(), seconds=300)  # noqa: B023  ended by then
            else:
                # Some moments are over in milliseconds: the next round tries again.
                self.missed[kind] += 1

    @contextlib.contextmanager
    def under_way(self) -> Iterator[None]:
        """Faults happen in the block."""
        thread = threading.Thread(target=self.run)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _at_work(self, host: str, word: str) -> list[int]:
        """Processes that do a host's work: those with a word in their command line, in one of its folders."""
        found, folder = [], f"{self.hosts.folder(host)}/"
        for pid, said in said_by_processes():
            with contextlib.suppress(OSError):
                if word.encode() in said and str(Path(f"/proc/{pid}/cwd").readlink()).startswith(folder):
                    found.append(pid)
        return found

    def _stopped(self, host: str, seconds: float = 0.3) -> None:
        server = self.hosts.servers[host]
        server.stop()
        time.sleep(seconds)
        server.start()

    def _killed_sshd(self, host: str, word: str) -> bool:
        if hit := _when(lambda: bool(self._at_work(host, word))):
            self._stopped(host)
        return hit

    def _cut(self, host: str, folder: Path, pattern: str) -> bool:
        if hit := _when(lambda: any(folder.glob(pattern)), 0.002):
            self._stopped(host)
        return hit

    def _workers(self, host: str) -> list[int]:
        wanted = f"{START}\0{self.hosts.folder(host)}/".encode()
        return [pid for pid, said in said_by_processes() if wanted in said]

    def _killed_worker(self, host: str) -> bool:
        return _when(lambda: bool(self._workers(host))) and kill(self._workers(host)[:1])

    def _killed_host(self, host: str) -> bool:
        """Nobody there is left to clear up: the shells that watch over the workers die too."""
        place = str(self.hosts.folder(host))
        return _when(lambda: bool(processes(place))) and kill(processes(place))

    def _all_away(self, _host: str) -> bool:
        if not _when(lambda: any(one.sessions() for one in self.hosts.servers.values())):
            return False
        for one in self.hosts.servers.values():
            one.stop()
        time.sleep(1)
        for one in self.hosts.servers.values():
            one.start()
        return True

    def _killed_controller(self, _host: str) -> bool:
        def running() -> bool:
            return self.controller is not None and self.controller.poll() is None and self.progress() > 0

        if not _when(running) or self.controller is None:
            return False
        self.controller.kill()
        return True

    def _lied(self, lie: str, host: str) -> bool:
        folder = self.hosts.folder(host)
        (folder / "lied").unlink(missing_ok=True)
        (folder / "lie").write_text(lie)
        told = _when((folder / "lied").exists)
        (folder / "lie").unlink(missing_ok=True)
        return told

    def _full(self, host: str) -> bool:
        filler = self.hosts.folder(host) / "filler"
        if not _when(lambda: bool(self._workers(host))):
            return False
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(filler.parent).free)
        until(lambda: not self._workers(host), 3)
        filler.unlink()
        return True
