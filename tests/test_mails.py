"""Whole mails: `regress oops MAIL` reads a mail as a mail, whatever was done to it on its way."""

import base64
import bz2
import gzip
import json
import lzma
import quopri
import subprocess
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import pytest

from harness.console import Crash, find_crashes
from harness.thread.crashes import crashes
from harness.thread.read import LONGEST, is_thread, read
from tests.support import ROOT

Regress = Callable[..., subprocess.CompletedProcess[str]]
GOLDEN = ROOT / "tests" / "console" / "golden"

OOPS = """\
[ 1531.635242] BUG: kernel NULL pointer dereference, address: 0000000000000010
[ 1531.635370] CPU: 16 PID: 71 Comm: dd Tainted: G        W          5.7.0-rc5-next-20200512+ #9
[ 1531.635652] RIP: 0010:queue_drop+0x17/0x40
[ 1531.635682] Call Trace:
[ 1531.635709]  queue_all+0x20/0x30
[ 1531.635885] ---[ end trace f12075f6fac94362 ]---
[ 1531.748352]
[ 1532.748433] Kernel panic - not syncing: Fatal exception
"""
HEAD = (
    "From: =?utf-8?q?J=C3=B6rg_Example?= <joerg@example.org>\n"
    'Subject: Regression: "kernel BUG at mm/queue.c:472!"\n'
    " and BUG: soft lockup - CPU#0 stuck\n"
    "Message-ID: <1@example.org>\nDate: Thu, 23 Oct 2025 00:45:13 -0400\nMIME-Version: 1.0\n"
)
TALK = "Hello,\n\nI see WARNING: CPU: 0 and many BUG: soft lockup messages, and this:\n\n"
END = "\nPlease say what to do; the general protection fault: is bad.\n-- \nJörg\n"
TEXT = TALK + OOPS + END


def part(kind: str, text: str, coding: str = "8bit", more: str = "") -> str:
    data = text.encode()
    match coding:
        case "quoted-printable":
            body = quopri.encodestring(data).decode()
        case "base64":
            body = base64.encodebytes(data).decode()
        case _:
            body = text
    return f"Content-Type: {kind}; charset=utf-8{more}\nContent-Transfer-Encoding: {coding}\n\n{body}"


def flowed(text: str) -> str:
    """A text as RFC 3676 has it: stuffed, and broken behind blanks."""
    lines = []
    for line in text.splitlines():
        rest = f" {line}" if line.startswith((" ", ">", "From ")) else line.rstrip() if line != "-- " else line
        while len(rest) > 74 and (at := rest.rfind(" ", 20, 74)) > 0:
            lines.append(rest[: at + 1])
            rest = rest[at + 1 :]
        lines.append(rest)
    return "\n".join(lines) + "\n"


def html(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("  ", "&nbsp; ")
    lines = "</div>\n<div>".join(escaped.splitlines())
    return f"<html><head><style>BUG: {{}}</style></head><body><div>{lines}</div></body></html>\n"


def several(*parts: str, kind: str = "mixed") -> str:
    body = "".join(f"\n--cut\n{one}" for one in parts)
    return f'Content-Type: multipart/{kind}; boundary="cut"\n{body}\n--cut--\n'


ATTACHED = '; name="dmesg.txt"\nContent-Disposition: attachment; filename="dmesg.txt"'
MAILS = {
    "plain": HEAD + part("text/plain", TEXT),
    "quoted-printable": HEAD + part("text/plain", TEXT, "quoted-printable"),
    "base64": HEAD + part("text/plain", TEXT, "base64"),
    "flowed": HEAD + part("text/plain", flowed(TEXT), more="; format=flowed"),
    "html": HEAD + part("text/html", html(TEXT)),
    "alternative": HEAD + several(part("text/plain", TEXT), part("text/html", html(TEXT)), kind="alternative"),
    "attached": HEAD + several(part("text/plain", TALK + END), part("text/x-log", OOPS, "base64", ATTACHED)),
    "shown and attached": HEAD + several(part("text/plain", TEXT), part("text/plain", OOPS, more=ATTACHED)),
    "no-break spaces": HEAD + part("text/plain", TEXT.replace("  ", " \u00a0")),
}  # fmt: skip


def found(mail: str | bytes) -> list[Crash]:
    data = mail.encode() if isinstance(mail, str) else mail
    assert is_thread(data)
    return [one.crash for one in crashes(read(data).messages)]


def facts(crash: Crash) -> tuple[object, ...]:
    trace = [(frame.function, frame.offset) for frame in crash.frames]
    return (crash.title, crash.comm, crash.pid, crash.cpu, crash.kernel, crash.taint, crash.panic, trace)


@pytest.mark.parametrize("kind", MAILS)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_mail_tells_its_crash_once(kind: str, ends: str) -> None:
    mail = MAILS[kind].replace("\n", ends)
    [plain] = find_crashes(OOPS.encode())
    [crash] = found(mail)
    assert facts(crash) == facts(plain)
    assert crash.follows is None


@pytest.mark.parametrize("kind", ["plain", "quoted-printable", "flowed", "html", "no-break spaces"])
def test_a_crash_has_the_lines_of_the_file(kind: str) -> None:
    lines = MAILS[kind].splitlines()
    [crash] = found(MAILS[kind])
    assert "1531.635242] BUG" in lines[crash.start_line - 1].replace("&nbsp;", " ")
    assert "Kernel panic" in lines[crash.end_line - 1]


def test_the_lines_of_base64_are_those_that_hold_it() -> None:
    lines = MAILS["base64"].splitlines()
    [crash] = found(MAILS["base64"])
    assert b"1531.635242]" in base64.b64decode(lines[crash.start_line - 1] + lines[crash.start_line])


def mbox(*mails: str) -> str:
    return "".join(f"From mboxrd@z Thu Jan  1 00:00:00 1970\n{mail}\n" for mail in mails)


def test_a_thread_tells_each_crash_once() -> None:
    quote = "".join(f"> {line}\n" for line in TEXT.splitlines())
    reply = HEAD.replace("Subject: ", "Subject: Re: ") + part("text/plain", f"Jörg wrote:\n{quote}\nWhich compiler?\n")
    other = HEAD + part("text/plain", OOPS.replace("queue_", "pool_").replace("1531.", "17."))
    first, second = found(mbox(MAILS["plain"], reply, other))
    assert (first.function, second.function, second.follows) == ("queue_drop", "pool_drop", None)
    alone = found(reply)
    assert [crash.function for crash in alone] == ["queue_drop"]


PACK: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}


