"""A machine for `machine: {ssh: NAME}`: a test machine, reached over SSH, boots the kernel under test once."""

from __future__ import annotations

import contextlib
import functools
import secrets
import selectors
import shlex
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from harness.errors import InfrastructureError, LinkBroke, TimedOut, Unavailable, UserError
from harness.hosts import Host
from harness.machine import Chunk, Guest, consoles
from harness.machine.board import PAUSE, WORD, Board, State
from harness.machine.consoles import Console
from harness.machine.gate import Gate
from harness.model import Boot
from harness.progress import SILENT, Progress

APPEND = (
    "ignore_loglevel",
    "oops=panic",
    # A few seconds for what is not printed at once: a network console, a store that survives the reboot.
    "panic=3",
    "printk.devkmsg=on",
)

GOES_DOWN = 150.0
"""Seconds for the machine to leave its usual kernel."""

LOOK = 20.0
"""Seconds for the machine to say what it runs."""

NOT_OURS = ("BOOT_IMAGE=", "initrd=", "console=", "quiet", "splash", "panic=", "oops=")
"""Words of the usual command line that a kernel under test does not get along with its root file system."""


@dataclass
class _Running:
    """A test machine with the kernel under test, until its usual kernel is back.

    Attributes:
        gone: the usual kernel does not answer any more.
        returned: it answers again.
    """

    board: Board
    gate: Gate
    console: Console
    raw: BinaryIO
    start: State
    script: Callable[[Callable[[str], None]], None] | None
    gone: threading.Event = field(default_factory=threading.Event)
    returned: threading.Event = field(default_factory=threading.Event)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _wake: tuple[socket.socket, socket.socket] = field(default_factory=socket.socketpair)
    _kept: deque[tuple[bytes, bytes]] = field(default_factory=deque)
    _stop: threading.Event = field(default_factory=threading.Event)
    _fault: InfrastructureError | None = None
    _over: bool = False

    def __post_init__(self) -> None:
        self._selector.register(self._wake[0], selectors.EVENT_READ)
        if self.console.descriptor >= 0:
            self._selector.register(self.console.descriptor, selectors.EVENT_READ)

    def watch(self) -> None:
        """Begin to look over SSH, from time to time, what the machine runs."""
        threading.Thread(target=self._look, name=f"look at {self.board.host.name}", daemon=True).start()

    def close(self) -> None:
        """Look no more."""
        self._stop.set()

    def hear(self, timeout: float) -> None:
        """Take what the console shows, waiting for it at most `timeout` seconds."""
        for key, _ in self._selector.select(timeout):
            if key.fileobj is self._wake[0]:
                self._wake[0].recv(4096)
        data = self.console.read()
        if data is None:
            self._selector.unregister(self.console.descriptor)
            self.console = consoles.Silent()
            if not self.gate.seen:
                raise InfrastructureError("the console's command (lab.console) ended without having shown anything")
        elif data:
            self.raw.write(data)
            if any(heard := self.gate.feed(data)):
                self._kept.append(heard)

    def read(self, timeout: float) -> Chunk | None:
        """See `Guest.read`."""
        if self._over:
            return None
        if not self._kept:
            self.hear(timeout)
        if self._fault is not None:
            raise self._fault
        if not self._kept and (self.gate.ended or self.returned.is_set()):
            self._over = True
            self._kept.extend((self.gate.finish(), self._left_behind()))
        console, status = b"", b""
        while self._kept:
            more, said = self._kept.popleft()
            console, status = console + more, status + said
        if self.console.descriptor < 0 and not console and not status:
            # Where there is no console, silence says nothing.
            status = b"\n"
        return Chunk(console, status)

    def _left_behind(self) -> tuple[bytes, bytes]:
        """Without a console: what the kernel under test left for the next one (pstore)."""
        if self.gate.seen or not self.returned.is_set():
            return b"", b""
        said = self.board.call("pstore").encode()
        self.raw.write(said)
        left = Gate(self.gate.word, open=True)
        return tuple(a + b for a, b in zip(left.feed(said), left.finish(), strict=True))  # type: ignore[return-value]

    def _look(self) -> None:
        """The thread that looks: it runs the scenario over SSH if that is how it runs, and notices the return."""
        eyes = Board(self.board.host, self.board.cache)
        while not self._stop.wait(PAUSE) and not self.returned.is_set():
            try:
                state = eyes.state(LOOK)
                if state.boot == self.start.boot:
                    # It goes down any moment, and nobody will say to this connection that it has.
                    eyes.remote.close()
                    continue
                self.gone.set()
                if not state.under_test:
                    self.returned.set()
                elif self.script is not None and self.gate.word in state.cmdline:
                    script, self.script = self.script, None
                    script(self._say)
            except (Unavailable, TimedOut):
                self.gone.set()
                eyes.remote.close()
            except InfrastructureError as error:
                self._fault = error
                self.returned.set()
            self._rouse()
        eyes.remote.close()

    def _say(self, line: str) -> None:
        """A line of the scenario's output over SSH."""
        mark = f"regress-{self.gate.word}: "
        if line.startswith(mark):
            said = line.removeprefix(mark)
            self.gate.note(said.encode())
            self._kept.append((b"", f"regress: {said}\n".encode()))
            self._rouse()

    def _rouse(self) -> None:
        with contextlib.suppress(OSError):
            self._wake[1].send(b".")


