"""What a bisection looks like while it runs: a live screen on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.bisect import Plan, State
from harness.cli.progress import Talk
from harness.git import Commit
from harness.kernel.tree import Tree
from harness.model import Judgement, Scenario, Verdict

COLOUR = {Verdict.GOOD: "green", Verdict.BAD: "red", Verdict.SKIP: "yellow"}


def span(seconds: float) -> str:
    """A duration for people: `42 s`, `7 min`, `2 h 05 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"


def short(text: str, width: int = 56) -> str:
    """A subject line, shortened to fit."""
    return text if len(text) <= width else text[: width - 3] + "..."


def time_left(state: State) -> float | None:
    """Seconds until the culprit is found, going by what builds and boots took so far; None if there was none yet.

    The verification of the culprit is not included.
    """
    if state.rates.boot is None:
        return None
    return (state.left + 1) * ((state.rates.build or 0.0) + state.runs * state.rates.boot)


def where(state: State) -> str:
    """How far the bisection is, on one line."""
    left = time_left(state)
    steps = "this is the last step" if state.left == 0 else f"about {state.left + 1} steps"
    return f"{len(state.suspects)} commits left, {steps}" + (f", {span(left)}" if left is not None else "")


def likely(state: State) -> str:
    """The likeliest commits, on one line; empty if unknown."""
    told = ", ".join(f"{sha[:12]} {share:.2f}" for sha, share in state.likely if share >= 0.01)
    return f"likeliest: {told}" if told else ""


def drawn(state: State, width: int) -> Text:
    """The range on one line, oldest first: settled, still suspected, skipped."""
    bar = Text()
    count = len(state.commits)
    for place in range(min(width, count)):
        part = state.commits[place * count // min(width, count) : (place + 1) * count // min(width, count)]
        words = {state.words[sha] for sha in part if sha in state.words}
        if state.in_hand.sha in part:
            bar.append("?", style="bold cyan")
        elif word := next((word for word in (Verdict.BAD, Verdict.GOOD, Verdict.SKIP) if word in words), None):
            bar.append(word[0].upper(), style=COLOUR[word])
        else:
            bar.append("=" if state.suspects & set(part) else "-", style="" if state.suspects & set(part) else "dim")
    return bar


def _work(text: str) -> str:
    head = text.partition(":")[0]
    return head if head.startswith("building") else text


class View(Talk):
    """Shows a bisection; a context manager, and a `harness.bisect.Watcher`."""

    def __init__(self) -> None:
        super().__init__()
        self.live: Live | None = None
        self.at: State | None = None
        self.doing, self.since, self.title = "", time.monotonic(), ""
        self.shown_range = ""
        self.rows: list[tuple[str, Commit, Judgement]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def begin(self, scenario: Scenario, tree: Tree, plan: Plan, folder: Path) -> None:
        """Start showing."""
        name = scenario.aliases[0] if scenario.aliases else scenario.id
        what = "the commit that fixed" if plan.find_fix else "the commit that introduced"
        self.title = f'{name}: {what} "{scenario.title}" in {tree.description}'
        self.note(self.title)
        self.note(f"results: {folder}/")
        if self.terminal:
            self.clear()
            console = Console(stderr=True)
            self.live = Live(console=console, get_renderable=self._drawn, refresh_per_second=4, transient=True)
            self.live.start()

    def end(self) -> None:
        """Remove the live screen; what is printed from now on stays."""
        if self.live is not None:
            self.live.stop()
            self.live = None
        self.clear()

    def note(self, text: str) -> None:
        """See `harness.progress.Progress.note`."""
        if self.live is not None:
            self.live.console.print(Text(text))
        else:
            super().note(text)

    def update(self, text: str) -> None:
        """See `harness.progress.Progress.update`."""
        if self.live is None:
            super().update(text)
            return
        # A build reports every file; one line is enough for all of it.
        if _work(text) != _work(self.doing):
            self.since = time.monotonic()
        self.doing = text

    def state(self, state: State) -> None:
        """See `harness.bisect.Watcher`."""
        self.at = state
        line = "; ".join(filter(None, (where(state), likely(state))))
        if self.live is None and line != self.shown_range:
            self.shown_range = line
            self.note(line)

    def tried(self, commit: Commit, role: str, judged: Judgement) -> None:
        """See `harness.bisect.Watcher`."""
        self.rows.append((role, commit, judged))
        if self.live is None:
            what = "" if role == "commit" else f"{role}: "
            self.note(f"  {judged.verdict:5}{commit.sha[:12]}  {short(commit.subject):56}  {what}{judged.reason}")

    def _drawn(self) -> Group:
        table = Table(box=None, show_header=False, padding=(0, 1), expand=True)
        for width in (5, 12, None, None):
            table.add_column(no_wrap=True, overflow="ellipsis", width=width, ratio=None if width else 1)
        for role, commit, judged in self.rows[-12:]:
            table.add_row(
                Text(judged.verdict, style=COLOUR[judged.verdict]),
                commit.sha[:12],
                commit.subject,
                Text(f"{'' if role == 'commit' else role + ': '}{judged.reason}", style="dim"),
            )
        parts: list[Text | Table] = [Text(self.title, style="bold"), table]
        if self.at is not None:
            parts.append(Text.assemble("range  ", drawn(self.at, 60)))
            parts += [Text(line) for line in (where(self.at), likely(self.at)) if line]
            if self.at.in_hand.sha[:12] in self.doing:
                subject = short(self.at.in_hand.subject)
                parts.append(Text(f"trying  {self.at.in_hand.sha[:12]}  {subject}", style="cyan"))
        now = time.monotonic()
        parts.append(Text(f"{self.doing}, for {span(now - self.since)} (total {span(now - self.began)})", style="dim"))
        return Group(*parts)
