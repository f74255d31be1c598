"""The command line: the only part that prints, reads arguments or exits.

Exit status: 0 what was asked holds; 1 it does not; 2 wrong usage or input; 3 the machinery failed
and nothing can be said; 130 interrupted by Ctrl-C.  `step` has git's own: 0 good, 1 bad, 125 cannot
tell, 128 and up stop the bisection.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Sequence

from harness import VERSION

COMMANDS = {
    "run": "try a scenario on its known commits, and say whether the regression shows",
    "bisect": "find the commit that brought the regression, or ended it, and prove it",
    "step": "try the commit that git bisect has checked out; for `git bisect run`",
    "try": "try patches on a scenario's bad commit: a table of patches by scenarios",
    "import": "make a draft scenario of a mailing-list thread, a message or a console log",
    "list": "the scenarios",
    "new": "write a scenario to start from",
    "show": "what a scenario runs, on what, and what it expects",
    "oops": "the crashes in a console log",
    "doctor": "what this machine has and lacks",
}

MODULES = {"import": "import_", "list": "list_", "try": "try_"}
"""The modules of commands whose names Python keeps for itself."""

STOP = 128
"""What makes `git bisect run` stop."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments, by default those of the process.

    Returns:
        The exit status.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    named = next((word for word in arguments if not word.startswith("-")), None)
    if named != "step":
        return _guarded(_parsed(arguments, named))
    # To git nearly every exit status means "bad": only what is a verdict may pass for one.
    try:
        options = _parsed(arguments, named)
        status = _guarded(options)
    except SystemExit:
        return STOP
    except Exception:
        traceback.print_exc()
        return STOP
    return int(options.verdict) if hasattr(options, "verdict") else max(STOP, status)


def _parsed(arguments: Sequence[str], named: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="regress", description="Does this kernel show this regression, and which commit brought it?"
    )
    parser.add_argument("--version", action="version", version=f"regress {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if name == named:
            # Only the command in hand is imported: a start costs what that command needs.
            module = importlib.import_module(f"harness.cli.{MODULES.get(name, name)}")
            module.configure(command)
            command.set_defaults(run=module.run)
    return parser.parse_args(arguments)


def _guarded(options: argparse.Namespace) -> int:
    from harness.errors import InfrastructureError, RegressError, UserError

    try:
        status = int(options.run(options))
        sys.stdout.flush()
        return status
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
        # Whoever read our output has enough; Python's own flush at exit would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"regress: {InfrastructureError(f'{place}{error.strerror or error}')}", file=sys.stderr)
        return 3
