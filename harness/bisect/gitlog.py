"""The log of a bisection as `git bisect log` writes it and `git bisect replay` reads it.  Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.bisect.plan import Plan, Step
from harness.errors import UserError


def render(plan: Plan, new: str, old: Sequence[str], steps: Iterable[Step], culprit: str | None = None) -> str:
    """The log.

    Args:
        new: the end that has the culprit.
        old: the ends that do not.
        steps: what was tried, in order; the ends need not be among them.
        culprit: the commit found.
    """
    steps = [step for step in steps if step.role in ("commit", "again")]
    subjects = {step.commit: step.subject for step in steps}
    options = ["--term-new=fixed", "--term-old=broken"] if plan.find_fix else []
    options += ["--first-parent"] if plan.first_parent else []
    paths = ["--", *plan.paths] if plan.paths else []

    def told(word: str, sha: str) -> str:
        return f"# {word}: [{sha}] {subjects.get(sha, '')}".rstrip()

    after, before = plan.terms
    lines = [told(after, new), *(told(before, sha) for sha in old)]
    lines.append("git bisect start " + " ".join(f"'{word}'" for word in (*options, new, *old, *paths)))
    for step in steps:
        if step.commit not in (new, *old):
            word = plan.term(step.verdict)
            lines += [told(word, step.commit), f"git bisect {word} {step.commit}"]
    if culprit:
        lines.append(told(f"first {after} commit", culprit))
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Taken:
    """A log as read, with revisions as written there.

    Attributes:
        new: the ends that have the culprit, as far as the log names them.
        old: the ends that do not, likewise.
        words: other commits, in order: new (True), old (False) or skipped (None).
        terms: git's words for new and old.
    """

    new: tuple[str, ...]
    old: tuple[str, ...]
    words: tuple[tuple[str, bool | None], ...]
    paths: tuple[str, ...]
    first_parent: bool
    terms: tuple[str, str]


def read(text: str, name: str) -> Taken:
    """Read a log.

    Args:
        name: the file's name, for errors.

    Raises:
        UserError: not such a log; the message names the line.
    """
    terms, paths, first_parent, started = ("bad", "good"), (), False, False
    new: list[str] = []
    old: list[str] = []
    words: list[tuple[str, bool | None]] = []
    taken_paths: tuple[str, ...] = paths
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            command = shlex.split(line)
        except ValueError as error:
            raise UserError(f"{name}:{number}: {error}") from error
        if command[:2] != ["git", "bisect"] or len(command) < 3:
            raise UserError(f"{name}:{number}: not a line of `git bisect log`: {line!r}")
        verb, args = command[2], command[3:]
        if verb == "start":
            started, new, old, words = True, [], [], []
            terms, first_parent, revisions, taken_paths = _start(args)
            new, old = revisions[:1], revisions[1:]
        elif not started:
            raise UserError(f"{name}:{number}: this comes before any `git bisect start`")
        elif verb == "skip":
            words += [(revision, None) for revision in args]
        elif verb in (terms[0], "new") or (verb == "bad" and terms[0] == "bad"):
            # The first that is named is the end; a later one narrows the range.
            for revision in args:
                new or new.append(revision)  # type: ignore[func-returns-value]
                words += [(revision, True)] if revision not in new else []
        elif verb in (terms[1], "old"):
            seen = any(is_new is False for _, is_new in words)
            for revision in args:
                if old or seen:
                    words.append((revision, False))
                else:
                    old.append(revision)
        elif verb == "terms":
            continue
        else:
            raise UserError(f"{name}:{number}: expected {terms[0]}, {terms[1]}, skip or start, got {verb!r}")
    if not started:
        raise UserError(f"{name}: no `git bisect start` in it: not a bisect log")
    return Taken(tuple(new), tuple(old), tuple(words), taken_paths, first_parent, terms)


def _start(args: list[str]) -> tuple[tuple[str, str], bool, list[str], tuple[str, ...]]:
    """Terms, whether `--first-parent`, revisions and paths of a `git bisect start`."""
    after, before, first_parent = "bad", "good", False
    revisions: list[str] = []
    words = iter(args)
    for word in words:
        if word == "--":
            return (after, before), first_parent, revisions, tuple(words)
        option = re.fullmatch(r"--term-(new|bad|old|good)(?:=(.*))?", word)
        if option:
            value = option[2] if option[2] is not None else next(words, "")
            if option[1] in ("new", "bad"):
                after = value
            else:
                before = value
        elif word == "--first-parent":
            first_parent = True
        elif not word.startswith("--"):
            revisions.append(word)
    return (after, before), first_parent, revisions, ()
