"""Markdown, as a CommonMark parser with tables reads it."""

import itertools

from markdown_it import MarkdownIt
from markdown_it.token import Token

from harness import reports
from harness.assessment import Document
from harness.reports import markdown
from tests.reports.conftest import Results


def tokens(text: str) -> list[Token]:
    """All tokens; raw HTML and images are none of ours."""
    found = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        found += [token, *(token.children or ())]
    assert not {"html_inline", "html_block", "image"} & {token.type for token in found}
    return found


def test_it_has_its_parts(told: Document) -> None:
    text = reports.render("markdown", told)
    assert text == reports.render("markdown", told)
    found = tokens(text)
    heads = [after.content for token, after in itertools.pairwise(found) if token.type == "heading_open"]
    assert heads[0] == "`the toy crashes`"
    assert ("Steps" if "steps" in told else "Results") in heads
    rows = [token for token in found if token.type == "tr_open"]
    assert len(rows) > 1
    columns = [token.type for token in found].count("th_open")
    assert [token.type for token in found].count("td_open") == columns * (len(rows) - 1)


def test_the_culprit_and_its_crash(results: Results) -> None:
    told = results.document("bisect")
    found = tokens(reports.render("markdown", told, "https://ci.example.org/results"))
    spans = [token.content for token in found if token.type == "code_inline"]
    assert "toy: read <b>faster</b> & #2" in spans
    block, how = [token.content for token in found if token.type == "fence"]
    assert how.splitlines()[1:] == ["sh build.sh", "sh console.sh"]
    assert "RIP: 0010:toy_read+0x10/0x20" in block
    links = [str(token.attrGet("href")) for token in found if token.type == "link_open"]
    assert links[0] == told["links"][0]
    assert any(link.endswith("/trial-1/console.log") for link in links)


def test_code_stays_code() -> None:
    for text in ("a`b", "``", "`x", "x`", "a|b", "@user #1", "<img src=x>", "a\\", "\u202e", "[x](y)", "   "):
        for where in (markdown.code(text), *markdown.table(("h",), [(markdown.code(text),)])):
            assert {token.type for token in tokens(where)} <= {
                *("paragraph_open", "paragraph_close", "inline", "text", "code_inline"),
                *(
                    f"{part}_{end}"
                    for part in ("table", "thead", "tbody", "tr", "th", "td")
                    for end in ("open", "close")
                ),
            }
