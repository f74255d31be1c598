"""Three made-up weeks of linux-next, and scenarios for them: what `regress nightly --demo` plays, and the tests.

A kernel is shell snippets, some in the folder of each tree; a scenario's machine runs those that bear its name.  Each
day hangs on mainline's commit of that day and merges some twenty trees, some of them rebased.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.git import Git

DAYS = 21
FIRST = datetime.date(2026, 5, 4)
"""The day of the first tag."""

NO_TAG, NO_BUILD, BAD_MACHINE, CUT_SHORT = 11, 10, 12, 14
"""Days without a tag, that do not build, on which the machine is bad, on which the night is cut short."""

TREES = (
    *("arm", "acpi", "block", "crypto", "drm", "fs", "gpio", "hid", "i2c", "iommu"),
    *("leds", "mm", "net", "nvme", "pci", "rtc", "scsi", "sound", "thermal", "usb"),
)

SCENARIOS = {
    "net-rx": "packets arrive",
    "net-tx": "packets leave",
    "usb-plug": "a device that is unplugged goes away",
    "swap": "what is swapped out comes back",
    "fs-sync": "what was synced is there",
    "crypto-self": "the ciphers know their test vectors",
    "rtc-alarm": "an alarm rings",
    "timer-tick": "a timer goes off in time",
    "old-board": "the old board boots",
    "lab-board": "the board in the laboratory boots",
}

MACHINE = """\
# The machine of the demo: runs the snippets of a kernel that bear the name of a scenario.
tonight=$(cat "$(dirname "$0")/tonight")
if [ "$tonight" = 12 ]; then
    dice=$(od -An -N1 -tu1 /dev/urandom)
    if [ "$1" = lab-board ] || [ $((dice % 3)) = 0 ]; then echo "regress: broken no power"; exit 0; fi
