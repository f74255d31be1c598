"""`regress import`: threads in every form become a draft scenario, and nothing of them leaves its folder."""

import gzip
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import catalog
from harness.thread.draft import Draft, draft
from harness.thread.patch import BROKEN, SQUEEZED
from harness.thread.read import Kind, read
from harness.thread.render import files
from tests.support import ROOT

Regress = Callable[..., subprocess.CompletedProcess[str]]

# An archive's page as a browser saves it: no indentation, no runs of spaces, no empty lines.
PAGE = """\
* [PATCH] toy: do not call a null reader
@ 2024-03-01 9:05 Ada Example
2024-03-01 10:00 ` Bob Example
0 siblings, 1 reply; 2+ messages in thread
From: Ada Example @ 2024-03-01 9:05 UTC (permalink / raw)
To: linux-toys; +Cc: bob,
carol
Reading crashes after the commit
Commit 0123456789abcdef0123456789abcdef01234567
Author: Bob Example <bob@example.org>
Date: Mon Jan 1 10:00:00 2024 +0100
toy: read through a pointer
It worked fine in 6.7. The reader must never be called when dm-toy_ops has none.
: BUG: kernel NULL pointer dereference, address: 0000000000000000
: CPU: 0 PID: 7 Comm: dd Not tainted 6.8.0-rc1 #1
: Workqueue: toys toy_work
: RIP: 0010:toy_read+0x10/0x20
: Call Trace:
: toy_work+0x1/0x2
: ---[ end trace 0000000000000000 ]---
Signed-off-by: Ada Example <ada@example.org>
---
toy.c | 3 ++-
1 file changed, 2 insertions(+), 1 deletion(-)
diff --git a/toy.c b/toy.c
index 1111111..2222222 100644
--- a/toy.c
+++ b/toy.c
@@ -3,7 +3,8 @@ int toy(void)
*/
int toy_read(struct toy *toy)
{
- return toy->ops->read(toy);
+ if (toy->ops->read)
+ return toy->ops->read(toy);
}
int toy_write(void)
--
2.40.0
^ permalink raw reply related [flat|nested] 2+ messages in thread
* Re: [PATCH] toy: do not call a null reader
2024-03-01 9:05 [PATCH] toy: do not call a null reader Ada Example
@ 2024-03-01 10:00 ` Bob Example
0 siblings, 0 replies; 2+ messages in thread
From: Bob Example @ 2024-03-01 10:00 UTC (permalink / raw)
To: Ada Example
On Fri, 1 Mar 2024, Ada Example wrote:
> : BUG: kernel NULL pointer dereference, address: 0000000000000000
> : RIP: 0010:toy_read+0x10/0x20
Linux-Regression-ID: lr#abc123
The regression in 6.8-rc1 is known. Commit 0123456789ab should be reverted.
^ permalink raw reply [flat|nested] 2+ messages in thread
end of thread, other threads:[~2024-03-01 10:00 UTC | newest]
"""

DIFF = """\
diff --git a/toy.c b/toy.c
index 1111111..2222222 100644
--- a/toy.c
+++ b/toy.c
@@ -1,3 +1,3 @@
 int toy(void)
-{ return 1; }
+{ return 2; }

"""

MAIL = f"""\
From: =?utf-8?q?J=C3=B6rg_Example?= <joerg@example.org>
Date: Fri, 1 Mar 2024 09:05:00 +0100
Subject: [PATCH 1/2] toy: count to two
Message-ID: <one@example.org>

One is not enough.

Fixes: 0123456789ab ("toy: count to one")
Closes: https://bugzilla.kernel.org/show_bug.cgi?id=4711
#regzbot introduced: v6.7..0123456789ab
#regzbot title: toy counts wrong
#regzbot fixed-by: 1f2e3d4c5d
Signed-off-by: Jörg Example <joerg@example.org>
---
 toy.c | 2 +-

{DIFF}--
2.40.0
"""


def drafted(text: str | bytes) -> Draft:
    return draft(read(text.encode() if isinstance(text, str) else text), "thread")


def text_of(made: Draft) -> str:
    return files(made, ["base", "dm-toy"])["scenario.yaml"].decode()