@dataclass(frozen=True)
class SshMachine:
    """Boots kernels on a test machine.

    Args:
        host: the machine; its `lab` part says how.
        cache: for notes that survive this process.
        progress: hears when another process here has the machine.
    """

    host: Host
    cache: Path
    progress: Progress = SILENT

    def identity(self, arch: str) -> str:  # noqa: ARG002
        """See `Machine.identity`: what the hardware is, is not known."""
        return ""

    @contextlib.contextmanager
    def boot(self, boot: Boot) -> Iterator[Guest]:
        """See `Machine.boot`; when the block ends the machine runs its usual kernel, and is free.

        Raises:
            UserError: `hosts.yaml` does not say that the machine may be rebooted.
            InfrastructureError: the machine is in use, out of reach, or does not do what it is told.
        """
        if self.host.lab is None:
            raise UserError(f"{self.host.name} is no test machine: give it `lab: {{...}}` in hosts.yaml (docs/lab.md)")
        board, word = Board(self.host, self.cache, self.progress), secrets.token_hex(8)
        with contextlib.ExitStack() as stack:
            state = stack.enter_context(board.taken())
            console, words, netconsole = self._console(board, stack)
            image = board.send(boot.image, "image")
            initrd = board.send(boot.initrd, "initrd")
            own = self.host.lab.own_root
            line = " ".join((*self._line(state, boot, word), *words))
            (boot.folder / "command_line").write_text(line + "\n", encoding="utf-8")
            raw = stack.enter_context((boot.folder / "machine.log").open("wb", buffering=0))
            script = functools.partial(_scenario, Board(self.host, self.cache), initrd, word, boot) if own else None
            running = _Running(board, Gate(word, open=netconsole), console, raw, state, script)
            stack.callback(running.close)
            stack.callback(self._bring_back, board, running)
            board.start(image, None if own else initrd, line, word, state)
            running.watch()
            _leave(board, running)
            yield running

    def _console(self, board: Board, stack: contextlib.ExitStack) -> tuple[Console, tuple[str, ...], bool]:
        """The console, what the command line needs for it, and whether only the kernel under test speaks there."""
        lab = self.host.lab
        assert lab is not None
        if lab.console is not None:
            return stack.enter_context(consoles.command(lab.console)), (), False
        if lab.netconsole is not None:
            listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            listener.bind(("", 0))
            port = listener.getsockname()[1]
            console = stack.enter_context(consoles.netconsole(listener))
            here = board.remote.run("echo ${SSH_CONNECTION%% *}").stdout.strip()
            return console, (board.call("netconsole", lab.netconsole, here, str(port)).strip(),), True
        return consoles.Silent(), (), False

    def _line(self, state: State, boot: Boot, word: str) -> tuple[str, ...]:
        """The command line: the machine's own console, and its root file system where that is booted."""
        lab = self.host.lab
        assert lab is not None
        usual = shlex.split(state.cmdline) if '"' in state.cmdline else state.cmdline.split()
        console = [one for one in usual if one.startswith(("console=", "earlycon", "earlyprintk"))]
        kept = (
            [one for one in usual if not one.startswith((*NOT_OURS, "earlycon", "earlyprintk"))] if lab.own_root else []
        )
        channel = () if lab.own_root else ("REGRESS_STATUS=/dev/kmsg",)
        given = lab.append if any(one.startswith("console=") for one in lab.append) else (*console, *lab.append)
        return (*kept, *given, *APPEND, *boot.append, *channel, f"{WORD}{word}")

    def _bring_back(self, board: Board, running: _Running) -> None:
        """Have the usual kernel booted again.

        Raises:
            InfrastructureError: it does not come back, or there never was a console.
        """
        running.close()
        gate = running.gate
        ends = gate.told or gate.panicked or gate.ended or running.returned.is_set() or not running.gone.is_set()
        board.comes_back(soon=ends)
        lab = self.host.lab
        if lab is not None and lab.console is not None and running.gone.is_set() and not gate.seen:
            raise InfrastructureError(
                f"{self.host.name}: its console (lab.console) has shown nothing at all, of no kernel: "
                f"does  {shlex.join(lab.console)}  show it, at the right speed?"
            )


def _leave(board: Board, running: _Running) -> None:
    """Wait until the usual kernel has gone, so that the kernel under test is not charged for its shutdown.

    Raises:
        InfrastructureError: it does not go.
    """
    until = time.monotonic() + GOES_DOWN
    while not running.gate.begun and not running.gone.is_set():
        running.hear(0.2)
        if time.monotonic() > until:
            raise InfrastructureError(
                f"{board.host.name}: it does not go down for the kernel under test within {GOES_DOWN:g} s: what blocks "
                "its shutdown (systemctl list-jobs)?"
            )
    running.gone.set()


def _scenario(board: Board, initrd: str, word: str, boot: Boot, say: Callable[[str], None]) -> None:
    """Run the scenario on the running kernel, over SSH.

    Raises:
        InfrastructureError: it cannot be started there.
    """
    names = [one for one in boot.append if "=" in one and "." not in one.partition("=")[0]]
    heard: list[str] = []
    with (boot.folder / "script.log").open("w", encoding="utf-8") as log:

        def hear(line: str) -> None:
            log.write(f"{line}\n")
            heard.append(line)
            del heard[:-5]
            say(line)

        try:
            status = board.follow("guest", initrd, word, *names, on_line=hear)
        except LinkBroke:
            return  # the console says why, or the silence
        finally:
            board.remote.close()
    if status and not any(line.startswith(f"regress-{word}") for line in heard):
        raise InfrastructureError(f"{board.host.name}: the scenario does not start there: {' '.join(heard)}")