fi
trial=${REGRESS_FOLDER##*trial-}
crash() {
    echo "BUG: kernel NULL pointer dereference, address: 0000000000000000"
    echo "CPU: 0 PID: 7 Comm: $2 Not tainted 6.15.0 #1"
    echo "RIP: 0010:$1+0x10/0x20"
    echo "Call Trace:"
    echo " $1+0x10/0x20"
    echo " $3+0x30/0x40"
    echo "---[ end trace 0000000000000000 ]---"
    exit 0
}
for snippet in */"$1".c; do
    [ -e "$snippet" ] && . "./$snippet"
done
echo "regress: passed"
"""

BUILD = """\
for file in */broken.c; do
    [ -e "$file" ] && { echo "$file:1:1: error: expected ';'" >&2; exit 1; }
done
exit 0
"""

RX = "crash ring_refill ksoftirqd net_rx_action\n"


@dataclass(frozen=True)
class Change:
    """A commit of a tree.

    Attributes:
        day: the first day that has it.  until: the last; None for as long as the weeks last.
        files: what it writes, by path; None removes.
    """

    tree: str
    day: int
    subject: str
    files: Mapping[str, str | None] = field(default_factory=dict)
    until: int | None = None


FLAWS = (
    Change("net", 9, "net: refill the ring early", {"net/net-rx.c": RX, "net/net-tx.c": RX}),
    Change("usb", 3, "usb: free the urb at once", {"usb/usb-plug.c": "crash usb_kill_urb kworker hub_event\n"}),
    Change("usb", 15, "usb: free the urb when it is done", {"usb/usb-plug.c": None}),
    Change(
        "mm",
        2,
        "mm: trust the order of writes",
        {"mm/swap.c": "[ -e block/reorder.c ] && crash swap_in sh do_swap_page\n"},
    ),
    Change("block", 7, "block: reorder writes", {"block/reorder.c": "\n"}),
    Change(
        "fs",
        5,
        "fs: sync without the lock",
        {"fs/fs-sync.c": "[ $(((trial + tonight) % 3)) = 0 ] && crash sync_inode sync iterate_supers\n"},
    ),
    Change("crypto", 4, "crypto: unroll the loop", {"crypto/crypto-self.c": "crash aes_encrypt modprobe alg_test\n"}),
    Change(
        "crypto",
        13,
        "crypto: rename what was unrolled",
        {"crypto/crypto-self.c": "crash gcm_setkey modprobe alg_test\n"},
    ),
    Change("rtc", 6, "rtc: ring without a lock", {"rtc/rtc-alarm.c": "crash rtc_ring kworker rtc_timer_do_work\n"}),
    Change("rtc", 8, "rtc: ring with the lock", {"rtc/rtc-alarm.c": None}),
    Change("rtc", 17, "rtc: the lock is not needed", {"rtc/rtc-alarm.c": "crash rtc_ring kworker rtc_timer_do_work\n"}),
    Change("acpi", NO_BUILD, "acpi: forget a semicolon", {"acpi/broken.c": "\n"}, until=NO_BUILD),
)

MAINLINE = {
    (16, 1): ("timers: round down", {"lib/timer-tick.c": "crash timer_round sh run_timers\n"}),
}
"""The commits of mainline that have a meaning, by day and part."""

CULPRITS = {
    "net-rx": ("net: refill the ring early", "net", 9),
    "usb-plug": ("usb: free the urb at once", "usb", 3),
    "crypto-self": ("crypto: unroll the loop", "crypto", 4),
    "rtc-alarm": ("rtc: the lock is not needed", "rtc", 17),
    "timer-tick": ("timers: round down", "mainline", 16),
}
"""The commits that are to be found: subject, tree, day."""


def date(day: int) -> datetime.date:
    """The date of a day, the first being 1."""
    return FIRST + datetime.timedelta(days=day - 1)


def tag(day: int) -> str:
    """The tag of a day."""
    return f"next-{date(day):%Y%m%d}"


def changes(day: int) -> list[Change]:
    """The changes that the trees hold on a day, in order: those with a meaning, and one a week without, each tree."""
    plain = [
        Change(name, start, f"{name}: tidy up, part {start}", {f"{name}/tidy-{start}.c": "\n"})
        for number, name in enumerate(TREES)
        for start in range(number % 4 - 3, day + 1, 4)
    ]
    held = [one for one in (*plain, *FLAWS) if one.day <= day and (one.until is None or day <= one.until)]
    return sorted(held, key=lambda one: (one.day, one in FLAWS))


@dataclass
class Writer:
    """Writes commits as a stream for `git fast-import`.

    Attributes:
        stream: what was written.  marks: how many objects.
    """

    stream: list[str] = field(default_factory=list)
    marks: int = 0

    def commit(self, subject: str, parents: list[int], files: Mapping[str, str | None], when: datetime.date) -> int:
        """A commit; returns its mark."""
        self.marks += 1
        seconds = int(datetime.datetime.combine(when, datetime.time(9), datetime.UTC).timestamp()) + self.marks % 3600
        who = f"Some Body <some.body@example.org> {seconds} +0000"
        lines = [f"commit refs/heads/made\nmark :{self.marks}\nauthor {who}\ncommitter {who}", _data(subject + "\n")]
        lines += [f"{'from' if not number else 'merge'} :{parent}" for number, parent in enumerate(parents)]
        for path, text in files.items():
            lines.append(f"D {path}" if text is None else f"M 100644 inline {path}\n{_data(text)}")
        self.stream.append("\n".join(lines) + "\n")
        return self.marks

    def ref(self, name: str, mark: int) -> None:
        """Let a reference name a commit."""
        self.stream.append(f"reset {name}\nfrom :{mark}\n\n")

    def write(self, git: Git, marks: Path) -> dict[int, str]:
        """Write all of it into a repository; returns the hashes by mark."""
        git.run("fast-import", "--quiet", "--force", f"--export-marks={marks}", input="".join(self.stream).encode())
        lines = (line.split() for line in marks.read_text(encoding="ascii").splitlines())
        return {int(mark.removeprefix(":")): sha for mark, sha in lines}


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}"


def repository(path: Path, days: int = DAYS) -> Git:
    """A repository with these days, each made anew as linux-next is; `publish` gives them their tags.

    Args:
        path: a folder that is not there.
        days: how many, from the first on.
    """
    path.mkdir(parents=True)
    git = Git(path)
    git.run("init", "--quiet", "--bare", "--template=")
    writer = Writer()
    base = {
        **{f"{name}/Makefile": f"obj-y += {name}.o\n" for name in TREES},
        "old/old-board.c": "crash old_probe swapper old_init\n",
        "build.sh": BUILD,
    }
    mainline = [writer.commit("Linux 6.15", [], base, FIRST - datetime.timedelta(days=9))]
    for day in range(1, days + 1):
        for part in (1, 2):
            plain = (f"lib: part {part} of day {day}", {"lib/day.c": f"// {day}.{part}\n"})
            subject, files = MAINLINE.get((day, part), plain)
            mainline.append(writer.commit(subject, mainline[-1:], files, date(day)))
    hashes = writer.write(git, path / "marks")
    for day in range(1, days + 1):
        if day != NO_TAG:
            _day(git, path, day, hashes[mainline[2 * day]], hashes[mainline[2 * max(0, day - 3)]])
    git.run("symbolic-ref", "HEAD", "refs/heads/master")
    git.run("update-ref", "-d", "refs/heads/made")
    return git


def publish(git: Git, day: int) -> None:
    """Do what the maintainer of linux-next does on a day: set its tag and the branches, or nothing."""
    if day != NO_TAG:
        made = f"refs/days/{tag(day)}"
        stable = git.text("show", f"{made}:Next/SHA1s").split()[1]
        for name, sha in ((f"refs/tags/{tag(day)}", made), ("refs/heads/master", made), ("refs/heads/stable", stable)):
            git.run("update-ref", name, sha)


def _day(git: Git, path: Path, day: int, base: str, older: str) -> None:
    """One day: the heads of the trees, then their merges and the files of Next/."""
    writer = Writer()
    heads: dict[str, int] = {}
    held = changes(day)
    for number, name in enumerate(TREES):
        # Half of the trees are rebased each day, the others every fourth day.
        start = base if (number + day) % 2 else older
        parents: list[int] = []
        mark = 0
        for one in (one for one in held if one.tree == name):
            mark = _on(writer, one, start if not parents else "", parents)
            parents = [mark]
        if mark:
            heads[name] = mark
    tip, merged = 0, []
    for name, head in heads.items():
        files: dict[str, str | None] = {}
        for one in held:
            if one.tree == name:
                files |= one.files
        # A file that was removed within the tree was never there for the merge.
        files = {name: text for name, text in files.items() if text is not None}
        subject = f"Merge branch 'for-next' of git://git.example.org/{name}.git"
        tip = _merge(writer, subject, tip, base, head, files, date(day))
        merged.append(name)
    hashes = writer.write(git, path / "marks")
    final = Writer()  # a stream of its own: the files of Next/ name the hashes of the heads
    sha1s = [f"stable\t\t{base}", *(f"{name}\t\t{hashes[mark]}" for name, mark in heads.items())]
    urls = ["stable\t\tgit\tgit://git.example.org/linux.git#master"]
    urls += [f"{name}\t\tgit\tgit://git.example.org/{name}.git#for-next" for name in heads]
    log = [f"Merging {name}/for-next ({hashes[heads[name]][:12]})" for name in merged]
    files = {
        "Next/SHA1s": "\n".join(sha1s) + "\n",
        "Next/Trees": "\n".join(urls) + "\n",
        "Next/merge.log": "\n".join(log) + "\n",
        "localversion-next": f"-{tag(day)}\n",
    }
    top = _on_hash(final, f"Add linux-next specific files for {date(day):%Y%m%d}", hashes[tip], files, date(day))
    final.ref(f"refs/days/{tag(day)}", top)
    final.write(git, path / "marks")


def _on(writer: Writer, one: Change, start: str, parents: list[int]) -> int:
    when = date(max(1, one.day))
    if parents:
        return writer.commit(one.subject, parents, one.files, when)
    return _on_hash(writer, one.subject, start, one.files, when)


def _on_hash(writer: Writer, subject: str, parent: str, files: Mapping[str, str | None], when: datetime.date) -> int:
    mark = writer.commit(subject, [0], files, when)
    writer.stream[-1] = writer.stream[-1].replace("from :0", f"from {parent}")
    return mark


def _merge(
    writer: Writer, subject: str, tip: int, base: str, head: int, files: Mapping[str, str | None], when: datetime.date
) -> int:
    mark = writer.commit(subject, [tip, head], files, when)
    if not tip:
        writer.stream[-1] = writer.stream[-1].replace("from :0", f"from {base}")
    return mark


def scenarios(top: Path) -> Path:
    """Write the scenarios, and the machine that they share; returns their folder."""
    (top / "machine.sh").write_text(MACHINE, encoding="utf-8")
    tonight(top, 1)
    for name, claim in SCENARIOS.items():
        folder = top / "scenarios" / name
        folder.mkdir(parents=True)
        (folder / "scenario.yaml").write_text(
            f"id: {name}\ntitle: {claim}\nclaim: {claim}\ntags: [demo]\nbuild: {{command: sh build.sh}}\n"
            f"machine: {{command: sh {top / 'machine.sh'} {name}, timeout: 20s}}\n",
            encoding="utf-8",
        )
    return top / "scenarios"


def tonight(top: Path, day: int) -> None:
    """Tell the machine which night it is."""
    (top / "tonight").write_text(f"{day}\n", encoding="ascii")
