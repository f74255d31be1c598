"""Hostile mails: what `regress import` makes of thousands of damaged and malicious threads.

    python -m bench.hostile [--count 10000] [--seed 1] [FILE...]

Each mail is mutated by a seeded generator from a few threads of this file, the patches that the project ships,
and the FILEs given.  The real command is run on it, and the result is checked:

- no exception: the command returns, and the draft loads as a scenario (the command itself tries that);
- no file outside: only the draft's own folder has anything new, and it is flat;
- no patch outside its tree: each patch is applied to a small repository whose only neighbours are bait, and the
  commit checked out.  Nothing beside the work tree changes, and no name in the commit leads out of it.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import gzip
import io
import random
import shutil
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.cli import import_
from harness.errors import UserError
from harness.git import Commit
from harness.patches import apply, read_change
from harness.paths import ROOT, SCENARIOS
from harness.workspace import Workspace

DIFF = (
    "diff --git a/toy.c b/toy.c\nindex 1111111..2222222 100644\n--- a/toy.c\n+++ b/toy.c\n@@ -1,3 +1,3 @@\n"
    " int toy(void)\n-{ return 1; }\n+{ return 2; }\n \n"
)
MAIL = (
    "From mboxrd@z Thu Jan  1 00:00:00 1970\nFrom: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>\n"
    "Date: Fri, 1 Mar 2024 09:05:00 +0100\nSubject: [PATCH 1/2] toy: count to two\nMessage-ID: <one@example.org>\n"
    "\nReading crashes in 6.8-rc1, it worked in 6.7.\n\n"
    "BUG: kernel NULL pointer dereference, address: 0000000000000000\n"
    "CPU: 0 PID: 7 Comm: dd Not tainted 6.8.0-rc1 #1\nRIP: 0010:toy_read+0x10/0x20\nCall Trace:\n toy_work+0x1/0x2\n"
    '---[ end trace 0000000000000000 ]---\n\nFixes: 0123456789ab ("toy: count to one")\n'
    "#regzbot introduced: v6.7..0123456789ab\nCloses: https://bugzilla.kernel.org/show_bug.cgi?id=4711\n"
    f"---\n toy.c | 2 +-\n\n{DIFF}-- \n2.40.0\n\n"
)
PAGE = (
    "* [PATCH] toy: do not call a null reader\n@ 2024-03-01 9:05 Ada\n0 siblings, 0 replies; 1+ messages in thread\n"
    "From: Ada @ 2024-03-01 9:05 UTC (permalink / raw)\nTo: linux-toys; +Cc: bob,\ncarol\nIt breaks after the commit\n"
    "Commit 0123456789abcdef0123456789abcdef01234567\nAuthor: Bob <bob@example.org>\n"
    "Date: Mon Jan 1 10:00:00 2024 +0100\ntoy: read through a pointer\nLinux-Regression-ID: lr#abc123\n---\n"
    f"{DIFF.replace(chr(10) + ' ', chr(10))}--\n2.40.0\n^ permalink raw reply\n"
)
PARTS = (
    'From: A <a@example.org>\nSubject: parts\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\n--b\n'
    "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nHello =E9\n--b\n"
    'Content-Type: text/x-patch; name="../../x.patch"\nContent-Disposition: attachment; filename="../../x.patch"\n'
    f"Content-Transfer-Encoding: base64\n\n{base64.encodebytes(DIFF.encode()).decode()}\n--b--\n"
)

PATHS = (
    *("../outside", "a/../../outside", "/tmp/outside", ".git/hooks/post-checkout", ".git/config", ".GIT/config"),
    *("link/outside", "sub/.git/config", "..", ".", "-", "a/./b", "a//b", "~/.bashrc", "toy.c/x", "\\..\\outside"),
    *(
        '"../out\\157side"',
        '"a\\n/../../b"',
        "con",
        ".gitmodules",
        ".git ",
        ".git.",
        "GIT~1/config",
        ".g\u200cit/config",
    ),
)
HEADERS = (
    *("Content-Type: multipart/mixed; boundary=", "Content-Type: multipart/mixed; boundary=b"),
    "Content-Type: text/html",
    *("Content-Type: text/plain; charset=nonsense", "Content-Type: message/rfc822", "Content-Type: /", "Date: 99 99"),
    *("Content-Transfer-Encoding: base64", "Content-Transfer-Encoding: x-uuencode"),
    "Date: Fri, 1 Mar 99999 25:61:61 +9999",
    *("Subject: =?utf-8?b?////?=", "Subject: =?utf-8?q?=00=0a=1b[2J?=", "From: =?x?q??= <>", "From: <<<<@@@", "From:"),
    *("Content-Type: text/plain; charset*=utf-8''%ff%00", "Content-Type: text/plain; charset=utf-7", "Subject:"),
    "Content-Type: text/plain; charset=idna",
    "Content-Disposition: attachment; filename*0*=utf-8''..%2f; filename*1=x.patch",
)  # fmt: skip
TOKENS = (
    *("\x00", "\x1b]0;x\x07", "\u2028", "\ufeff", "\x85", "\r", "\n", "\t", ": ", "- ", "#", "'", '"', "*"),
    *("&a *a", "!!python/x"),
    *("---", "...", "%YAML 1.1", "{{{{", "[[[[", "lr#abc123", "lr#../../x", "v4.12", "9" * 5000, "a" * 70000),
    "(" * 2000,
    *("@@ -1,999999999 +1,999999999 @@", "@@ -0,0 +1 @@", "@@ -1 +1 @@", "GIT binary patch", "rename to ", "-- ", "> "),
    *("From: Inner <inner@example.org>", "#regzbot introduced: $(reboot)..`x`", "#regzbot title: \x1b[31m", "-- >8 --"),
    *("Linux-Regression-ID: lr#" + "a" * 300, "syzbot+0123456789abcdef@syzkaller.appspotmail.com", "\ud800", "\u202e"),
    *("Kernel panic - not syncing: ", "BUG: KASAN: x in ", "Call Trace:", "commit " + "ab1" * 13),
    "0123456789abcdef " * 200,
    *("From x Thu Jan  1 00:00:00 1970\n", "^ permalink raw reply", "From: X @ 2017-13-45 99:99 UTC (permalink / raw)"),
)  # fmt: skip


def _hostile_diff(dice: random.Random) -> str:
    path, other = dice.choice(PATHS), dice.choice((*PATHS, "toy.c"))
    kind = dice.randrange(5)
    if kind == 0:
        return (
            f"diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+pwned\n"
        )
    if kind == 1:
        link = f"diff --git a/link b/link\nnew file mode 120000\n--- /dev/null\n+++ b/link\n@@ -0,0 +1 @@\n+{path}\n"
        return link + "\\ No newline at end of file\n" + _hostile_diff(dice)
    if kind == 2:
        return f"diff --git a/toy.c b/{path}\nsimilarity index 100%\nrename from toy.c\nrename to {path}\n"
    if kind == 3:
        return f"--- a/{other}\n+++ b/{path}\n@@ -1,3 +1,3 @@\n int toy(void)\n-{{ return 1; }}\n+pwned\n \n"
    return f"diff --git a/{path} b/{other}\nold mode 100644\nnew mode 100755\n"


def mutate(dice: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A hostile mail: a seed with a few changes."""
    data = bytearray(dice.choice(seeds))
    for _ in range(dice.randrange(1, 7)):
        at = dice.randrange(len(data) + 1)
        kind = dice.randrange(11)
        if kind == 0:
            for _ in range(dice.randrange(1, 30)):
                if data:
                    data[dice.randrange(len(data))] = dice.randrange(256)
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            del data[at : at + dice.randrange(200)]
        elif kind == 3:
            data[at:at] = data[at : at + dice.randrange(400)] * dice.randrange(1, 20)
        elif kind == 4:
            other = dice.choice(seeds)
            data[at:] = other[dice.randrange(len(other)) :]
        elif kind == 5:
            token = dice.choice(TOKENS) * dice.choice((1, 1, 1, 40))
            data[at:at] = token.encode("utf-8", "surrogatepass")
        elif kind == 6:
            line = data.rfind(b"\n", 0, at) + 1
            data[line:line] = f"{dice.choice(HEADERS)}\n".encode()
        elif kind in (7, 8):
            line = data.rfind(b"\n", 0, at) + 1
            data[line:line] = _hostile_diff(dice).encode()
        elif kind == 9:
            depth = dice.choice((3, 30, 300))
            head = b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(depth))
            data[0:0] = b"From: x\n" + head
        else:
            lines = data.split(b"\n")
            dice.shuffle(lines)
            data = bytearray(b"\n".join(lines))
    if dice.randrange(10) == 0:
        packed = bytearray(gzip.compress(bytes(data)))
        if dice.randrange(2):
            packed[dice.randrange(len(packed))] ^= 1 << dice.randrange(8)
        return bytes(packed)
    return bytes(data)


