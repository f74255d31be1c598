"""Documents from the web: one at a time, of bounded size and time, and kept, so that nothing is asked for twice."""

from __future__ import annotations

import hashlib
import re
import time
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from harness import VERSION
from harness.errors import Unavailable, UserError
from harness.files import locked, write_atomically
from harness.progress import Progress

FRESH = 24 * 3600.0
"""Seconds for which a document is not asked for again: a page of a bug or a thread goes on to grow."""

LARGEST = 32 << 20
"""Bytes of a document."""

ANSWER, WHOLE = 10.0, 60.0
"""Seconds that a server may be silent, and that a whole document may take."""

REMEDY = "save it where there is network, and give the file instead"

_AGENT = f"regress/{VERSION} (kernel regression reports; one request at a time)"
_PART = 1 << 16


def is_url(text: str) -> bool:
    """Whether a text is meant as a URL, of any scheme, and not as a path."""
    return re.match(r"[A-Za-z][\w+.-]*://", text) is not None


def fetch(url: str, cache: Path, progress: Progress) -> bytes:
    """A document, from the cache if it was fetched in the last day, or if the server cannot be reached.

    Args:
        url: of http or https.
        cache: the program's; the folder `fetched` in it holds a file for each URL.
        progress: is told what is fetched.

    Raises:
        UserError: it is no such URL, the server has no such document, or it is too large.
        Unavailable: the server does not answer, or says that it cannot now.
    """
    _assert_web(url)
    kept = cache / "fetched" / hashlib.sha256(url.encode()).hexdigest()
    with locked(cache / "fetched.lock", progress):
        old = kept.stat().st_mtime if kept.exists() else None
        if old is not None and 0 <= time.time() - old < FRESH:
            return kept.read_bytes()
        try:
            data = _asked(url, progress)
        except Unavailable as error:
            if old is None:
                raise
            progress.note(f"{error}; taking what it was on {time.strftime('%Y-%m-%d', time.gmtime(old))}")
            return kept.read_bytes()
        write_atomically(kept, data)
        return data


def _assert_web(url: str) -> None:
    try:
        parts = urlsplit(url)
        plain = re.fullmatch(r"[!-~]+", url) and parts.hostname and parts.username is None and parts.port != 0
    except ValueError:
        plain = False
    if not plain or parts.scheme not in ("http", "https"):
        raise UserError(f"{url}: expected a URL such as https://HOST/PATH (http or https, without a name and password)")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows the web only: the usual one goes on to ftp as well."""

    max_redirections = 5

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """See the class of the standard library."""
        _assert_web(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _asked(url: str, progress: Progress) -> bytes:
    """Ask the server."""
    progress.note(f"fetching {url}")
    opener = urllib.request.build_opener(_Redirects)
    request = urllib.request.Request(url, headers={"User-Agent": _AGENT, "Accept": "*/*"})  # noqa: S310  see _assert_web
    until, data = time.monotonic() + WHOLE, bytearray()
    try:
        with opener.open(request, timeout=ANSWER) as answer:
            while part := answer.read1(_PART):
                data += part
                if len(data) > LARGEST:
                    raise UserError(f"{url}: longer than {LARGEST >> 20} MiB, which no report is; {REMEDY}")
                if time.monotonic() > until:
                    raise Unavailable(f"{url}: not complete after {WHOLE:g} s; {REMEDY}")
            if answer.length:
                raise Unavailable(f"{url}: the answer ended {answer.length} bytes early; try again, or {REMEDY}")
    except urllib.error.HTTPError as error:
        said = f"{url}: the server says {error.code} {error.reason}"
        if error.code == 429 or error.code >= 500:
            raise Unavailable(f"{said}; try again later, or {REMEDY}") from error
        raise UserError(f"{said}; see it in a browser, {REMEDY}") from error
    except (urllib.error.URLError, OSError, HTTPException) as error:
        why = getattr(error, "reason", None) or error
        raise Unavailable(f"{url}: no answer ({why}); {REMEDY}") from error
    return bytes(data)
