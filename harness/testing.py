"""Fakes for each interface, for this project's tests and yours.

A `ScriptedMachine` takes the place of a machine in `harness.trial.run_trial`, a `FakeBuilder` that of a
builder in `harness.runner.Runner`. `play` takes the place of the loop around a search: it tries the
commits of a `MadeUp` regression; `play_widely` does so with several commits in hand.
"""

from __future__ import annotations

import contextlib
import functools
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import BuildError, RegressError
from harness.git import Commit
from harness.machine import Chunk, Guest
from harness.model import Boot, Kernel
from harness.search import Culprit, Evidence, History, Inconclusive, Probe, Search, Wide


@dataclass
class ScriptedGuest:
    """Plays chunks one after the other, then ends; an error is raised, None is a wait without output."""

    script: Iterator[Chunk | RegressError | None]

    def read(self, timeout: float) -> Chunk | None:  # noqa: ARG002  there is no waiting
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
            function that returns these for a boot.
        known: see `harness.machine.Machine.identity`.

    Attributes:
        boots: what was booted, in order.
    """

    script: Iterable[Chunk | RegressError | None] | Callable[[Boot], Iterable[Chunk | RegressError | None]]
    known: str = ""
    boots: list[Boot] = field(default_factory=list)

    def identity(self, arch: str) -> str:  # noqa: ARG002  one machine for all
        """See `harness.machine.Machine.identity`."""
        return self.known

    @contextlib.contextmanager
    def boot(self, boot: Boot) -> Iterator[Guest]:
        """See `harness.machine.Machine.boot`."""
        self.boots.append(boot)
        yield ScriptedGuest(iter(self.script(boot) if callable(self.script) else self.script))


@dataclass
class FakeBuilder:
    """Builds nothing; some commits fail.

    Args:
        broken: hashes of commits that do not build, with the error.

    Attributes:
        built: the hashes built, in order.
    """

    broken: dict[str, str] = field(default_factory=dict)
    built: list[str] = field(default_factory=list)

    def build(self, commit: Commit, folder: Path) -> Kernel:
        """See `harness.kernel.build.Builder.build`."""
        self.built.append(commit.sha)
        if commit.sha in self.broken:
            raise BuildError(self.broken[commit.sha])
        return Kernel(folder, folder / "bzImage", "x86_64", commit.tree, "none", True, 0.0)


@dataclass(frozen=True)
class MadeUp:
    """A made-up regression.

    Args:
        history: the range to search.
        culprits: the commits that introduce the crash, for themselves and their descendants: mostly one; none if it
            is not in the range; two for a change and the same change rebased.
        rate: the probability of the crash at each trial of a commit that has it.
        everywhere: the good ends have it too, and all of the range.
        broken: commits that do not build.
        elsewhere: commits that crash in another place at each trial.
        given: the commits that have the crash, if not the culprits' descendants.
    """

    history: History
    culprits: frozenset[str]
    rate: float = 1.0
    everywhere: bool = False
    broken: frozenset[str] = frozenset()
    elsewhere: frozenset[str] = frozenset()
    given: frozenset[str] | None = None

    @functools.cached_property
    def bad(self) -> frozenset[str]:
        """The commits that have the crash."""
        if self.given is not None:
            return self.given
        if self.everywhere:
            return frozenset((*self.history.commits, *self.history.old))
        found = set(self.culprits)
        for sha in self.history.commits:
            if not found.isdisjoint(self.history.parents[sha]):
                found.add(sha)
        return frozenset(found)


@dataclass(frozen=True)
class Played:
    """How a search of a made-up regression went.

    Attributes:
        decision: its final decision.
        builds: builds, failed ones included.
        boots: trials.
        evidence: what it saw, by commit, in the order of the first trials.
    """

    decision: Culprit | Inconclusive
    builds: int
    boots: int
    evidence: dict[str, Evidence]


def play(search: Search, made_up: MadeUp, chance: random.Random) -> Played:
    """Run a search with random trials; what was built once stays built."""
    evidence: dict[str, Evidence] = {}
    built: set[str] = set()
    builds = boots = 0
    while isinstance(decision := search.decide(evidence, built), Probe):
        sha = decision.commit
        seen = evidence.get(sha, Evidence())
        if seen.skip is not None:
            raise ValueError(f"the search asks for {sha} again, which cannot be tested")
        if sha not in built:
            builds += 1
        if sha in made_up.broken:
            evidence[sha] = Evidence(skip="does not build")
            continue
        built.add(sha)
        for _ in range(decision.runs):
            boots += 1
            if sha in made_up.elsewhere:
                seen = Evidence(seen.bad, seen.quiet, "crashes elsewhere")
            elif sha in made_up.bad and chance.random() < made_up.rate:
                seen = Evidence(seen.bad + 1, seen.quiet)
            else:
                seen = Evidence(seen.bad, seen.quiet + 1)
                continue
            break
        evidence[sha] = seen
    return Played(decision, builds, boots, evidence)


def play_widely(search: Wide, made_up: MadeUp, chance: random.Random, width: int) -> tuple[Culprit | Inconclusive, int]:
    """Run a search with several commits in hand, whose trials end in any order.

    Args:
        width: how many commits at a time.

    Returns:
        Its final decision, and how many rounds it took if each trial takes as long as any other.
    """
    evidence: dict[str, Evidence] = {}
    ends: dict[str, int] = {}
    flying: dict[str, int] = {}
    now = 0
    while True:
        decision = search.decide(evidence)
        if not isinstance(decision, Probe) and not any(not search.moot(evidence, sha) for sha in flying):
            return decision, now
        while isinstance(decision, Probe) and len(flying) < width:
            probe = search.ahead(evidence, frozenset(), flying)
            if probe is None:
                break
            flying[probe.commit], ends[probe.commit] = probe.runs, now + 1
        if not flying:
            raise AssertionError(f"nothing is tried, and there is no decision: {decision}")
        sha = min(flying, key=lambda one: (ends[one], chance.random()))
        now = ends.pop(sha)
        seen = evidence.get(sha, Evidence())
        if sha in made_up.broken:
            evidence[sha] = Evidence(skip="does not build")
            del flying[sha]
            continue
        for _ in range(flying.pop(sha)):
            if sha in made_up.bad and chance.random() < made_up.rate:
                seen = Evidence(seen.bad + 1, seen.quiet)
                break
            seen = Evidence(seen.bad, seen.quiet + 1)
        evidence[sha] = seen
