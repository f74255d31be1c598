"""Hostile text through every format: nothing runs, nothing is addressed, and every reader still reads."""

import copy
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from harness import reports
from tests.reports import test_junit, test_kcidb, test_mail, test_markdown
from tests.reports.conftest import Results
from tests.reports.test_ktap import Kunit, parsed
from tests.support.hostile import NASTY
from tests.support.html import parsed as parsed_page

LINE = st.one_of(
    st.sampled_from(NASTY), st.text(max_size=40), st.lists(st.sampled_from(NASTY), max_size=3).map("".join)
)
FIXED = {
    *("status", "kind", "sought", "verdict", "role", "outcome", "synthetic", "arch", "command", "base_url", "scenario"),
    *("commit", "culprit", "candidates", "well", "plan", "narrowing", "checks", "started", "parents", "version"),
}
"""What the program itself makes: words, hashes, times."""


def poisoned(value: Any, draw: Callable[[], str]) -> Any:
    """A document with all text that somebody else wrote exchanged."""
    if isinstance(value, dict):
        return {
            key: value[key]
            if key in FIXED and not isinstance(value[key], dict)
            else value[key]
            if key in ("plan", "checks", "narrowing")
            else poisoned(value[key], draw)
            for key in value
        }
    if isinstance(value, list):
        return [poisoned(one, draw) for one in value]
    return draw() if isinstance(value, str) else value


def read_all(told: Any, kunit: Kunit | None, folder: Path, whole: tuple[str, ...] = ("json", "text")) -> None:
    """Render in all formats and read each; those that cut no line may be left out."""
    names = [name for name in reports.FORMATS if name in whole or name not in ("json", "text")]
    texts = {name: reports.render(name, told, "https://ci.example.org/r") for name in names}
    assert texts == {name: reports.render(name, told, "https://ci.example.org/r") for name in names}
    for name, text in texts.items():
        text.encode()
        acting = [c for c in text if not c.isprintable() and c not in "\n\t" and name != "json"]
        assert not acting, (name, acting)
    test_junit.check(texts["junit"])
    test_kcidb.valid(texts["kcidb"])
    test_markdown.tokens(texts["markdown"])
    parsed_page(texts["html"])
    message = test_mail.read(texts["mail"])
    assert "evil" not in "".join(str(message[name]) for name in ("to", "cc", "bcc") if message[name])
    body = message.get_content()
    assert [tag for tag in test_mail.tags(body) if not tag.startswith("Link: ")] == []
    assert len(re.findall(r"^#regzbot", body, re.MULTILINE)) in (0, 2)
    assert max(map(len, texts["mail"].encode().splitlines())) < 998
    if kunit:
        _, counts = parsed(kunit, texts["ktap"], folder)
        assert not set(counts) & {"crashed", "errors"}


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    lines=st.lists(LINE, min_size=1, max_size=4),
    name=st.sampled_from(["bisect", "run", "by hand", "not reproduced", "fix", "try", "lost"]),
)
def test_nothing_runs_and_all_is_read(results: Results, lines: list[str], name: str, tmp_path: Path) -> None:
    endless = itertools.cycle(lines)
    told = poisoned(copy.deepcopy(results.document(name)), lambda: next(endless))
    read_all(told, None, tmp_path)


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("name", ["bisect", "run", "try"])
def test_each_of_them_everywhere(results: Results, kunit: Kunit, name: str, text: str, tmp_path: Path) -> None:
    read_all(poisoned(copy.deepcopy(results.document(name)), lambda: text), kunit if name == "run" else None, tmp_path)


def test_a_line_of_a_megabyte(results: Results, kunit: Kunit, tmp_path: Path) -> None:
    for name in ("bisect", "run", "try"):
        told = poisoned(copy.deepcopy(results.document(name)), lambda: "<\x1b" * 500_000)
        read_all(told, kunit, tmp_path, whole=())
        for form in set(reports.FORMATS) - {"json", "text"}:
            assert len(reports.render(form, told)) < 1_000_000
