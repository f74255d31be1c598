"""What a page on the web is the face of: a dashboard's bug its data, a message of an archive its thread.  Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

_THREAD = re.compile(rb"""href=["']([^"'<>\s]*\bt\.mbox\.gz)["']""")


def bug(url: str) -> str | None:
    """Where the data of a bug of a dashboard (syzkaller's) are; None if the URL is not that of a bug's page."""
    parts = urlsplit(url)
    asked = parse_qs(parts.query)
    if not parts.path.endswith("/bug") or not {"id", "extid"} & asked.keys():
        return None
    return parts._replace(query=f"{parts.query}{'' if 'json' in asked else '&json=1'}", fragment="").geturl()


def thread(url: str, page: bytes) -> str | None:
    """Where the whole thread of a page of an archive (public-inbox) is, as an mbox; None if it is no such page."""
    found = _THREAD.search(page) if page.lstrip()[:1] == b"<" else None
    return urljoin(url, found[1].decode("ascii", "replace")) if found else None


def described(url: str, data: bytes) -> tuple[str, str | None]:
    """A bug of a dashboard in the words of its mail.

    Args:
        url: the bug's page.
        data: its data, JSON.

    Returns:
        The mail's text, and the link to the crash as the console had it.

    Raises:
        ValueError: these are not the data of a bug.
    """
    told = json.loads(data)
    if not isinstance(told, dict) or not isinstance(told.get("title"), str):
        raise ValueError("no title")
    crashes = told.get("crashes") or [{}]
    crash: Mapping[str, Any] = crashes[0]
    asked = parse_qs(urlsplit(url).query)
    name = (asked.get("extid") or asked["id"])[0]
    links = {
        "kernel config": "kernel-config",
        "syz repro": "syz-reproducer",
        "C reproducer": "c-reproducer",
    }
    said = {
        "HEAD commit": crash.get("kernel-source-commit"),
        "git tree": crash.get("kernel-source-git"),
        "dashboard link": url,
        "compiler": crash.get("compiler-description"),
        "userspace arch": crash.get("architecture"),
        **{name: urljoin(url, str(crash[key])) for name, key in links.items() if crash.get(key)},
    }
    lines = [f"Subject: [syzbot] {_line(told['title'])}", ""]
    lines += [f"{key}: {_line(value)}" for key, value in said.items() if value]
    cause = told.get("cause-commit")
    if isinstance(cause, dict) and cause.get("hash"):
        lines += ["", "The issue was bisected to:", "", f"commit {_line(cause['hash'])}", "Author: ", "Date: ", ""]
        lines += [f"    {_line(cause.get('title') or 'unnamed')}"]
    lines += ["", "IMPORTANT: if you fix the issue, please add the following tag to the commit:"]
    lines += [f"Reported-by: syzbot+{_line(name)}@syzkaller.appspotmail.com", ""]
    report = crash.get("crash-report-link")
    return "\n".join(lines), urljoin(url, str(report)) if report else None


def _line(value: object) -> str:
    return " ".join(str(value).split())
