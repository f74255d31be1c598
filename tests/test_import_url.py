"""`regress import URL`: a report and what is linked from it, fetched once, and nothing else."""

from __future__ import annotations

import gzip
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from harness import fetch
from harness.catalog import load
from harness.cli import main
from harness.errors import Unavailable, UserError
from tests.support import Noting
from tests.support.web import Web, served
from tests.test_import_repro import MAIL, PROGRAM

CONFIG = b"# Linux/x86 6.1.0 Kernel Configuration\nCONFIG_64BIT=y\nCONFIG_X86_64=y\nCONFIG_KASAN=y\n"
PAGE = b'<html><pre>From: A &lt;a@b&gt;\n<a href="raw">raw</a> <a\nhref="t.mbox.gz">mbox.gz</a></pre></html>'
BUG = {
    "version": 1,
    "title": "KASAN: slab-out-of-bounds Read in toy_read",
    "id": "1" * 40,
    "cause-commit": {"title": "toy: read\nmore", "hash": "abcdef0123456789abcdef0123456789abcdef01"},
    "crashes": [
        {
            "title": "KASAN: slab-out-of-bounds Read in toy_read",
            "c-reproducer": "/text?tag=ReproC&x=1",
            "kernel-config": "/text?tag=KernelConfig&x=2",
            "kernel-source-git": "https://git.example.org/linux.git",
            "kernel-source-commit": "fedcba9876543210fedcba9876543210fedcba98",
            "compiler-description": "gcc 12",
            "architecture": "amd64",
            "crash-report-link": "/text?tag=CrashReport&x=3",
        }
    ],
}
SHOWN = MAIL.partition("git tree:       upstream\n")[2].encode()


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with served() as one:
        yield one


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Calls `regress import ... --output NEW`; returns its exit status and what it said on standard error."""
    monkey = iter(range(100))

    def run(*argv: str) -> tuple[int, str]:
        status = main(["import", *argv, "--output", str(tmp_path / f"draft-{next(monkey)}")])
        return status, capsys.readouterr().err

    return run


def mail(web: Web) -> bytes:
    links = f"kernel config:  {web.url}/x/.config?x=2\nC reproducer:   {web.url}/x/repro.c?x=1\n"
    tag = "\nIMPORTANT: if you fix the issue, please add the following tag to the commit:\n"
    by = "Reported-by: syzbot+0123456789abcdef0123@syzkaller.appspotmail.com\n"
    return MAIL.replace("git tree:       upstream\n", f"git tree:       upstream\n{links}{tag}{by}").encode()


def test_a_message_of_an_archive_is_its_thread_with_what_it_links(
    web: Web, call: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    web.pages = {
        "/all/x@y/": PAGE,
        "/all/x@y/t.mbox.gz": gzip.compress(b"From mboxrd@z Thu Jan  1 00:00:00 1970\n" + mail(web)),
        "/x/repro.c?x=1": PROGRAM.encode(),
        "/x/.config?x=2": CONFIG,
    }
    status, told = call(f"{web.url}/all/x@y/")
    assert status == 0, told
    assert web.asked == ["/all/x@y/", "/all/x@y/t.mbox.gz", "/x/repro.c?x=1", "/x/.config?x=2"]
    assert web.most == 1
    assert all(agent.startswith("regress/") for agent in web.agents)
    assert told.count("fetching ") == 4
    made = load(tmp_path / "draft-0")
    assert made.run == ("repro.c",)
    assert made.base.text == CONFIG.decode()
    assert made.expect is not None
    assert made.expect.title == "KASAN: slab-out-of-bounds Read in toy_read"
    # Nothing is asked for twice.
    assert call(f"{web.url}/all/x@y/")[0] == 0
    assert len(web.asked) == 4


def test_the_page_of_a_bug(web: Web, call: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    at = "/bug?extid=0123456789abcdef0123"
    web.pages = {
        f"{at}&json=1": json.dumps(BUG).encode(),
        "/text?tag=ReproC&x=1": PROGRAM.encode(),
        "/text?tag=KernelConfig&x=2": CONFIG,
        "/text?tag=CrashReport&x=3": SHOWN,
    }
    status, told = call(f"{web.url}{at}")
    assert status == 0, told
    assert sorted(web.asked) == sorted(web.pages)
    made = load(tmp_path / "draft-0")
    assert made.id == "syzbot-0123456789abcdef0123"
    assert (made.run, made.title) == (("repro.c",), BUG["title"])
    assert made.expect is not None
    assert made.expect.title == BUG["title"]
    text = (tmp_path / "draft-0/scenario.yaml").read_text()
    assert "HEAD commit: fedcba9876543210fedcba98" in text
    assert "bisected to: abcdef0123456789abcdef0123456789abcdef01 toy: read more" in text
    assert f"{web.url}{at}" in text


def test_what_is_linked_may_be_gone(web: Web, call: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    web.pages = {"/mail": mail(web), "/x/repro.c?x=1": b"<html>no such thing</html>"}
    status, told = call(f"{web.url}/mail")
    assert status == 0
    assert f"without the reproducer that is linked: {web.url}/x/repro.c?x=1: expected a C source" in told
    assert f"without the configuration that is linked: {web.url}/x/.config?x=2: the server says 404" in told
    assert load(tmp_path / "draft-0").run == ("run.sh",)


def test_what_is_given_is_not_fetched(web: Web, call: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    """A file of one's own goes before a link, and a file is never a reason to fetch anything."""
    web.pages = {"/mail": mail(web), "/x/.config?x=2": CONFIG}
    (tmp_path / "mail").write_bytes(mail(web))
    assert call(str(tmp_path / "mail"))[0] == 0
    assert web.asked == []
    (tmp_path / "mine.c").write_text(PROGRAM + "// mine\n")
    (tmp_path / "config").write_bytes(CONFIG + b"CONFIG_MINE=y\n")
    argv = ("--repro", str(tmp_path / "mine.c"), "--config", str(tmp_path / "config"))
    assert call(f"{web.url}/mail", *argv)[0] == 0
    assert web.asked == ["/mail"]
    assert (tmp_path / "draft-1/repro.c").read_text().endswith("// mine\n")
    assert "CONFIG_MINE" in load(tmp_path / "draft-1").base.text
    assert call(str(tmp_path / "mail"), "--config", f"{web.url}/x/.config?x=2")[0] == 0
    assert load(tmp_path / "draft-2").base.text == CONFIG.decode()


