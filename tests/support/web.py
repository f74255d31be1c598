"""A web server on loopback that serves what a test lays out, and remembers what it was asked for."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = bytes | tuple[int, dict[str, str], bytes] | Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Web:
    """What it serves, by path and query; what is not there is a 404.

    Attributes:
        url: of its top.
        asked: the paths that were asked for, in order.  agents: the `User-Agent` of each.
        most: how many requests were under way at a time.
    """

    url: str
    pages: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    most: int = 0
    now: int = 0


@contextlib.contextmanager
def served() -> Iterator[Web]:
    """A server, until the end of the block."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with lock:
                web.asked.append(self.path)
                web.agents.append(self.headers["User-Agent"])
                web.now += 1
                web.most = max(web.most, web.now)
            try:
                self.answer(web.pages.get(self.path, (404, {}, b"")))
            finally:
                with lock:
                    web.now -= 1

        def answer(self, page: Answer) -> None:
            if callable(page):
                page(self)
                return
            status, headers, body = page if isinstance(page, tuple) else (200, {}, page)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as the standard library has it
            """Nothing on standard error."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        web = Web(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield web
        finally:
            server.shutdown()
            thread.join()