def seeds(files: Sequence[Path] = ()) -> list[bytes]:
    """What is mutated."""
    shipped = [path.read_bytes() for path in sorted(SCENARIOS.glob("*/fixes/*.patch"))]
    log = (
        b"[    1.000000] " + MAIL[MAIL.index("BUG:") : MAIL.index("Fixes:")].replace("\n", "\n[    1.000000] ").encode()
    )
    return [MAIL.encode() * 2, PAGE.encode(), PARTS.encode(), log, *shipped, *(file.read_bytes() for file in files)]


@dataclass
class Count:
    """What came of it all."""

    mails: int = 0
    drafts: int = 0
    refused: int = 0
    patches: int = 0
    applied: int = 0
    slowest: float = 0.0
    faults: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)


def _listing(top: Path) -> dict[str, bytes]:
    """Every file around, but for git's own objects."""
    return {
        str(path.relative_to(top)): path.read_bytes()
        for path in sorted(top.rglob("*"))
        if path.is_file() and not path.is_symlink() and "tree" not in path.relative_to(top).parts[:1]
    }


@contextlib.contextmanager
def sandbox() -> Iterator[tuple[Path, Workspace, Commit]]:
    """A folder with bait in it, and a small repository to apply patches to."""
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        for bait in ("outside.txt", ".bashrc", "x.patch"):
            (top / bait).write_text("bait\n")
        (top / "tree").mkdir()
        git = Workspace(top / "tree")
        git.run("init", "--quiet")
        (top / "tree" / "toy.c").write_text("int toy(void)\n{ return 1; }\n\n")
        git.run("add", "--all")
        who = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")
        git.run(*who, "commit", "--quiet", "-m", "toy")
        yield top, git, git.commit("HEAD")


