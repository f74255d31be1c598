"""Which kernel options a regression needs: configurations tried on one commit, until nothing more can be left out.

Every configuration that was tried is an event of the journal (`configuration`), and what the search asks is a function
of their outcomes: a run that was interrupted goes on where it was.  A configuration whose final `.config` was tried
before, or that loses an option which it asks for, is not built.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.errors import InfrastructureError, KernelError
from harness.files import write_atomically
from harness.git import Commit
from harness.kernel import config as kconfig
from harness.kernel.build import KernelBuilder
from harness.kernel.config import Fragment, Option
from harness.model import Outcome, Trial, Verdict
from harness.record import Run
from harness.runner import Answer, Runner, Subject
from harness.search.subsets import isolate, minimise
from harness.verdict import CERTAIN

Data = dict[str, Any]

NEEDED, ANY, ON, OFF = "needed", "any guest", "on all the same", "off"
"""What became of an option: the regression needs it; any guest does; it was left out, and is on all the same (selected
by another, or by default); it was left out and is off."""


@dataclass(frozen=True)
class Question:
    """The options to ask about, and those that stay.

    Attributes:
        options: all that are asked for, in order, without those of the architecture.
        groups: the names of those to ask about, by fragment, in the order in which to leave them out.
    """

    options: tuple[Option, ...]
    groups: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, fragments: Sequence[Fragment]) -> Question:
        """What to ask of a scenario's fragments.

        An option that should be off only makes the kernel smaller, and stays off.  Those of the last fragment are left
        out first, and in it the last ones: others are less likely to depend on them.
        """
        options = kconfig.merge(fragments)
        asked = {option.name: option for option in options if option.value != "n"}
        groups: list[tuple[str, ...]] = []
        for fragment in reversed(fragments):
            own = [o.name for o in reversed(fragment.options) if asked.get(o.name) == o and not fragment.keep]
            groups += [tuple(own)] if own else []
        return cls(tuple(options), tuple(groups))

    @property
    def names(self) -> frozenset[str]:
        """All that are asked about."""
        return frozenset(name for group in self.groups for name in group)

    def without(self, left_out: Iterable[str]) -> list[Option]:
        """The options of a configuration that leaves some out."""
        gone = set(left_out)
        return [option for option in self.options if option.name not in gone]


@dataclass
class Configurations:
    """Tries configurations of one commit, each once.

    Args:
        journal: has those that were tried before; what is found goes there.
        runner: tries a kernel.
        builder: makes it; its last fragment is replaced by the options to try.
        commit: the commit to try them on.
        runs: how many boots without the regression it takes to say that it does not show.
        told: called with each outcome.
    """

    journal: Run
    runner: Runner
    builder: KernelBuilder
    commit: Commit
    runs: int
    told: Callable[[Data], None]
    tried: list[Data] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tried = [dict(event.data) for event in self.journal.events if event.kind == "configuration"]

    def shows(self, options: Sequence[Option], **about: Any) -> bool | None:
        """Whether the regression shows; None if that cannot be told: it does not build, boot, or loses an option.

        Args:
            options: what the configuration asks for.
            about: what it is, for the record.
        """
        return {"bad": True, "good": False}.get(self.attempt(options, **about)["verdict"])

    def attempt(self, options: Sequence[Option], **about: Any) -> Data:
        """The outcome of a configuration: that of an earlier attempt, or a new one; see `shows`.

        Raises:
            InfrastructureError: the machine failed.
        """
        text = fragment_text(options)
        asked = _digest(text)
        if known := next((one for one in self.tried if one["asked"] == asked), None):
            return known
        number = len(self.tried) + 1
        folder = self.journal.folder / f"configuration-{number:03}"
        write_atomically(folder / "fragment.config", text)
        one = {"number": number, "asked": asked, "folder": folder.name, **about}
        one |= self._outcome(folder)
        self.journal.add("configuration", one)
        self.tried.append(one)
        self.told(one)
        return one

    def _outcome(self, folder: Path) -> Data:
        builder = replace(self.builder, fragments=(*self.builder.fragments[:-1], folder / "fragment.config"))
        made = None
        nothing: Data = {"same_as": None, "kernel": None, "trials": []}
        try:
            made = builder.configure(self.runner.fix_up(self.commit).commit, folder)
            write_atomically(folder / "config", made.text)
            kconfig.check(made.lost)
        except KernelError as error:
            digest = _digest(made.text) if made else None
            return {"config": digest, "verdict": str(Verdict.SKIP), "reason": str(error), "on": None, **nothing}
        digest, on = _digest(made.text), kconfig.on(kconfig.parse_config(made.text))
        if same := next((one for one in self.tried if one["config"] == digest and not one["same_as"]), None):
            reason = f"the same .config as configuration {same['number']}: {same['reason']}"
            return {"config": digest, "verdict": same["verdict"], "reason": reason, "on": on, **nothing} | {
                "same_as": same["number"]
            }
        answer = self._answer(replace(self.runner, builder=builder), folder)
        kernel = answer.kernel
        return {
            "config": digest,
            "verdict": str(answer.judgement.verdict),
            "reason": answer.judgement.reason,
            "on": on,
            "same_as": None,
            "kernel": kernel and {"signature": kernel.signature, "built": kernel.built, "seconds": kernel.seconds},
            "trials": [self.journal.told(trial) for trial in answer.trials],
        }

    def _answer(self, runner: Runner, folder: Path) -> Answer:
        """Try a configuration; once more if it was inconclusive, as an overloaded machine fails good kernels too."""
        trials: list[Trial] = []
        subject = Subject("commit", self.commit)
        answer = runner.answer(subject, folder, self.runs, trials.append)
        if answer.judgement.verdict is Verdict.SKIP and trials[-1].outcome not in CERTAIN:
            # The kernel is in the cache by now; what its build took is in the first answer.
            answer = replace(runner.answer(subject, folder, self.runs, trials.append), kernel=answer.kernel)
        if trials[-1].outcome is Outcome.INFRASTRUCTURE:
            raise InfrastructureError(f"{folder.name} is inconclusive: {trials[-1].reason}")
        return replace(answer, trials=tuple(trials))

    def signature(self, one: Data) -> str | None:
        """The image of an attempt, or of the one with the same `.config`; None if it was not built."""
        first = self.tried[one["same_as"] - 1] if one["same_as"] else one
        return str(first["kernel"]["signature"]) if first["kernel"] else None

    def config(self, one: Data) -> dict[str, str]:
        """The values of the final `.config` of an attempt."""
        return kconfig.parse_config((self.journal.folder / one["folder"] / "config").read_text(encoding="utf-8"))


def smallest(question: Question, oracle: Configurations) -> frozenset[str]:
    """The options without any one of which the regression does not show.

    Args:
        oracle: the whole configuration must show it.

    Raises:
        InfrastructureError: the machine failed.
    """
    names = question.names

    def shows(kept: frozenset[str]) -> bool:
        left_out = [option.name for option in question.options if option.name in names - kept]
        return oracle.shows(question.without(left_out), left_out=left_out) is True

    return minimise(question.groups, shows)


def nearest(differences: Sequence[Option], oracle: Configurations) -> tuple[frozenset[str], frozenset[str]]:
    """Two sets of options as near to each other as can be, of which the first does not bring the regression.

    Args:
        differences: what a bad configuration has and a good one, the builder's base, has not; with none of them the
            regression must not show, with all of them it must.

    Raises:
        InfrastructureError: the machine failed.
    """

    def shows(taken: frozenset[str]) -> bool | None:
        return oracle.shows([one for one in differences if one.name in taken], taken=len(taken))

    return isolate([one.name for one in differences], shows)


def told(question: Question, oracle: Configurations, kept: frozenset[str]) -> list[Data]:
    """What became of each option and why, as JSON data, in the order of the fragments.

    Args:
        kept: what `smallest` found.
    """
    left_out = question.names - kept
    final = oracle.config(oracle.attempt(question.without(left_out)))
    found = []
    for option in question.options:
        why, state = option.why, ANY
        if option.name in kept:
            why, state = oracle.attempt(question.without({*left_out, option.name}))["reason"], NEEDED
        elif option.name in left_out:
            state = ON if final.get(option.name, "n") != "n" else OFF
        about = {"name": option.name, "value": option.value, "fragment": option.fragment}
        found.append({**about, "state": state, "why": why})
    return found


def size(options: Sequence[Option], folder: Path) -> Data:
    """How large a configuration is, as JSON data: what it asks for, what is on, and what the image is made of.

    Args:
        folder: has the kernel's files; those that are missing leave None.
    """
    config, facts = folder / "config", folder / "kernel.json"
    known = json.loads(facts.read_text(encoding="utf-8")) if facts.exists() else {}
    on = kconfig.on(kconfig.parse_config(config.read_text(encoding="utf-8"))) if config.exists() else None
    asked = sum(option.value != "n" for option in options)
    return {"asked": asked, "on": on, **{name: known.get(name) for name in ("objects", "image_bytes")}}


def fragment_text(options: Iterable[Option], whys: Mapping[str, str] | None = None) -> str:
    """A fragment with some options, each with its reason, by the fragment that it comes from.

    Args:
        whys: the reason by name, instead of the comment that the option has.
    """
    lines: list[str] = []
    last = None
    for option in options:
        if option.fragment != last:
            lines += [*([""] if lines else []), f"# {option.fragment}"]
        last = option.fragment
        [line] = kconfig.render([option]).splitlines()
        why = (whys or {}).get(option.name, "")
        optional = option.why if option.optional else ""
        comment = "; ".join(filter(None, (optional, why.replace("\n", " "))))
        lines.append(f"{line}  # {comment}" if comment and option.value != "n" else line)
    return "".join(f"{line}\n" for line in lines)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