@pytest.mark.parametrize(
    ("path", "page", "status", "told"),
    [
        ("/gone", (404, {}, b""), 2, "the server says 404 Not Found"),
        ("/busy", (429, {}, b""), 3, "the server says 429 Too Many Requests; try again later, or save it"),
        ("/ill", (503, {}, b""), 3, "the server says 503 Service Unavailable; try again later"),
        ("/file", (302, {"Location": "file:///etc/passwd"}, b""), 2, "'file:///etc/passwd' is not allowed"),
        ("/ftp", (302, {"Location": "ftp://127.0.0.1/x"}, b""), 2, "ftp://127.0.0.1/x: expected a URL such as"),
        ("/loop", (302, {"Location": "/loop"}, b""), 2, "the server says 302"),
        ("/short", (200, {"Content-Length": "100"}, b"abc"), 3, "the answer ended 97 bytes early"),
        ("/damaged", gzip.compress(b"abc" * 100, mtime=0)[:20], 2, "/damaged: damaged gzip"),
        ("/bug?id=1&json=1", b"<html>", 2, "not the data of a bug"),
        ("/bug?id=1&json=1", b'{"title": "x", "crashes": 7}', 2, "not the data of a bug"),
        ("/bug?id=1&json=1", b"[]", 2, "not the data of a bug (no title); give the report's mail instead"),
    ],
)
def test_what_goes_wrong_is_told(
    web: Web, call: Callable[..., tuple[int, str]], tmp_path: Path, path: str, page: Any, status: int, told: str
) -> None:
    web.pages = {path: page}
    got, said = call(f"{web.url}{path.removesuffix('&json=1')}")
    assert (got, told in said) == (status, True), said
    assert not list(tmp_path.glob("draft-*"))
    assert len(web.asked) <= 10


@pytest.mark.parametrize(
    "url",
    ["ftp://a/b", "file:///etc/passwd", "https://", "http://a b/c", "http://u:p@a/b", "http://a:99999/", "http://a/\n"],
)
def test_only_the_web_is_asked(url: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected a URL such as https://HOST/PATH"):
        fetch.fetch(url, tmp_path, Noting())


def test_a_server_that_is_silent_or_endless(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def silent(_: BaseHTTPRequestHandler) -> None:
        over.wait(60)

    def slow(asked: BaseHTTPRequestHandler) -> None:
        asked.send_response(200)
        asked.end_headers()
        while not over.wait(0.05):
            asked.wfile.write(b"x")
            asked.wfile.flush()

    web.pages = {"/silent": silent, "/slow": slow, "/large": b"x" * 5000}
    monkeypatch.setattr(fetch, "ANSWER", 0.5)
    with pytest.raises(Unavailable, match=r"no answer .*timed out.*; save it where there is network"):
        fetch.fetch(f"{web.url}/silent", tmp_path, Noting())
    monkeypatch.setattr(fetch, "ANSWER", 60)
    monkeypatch.setattr(fetch, "WHOLE", 0.5)
    with pytest.raises(Unavailable, match=r"not complete after 0\.5 s"):
        fetch.fetch(f"{web.url}/slow", tmp_path, Noting())
    over.set()
    monkeypatch.setattr(fetch, "LARGEST", 4096)
    with pytest.raises(UserError, match="longer than 0 MiB, which no report is"):
        fetch.fetch(f"{web.url}/large", tmp_path, Noting())
    assert not (tmp_path / "fetched").exists()


def test_a_page_is_asked_for_again_another_day_and_an_old_one_is_better_than_none(web: Web, tmp_path: Path) -> None:
    told, url = Noting(), f"{web.url}/page"
    web.pages = {"/page": b"one"}
    assert fetch.fetch(url, tmp_path, told) == b"one"
    web.pages = {"/page": b"two"}
    assert fetch.fetch(url, tmp_path, told) == b"one"
    [kept] = (tmp_path / "fetched").iterdir()
    before = time.time() - fetch.FRESH - 60
    os.utime(kept, (before, before))
    assert fetch.fetch(url, tmp_path, told) == b"two"
    os.utime(kept, (before, before))
    web.pages = {"/page": (503, {}, b"")}
    assert fetch.fetch(url, tmp_path, told) == b"two"
    assert "503 Service Unavailable" in told.notes[-1]
    assert time.strftime("taking what it was on %Y-%m-%d", time.gmtime(before)) in told.notes[-1]
