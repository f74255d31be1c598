"""The man page, as roff for man(7)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from manual.commands import PLACES, STATUS, STEP, VARIABLES, Command, commands

HEAD = r"""
.\" Made by `make manual`; do not edit.
.TH REGRESS 1 "" "regress" "User Commands"
.SH NAME
regress \- reproduce kernel regressions and find the commit that brought them
.SH SYNOPSIS
.B regress
.I COMMAND
.RI [ OPTION ...]
.RI [ ARGUMENT ...]
.SH DESCRIPTION
Does this kernel show this regression, and which commit introduced it?
.B regress
builds Linux kernels at chosen commits, boots them in QEMU with an emulated disk that keeps protection information, runs
a scenario in the guest, and reads the console for the crash that the scenario expects.
.SH COMMANDS
""".lstrip()


def page() -> str:
    """The page of all commands."""
    lines = [HEAD.rstrip()]
    for one in commands():
        lines += _command(one)
    lines += [".SH EXIT STATUS", *_list(STATUS), ".PP", _text(STEP)]
    lines += [".SH ENVIRONMENT", *_list(VARIABLES), ".SH FILES", *_list(PLACES)]
    lines += [".SH SEE ALSO", ".BR git\\-bisect (1),", ".BR qemu\\-system\\-x86_64 (1)"]
    return "\n".join(lines) + "\n"


def _command(one: Command) -> Iterable[str]:
    yield f".SS {_text(one.usage)}"
    yield _text(f"{one.text[0].upper()}{one.text[1:]}.")
    arguments = [argument for argument in (*one.positionals, *one.options) if argument.names != ("-h", "--help")]
    yield from _list((argument.form, argument.text) for argument in arguments)
    yield from (".PP", "Examples:", ".PP", ".nf", ".RS")
    for line, purpose in one.examples:
        yield _text(f"{line}    # {purpose}")
    yield from (".RE", ".fi")


def _list(rows: Iterable[tuple[str, str]]) -> Iterable[str]:
    for name, text in rows:
        yield from (".TP", rf"\fB{_text(name)}\fR", _text(text))


def _text(text: str) -> str:
    """Text in which nothing is a request or an escape, and `code` is bold."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("~", "\\(ti")
    text = re.sub(r"`([^`]+)`", r"\\fB\1\\fR", text)
    return rf"\&{text}" if text.startswith(".") else text
