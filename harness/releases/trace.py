"""Which tags of a repository have a regression and which its fix: one pass over its messages, one over its history."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from harness.errors import UserError
from harness.git import Git
from harness.releases.marks import Change, Kind, Mark, Message, patterns, recognise

CUT = 1
"""The bit of a commit below which history is cut; the marks have the bits above it."""


class State(StrEnum):
    """What a tag is."""

    UNAFFECTED = "not affected"
    """the culprit is not in it, or was taken out and that is all there is"""
    AFFECTED = "affected"
    """it has the culprit, and not all of its fix"""
    FIXED = "fixed"
    """it has both, or the culprit was reverted"""
    CUT = "cut here"
    """the culprit is not in what is there of its history, and older commits are missing"""


@dataclass(frozen=True)
class Told:
    """What is said of a tag.

    Attributes:
        guess: whether it hangs on a commit that may be another change.
        by: the marks that decide it.
    """

    state: State
    guess: bool = False
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Survey:
    """A repository's tags.

    Attributes:
        marks: the commits that were recognised, parents before children.
        also: further commits that say `Fixes:` of the culprit.
        tags: what is said of each.
        having: by mark, the tags that have it.
        cut: whether history is cut somewhere.
    """

    marks: tuple[Mark, ...]
    also: tuple[Message, ...] = ()
    tags: Mapping[str, Told] = field(default_factory=dict)
    having: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cut: bool = False


def known(git: Git, change: Change) -> Change:
    """A change with what a repository knows of it: whole hash, subject, patch-id; unchanged where it is not there."""
    sha = git.sha(change.sha) if change.sha else None
    if sha is None:
        return change
    return Change(sha, git.commit(sha).subject, _patch_id(git, sha))


def _patch_id(git: Git, sha: str) -> str | None:
    """What two commits with the same change share; None for a merge, and where the objects are not there."""
    shown = git.run("diff-tree", "-p", "--root", sha, "--", check=False)
    if shown.returncode != 0 or not shown.stdout.strip():
        return None
    told = git.run("patch-id", "--stable", input=shown.stdout.encode(errors="replace")).stdout.split()
    return told[0] if told else None


def survey(git: Git, culprit: Change, fixes: Sequence[Change] = ()) -> Survey:
    """Look through all of a repository's tags.

    Args:
        fixes: all of them are needed; where there are none, one commit that says `Fixes:` of the culprit is enough.

    Raises:
        UserError: the repository has no tags.
        ProgramFailed: git cannot read its history.
    """
    tags = _tags(git)
    if not tags:
        raise UserError(f"{git.path} has no tags: fetch them (git fetch --tags), or name another tree")
    patch_id = functools.cache(functools.partial(_patch_id, git))
    marks, also = recognise(_messages(git, [culprit, *fixes]), culprit, fixes, patch_id)
    cuts = _cuts(git)
    history = _History.of(git, marks, cuts)
    telling = [mark for mark in marks if not history.is_older_namesake(mark, marks)]
    masks = {tag: history.masks.get(sha, 0) for tag, sha in tags.items()}
    told = {mask: history.told(mask, telling, len(fixes)) for mask in set(masks.values())}
    return Survey(
        tuple(telling),
        tuple(also),
        {tag: told[mask] for tag, mask in masks.items()},
        {mark.sha: tuple(tag for tag in tags if masks[tag] & history.bits[mark.sha]) for mark in telling},
        bool(cuts),
    )


def _tags(git: Git) -> dict[str, str]:
    """The commit of each tag; a tag of a tree or a file is none."""
    form = "%(refname:strip=2) %(objecttype) %(objectname) %(*objecttype) %(*objectname)"
    found: dict[str, str] = {}
    for line in git.text("for-each-ref", f"--format={form}", "refs/tags").splitlines():
        name, *kinds = line.split(" ")
        of = {kind: sha for kind, sha in zip(kinds[::2], kinds[1::2], strict=True) if kind}
        sha = of.get("commit") or (git.sha(f"refs/tags/{name}") if of.keys() == {"tag"} else None)
        if sha:
            found[name] = sha
    return found


def _messages(git: Git, wanted: Sequence[Change]) -> list[Message]:
    """The commits whose message names one of these changes, and these themselves; parents before children."""
    grep = [f"--grep={text}" for text in patterns(wanted)]
    form = "--format=%H%x00%s%x00%b"
    out = git.run("log", "-z", "--all", "--reverse", "--topo-order", "--fixed-strings", *grep, form, "--").stdout
    fields = out.split("\0")
    found = [Message(*fields[at : at + 3]) for at in range(0, len(fields) - 2, 3)]
    there = {one.sha for one in found}
    # The commit itself need not name its own hash, and its subject may be unknown.
    own = [sha for one in wanted if one.sha and (sha := git.sha(one.sha)) and sha not in there]
    return [*(Message(sha, git.commit(sha).subject, "") for sha in own), *found]


def _cuts(git: Git) -> set[str]:
    """The commits whose parents are missing: those of a shallow clone, and those that were grafted."""
    common = git.common()
    found = set()
    for name in ("shallow", "info/grafts"):
        path = common / name
        if path.exists():
            found |= {line.split()[0] for line in path.read_text(encoding="ascii").splitlines() if line.strip()}
    return found


@dataclass(frozen=True)
class _History:
    """What each commit has in its history.

    Attributes:
        bits: of each mark.
        masks: by commit, the bits of all marks in its history, itself included, and `CUT`; none where there is nothing.
    """

    bits: Mapping[str, int]
    masks: Mapping[str, int]

    @classmethod
    def of(cls, git: Git, marks: Sequence[Mark], cuts: set[str]) -> _History:
        """One pass over a repository's whole history, parents before children."""
        bits = {mark.sha: 2 << number for number, mark in enumerate(marks)}
        own = {**dict.fromkeys(cuts, CUT)}
        for sha, bit in bits.items():
            own[sha] = own.get(sha, 0) | bit
        masks: dict[str, int] = {}
        if own:
            out = git.text("rev-list", "--all", "--topo-order", "--reverse", "--parents")
            # Not as a list of lines: a kernel's history has more than a million.
            for line in re.finditer(r"[0-9a-f ]+", out):
                sha, *parents = line[0].split()
                mask = own.get(sha, 0)
                for parent in parents:
                    mask |= masks.get(parent, 0)
                if mask:
                    masks[sha] = mask
        return cls(bits, masks)

    def has(self, sha: str, mark: Mark) -> bool:
        """Whether a mark is in the history of a commit."""
        return bool(self.masks.get(sha, 0) & self.bits[mark.sha])

    def is_older_namesake(self, mark: Mark, marks: Sequence[Mark]) -> bool:
        """Whether it has the subject of a change which itself comes later in the same history: it is another one."""
        same = (one for one in marks if (one.kind, one.number) == (mark.kind, mark.number) and one.how == "hash")
        return mark.how.startswith("subject") and mark.guess and any(self.has(one.sha, mark) for one in same)

    def told(self, mask: int, marks: Sequence[Mark], fixes: int) -> Told:
        """What is said of a commit with this mask.

        Args:
            fixes: how many are needed; 0 where one of any is enough.
        """
        alive: dict[tuple[Kind, int], list[Mark]] = {}
        undone: list[Mark] = []
        there = [mark for mark in marks if mask & self.bits[mark.sha]]
        for mark in there:
            of = alive.setdefault((mark.kind, mark.number), [])
            if mark.undoes:
                of[:] = [one for one in of if not self.has(mark.sha, one)]
                undone += [mark] if mark.kind is Kind.CULPRIT else []
            else:
                of.append(mark)
        culprits = alive.get((Kind.CULPRIT, 0), [])
        fixed = [alive.get((Kind.FIX, number), []) for number in range(max(1, fixes))]
        came = any(mark.kind is Kind.CULPRIT and not mark.undoes for mark in there)
        if all(fixed) and (came or mask & CUT) and (culprits or not undone):
            guess = any(all(mark.guess for mark in one) for one in fixed)
            return Told(State.FIXED, guess, _shas(mark for one in fixed for mark in one))
        if culprits:
            guess = all(mark.guess for mark in culprits)
            return Told(State.AFFECTED, guess, _shas([*culprits, *(mark for one in fixed for mark in one)]))
        if came or undone:
            return Told(State.FIXED, all(mark.guess for mark in undone), _shas(undone))
        return Told(State.CUT if mask & CUT else State.UNAFFECTED)


def _shas(marks: Iterable[Mark]) -> tuple[str, ...]:
    return tuple(mark.sha for mark in marks)
