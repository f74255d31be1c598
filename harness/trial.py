"""One boot of one kernel running one scenario: watch the guest and decide how it ended."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from harness import ktap
from harness.console import Crash, Event, Expectation, Follower, match
from harness.errors import InfrastructureError, KernelError
from harness.machine import Machine
from harness.model import Boot, Ignored, Outcome, Timeouts, Trial
from harness.status import status_line

SETTLE = 1.5
"""Seconds for a crash to be printed and for the machine to power off before it is stopped."""

MOST_PRINTED = 1 << 30
"""Bytes of console; a machine that prints more is ended."""

MOST_CUTS = 20
"""How many power cuts a scenario may ask for; one that asks for more counts as hung."""

_WINDOW = re.compile(r"(\d+(?:\.\d+)?) (\d+(?:\.\d+)?)")
_WORDS = {
    "passed": Outcome.PASSED,
    "failed": Outcome.FAILED,
    "skipped": Outcome.SKIPPED,
    "error": Outcome.ERROR,
}


@dataclass
class Watch:
    """What is known of a running guest so far.  Pure: bytes and times in, the outcome out.

    All times are in seconds since power-on.

    Args:
        timeouts: when to give up.
        ignore: crashes to ignore.
        tests: see `harness.model.Scenario`.

    Attributes:
        window: the times between which to cut the power, if the guest asked for that.
    """

    timeouts: Timeouts
    ignore: tuple[Ignored, ...] = ()
    tests: tuple[str, ...] = ()
    up: float | None = None
    last_byte: float = 0.0
    word: tuple[Outcome, str] | None = None
    word_at: float = 0.0
    crashes: list[Crash] = field(default_factory=list)
    fatal_at: float | None = None
    fatal_told: bool = False
    heard: bool = False
    phases: list[tuple[str, float]] = field(default_factory=list)
    window: tuple[float, float] | None = None
    _follower: Follower = field(default_factory=Follower)
    _line: bytes = b""
    _ktap: list[str] = field(default_factory=list)

    def hear(self, console: bytes, status: bytes, now: float) -> None:
        """Process new output."""
        if console or status:
            self.last_byte = now
        self.heard |= bool(console)
        self._take(self._follower.feed(console), now)
        *lines, self._line = (self._line + status).split(b"\n")
        for line in lines:
            self._hear_word(line.decode(errors="replace").strip(), now)

    def _take(self, events: list[Event], now: float) -> None:
        for event in events:
            if event.complete and any(match(one.crash, event.crash).ok for one in self.ignore):
                self.fatal_at = None
            elif event.complete:
                self.crashes.append(event.crash)
                self.fatal_told |= event.crash.fatal
            elif event.crash.fatal and self.fatal_at is None:
                self.fatal_at = now

    def _hear_word(self, line: str, now: float) -> None:
        said = status_line(line)
        if said is None or self.word is not None:
            return
        mark, rest = said.mark, said.text.strip()
        if mark == "ktap":
            if len(self._ktap) < ktap.MOST:
                self._ktap.append(said.text)
            return
        if mark == "up":
            self.up = now
        elif mark == "cut" and (window := _WINDOW.fullmatch(rest)):
            first, last = sorted((now + float(window[1]), now + float(window[2])))
            self.window = (first, last)
        elif mark in _WORDS:
            self.word, self.word_at = (_WORDS[mark], rest), now
        self.phases.append((rest if mark == "step" else mark, now))

    def over(self, now: float) -> tuple[Outcome, str] | None:
        """Whether to stop before the machine ends by itself, and with what outcome.

        Returns:
            None while there is something to wait for; else the outcome if nothing better is known:
            a crash or the guest's own result comes first.
        """
        limits = self.timeouts
        if self.fatal_at is not None and (self.fatal_told or now - self.fatal_at > SETTLE):
            return Outcome.CRASHED, "the kernel crashed"
        if self.word is not None:
            return self.word if now - self.word_at > SETTLE else None
        if now - self.last_byte > limits.silence:
            where = "the scenario" if self.up is not None else "the boot"
            return self._gave_up(f"{where} was silent for {limits.silence:g} s (silence_timeout)")
        if self.up is None and now > limits.boot:
            return self._gave_up(f"the guest was not up after {limits.boot:g} s (boot_timeout)")
        if self.up is not None and now - self.up > limits.scenario:
            return self._gave_up(f"the scenario did not end within {limits.scenario:g} s (timeout)")
        return None

    def crashed(self) -> bool:
        """Whether there was a crash, after all output; one still being printed counts."""
        self._take(self._follower.finish(), self.last_byte)
        return bool(self.crashes)

    def _gave_up(self, reason: str) -> tuple[Outcome, str]:
        if self.up is None:
            return Outcome.BOOT_FAILED, reason
        return Outcome.HUNG, f"{reason}; its last step was {self.phases[-1][0]!r}"

    def ended(
        self, expected: Expectation | None, limit: tuple[Outcome, str] | None
    ) -> tuple[Outcome, str, Crash | None]:
        """How the trial ended, after all output.

        The expected crash comes before any other; any crash comes before the guest's own result;
        a crash before user space was up is a failed boot, unless it is the expected one.

        Args:
            expected: the crash that the scenario expects.
            limit: the result of `over`, or None if the machine ended by itself.
        """
        self.crashed()
        self._hear_word(self._line.decode(errors="replace").strip(), self.last_byte)
        told = [(crash, expected and match(expected, crash)) for crash in self.crashes]
        for crash, hit in told:
            if hit and hit.ok:
                return Outcome.CRASHED, describe(crash), crash
        if told:
            crash, miss = told[0]
            if self.up is None:
                return Outcome.BOOT_FAILED, f"it crashed before user space: {describe(crash)}", crash
            why = f", which is not the expected crash: {miss.reason}" if miss else ""
            return Outcome.CRASHED, f"{describe(crash)}{why}", crash
        if self.word is not None:
            # What the tests say is read here; the script only says that they have run.
            if len(self._ktap) == ktap.MOST:
                return Outcome.ERROR, f"its tests gave {ktap.MOST:,} lines of results or more", None
            if self.word[0] is Outcome.PASSED and (self._ktap or self.tests):
                return *ktap.outcome(ktap.subtests(self._ktap), self.tests), None
            outcome, reason = self.word
            steps = [name for name, _ in self.phases[:-1] if name != "up"] if outcome is Outcome.ERROR else []
            return outcome, f"{reason}, in step {steps[-1]!r}" if steps else reason, None
        if limit is not None:
            return *limit, None
        if self.up is None:
            what = "the machine ended before user space was up" + (
                "" if self.heard else ", without any output from the kernel"
            )
            return Outcome.BOOT_FAILED, what, None
        return Outcome.LOST, f"the machine ended without a result, in step {self.phases[-1][0]!r}", None


def describe(crash: Crash) -> str:
    """A crash on one line: its title, and what was running."""
    where = " ".join(part for part in ((crash.comm or "").partition("/")[0], crash.workqueue) if part)
    return f"{crash.title}  [{where}]" if where else crash.title


def run_trial(
    machine: Machine,
    boot: Boot,
    timeouts: Timeouts,
    expected: Expectation | None,
    tell: Callable[[str], None],
    ignore: tuple[Ignored, ...] = (),
    tests: tuple[str, ...] = (),
) -> Trial:
    """Boot a kernel, watch it, and say how it ended.

    A guest that asks for it (`power_cut`) loses power at a random moment and is booted again with the
    same disk, until it ends otherwise.  Console and status channel are saved in the boot's folder, byte for
    byte, one boot after the other.

    Args:
        machine: the machine to boot it on.
        boot: what to boot; its folder exists.
        timeouts: when to give up, for each boot.
        expected: the crash that the scenario expects.
        tell: called with what the guest is doing.
        ignore: crashes to ignore.
        tests: globs of the tests that count, where the script runs such; see `harness.ktap`.

    Returns:
        The trial; if the machine fails, its outcome is `INFRASTRUCTURE`, unless it was decided before.
    """
    began = time.monotonic()
    phases: list[tuple[str, float]] = []
    with (
        (boot.folder / "console.log").open("wb", buffering=0) as console,
        (boot.folder / "status.log").open("wb", buffering=0) as status,
    ):
        for number in range(1, MOST_CUTS + 2):
            tell("booting" if number == 1 else f"booting again after power cut {number - 1}")
            before = time.monotonic() - began
            again = boot if number == 1 else replace(boot, append=(*boot.append, f"BOOT={number}"))
            watch, limit, cut = Watch(timeouts, ignore, tests), None, None
            try:
                limit, cut = _watch(machine, again, watch, console, status, tell)
            except KernelError as error:
                return Trial(Outcome.SKIPPED, str(error), time.monotonic() - began, boot.folder)
            except InfrastructureError as error:
                if not watch.crashed() and watch.word is None:
                    return Trial(Outcome.INFRASTRUCTURE, str(error), time.monotonic() - began, boot.folder)
            phases += [(name, before + at) for name, at in watch.phases]
            if cut is None or watch.crashed():
                break
            phases.append(("power cut", before + cut))
        else:
            limit = Outcome.HUNG, f"the scenario asked for more than {MOST_CUTS} power cuts"
    outcome, reason, crash = watch.ended(expected, limit)
    return Trial(outcome, reason, time.monotonic() - began, boot.folder, crash, tuple(phases))


def _watch(
    machine: Machine, boot: Boot, watch: Watch, console: BinaryIO, status: BinaryIO, tell: Callable[[str], None]
) -> tuple[tuple[Outcome, str] | None, float | None]:
    """Boot once and watch to the end; returns the result of `Watch.over`, and when the power was cut, if it was."""
    limit: tuple[Outcome, str] | None = None
    cut: float | None = None
    printed = 0
    with machine.boot(boot) as guest:
        began = time.monotonic()
        while limit is None and (chunk := guest.read(0.2 if cut is None else 0.01)) is not None:
            console.write(chunk.console)
            status.write(chunk.status)
            printed += len(chunk.console)
            steps = len(watch.phases)
            watch.hear(chunk.console, chunk.status, time.monotonic() - began)
            if len(watch.phases) > steps:
                tell(watch.phases[-1][0])
            now = time.monotonic() - began
            limit = watch.over(now)
            if limit is None and printed > MOST_PRINTED:
                limit = Outcome.HUNG, f"the console printed more than {MOST_PRINTED >> 20:,} MiB"
            if cut is None and watch.window is not None:
                cut = random.uniform(*watch.window)  # noqa: S311  any moment will do
            if cut is not None and now >= cut and limit is None and watch.word is None:
                return None, now
    return limit, None
