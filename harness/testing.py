"""Fakes for each seam, for this project's tests and yours.

A `ScriptedMachine` takes the place of a machine in `harness.trial.run_trial`, a `FakeBuilder` that of a
builder in `harness.reproduce.Laboratory`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import BuildError, RegressError
from harness.git import Commit
from harness.machine import Chunk, Guest
from harness.model import Boot, Kernel


@dataclass
class ScriptedGuest:
    """Plays chunks one after the other, then ends; an error among them is raised, None is a wait for nothing."""

    script: Iterator[Chunk | RegressError | None]

    def read(self, timeout: float) -> Chunk | None:  # noqa: ARG002  nothing is waited for
        """See `harness.machine.Guest.read`."""
        for item in self.script:
            if isinstance(item, RegressError):
                raise item
            return item or Chunk()
        return None


@dataclass
class ScriptedMachine:
    """A machine whose guests play a script.

    Args:
        script: what each boot plays: chunks, errors to raise, and None for a moment of silence; or a
            function that is given the boot and returns that.

    Attributes:
        boots: what was booted, in order.
    """

    script: Iterable[Chunk | RegressError | None] | Callable[[Boot], Iterable[Chunk | RegressError | None]]
    boots: list[Boot] = field(default_factory=list)

    @contextlib.contextmanager
    def boot(self, boot: Boot) -> Iterator[Guest]:
        """See `harness.machine.Machine.boot`."""
        self.boots.append(boot)
        yield ScriptedGuest(iter(self.script(boot) if callable(self.script) else self.script))


@dataclass
class FakeBuilder:
    """Builds nothing; the commits named fail.

    Args:
        broken: hashes of commits that do not build, with the error.

    Attributes:
        built: the hashes asked for, in order.
    """

    broken: dict[str, str] = field(default_factory=dict)
    built: list[str] = field(default_factory=list)

    def build(self, commit: Commit, folder: Path) -> Kernel:
        """See `harness.kernel.build.Builder.build`."""
        self.built.append(commit.sha)
        if commit.sha in self.broken:
            raise BuildError(self.broken[commit.sha])
        return Kernel(folder, folder / "bzImage", "x86_64", commit.tree, "none", True, 0.0)
