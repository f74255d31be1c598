"""A test machine as the controller sees it over SSH: taken by one at a time, started once with a kernel, brought back.

Its usual kernel is always the default entry.  Whatever is not the kernel's doing - no network, no console, a power
command that fails, a usual kernel that does not come back - is an `InfrastructureError` with the remedy.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import Distrusted, InfrastructureError, LinkBroke, ProgramFailed, TimedOut, Unavailable
from harness.files import locked, sha256, write_atomically
from harness.hosts import Host
from harness.lab import Lab
from harness.machine import locks
from harness.process import run
from harness.progress import SILENT, Progress
from harness.ssh import Remote

SCRIPT = Path(__file__).with_name("lab.sh")
TOP = "/var/lib/regress/lab"

WORD = "REGRESS_WORD="
"""What marks the command line of a kernel under test."""

SOON = 30.0
"""Seconds in which a machine that was left alone may come back before its power is cut."""

PAUSE = 2.0
"""Seconds between two looks at a machine that is away."""


_SUDO = 'if [ "$(id -u)" = 0 ]; then SUDO=; else SUDO="sudo -n"; fi; $SUDO '


def _line(verb: str, *words: str) -> str:
    """The command that runs a verb of `lab.sh`."""
    return shlex.join(["sh", "-c", SCRIPT.read_text(encoding="utf-8"), "lab", verb, *words])


@dataclass(frozen=True)
class State:
    """What a machine runs.

    Attributes:
        boot: the id of this boot.
        release: of the kernel.
        uptime: in seconds.
        cmdline: the kernel's command line.
        root: whether we are root there.
        lock: who has taken it, if anybody has.
    """

    boot: str
    release: str
    uptime: int
    cmdline: str
    root: bool
    lock: dict[str, str]

    @property
    def under_test(self) -> bool:
        """Whether it runs a kernel under test, of this or another controller."""
        return WORD in self.cmdline


@dataclass
class Board:
    """One test machine.

    Args:
        host: with its `lab` part.
        cache: where it is noted that a kernel under test was started, in case this process dies.
        progress: hears when another process here has the machine.
    """

    host: Host
    cache: Path
    progress: Progress = SILENT
    remote: Remote = field(init=False)

    def __post_init__(self) -> None:
        self.remote = Remote(self.host.name, self.host.address)

    @property
    def lab(self) -> Lab:
        """How it is used as a test machine."""
        assert self.host.lab is not None
        return self.host.lab

    @property
    def _note(self) -> Path:
        return self.cache / "lab" / f"{self.host.name.replace('/', '_')}.json"

    def call(self, verb: str, *words: str, root: bool = True, timeout: float = 60.0) -> str:
        """Run a verb of `lab.sh` there; as root, by sudo if need be.

        Raises:
            InfrastructureError: it fails; the message has what it said.
        """
        line = f"{_SUDO if root else ''}{_line(verb, *words)}"
        try:
            return self.remote.run(line, timeout=timeout, what=verb).stdout
        except ProgramFailed as error:
            said = error.output.strip() or f"exit status {error.returncode}"
            raise InfrastructureError(f"{self.host.name}: {verb}: {said}") from error

    def follow(self, verb: str, *words: str, on_line: Callable[[str], None]) -> int:
        """Run a verb to its end, however long it takes, line by line; returns its exit status."""
        return self.remote.run(f"{_SUDO}{_line(verb, *words)}", on_line=on_line, check=False, what=verb).returncode

    def state(self, timeout: float = 60.0) -> State:
        """What it runs.

        Args:
            timeout: seconds for the answer.

        Raises:
            Unreachable, LinkBroke: it is not there.
        """
        told: dict[str, str] = {}
        for line in self.call("state", root=False, timeout=timeout).splitlines():
            key, _, value = line.partition("=")
            told.setdefault(key, value)
        try:
            lock = json.loads(told.get("lock", "{}"))
            return State(
                boot=told["boot"],
                release=told["release"],
                uptime=int(told["uptime"]),
                cmdline=told["cmdline"],
                root=told["uid"] == "0",
                lock={str(key): str(value) for key, value in lock.items()},
            )
        except (KeyError, ValueError, AttributeError) as error:
            raise InfrastructureError(f"{self.host.name}: it says of itself what makes no sense: {told}") from error

    @contextlib.contextmanager
    def taken(self) -> Iterator[State]:
        """Have the machine for oneself, on its usual kernel; when the block ends it is there again, and free.

        Raises:
            InfrastructureError: somebody else has it, or it cannot be brought to its usual kernel.
        """
        # Processes of one controller wait for each other; others are refused.
        with locked(self._note.with_suffix(".lock"), self.progress):
            state = self._found()
            self.call("prepare")
            with locks.held(self.host, _line("hold", locks.text(state.boot)), state.boot, state.uptime, state.lock):
                try:
                    yield state
                finally:
                    with contextlib.suppress(InfrastructureError):
                        self.call("unlock")

    def _found(self) -> State:
        """The machine on its usual kernel, wherever it was left."""
        if self._note.exists():
            # A controller was killed while a kernel under test ran: bring the machine back first.
            self.back(force=True)
        try:
            state = self.state()
        except Unavailable:
            # Another controller's trial may run; then it comes back by itself.
            state = self.back(force=False)
        if not state.under_test:
            return state
        if state.lock and not locks.gone(state.lock):
            raise InfrastructureError(locks.busy(self.host, state.lock))
        return self.back(force=True)

    def send(self, path: Path, kind: str) -> str:
        """Send a file under a name made of its content; returns its path there."""
        target = f"{TOP}/{kind}-{sha256(path)[:32]}"
        self.remote.put(path, target)
        return target

    def start(self, image: str, initrd: str | None, line: str, word: str, state: State) -> None:
        """Tell the machine to leave its usual kernel and to boot another one, once.

        Args:
            image: its path there, as `send` gave it.
            initrd: the same of the initramfs; None for none.
            line: the kernel command line.
            word: what tells this boot from any other.
            state: what runs now.

        Raises:
            InfrastructureError: it cannot.
        """
        write_atomically(self._note, json.dumps({"host": self.host.name, "word": word, "boot": state.boot}))
        try:
            self.call("start", self.lab.boot, image, initrd or "-", line, timeout=120)
        except (LinkBroke, TimedOut):
            pass  # it was quick, or is slow
        except InfrastructureError:
            self._note.unlink(missing_ok=True)
            raise

    def back(self, *, force: bool) -> State:
        """Bring the machine back to its usual kernel, by its own reboot, by ours, or by the power command.

        Args:
            force: whether it may be rebooted and its power cut: it is ours.

        Raises:
            InfrastructureError: it does not come back; the message says what to do.
        """
        # What was left may be on its way back already.
        patience = min(self.lab.comes_back, SOON) if force and self.lab.cycle else self.lab.comes_back
        state = self._await(patience, force=force)
        if state is None and force:
            state = self.cycle()
        if state is None:
            raise InfrastructureError(self._lost(force=force))
        self._note.unlink(missing_ok=True)
        return state

    def comes_back(self, *, soon: bool) -> State:
        """After a trial: the machine on its usual kernel again.

        Args:
            soon: whether its kernel has ended by itself, so that it is likely to come without help.

        Raises:
            InfrastructureError: it does not come back.
        """
        state = self._await(self.lab.comes_back if soon or self.lab.cycle is None else 0.0, force=True)
        if state is None:
            state = self.cycle()
        self._note.unlink(missing_ok=True)
        return state

    def _await(self, seconds: float, *, force: bool) -> State | None:
        """Wait for the usual kernel; a kernel under test that answers is asked to reboot.  At least one look."""
        until, asked = time.monotonic() + seconds, ""
        while True:
            try:
                state = self.state()
                if not state.under_test:
                    return state
                if force and asked != state.boot:
                    asked = state.boot
                    until = max(until, time.monotonic() + self.lab.comes_back)
                    self.call("usual")
            except Distrusted:
                raise  # waiting does not help
            except (Unavailable, TimedOut):
                pass
            if time.monotonic() > until:
                return None
            self.remote.close()
            time.sleep(PAUSE)

    def cycle(self) -> State:
        """Switch it off and on, and wait for its usual kernel.

        Raises:
            InfrastructureError: there is no power command, it fails, or the machine does not come back.
        """
        if self.lab.cycle is None:
            raise InfrastructureError(self._lost(force=True))
        self.remote.close()
        try:
            run(self.lab.cycle, timeout=120)
        except InfrastructureError as error:
            raise InfrastructureError(
                f"{self.host.name} does not answer, and the power command (lab.power.cycle) fails: {error}\n"
                "Switch the machine off and on by hand, and see to the command."
            ) from error
        state = self._await(self.lab.comes_back, force=True)
        if state is None:
            raise InfrastructureError(
                f"{self.host.name}: its usual kernel did not come back within {self.lab.comes_back:g} s of a power "
                "cycle: look at its console; if it only takes longer, set lab.comes_back"
            )
        return state

    def _lost(self, *, force: bool) -> str:
        if not force:
            return (
                f"{self.host.name} has not answered for {self.lab.comes_back:g} s, and it was not started from here: "
                "somebody else's trial may run there.  If not, switch it off and on"
                + (f":  {shlex.join(self.lab.cycle)}" if self.lab.cycle else " by hand")
            )
        return (
            f"{self.host.name} did not come back to its usual kernel within {self.lab.comes_back:g} s: switch it off "
            "and on by hand; with lab.power.cycle in hosts.yaml this is done for you"
        )
