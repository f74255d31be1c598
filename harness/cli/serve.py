"""`regress serve`: shows the page of the nights on this machine, to this machine only."""

from __future__ import annotations

import argparse
import contextlib
import functools
import http
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from harness import journal, paths, site
from harness.cli import shared
from harness.cli.progress import Talk
from harness.errors import RegressError, UserError
from harness.interrupts import Interrupts
from harness.site import reading

HOST = "127.0.0.1"
PORT = 8017
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
"""Of the pages; every other file of the results is text, or is saved."""

_TEXT = {".log", ".txt", ".json", ".xml", ".command", ".sh", ".patch"}
_POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress serve`."""
    parser.add_argument("--port", type=_port, default=PORT, help=f"default: {PORT}; 0 for any that is free")
    shared.results(parser)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port such as {PORT}, got {text!r}")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Show the page until interrupted.

    Raises:
        UserError: there are no results, or the port is taken.
    """
    results = (options.results or paths.results()).resolve()
    talk = Talk()
    if site.update(results) is None:
        raise UserError(f"{results}: no results there; name their folder with --results")
    try:
        server = Server(results, options.port, talk)
    except OSError as error:
        raise UserError(f"--port {options.port}: {error.strerror}; name another, or 0 for any") from error
    interrupts = Interrupts()
    with server, interrupts.taken(), contextlib.suppress(KeyboardInterrupt):
        talk.say(f"{server.address}   (Ctrl-C ends it)", aside=False)
        server.serve_forever()
    return 0


class Server(ThreadingHTTPServer):
    """Serves a folder of results, whose pages are brought up to date when somebody asks for one.

    Args:
        results: the folder.  port: where to listen, on the loopback interface.
        talk: is told of what fails.
    """

    daemon_threads = True

    def __init__(self, results: Path, port: int, talk: Talk) -> None:
        self.results, self.talk = results, talk
        self._update = threading.Lock()
        self._seen: int | None = None
        super().__init__((HOST, port), functools.partial(_Handler, directory=str(results)))

    @property
    def address(self) -> str:
        """Of the first page."""
        return f"http://{HOST}:{self.server_address[1]}/{site.FOLDER}/{site.INDEX}"

    def refresh(self) -> None:
        """Write what has changed since; where that fails, the pages stay as they are."""
        with self._update:
            try:
                index = self.results / "index.sqlite"
                with journal.reading(index) as database:
                    newest = reading.newest(database)
                if newest != self._seen:
                    site.update(self.results)
                    self._seen = newest
            except (RegressError, OSError) as error:
                self.talk.note(f"the pages could not be brought up to date: {error}")


class _Handler(SimpleHTTPRequestHandler):
    """Reads files below one folder, and nothing else."""

    server: Server
    server_version, sys_version = "regress", ""

    def send_head(self) -> Any:
        """Refuse what is not asked of this very address, and what is not a file below the folder."""
        if self.headers.get("Host") not in self._names():
            # A page of somebody else's whose name leads here.
            self.send_error(http.HTTPStatus.MISDIRECTED_REQUEST)
            return None
        place = urlsplit(self.path).path
        if place in ("/", f"/{site.FOLDER}", f"/{site.FOLDER}/"):
            self.send_response(http.HTTPStatus.FOUND)
            self.send_header("Location", f"/{site.FOLDER}/{site.INDEX}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        target = self._target(place)
        if target is None:
            self.send_error(http.HTTPStatus.NOT_FOUND)
            return None
        if target.suffix == ".html" and self._is_page(target):
            self.server.refresh()
        return super().send_head()

    def _names(self) -> set[str]:
        port = self.server.server_address[1]
        return {f"{host}:{port}" for host in (HOST, "localhost")}

    def _target(self, place: str) -> Path | None:
        """The file that is meant; None where there is none, it is hidden, the journal's, or leads out of the folder."""
        words = [word for word in unquote(place, errors="surrogateescape").split("/") if word]
        if any(word.startswith((".", "index.sqlite")) or "\0" in word for word in words):
            return None
        try:
            found = self.server.results.joinpath(*words).resolve()
            return found if found.is_file() and found.is_relative_to(self.server.results) else None
        except (OSError, RuntimeError):
            return None

    def translate_path(self, path: str) -> str:
        """See `http.server`."""
        return str(self._target(urlsplit(path).path) or self.server.results / ".none")

    def _is_page(self, path: Path) -> bool:
        return path.is_relative_to(self.server.results / site.FOLDER)

    def guess_type(self, path: Any) -> str:
        """A page is one only among the pages; what a guest or a build has written is shown as text."""
        file = Path(path)
        if self._is_page(file) and file.suffix in _TYPES:
            return f"{_TYPES[file.suffix]}; charset=utf-8"
        text = file.suffix in _TEXT or file.name == "config"
        return "text/plain; charset=utf-8" if text else "application/octet-stream"

    def end_headers(self) -> None:
        """What a browser may do with it."""
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class has this name
        """Nothing is printed of each request."""