def test_a_saved_page() -> None:
    thread = read(PAGE.encode())
    assert thread.kind is Kind.PAGE
    assert [message.name for message in thread.messages] == [
        "Ada Example, 2024-03-01 09:05",
        "Bob Example, 2024-03-01 10:00",
    ]
    made = drafted(PAGE)
    assert (made.id, made.aliases, made.title) == ("lr-abc123", ("lr#abc123",), "toy: do not call a null reader")
    [found] = made.crashes
    assert found.crash.title == "BUG: unable to handle kernel NULL pointer dereference in toy_read"
    assert (found.crash.workqueue, found.line) == (
        "toy_work",
        PAGE.splitlines().index(": BUG: kernel NULL pointer dereference, address: 0000000000000000") + 1,
    )
    [suspect] = made.facts.suspects
    assert (suspect.sha, suspect.subject, suspect.blamed, len(suspect.said)) == (
        "0123456789abcdef0123456789abcdef01234567", "toy: read through a pointer", True, 2,
    )  # fmt: skip
    assert [(one.name, one.good) for one in made.facts.versions] == [("6.7", True), ("6.8-rc1", False)]
    assert [claim.text for claim in made.facts.claims][:1] == [
        "The reader must never be called when dm-toy_ops has none."
    ]
    [patch] = made.patches
    assert patch.author == "Ada Example <ada@example.org>"
    assert SQUEEZED in patch.notes
    assert not patch.diff.whole
    assert patch.file_name(1) == "0001-toy-do-not-call-a-null-reader.patch"
    assert patch.message.startswith("Reading crashes after the commit")
    assert "regress import: the page" in patch.render().decode()


def test_a_page_that_kept_its_white_space() -> None:
    page = (
        "* [PATCH] toy: count\n@ 2024-03-01  9:05 Ada Example\n  2024-03-01 10:00 ` Bob Example\n"
        "  0 siblings, 1 reply; 2+ messages in thread\n"
        "From: Ada Example @ 2024-03-01  9:05 UTC (permalink / raw)\n  To: linux-toys; +Cc: bob,\n\tcarol\n\n"
        f"One is not enough.\n\nSigned-off-by: Ada Example <ada@example.org>\n---\n{DIFF}-- \n2.40.0\n\n"
        "^ permalink raw reply related\t[flat|nested] 2+ messages in thread\n"
    )
    thread = read(page.encode())
    assert thread.messages[0].lines[0] == "One is not enough."
    [patch] = draft(thread, "page").patches
    assert patch.diff.text() == DIFF.replace("\n\n", "\n \n")
    assert not patch.damaged
    assert patch.message == "One is not enough.\n\nSigned-off-by: Ada Example <ada@example.org>"


def test_the_draft_says_what_is_unsure() -> None:
    text = text_of(drafted(PAGE))
    assert (
        'crash: {title: "BUG: unable to handle kernel NULL pointer dereference in toy_read", workqueue: "toy_work"}'
        in text
    )
    assert 'mainline: {good: "v6.7", bad: {sha: "0123456789ab", subject: "toy: read through a pointer"}}' in text
    assert "# good: unsure, the newest version that is called good.  bad: unsure, the commit blamed." in text
    assert "#   Ada Example, 2024-03-01 09:05: The reader must never be called when dm-toy_ops has none." in text
    assert "#   lr#abc123: Bob Example, 2024-03-01 10:00" in text
    assert "run.sh does nothing yet" in text


def test_a_mail() -> None:
    thread = read(MAIL.encode())
    assert thread.kind is Kind.MAIL
    made = drafted(MAIL)
    assert (made.id, made.title) == ("bugzilla-4711", "toy counts wrong")
    assert list(made.facts.links) == ["https://bugzilla.kernel.org/show_bug.cgi?id=4711"]
    assert made.facts.introduced is not None
    assert (made.facts.introduced.good, made.facts.introduced.bad) == ("v6.7", "0123456789ab")
    assert (
        'mainline: {good: "v6.7", bad: {sha: "0123456789ab", subject: "toy: count to one"}, fixed: "1f2e3d4c5d"}'
        in text_of(made)
    )
    [patch] = made.patches
    assert patch.notes == ()
    assert patch.diff.text() == DIFF.replace("\n\n", "\n \n")
    again = drafted(patch.render())
    assert again.patches[0].diff.text() == patch.diff.text()
    assert (again.patches[0].author, again.patches[0].subject) == (patch.author, patch.subject)
    assert "Jörg Example" in patch.author
    assert patch.message.endswith("Signed-off-by: Jörg Example <joerg@example.org>")


