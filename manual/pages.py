"""The pages of the reference that are generated, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from harness import schema
from manual.commands import PLACES, STATUS, STEP, VARIABLES, Command
from manual.commands import commands as described

NOTE = "<!-- Made by `make manual`; do not edit. -->"
HEAD = """\
`regress COMMAND --help` says the same, and so does the man page (`man contrib/man/regress.1`). Shells complete
commands, options, scenarios, revisions of the tree and results: `source contrib/completion/regress` for bash; the files
beside it say where zsh and fish look for them. pip installs all four below its prefix, in `share/`.
"""
SCENARIO = f"""\
# scenario.yaml
{NOTE}

What a scenario says, key by key; [scenarios.md](scenarios.md) says how one is written. `id` and `title` are required.
An error names file, line and key, and the nearest right word.

Editors that know JSON Schema complete and check it by
[scenarios/scenario.schema.json](../scenarios/scenario.schema.json), which `regress new` names in the first line.

A revision is any name that git knows, or `{{sha: ..., subject: ...}}`: where the first is unknown, the commit is looked
for by its subject.

"""


def commands() -> str:
    """The command line."""
    found = described()
    lines = [
        "# Commands",
        NOTE,
        "",
        *HEAD.splitlines(),
        "",
        *_table(("command", "does"), ((f"[`{one.name}`](#{one.name})", one.text) for one in found)),
    ]
    for one in found:
        lines += ["", *_command(one)]
    lines += ["", "## Exit status", "", *_table(("status", "meaning"), STATUS), "", STEP]
    lines += ["", "## Environment", "", *_table(("variable", "meaning"), _coded(VARIABLES))]
    lines += ["", "## Files", "", *_table(("place", "what is there"), _coded(PLACES))]
    return "\n".join(lines) + "\n"


def scenario() -> str:
    """The keys of `scenario.yaml`."""
    rows = ((f"`{name}`", _cell(shape.said), meaning) for name, shape, meaning in schema.rows())
    return "\n".join([*SCENARIO.splitlines(), *_table(("key", "value", "meaning"), rows)]) + "\n"


def _command(one: Command) -> list[str]:
    lines = [f"## {one.name}", "", f"{one.text[0].upper()}{one.text[1:]}.", "", f"    {one.usage}"]
    for title, arguments in one.groups.items():
        shown = [argument for argument in arguments if argument.names != ("-h", "--help")]
        if shown:
            lines += ["", *_table((title, ""), ((f"`{_cell(a.form)}`", _cell(a.text)) for a in shown))]
    lines += ["", "Examples:", ""]
    width = max(len(line) for line, _ in one.examples)
    return [*lines, *(f"    {line:{width}}  # {purpose}" for line, purpose in one.examples)]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _coded(rows: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    return ((f"`{name}`", meaning) for name, meaning in rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows)]
