"""States and verdicts as the pages show them: a colour never stands alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """How a state looks.

    Attributes:
        css: its class.  sign: what stands in the grid.  means: for the legend.
    """

    css: str
    sign: str
    means: str = ""


STATES = {
    "new": Word("new", "new", "it fails, and passed before"),
    "changed": Word("changed", "≠", "it fails in another way than before"),
    "still": Word("still", "✗", "it fails as before"),
    "flaky": Word("flaky", "~", "one commit fails and passes"),
    "fixed": Word("fixed", "✓", "it failed before, and passes"),
    "infrastructure": Word("infra", "!", "the machine failed"),
    "not run": Word("norun", "?", "it could not be told"),
    "never worked": Word("never", "∅", "it has failed since it was first tried"),
    "passes": Word("pass", "·", "it passes, and did before"),
    "waiting": Word("wait", " ", "it is yet to be tried tonight"),
}
"""The states of a cell; the most urgent first."""

URGENCY = {state: number for number, state in enumerate(STATES)}

VERDICTS = {
    "good": Word("good", "✓", "good"),
    "bad": Word("bad", "✗", "bad"),
    "skip": Word("skip", "?", "cannot tell"),
}

RESULTS = {
    "pass": Word("good", "✓", "as expected"),
    "failure": Word("bad", "✗", "not as expected"),
    "error": Word("skip", "!", "the machine failed"),
    "skipped": Word("skip", "?", "cannot tell"),
}
"""By the kind of a case (`harness.reports.cases`)."""