def mbox(*mails: str) -> str:
    return "".join(f"From mboxrd@z Thu Jan  1 00:00:00 1970\n{mail}\n" for mail in mails)


def test_an_mbox_with_an_escaped_line_and_an_attached_patch() -> None:
    attached = (
        "From: A <a@example.org>\nSubject: Re: toy\nMIME-Version: 1.0\n"
        'Content-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: text/plain\n\nSee this.\n\n>From here.\n'
        '--b\nContent-Type: application/octet-stream; name="../../etc/passwd.patch"\n'
        'Content-Disposition: attachment; filename="../../etc/passwd.patch"\n'
        f"Content-Transfer-Encoding: 8bit\n\n{DIFF}--b\n"
        "Content-Type: image/png\n\nx\n--b--\n"
    )
    thread = read(mbox(MAIL, attached).encode())
    assert len(thread.messages) == 2
    assert "From here." in thread.messages[1].lines
    made = drafted(mbox(MAIL, attached))
    assert [patch.file_name(n) for n, patch in enumerate(made.patches, 1)] == [
        "0001-toy-count-to-two.patch",
        "0002-Re-toy.patch",
    ]
    assert "a part of type image/png was not read" in text_of(made)


def test_a_patch_below_talk_and_one_with_scissors() -> None:
    talk = "Hello,\n\nhow about this?\n"
    inner = "From: Inner Author <inner@example.org>\nSubject: [PATCH] toy: inner\n\nBecause.\n\n"
    for between in ("", "-- >8 --\n"):
        mail = f"From: Outer <outer@example.org>\nSubject: Re: toy\n\n{talk}{between}{inner}---\n{DIFF}"
        [patch] = drafted(mail).patches
        assert (patch.author, patch.subject, patch.message) == (
            *("Inner Author <inner@example.org>", "[PATCH] toy: inner", "Because."),
        )
    [patch] = drafted(f"From: Outer <outer@example.org>\nSubject: Re: toy\n\n{talk}{DIFF}").patches
    assert "talk more than a commit message" in " ".join(patch.notes)


def test_damage_in_a_mail_is_told() -> None:
    [patch] = drafted(MAIL.replace(" int toy(void)", "int toy(void)")).patches
    assert patch.notes == (BROKEN,)


def test_no_part_of_a_patch_is_left_out_unseen() -> None:
    more = "@@ -9,2 +9,3 @@\n int more(void)\n+/* more */\n {\n"
    whole = DIFF.rstrip("\n") + "\n \n" + more
    for damaged in (
        whole.replace("-{ return 1; }\n", "-{ return 1; }\n+/* by hand */\n"),
        whole.replace("+/* more */\n {\n", "+/* more */\n {\n+/* by hand */\n"),
        whole.replace(" \n@@ -9", " \n\nSome words\nof somebody\n@@ -9"),
    ):
        [patch] = drafted(
            f"From: A <a@example.org>\nSubject: [PATCH] toy\n\nBecause.\n---\n{damaged}-- \n2.40\n"
        ).patches
        assert not patch.diff.whole
        assert BROKEN in patch.notes
        assert patch.diff.text().rstrip() == damaged.rstrip()
    [patch] = drafted(
        f"From: A <a@example.org>\nSubject: [PATCH] toy\n\nBecause.\n---\n{whole}\nregards,\n- A\n"
    ).patches
    assert patch.diff.whole


def test_a_console_log() -> None:
    log = (
        "[    1.0] BUG: kernel NULL pointer dereference, address: 0000000000000000\n"
        "[    1.0] CPU: 0 PID: 7 Comm: dd Not tainted 6.8.0-rc1+ #1\n[    1.0] RIP: 0010:toy_read+0x10/0x20\n"
        "[    1.0] Call Trace:\n[    1.0]  toy_work+0x1/0x2\n[    1.0] ---[ end trace 0000000000000000 ]---\n"
    )
    made = drafted(log)
    assert made.title == "BUG: unable to handle kernel NULL pointer dereference in toy_read"
    assert made.facts.suspects == []
    text = text_of(made)
    assert "the id is made of the title" in text
    assert '#   mainline: {good: ..., bad: "v6.8-rc1"}' in text


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("compiler: gcc (Debian 12.2.0-14) 12.2.0, GNU ld (GNU Binutils for Debian) 2.40", []),
        ("With cryptsetup 2.6.1 and qemu version 7.2 it crashes.", []),
        ("It is old: 6.1 crashes, git bisect says so.", ["6.1"]),
        ("Built by clang, 6.12 hangs.", ["6.12"]),
    ],
)
def test_only_kernels_versions_count(text: str, names: list[str]) -> None:
    assert [one.name for one in drafted(f"Subject: x\n\n{text}\n").facts.versions] == names