def with_attached(name: str, data: bytes) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "Jo <jo@example.org>", "it crashes"
    mail.set_content("See the log.\n")
    mail.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return mail.as_bytes()


@pytest.mark.parametrize("ending", PACK)
def test_a_compressed_attachment_is_read(ending: str) -> None:
    [plain] = find_crashes(OOPS.encode())
    mail = with_attached(f"dmesg.{ending}", PACK[ending](OOPS.encode()))
    [crash] = found(mail)
    assert facts(crash) == facts(plain)
    # The line of the file in which the attachment begins.
    assert b"\n\n" in b"\n".join(mail.split(b"\n")[: crash.start_line - 1]) + b"\n"
    assert crash.start_line == crash.end_line


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (gzip.compress(OOPS.encode(), mtime=0)[:-9], "damaged gzip"),
        (lzma.compress(OOPS.encode())[:-30], "damaged xz"),
        (b"BZh91AY&SY" + b"x" * 40, "damaged bzip2"),
        (gzip.compress(b"\x7fELF\0\0", mtime=0), "no text"),
        (gzip.compress(b"x" * (LONGEST + 1), mtime=0), "longer than 64 MiB"),
    ],
)
def test_an_attachment_that_cannot_be_read_is_told(data: bytes, why: str) -> None:
    [message] = read(with_attached("dmesg.gz", data)).messages
    assert message.attachments == ()
    [note] = message.notes
    assert note.startswith("a compressed part dmesg.gz was not read: ")
    assert why in note


def test_oops_reads_mails(regress: Regress, tmp_path: Path) -> None:
    for name, data in {
        "plain.eml": MAILS["quoted-printable"].encode(),
        "t.mbox": mbox(MAILS["flowed"]).encode(),
        "t.mbox.gz": gzip.compress(mbox(MAILS["base64"]).encode()),
        **{f"console.log.{ending}": pack(OOPS.encode()) for ending, pack in PACK.items()},
    }.items():
        (tmp_path / name).write_bytes(data)
        done = regress("oops", "--json", str(tmp_path / name))
        assert done.returncode == 0, done.stderr
        [crash] = json.loads(done.stdout)["crashes"]
        assert (crash["function"], crash["panic"]) == ("queue_drop", "Fatal exception"), name
    for ending, pack in PACK.items():
        (tmp_path / f"cut.{ending}").write_bytes(pack(OOPS.encode())[:-9])
    names = [str(tmp_path / name) for name in ("cut.gz", "cut.xz", "cut.bz2", "plain.eml")]
    done = regress("oops", "--json", *names)
    assert done.returncode == 2
    *cut, whole = map(json.loads, done.stdout.splitlines())
    assert ([one["crashes"] for one in cut], len(whole["crashes"])) == ([[], [], []], 1)
    assert all("end-of-stream" in one["error"] for one in cut)


def test_a_page_of_a_forum() -> None:
    page = (
        f"<!DOCTYPE html>\n<html><head><title>BUG: x</title></head><body><p>Hello</p><pre><code>{OOPS}</code></pre>\n"
    )
    [crash] = found(page)
    assert (crash.function, crash.start_line) == ("queue_drop", 2)
    assert crash.panic == "Fatal exception"


def test_a_console_is_no_mail() -> None:
    for text in (OOPS, "Starting: x\nFromage: y\n", "U-Boot: 1\nDate: now\n\nBUG: x\n", ""):
        assert not is_thread(text.encode())


@pytest.mark.parametrize("log", sorted(GOLDEN.glob("arm64-6.12-kasan-*.log")), ids=lambda path: path.stem)
@pytest.mark.parametrize("coding", ["8bit", "quoted-printable", "base64"])
def test_whole_consoles_in_mails(log: Path, coding: str) -> None:
    text = log.read_bytes().replace(b"\r", b"").decode("utf-8", "replace")
    told = [facts(crash) for crash in find_crashes(text.encode())]
    once = [one for number, one in enumerate(told) if one not in told[:number]]
    assert [facts(crash) for crash in found(HEAD + part("text/plain", TALK + text + END, coding))] == once
