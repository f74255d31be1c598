"""Real subjects of commits, and the part of a tree that each is about.

Debian's changelog of its kernel lists the commits of each stable update by their subjects, such as
`drm/amd/display: Fix ...`. What stands before the colon is looked for in the names of folders and files.
"""

from __future__ import annotations

import gzip
import random
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

CHANGELOG = Path("/usr/share/doc/linux-source-6.1/changelog.Debian.gz")

# Prefixes that are no names of folders.
ALIASES = {
    "alsa": "sound",
    "asoc": "sound/soc",
    "wifi": "drivers/net/wireless",
    "kvm": "kvm",
    "rdma": "drivers/infiniband",
    "bluetooth": "bluetooth",
    "tracing": "kernel/trace",
    "docs": "Documentation",
    "selftests": "tools/testing/selftests",
    "perf": "tools/perf",
    "smb": "fs/cifs",
    "cifs": "fs/cifs",
    "nfs": "fs/nfs",
    "nfsd": "fs/nfsd",
    "arm": "arch/arm",
    "ipv4": "net/ipv4",
    "ipv6": "net/ipv6",
    "tcp": "net/ipv4",
    "udp": "net/ipv4",
    "usb": "drivers/usb",
    "sched": "sched",
    "mm": "mm",
    "pm": "power",
    "input": "drivers/input",
    "drm": "drivers/gpu/drm",
    "net": "net",
    "block": "block",
    "x86": "arch/x86",
    "dts": "dts",
}


def subjects(changelog: Path = CHANGELOG) -> list[str]:
    """The subjects of commits of stable updates, as Debian lists them, without its own marks."""
    found: list[str] = []
    within = False
    for line in gzip.decompress(changelog.read_bytes()).decode().splitlines():
        if line.startswith("  * "):
            within = "New upstream stable update" in line
        elif within and line.startswith("    - "):
            found.append(line[6:])
        elif within and line.startswith("      ") and found:
            found[-1] += f" {line.strip()}"
    plain = (re.sub(r"^(?:\[[^]]*\] )+|\s*\(CVE[^)]*\)", "", one) for one in found)
    return [re.sub(r'^Revert "(.*)"$', r"\1", one) for one in plain]


class Places:
    """Finds the files that a subject may be about.

    Args:
        files: the paths of a tree.
    """

    def __init__(self, files: Iterable[str]) -> None:
        self.sources = sorted(path for path in files if re.search(r"\.(?:c|h|S|dts|dtsi|rst|yaml|py|sh)$", path))
        self._by_word: dict[str, set[str]] = defaultdict(set)
        for path in self.sources:
            for word in re.split(r"[/.]", path.lower())[:-1]:
                self._by_word[_plain(word)].add(path)

    def about(self, subject: str) -> Sequence[str]:
        """The files that a subject's prefix names, by as many of its words as are names here; none if it names none."""
        *prefix, _ = subject.split(": ")
        found: set[str] = set()
        for word in reversed(re.split(r"[\s:/,&]+", " ".join(prefix).lower())):
            alias = ALIASES.get(word, word)
            here = set.intersection(*(self._by_word.get(_plain(one), set()) for one in alias.split("/")))
            if here and (both := found & here if found else here):
                found = both
        return sorted(found)


def _plain(word: str) -> str:
    return word.replace("_", "-")


def drawn(places: Places, count: int, chance: random.Random) -> tuple[list[Sequence[str]], int, int]:
    """For so many subjects, drawn at random, the files that each is about; and how many subjects named none, of all."""
    told = subjects()
    found: list[Sequence[str]] = []
    missed = 0
    while len(found) < count:
        if files := places.about(chance.choice(told)):
            found.append(files)
        else:
            missed += 1
    return found, missed, len(told)
