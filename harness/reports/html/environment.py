"""Templates, and what makes their text safe: it is escaped, cut, and shown as signs where it would do something."""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from harness.reports import safe
from harness.reports.html import words

LONGEST = 500
"""Characters of a text between two tags, or of an attribute."""

_STRICT = "default-src 'none'; base-uri 'none'; form-action 'none'; {}"
_SITE = "style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'"


def _finished(value: object) -> object:
    """What a template writes: text without anything that acts on a reader; what is markup already stays."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return value if value.isprintable() and len(value) <= LONGEST else safe.shown(value, LONGEST)


def _href(address: str) -> Markup:
    """An address that was made or checked here; it is not cut."""
    return escape(address)


def _sha(text: str) -> str:
    return text[:12]


def _seconds(value: float) -> str:
    """A duration for people, as precise as it matters: `80 ms`, `2.4 s`, `42 s`, `7 min`, `2 h 05 min`."""
    if value < 0.0005:
        return "0 s"
    if value < 0.9995:
        return f"{1000 * value:.0f} ms"
    if value < 10:
        return f"{value:.1f} s"
    if value < 90:
        return f"{value:.0f} s"
    minutes = round(value / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"


def _plural(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


@functools.cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("harness.reports.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finished,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.loopcontrols"],
    )
    made.filters |= {"href": _href, "sha": _sha, "line": safe.line, "seconds": _seconds, "plural": _plural}
    made.globals |= {"WORDS": words.STATES, "VERDICTS": words.VERDICTS}
    return made


@functools.cache
def asset(name: str) -> str:
    """The style sheet (`page.css`), the script (`page.js`) or the icon (`page.svg`)."""
    return resources.files("harness.reports.html").joinpath(name).read_text(encoding="utf-8")


@functools.cache
def asset_name(name: str) -> str:
    """Its name in a site, with a digest of what is in it: pages of an older version keep theirs."""
    stem, _, kind = name.partition(".")
    return f"{stem}-{hashlib.sha256(asset(name).encode()).hexdigest()[:8]}.{kind}"


ASSETS = ("page.css", "page.js", "page.svg")


def alone(template: str, **context: Any) -> str:
    """A page with its style in it, which needs no other file."""
    css = asset("page.css")
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    policy = _STRICT.format(f"style-src 'sha256-{digest}'")
    return _environment().get_template(template).render(site=None, policy=policy, style=Markup(css), **context)  # noqa: S704  our own file


def page(template: str, top: str, **context: Any) -> str:
    """A page of the site.

    Args:
        top: the way from its folder to that of the site, such as `../`.
    """
    site = {"top": top, **{name.partition(".")[2]: asset_name(name) for name in ASSETS}}
    return _environment().get_template(template).render(site=site, policy=_STRICT.format(_SITE), **context)
