"""A network of its own: `here` and `there`, network namespaces, with a router between them that can stop to forward.

What is sent meanwhile is lost without a word, as with a cable that is pulled out somewhere on the way: no end sees its
own link go down.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

# For tests of network equipment (RFC 2544): nobody's.
HERE, THERE = "198.18.0.2", "198.18.0.6"
NEAR, FAR = "198.18.0.1", "198.18.0.5"


@dataclass
class Network:
    """Two places with a link between them.

    Attributes:
        here: the words that run a command in the one namespace.
        there: the same for the other one.
    """

    here: tuple[str, ...]
    there: tuple[str, ...]
    _router: subprocess.Popen[str]

    def cut(self) -> None:
        """Forward nothing from now on."""
        self._forward(0)

    def join(self) -> None:
        """Forward again."""
        self._forward(1)

    def _forward(self, value: int) -> None:
        assert self._router.stdin is not None
        assert self._router.stdout is not None
        self._router.stdin.write(f"{value}\n")
        self._router.stdin.flush()
        assert self._router.stdout.readline() == f"{value}\n"


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def lacking() -> str | None:
    """Why there can be no network namespaces here."""
    if shutil.which("ip") is None:
        return "no ip; package iproute2"
    name = f"regress-{os.getpid()}-try"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode == 0:
        _ip("netns", "delete", name)
    return None if made.returncode == 0 else f"network namespaces cannot be made: {made.stderr.strip()}"


@contextlib.contextmanager
def network() -> Iterator[Network]:
    """A network; it goes with the block, in which what runs in it has to end."""
    here, router, there = names = [f"regress-{os.getpid()}-{place}" for place in ("here", "router", "there")]
    with contextlib.ExitStack() as stack:
        for name in names:
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "delete", name)
            _ip("-n", name, "link", "set", "lo", "up")
        for name, address, device, gateway in ((here, HERE, "near", NEAR), (there, THERE, "far", FAR)):
            _ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", device, "netns", router)
            for space, link, own in ((name, "eth0", address), (router, device, gateway)):
                _ip("-n", space, "address", "add", f"{own}/30", "dev", link)
                _ip("-n", space, "link", "set", link, "up")
            _ip("-n", name, "route", "add", "default", "via", gateway)
        # It waits for words, so that a cut comes at once.
        script = "while read -r value; do echo $value >/proc/sys/net/ipv4/ip_forward; echo $value; done"
        argv = ["ip", "netns", "exec", router, "sh", "-c", script]
        process = stack.enter_context(
            subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        )
        made = Network(("ip", "netns", "exec", here), ("ip", "netns", "exec", there), process)
        made.join()
        yield made
