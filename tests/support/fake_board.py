"""A test machine without a machine: a real sshd on loopback, a folder for its root, and stand-ins for its commands.

What stands in for kexec, reboot, the boot loaders and the power switch tells `FakeBoard`, which plays the machine: sshd
goes down, the kernel that was loaded prints to the console, and sooner or later the usual kernel is back.
"""

from __future__ import annotations

import contextlib
import shlex
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.hosts import Host
from harness.lab import Lab
from harness.ssh import Address
from tests.support.sshd import Sshd

USUAL = "root=/dev/sda1 ro quiet console=ttyS0,115200"
TAIL = "tail -n 0 -F"

COMMANDS = {
    "kexec": """case $1 in
-l) [ ! -e "$REGRESS_LAB_ROOT/refuse" ] || { echo "kexec_load failed: Operation not permitted" >&2; exit 255; }
    cp "$2" "$REGRESS_LAB_ROOT/loaded"; echo "$3" | sed 's/^--command-line=//' >"$REGRESS_LAB_ROOT/line" ;;
-e) echo kexec >>"$REGRESS_LAB_ROOT/events" ;;
esac""",
    "reboot": """echo reboot >>"$REGRESS_LAB_ROOT/events" """,
    "grub-reboot": """echo "grub-reboot $1" >>"$REGRESS_LAB_ROOT/said" """,
    "bootctl": """case $1 in
-p) echo "$REGRESS_LAB_ROOT/efi" ;;
*) echo "bootctl $*" >>"$REGRESS_LAB_ROOT/said" ;;
esac""",
    "sudo": """shift; exec "$@" """,
    "mount": ":",
    "chroot": """root=$1; shift 4  # /bin/busybox env -i
while [ "$1" != /bin/busybox ]; do export "$1"; shift; done
exec /bin/sh "$root/$3" """,
}


@dataclass
class FakeBoard:
    """The machine.

    Attributes:
        kernel: plays the kernel under test: gets the machine and the command line; when it returns, the machine is
            reset.  What it does not end by itself ends with the power switch (`off`).
        cycled: how often the power was switched off and on.
        dead: whether the usual kernel does not boot any more.
    """

    top: Path
    server: Sshd
    kernel: Callable[[FakeBoard, str], None]
    cycled: int = 0
    dead: bool = False
    booted: list[str] = field(default_factory=list)
    off: threading.Event = field(default_factory=threading.Event)
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def root(self) -> Path:
        return self.top / "root"

    def host(self, **lab: object) -> Host:
        given = {
            "console": tuple(shlex.split(f"{TAIL} {self.top / 'console'}")),
            "cycle": ("sh", "-c", f"echo cycle >>{self.root / 'events'}"),
            "comes_back": 30.0,
            **lab,
        }
        return Host("board", Address("board", config=self.server.config), lab=Lab(**given))  # type: ignore[arg-type]

    def print(self, text: str) -> None:
        with (self.top / "console").open("a") as console:
            console.write(text)

    def prints_banner(self, line: str) -> None:
        self.print(f"[    0.000000] Linux version 6.1.0 (a@b) #1 SMP\n[    0.000000] Command line: {line}\n")

    def runs(self, line: str) -> None:
        """A kernel answers over SSH, with this command line."""
        proc = self.root / "proc"
        (proc / "sys/kernel/random").mkdir(parents=True, exist_ok=True)
        (proc / "sys/kernel/random/boot_id").write_text(f"{uuid.uuid4()}\n")
        (proc / "uptime").write_text("1000.00 1.00\n")
        (proc / "cmdline").write_text(f"{line}\n")
        if self.server.process is None:
            self.server.start()

    def play(self) -> None:
        events = self.root / "events"
        while not self._stop.wait(0.05):
            if not events.exists():
                continue
            said = events.read_text().split()
            events.unlink()
            self.server.stop()
            if "cycle" in said:
                self.cycled += 1
            elif "kexec" in said or (self.root / "next").exists():
                (self.root / "next").unlink(missing_ok=True)
                line = (self.root / "line").read_text().strip()
                self.booted.append(line)
                self._under_test(line)
            if not self.dead:
                self.prints_banner(USUAL)
                self.runs(USUAL)

    def _under_test(self, line: str) -> None:
        """Run the kernel under test, while the power switch is watched."""
        events = self.root / "events"
        self.off.clear()
        running = threading.Thread(target=self.kernel, args=(self, line), daemon=True)
        running.start()
        while running.is_alive() and not self._stop.wait(0.05):
            if events.exists():
                said = events.read_text().split()
                events.unlink()
                self.cycled += "cycle" in said
                break
        self.off.set()
        running.join(5)
        self.server.stop()


def word(line: str) -> str:
    return line.partition("REGRESS_WORD=")[2].split()[0]


@contextlib.contextmanager
def fake_board(top: Path, kernel: Callable[[FakeBoard, str], None]) -> Iterator[FakeBoard]:
    """A machine that runs its usual kernel."""
    commands, root = top / "bin", top / "root"
    commands.mkdir(parents=True)
    root.mkdir()
    for name, text in COMMANDS.items():
        (commands / name).write_text(f"#!/bin/sh\n{text}\n")
        (commands / name).chmod(0o755)
    # No profile of the user's has a say in what is found first: the real `reboot` is not for tests.
    forced = top / "forced"
    forced.write_text(
        f"#!/bin/sh\nexport REGRESS_LAB_ROOT={root} PATH={commands}:/usr/bin:/bin\n"
        'case $SSH_ORIGINAL_COMMAND in */sftp-server) exec "$SSH_ORIGINAL_COMMAND" ;; esac\n'
        'exec sh -c "$SSH_ORIGINAL_COMMAND"\n'
    )
    forced.chmod(0o755)
    server = Sshd.new(top / "ssh", f"ForceCommand {forced}")
    settings = top / "ssh" / "sshd_config"
    settings.write_text(settings.read_text().replace("internal-sftp", "/usr/lib/openssh/sftp-server"))
    (top / "console").touch()
    board = FakeBoard(top, server, kernel)
    player = threading.Thread(target=board.play, daemon=True)
    try:
        board.runs(USUAL)
        player.start()
        yield board
    finally:
        board._stop.set()
        board.off.set()
        player.join(10)
        server.stop()


def wait(board: FakeBoard, seconds: float) -> None:
    """Until the power is cut, at most some seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not board.off.is_set():
        time.sleep(0.02)