def attack(count: int, seed: int, files: Sequence[Path] = (), tell: Callable[[Count], None] = lambda _: None) -> Count:
    """Import that many hostile mails, and apply what patches come of them."""
    dice, got, stock = random.Random(seed), Count(), seeds(files)
    with sandbox() as (top, git, base):
        hooks = _hooks(git)
        for number in range(count):
            data = mutate(dice, stock)
            got.mails += 1
            fault = _one(data, top, git, base, got)
            if fault is None and _hooks(git) != hooks:
                fault = "a patch changed .git"
            if fault is not None:
                got.faults.append(f"mail {number} of seed {seed}: {fault}")
            if number % 500 == 499:
                tell(got)
    return got


def _hooks(git: Workspace) -> dict[str, bytes]:
    own = git.path / ".git"
    return {path.name: path.read_bytes() for path in [own / "config", *sorted((own / "hooks").glob("*"))]}


def _one(data: bytes, top: Path, git: Workspace, base: Commit, got: Count) -> str | None:
    """Import one mail; returns what is wrong, if anything is."""
    mail, folder = top / "mail", top / "draft"
    mail.write_bytes(data)
    before = _listing(top)
    began = time.monotonic()
    try:
        with contextlib.redirect_stdout(io.StringIO()) as told:
            asked = dict.fromkeys(("repro", "config", "tree"))
            import_.run(argparse.Namespace(file=str(mail), output=folder, json=False, **asked))
    except UserError as error:
        got.refused += 1
        return None if "damaged gzip" in str(error) else f"refused: {error}"
    except Exception:  # any error but a UserError is a fault of the program, which this bench reports
        return traceback.format_exc()
    finally:
        got.slowest = max(got.slowest, time.monotonic() - began)
    got.drafts += 1
    try:
        if any(not c.isprintable() for c in told.getvalue().replace("\n", "")):
            return "something unprintable reached the terminal"
        inside = list(folder.rglob("*"))
        if any(not path.is_file() or path.is_symlink() or path.parent != folder for path in inside):
            return f"the draft is not flat: {inside}"
        after = {name: text for name, text in _listing(top).items() if not name.startswith("draft/")}
        if after != before:
            return f"files outside of the draft: {sorted(after.keys() ^ before.keys())}"
        for path in sorted(folder.glob("*.patch")):
            if fault := _apply(path, top, git, base, got):
                return f"{path.name}: {fault}"
    except Exception:  # a fault in reading or applying the draft is a fault of the program too
        return traceback.format_exc()
    finally:
        shutil.rmtree(folder)
    return None


def _apply(path: Path, top: Path, git: Workspace, base: Commit, got: Count) -> str | None:
    before = _listing(top)
    got.patches += 1
    try:
        change = read_change(path)
    except UserError as error:
        return None if "more than one series" in str(error) else f"the patch that was written has none: {error}"
    commit = apply(git, base, change)
    if isinstance(commit, Commit):
        got.applied += 1
        names = git.run("ls-tree", "-r", "-z", "--name-only", commit.sha).stdout.split("\0")
        if any(part in ("..", "", ".git") for name in names[:-1] for part in name.split("/")):
            return f"a name leads out of the tree: {names}"
        git.run("checkout", "--quiet", "--force", "--detach", commit.sha)
        git.run("checkout", "--quiet", "--force", "--detach", base.sha)
    return None if _listing(top) == before else "applying it changed a file outside of its tree"


def main() -> None:
    """Run the bench and print its figures; exit status 1 where anything is wrong."""
    parser = argparse.ArgumentParser(description="hostile mails against regress import")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="threads to mutate, besides those built in")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    got = attack(
        options.count,
        options.seed,
        options.files,
        lambda g: print(f"{g.mails} mails, {len(g.faults)} faults", flush=True),
    )
    for fault in got.faults[:20]:
        print(fault)
    print(f"mails               {got.mails} (seed {options.seed}, {len(options.files)} files besides those built in)")
    print(f"drafts, all load    {got.drafts}")
    print(f"refused             {got.refused} (damaged gzip)")
    print(f"patches, applied    {got.patches}, {got.applied}")
    print(f"faults              {len(got.faults)}")
    print(f"slowest import      {got.slowest:.2f} s")
    print(f"all of it           {time.monotonic() - began:.0f} s, in {ROOT.name}")
    raise SystemExit(bool(got.faults))


if __name__ == "__main__":
    main()
