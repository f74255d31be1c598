"""What a bisection is to find, and what it found: plain data that goes through JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from harness.model import Trial, Verdict


class BisectStatus(StrEnum):
    """How a bisection ended."""

    CULPRIT = "culprit"
    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"
    NOT_REPRODUCED = "not-reproduced"
    INFRASTRUCTURE = "infrastructure"
    INTERRUPTED = "interrupted"


class Economy(StrEnum):
    """What saves builds or boots; each can be switched off, and the culprit is the same without it.

    Attributes:
        INPUTS: commits that change nothing that the build reads are not suspected (`--path` works alike).
        EARLIER: trials of the same image in earlier runs count.
        AHEAD: while one commit boots, the next ones are built.
        HINT: commits that the crash's frames point to are tried sooner.
    """

    INPUTS = "inputs"
    EARLIER = "earlier"
    AHEAD = "ahead"
    HINT = "hint"


@dataclass(frozen=True)
class Plan:
    """What is to be found.

    Attributes:
        scenario: its id.
        digest: changes when the scenario does.
        tree: its name, path or URL.
        arch: the architecture to build for.
        bad: commits that show the regression.
        good: commits that do not; if empty, a good release is searched for.
        paths: only commits that change these are suspected.
        suspects: only these commits are suspected; none: all.
        first_parent: follow only the first parent of merges.
        find_fix: find the commit that fixed the regression, not the one that introduced it.
        runs: trials of each commit; None for as many as it takes.
        confidence: between 0 and 1, used if `runs` is None.
        log: what git's own bisection found: hashes and verdicts, in order.
        without: the economies that are switched off.
        accused: the commit that somebody takes for the culprit: it is only checked; None: the culprit is searched for.
    """

    scenario: str
    digest: str
    tree: str
    arch: str
    bad: tuple[str, ...]
    good: tuple[str, ...]
    paths: tuple[str, ...] = ()
    first_parent: bool = False
    find_fix: bool = False
    runs: int | None = 1
    confidence: float = 0.99
    log: tuple[tuple[str, Verdict], ...] = ()
    suspects: tuple[str, ...] = ()
    without: tuple[Economy, ...] = ()
    accused: str | None = None

    @property
    def new(self) -> tuple[str, ...]:
        """The ends that have the culprit."""
        return self.good if self.find_fix else self.bad

    @property
    def old(self) -> tuple[str, ...]:
        """The ends that do not have it."""
        return self.bad if self.find_fix else self.good

    @property
    def sought(self) -> Verdict:
        """The verdict of commits that have the culprit."""
        return Verdict.GOOD if self.find_fix else Verdict.BAD

    @property
    def terms(self) -> tuple[str, str]:
        """Git's terms for the state after and before the culprit."""
        return ("fixed", "broken") if self.find_fix else ("bad", "good")

    def term(self, word: Verdict) -> str:
        """Git's term for a verdict in this bisection."""
        if word is Verdict.SKIP:
            return "skip"
        return self.terms[0 if word is self.sought else 1]

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """The plan that `to_json` wrote."""
        lists = {name: tuple(data[name]) for name in ("bad", "good", "paths", "suspects") if name in data}
        lists["without"] = tuple(map(Economy, data.get("without", ())))
        return cls(**{**data, **lists, "log": tuple((sha, Verdict(word)) for sha, word in data["log"])})


@dataclass(frozen=True)
class Step:
    """The outcome of one commit.

    Attributes:
        role: "commit" for a commit of the range; "parent", "revert", "merge" for what the verification tried.
        built: the image was built here (not from the cache, not failed).
        trials: boots; 0 if the build failed or the image is that of another commit.
        seconds: of build and boots.
        fixups: what was applied to make it build and boot.
    """

    commit: str
    role: str
    subject: str
    verdict: Verdict
    reason: str
    built: bool
    trials: int
    seconds: float
    fixups: tuple[str, ...] = ()


@dataclass(frozen=True)
class MergeInteraction:
    """What is known of a merge that is the culprit.

    Attributes:
        parents: the verdict of each parent.
        needs: a commit of each side: the merge shows the regression because it has both.
        reason: why, for people.
    """

    parents: Mapping[str, Verdict]
    needs: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Result:
    """The result of a bisection.

    Attributes:
        reason: why, on one line.
        culprit: the commit found.
        candidates: if no single culprit can be named: each with its reason, the likeliest first.
        checks: by name: True, False, a verdict, "conflict", or None if it was not tried.
        notes: what else a reader should know.
        crash: a trial that showed the expected crash: the culprit's if there is one.
    """

    status: BisectStatus
    reason: str
    culprit: str | None = None
    candidates: Mapping[str, str] = field(default_factory=dict)
    confidence: float = 0.0
    steps: tuple[Step, ...] = ()
    builds: int = 0
    boots: int = 0
    checks: Mapping[str, bool | str | None] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    interaction: MergeInteraction | None = None
    crash: Trial | None = None
