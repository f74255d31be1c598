"""The command line: the only part that prints, reads arguments or exits.

Exit status: 0 what was asked holds; 1 it does not; 2 wrong usage or input; 3 the machinery failed
and nothing can be said, or an unexpected error; 130 interrupted (Ctrl-C, SIGTERM, SIGHUP);
141 standard output was closed.  `step` uses git's: 0 good, 1 bad, 125 cannot tell,
128 and up stop the bisection.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Container, Mapping, Sequence

from harness import VERSION
from harness.cli import examples, shared, streams
from harness.errors import InfrastructureError, RegressError, UserError

COMMANDS = {
    "run": "try a scenario on its known commits and say whether the regression shows",
    "bisect": "find and verify the commit that introduced the regression, or fixed it",
    "audit": "check a culprit that somebody named: confirmed, refuted, or it cannot be told",
    "reproduce": "try the scenarios that can reach a draft's crash, and say which of them show it",
    "step": "try the commit that git bisect checked out; for `git bisect run`",
    "try": "try patches on a scenario's bad commit; a table of patches by scenarios",
    "kconfig": "show what a scenario's kernel configuration is made of",
    "nightly": "try scenarios on the newest linux-next; say what is new and which commit introduced it",
    "serve": "show the page of the nights to this machine, fresh while a night runs",
    "diff": "say what changed between two results: runs, nights, bisections",
    "history": "say since when, how often and where a scenario or a failure was seen, over all results",
    "where": "say which releases have a regression, and which its fix",
    "report": "print a stored result in another format",
    "import": "make a draft scenario from a thread, a message, a console log or a reproducer, a file or a URL",
    "list": "list the scenarios",
    "new": "write a new scenario to start from",
    "show": "show what a scenario runs, on what, and what it expects",
    "oops": "find the crashes in a console log",
    "hosts": "check other machines that build and boot kernels, or set them up",
    "gc": "make room: remove what is not needed from the cache, and old images from the results",
    "doctor": "check what this machine has and lacks",
}

FIRST = """\
Does this kernel show this regression, and which commit introduced it?

  regress oops LOG                    the crashes in a console log
  regress import MAIL                 a scenario to start from, out of a report
  regress run 'lr#35498d'             the regression that comes with the program
  regress bisect SCENARIO --good v6.1 --bad v6.2
                                      the commit that introduced one
  regress doctor                      what this machine has and lacks

`regress --help` has all commands, `regress COMMAND --help` has what one takes."""
"""What is said to those who only write `regress`."""

MODULES = {"import": "import_", "list": "list_", "try": "try_"}
"""Modules of commands whose names are reserved in Python."""

KEEPING = ("run", "bisect", "audit", "reproduce", "step", "try", "kconfig", "nightly")
"""Commands during which nothing that they use goes from the cache, and after which it makes room."""

STOP = 128
"""The exit status that stops `git bisect run`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments, by default those of the process.

    Returns:
        The exit status.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    named = next((word for word in arguments if not word.startswith("-")), None)
    streams.prepare()
    options = argparse.Namespace()
    status = streams.flushed(_guarded(arguments, named, options))
    if named != "step":
        return status
    # To git nearly every exit status means "bad": only a verdict may look like one.
    return int(options.verdict) if status == 0 and hasattr(options, "verdict") else max(STOP, status)


def parser(names: Container[str] = COMMANDS) -> tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser]]:
    """The parser, and those of the commands.

    Args:
        names: the commands whose arguments it knows: each costs its imports.
    """
    top = argparse.ArgumentParser(
        prog="regress", description="Does this kernel show this regression, and which commit introduced it?"
    )
    top.add_argument("--version", action="version", version=f"regress {VERSION}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name in names:
            for title in shared.GROUPS:
                command.add_argument_group(title)
            module = importlib.import_module(f"harness.cli.{MODULES.get(name, name)}")
            module.configure(command)
            command.epilog = examples.told(name)
            command.set_defaults(run=module.run)
    return top, commands.choices


def _parse(arguments: Sequence[str], named: str | None, options: argparse.Namespace) -> None:
    if not arguments:
        raise UserError(FIRST)
    if named is not None and named not in COMMANDS:
        from harness.yamlfile import nearest

        raise UserError(f"unknown command {named!r}{nearest(named, COMMANDS)}")
    top, commands = parser([named] if named else [])
    _, unknown = top.parse_known_args(arguments, options)
    if unknown and named:
        from harness.yamlfile import close

        known = [name for action in commands[named]._actions for name in action.option_strings]
        commands[named].error(f"unknown: {', '.join(f'{word}{close(word, known)}' for word in unknown)}")


def _guarded(arguments: Sequence[str], named: str | None, options: argparse.Namespace) -> int:
    """Parse and run; any failure becomes a message and an exit status."""
    try:
        _parse(arguments, named, options)
        if named not in KEEPING:
            return int(options.run(options))
        from harness import cache, paths  # only where it is of use: a start costs only what it needs

        with cache.lease(paths.cache()):
            status = int(options.run(options))
        with contextlib.suppress(OSError):  # the answer stands, whether there is room or not
            cache.trim(paths.cache(), unused=cache.UNUSED)
        return status
    except SystemExit as end:  # argparse has printed its message
        return end.code if isinstance(end.code, int) else 2
    except UserError as error:
        print(f"regress: {error}", file=sys.stderr)
        return 2
    except RegressError as error:
        print(f"regress: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("regress: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return streams.CLOSED
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"regress: {InfrastructureError(f'{place}{error.strerror or error}')}", file=sys.stderr)
        return 3
    except Exception as error:
        said = f"{type(error).__name__}: {error}".partition("\n")[0]
        print(f"regress: internal error, please report it: {said}\n{_traceback()}", file=sys.stderr)
        return 3


def _traceback() -> str:
    """Save the traceback of the current error and say where; if it cannot be written, return the text itself."""
    text = traceback.format_exc()
    try:
        descriptor, path = tempfile.mkstemp(prefix="regress-traceback-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"regress {VERSION}\n{text}")
    except OSError:
        return text
    return f"the traceback is in {path}"
