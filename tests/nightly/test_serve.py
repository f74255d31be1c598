"""`regress serve`: on this machine only, of one folder only, and fresh."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import journal
from harness.cli import main
from harness.cli.serve import Server
from tests.nightly.conftest import serving


@pytest.fixture
def results(copy: Path) -> Path:
    return copy


@pytest.fixture
def server(results: Path) -> Iterator[Server]:
    with serving(results) as one:
        yield one


def ask(server: Server, path: str, host: str | None = None, method: str = "GET") -> http.client.HTTPResponse:
    link = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    link.putrequest(method, path, skip_host=True)
    link.putheader("Host", host or f"127.0.0.1:{server.server_address[1]}")
    link.endheaders()
    answer = link.getresponse()
    answer.msg["body"] = answer.read().decode(errors="replace")
    return answer


def body(answer: http.client.HTTPResponse) -> str:
    return str(answer.msg["body"])


def test_the_first_page_and_all_that_it_needs(server: Server) -> None:
    moved = ask(server, "/")
    assert (moved.status, moved.getheader("Location")) == (302, "/site/index.html")
    page = ask(server, "/site/index.html")
    assert page.status == 200
    assert page.getheader("Content-Type") == "text/html; charset=utf-8"
    files = re.findall(r'(?:href|src)="(page-[^"]+)"', body(page))
    assert sorted(Path(file).suffix for file in files) == [".css", ".js", ".svg"]
    for file in files:
        assert ask(server, f"/site/{file}").status == 200


def test_a_console_is_text_whatever_is_in_it(server: Server) -> None:
    console = next(server.results.glob("*-nightly/*/trial-1/console.log"))
    console.write_text("<script>alert(1)</script>")
    (console.parent / "evil.html").write_text("<script>alert(1)</script>")
    for file, kind in (
        (console, "text/plain; charset=utf-8"),
        (console.parent / "evil.html", "application/octet-stream"),
    ):
        answer = ask(server, f"/{file.relative_to(server.results)}")
        assert (answer.status, answer.getheader("Content-Type")) == (200, kind)
        assert answer.getheader("X-Content-Type-Options") == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/..%2f..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/site/../../secret",
        "/site/.lock",
        "/site/.summaries.json",
        "/index.sqlite",
        "/index.sqlite-journal",
        "/link/passwd",
        "/away",
        "/site/",
        "/site/nights/",
        "/no such page",
        "/%00",
        "/site/index.html/",
        "/%ff",
        "*",
        "http://example.org/site/index.html",
    ],
)
def test_nothing_else_is_shown(server: Server, path: str) -> None:
    (server.results.parent / "secret").write_text("secret")
    (server.results / "link").symlink_to("/etc")
    (server.results / "away").symlink_to("/etc/passwd")
    answer = ask(server, path.replace(" ", "%20"))
    told = body(answer)
    assert answer.status in (302, 404) or "<h1>" in told
    assert "root:" not in told
    assert "secret" not in told
    assert "Directory listing" not in told


def test_a_name_that_only_leads_here_is_refused(server: Server) -> None:
    port = server.server_address[1]
    assert ask(server, "/site/index.html", host=f"localhost:{port}").status == 200
    for host in ("evil.example.org", f"evil.example.org:{port}", f"127.0.0.1.example.org:{port}", "127.0.0.1:1"):
        assert ask(server, "/site/index.html", host=host).status == 421


def test_nothing_can_be_changed(server: Server) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert ask(server, "/site/index.html", method=method).status == 501


def test_it_listens_to_this_machine_only(server: Server) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"


def test_what_is_new_in_the_journal_is_shown(server: Server) -> None:
    before = body(ask(server, "/site/index.html"))
    last = sorted(one.name for one in server.results.glob("*-nightly*"))[-1]
    journal.add(
        server.results / "index.sqlite", journal.event("end", last, {"status": "interrupted", "reason": "told anew"})
    )
    after = body(ask(server, "/site/index.html"))
    assert "Told anew" not in before
    assert "Told anew" in after


def test_a_journal_that_cannot_be_read_leaves_the_pages(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    (server.results / "index.sqlite").write_bytes(b"no journal at all" * 100)
    assert ask(server, "/site/index.html").status == 200
    assert "could not be brought up to date" in capsys.readouterr().err


def test_what_cannot_be_served(tmp_path: Path, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--results", str(tmp_path / "none")]) == 2
    assert "no results there; name their folder with --results" in capsys.readouterr().err
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["serve", "--results", str(results), "--port", port]) == 2
    assert f"--port {port}: " in capsys.readouterr().err
    assert main(["serve", "--port", "70000"]) == 2
    assert "expected a port such as" in capsys.readouterr().err


def test_it_ends_when_it_is_told_to(results: Path) -> None:
    argv = [sys.executable, "-m", "harness", "serve", "--port", "0", "--results", str(results)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        assert process.stdout
        line = process.stdout.readline()
        assert line.startswith("http://127.0.0.1:")
        address = line.split()[0]
        link = http.client.HTTPConnection("127.0.0.1", int(address.split(":")[2].partition("/")[0]), timeout=10)
        link.request("GET", "/site/index.html")
        assert link.getresponse().status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
