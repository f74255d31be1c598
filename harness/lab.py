"""The `lab` part of a host in `hosts.yaml`: that it is a test machine, which may be rebooted, and how that is done.

docs/lab.md says what its keys mean.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from harness.yamlfile import Node

BOOTS = ("kexec", "grub", "systemd-boot")


@dataclass(frozen=True)
class Lab:
    """How a test machine boots a kernel under test once, and comes back.

    Attributes:
        boot: what starts the kernel: `kexec`, or a one-shot entry of `grub` or `systemd-boot`.
        console: a command here that prints the machine's console for as long as it runs; None if there is none.
        netconsole: the network device, as the kernel under test names it, that sends the kernel's messages.
        cycle: a command here that switches the machine off and on; None if somebody has to do it by hand.
        own_root: whether the kernel boots the machine's own root file system and the scenario runs over SSH;
            otherwise it boots the guest's initramfs, and needs no driver but that of the console.
        append: words for the kernel command line, such as `console=ttyS1,115200`.
        comes_back: seconds that the machine may take to boot its usual kernel.
    """

    boot: str = "kexec"
    console: tuple[str, ...] | None = None
    netconsole: str | None = None
    cycle: tuple[str, ...] | None = None
    own_root: bool = False
    append: tuple[str, ...] = ()
    comes_back: float = 300.0


def lab(node: Node) -> Lab:
    """What the user has written.

    Raises:
        harness.errors.UserError: it is wrong; the message names line and key.
    """
    got = node.entries(("boot", "console", "netconsole", "power", "root", "append", "comes_back"))
    power = got["power"].entries(("cycle",)) if "power" in got else {}
    if "power" in got and "cycle" not in power:
        raise got["power"].error("expected {cycle: COMMAND}")
    return Lab(
        boot=got["boot"].choice(*BOOTS) if "boot" in got else Lab.boot,
        console=_command(got["console"]) if "console" in got else None,
        netconsole=got["netconsole"].text() if "netconsole" in got else None,
        cycle=_command(power["cycle"]) if power else None,
        own_root="root" in got and got["root"].choice("initramfs", "own") == "own",
        append=got["append"].texts() if "append" in got else (),
        comes_back=got["comes_back"].duration() if "comes_back" in got else Lab.comes_back,
    )


def _command(node: Node) -> tuple[str, ...]:
    """A command, split as in a shell."""
    try:
        words = tuple(shlex.split(node.text()))
    except ValueError as error:
        raise node.error(f"not a command: {error}") from error
    if not words:
        raise node.error("expected a command")
    return words