@pytest.mark.parametrize(
    ("text", "sha", "subject", "blamed"),
    [
        ("c0ffee123456 is the first bad commit", "c0ffee123456", None, True),
        ('Fixes: c0ffee1 ("toy: a\nlong subject")', "c0ffee1", "toy: a long subject", True),
        ("This was caused by commit c0ffee12 I think.", "c0ffee12", None, True),
        ("HEAD commit:    c0ffee12 Merge branch 'x'", "c0ffee12", None, False),
        ("bisected to:\n\ncommit c0ffee1234567890c0ffee12", "c0ffee1234567890c0ffee12", None, True),
        (
            'robot noticed "BUG:KASAN:x_in_toy" on:\n\ncommit: c0ffee123456 ("toy: read")',
            "c0ffee123456",
            "toy: read",
            True,
        ),
        ("See https://git.kernel.org/torvalds/c/c0ffee123456 for it.", "c0ffee123456", None, False),
        ('Please revert "toy: read less".', None, "toy: read less", True),
    ],
)  # fmt: skip
def test_commits(text: str, sha: str | None, subject: str | None, blamed: bool) -> None:
    [one] = drafted(f"Subject: x\n\n{text}\n").facts.suspects
    assert (one.sha, one.subject, one.blamed) == (sha, subject, blamed)


@pytest.mark.parametrize(
    "text",
    [
        "deadbeef",
        "https://bug.example.org/x?id=0123456789abcd",
        "ffffffff81093e44",
        "1234567890123",
        "2017-08-02",
        "facade",
        ": f4b5debc0000",
    ],
)
def test_what_is_no_commit(text: str) -> None:
    assert drafted(f"Subject: x\n\n{text}\n").facts.suspects == []


def test_import_writes_a_scenario_that_loads(regress: Regress, tmp_path: Path) -> None:
    for name, data in (("t.txt", PAGE.encode()), ("t.mbox.gz", gzip.compress(mbox(MAIL).encode()))):
        (tmp_path / name).write_bytes(data)
        folder = tmp_path / f"draft-{name}"
        done = regress("import", str(tmp_path / name), "--output", str(folder))
        assert done.returncode == 0, done.stderr
        assert str(folder) in done.stdout
        assert catalog.load(folder).expect is not None or name != "t.txt"
        assert regress("show", str(folder)).returncode == 0
        assert sorted(path.suffix for path in folder.iterdir()) == [".patch", ".sh", ".yaml"]
        shellcheck = subprocess.run(["shellcheck", "-x", str(folder / "run.sh")], check=False, cwd=ROOT)
        assert shellcheck.returncode == 0


def test_import_as_json(regress: Regress, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text(PAGE)
    done = regress("import", str(tmp_path / "t.txt"), "--output", str(tmp_path / "d"), "--json")
    told = json.loads(done.stdout)
    assert told["crashes"][0]["crash"]["function"] == "toy_read"
    assert [(one["name"], one["good"]) for one in told["versions"]] == [("6.7", True), ("6.8-rc1", False)]
    assert told["patches"][0]["damaged"] is True
    assert Path(told["folder"], "scenario.yaml").exists()


def test_nothing_is_overwritten(regress: Regress, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text(PAGE)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "run.sh").write_text("precious\n")
    done = regress("import", str(tmp_path / "t.txt"), "--output", str(folder))
    assert done.returncode == 2
    assert "exists already; nothing was written" in done.stderr
    assert [path.read_text() for path in folder.iterdir()] == ["precious\n"]


@pytest.mark.parametrize(
    ("data", "message"),
    [(None, "No such file"), (b"\x1f\x8b\x08nonsense", "damaged gzip"), (b"\x1f\x8b", "damaged gzip")],
)
def test_files_that_cannot_be_read(regress: Regress, tmp_path: Path, data: bytes | None, message: str) -> None:
    if data is not None:
        (tmp_path / "x").write_bytes(data)
    done = regress("import", str(tmp_path / "x"), "--output", str(tmp_path / "out"))
    assert (done.returncode, message in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "out").exists()
