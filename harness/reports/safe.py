"""Text of consoles, commits and names, as what it is: text.  It is hostile until it has been through here."""

from __future__ import annotations

import unicodedata

_CONTROL = 0x2400
"""Where Unicode has the pictures of control characters."""


def sign(character: str) -> str:
    """A character that would do something as one that shows it: an escape as `␛`, a bidi control as `<U+202E>`."""
    code = ord(character)
    if character.isprintable():
        return character
    if unicodedata.category(character) == "Zs":
        return " "
    if code < 0x20:
        return chr(_CONTROL + code)
    return "\u2421" if code == 0x7F else f"<U+{code:04X}>"


def line(text: object, limit: int = 500) -> str:
    """Text on one line, white space within it as single spaces, cut where it is too long."""
    told = " ".join(("" if text is None else str(text)[: 4 * limit]).split())
    return cut(told if told.isprintable() else "".join(map(sign, told)), limit)


def shown(text: str, limit: int = 500) -> str:
    """A line of a console or a patch with its spaces, tabs as spaces, cut where it is too long."""
    told = text[: 4 * limit].rstrip("\r\n").expandtabs()
    return cut(told if told.isprintable() else "".join(map(sign, told)), limit)


def block(text: str, limit: int = 500) -> list[str]:
    """Lines of a text; only newlines separate them."""
    return [shown(one, limit) for one in text.split("\n")]


def cut(text: str, limit: int) -> str:
    """Text of at most so many characters."""
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def terminal(text: str) -> str:
    """A text of several lines that does nothing to a terminal."""
    return text if text.isprintable() else "".join(c if c in "\n\t" else sign(c) for c in text)
