"""Reproducers: the C files of a scenario, compiled for the guest, and the script that runs all that it names."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from harness import architecture
from harness.errors import ProgramFailed, UserError
from harness.model import Scenario
from harness.process import run
from harness.progress import Progress

COMPILE = ("-O1", "-pthread", "-static")
"""As syzbot's reproducers are compiled: static, so that the guest needs no library."""

WARNINGS = 3
"""Of so many of the compiler's warnings each is told; they are in code that somebody else wrote."""


def stage(scenario: Scenario, arch: str, top: Path, progress: Progress) -> None:
    """Put what a scenario runs into the guest's root file system.

    Args:
        scenario: its folder is in `top/scenario` already.
        arch: the guest's architecture.
        top: the root file system; the script goes to `lib/regress/run`.
        progress: is told what the compiler warns of.

    Raises:
        UserError: a C file does not compile; the message has the first error.
        ProgramMissing: there is no compiler.
    """
    lines = []
    for name in scenario.run:
        if name.endswith(".sh"):
            lines.append(f". ./{shlex.quote(name)}")
            continue
        program = top / "scenario" / name
        if name.endswith(".c"):
            program = program.with_suffix("")
            _compile(scenario.folder / name, program, arch, progress)
        program.chmod(0o755)
        lines.append(f"reproduce ./{shlex.quote(program.name)}")
    if scenario.kunit or scenario.kselftest:
        lines += [shlex.join(["kunit", *scenario.kunit])] if scenario.kunit else []
        lines += ["kselftest"] if scenario.kselftest else []
        lines += ['pass "its tests have run"']
    elif lines and lines[-1].startswith("reproduce "):
        # Only a crash is evidence: to have run without one is to pass.
        lines.append('pass "$REPRODUCED"')
    (top / "lib/regress/run").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if (repeat := scenario.repeat) is not None:
        words = f"TIMES={repeat.times or ''}\nFOR={repeat.seconds:.0f}\nPROCS={repeat.procs}\n"
        (top / "lib/regress/repeat").write_text(words, encoding="utf-8")


def _compile(source: Path, program: Path, arch: str, progress: Progress) -> None:
    if program.exists():
        raise UserError(f"{source}: it would be compiled to {program.name}, which is there already; rename one")
    argv = [*architecture.load(arch).cc, *COMPILE, "-o", str(program), source.name]
    try:
        done = run(argv, cwd=source.parent)
    except ProgramFailed as error:
        told = error.output.splitlines()
        first = next((line for line in told if re.search(r"\berror\b|undefined reference|cannot find", line)), None)
        raise UserError(f"{source} does not compile: {first or str(error)}; tried: {shlex.join(argv)}") from error
    warnings = [line for line in done.stderr.splitlines() if "warning:" in line]
    for line in warnings[:WARNINGS]:
        progress.note(line)
    if len(warnings) > WARNINGS:
        progress.note(f"{source.name}: {len(warnings) - WARNINGS} more warnings")
