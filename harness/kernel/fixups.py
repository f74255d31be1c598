"""Known breakages: a stretch of commits that does not build or boot, and the change that fixes it up.

The source with fixups is a commit in the program's own repository; the user's is not written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.errors import UserError
from harness.git import Commit, Conflict
from harness.kernel.tree import Tree
from harness.model import Fixup


@dataclass(frozen=True)
class Fixed:
    """A commit as it is built.

    Attributes:
        commit: what to build; the commit itself where it needs no fixup.
        by: what was applied, for reports, and what did not apply.
    """

    commit: Commit
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fixups:
    """Applies fixups to the commits of one tree.

    Args:
        tree: the tree.
        known: the scenario's fixups; those whose commits are not in this tree are ignored.
        folder: where the patches are.
    """

    tree: Tree
    known: Sequence[Fixup]
    folder: Path

    @cached_property
    def _here(self) -> list[tuple[Fixup, str, str | None, str | None]]:
        """The fixups of this tree, with the hashes of `since`, `until` and `pick`."""
        found = []
        for one in self.known:
            try:
                named = (self.tree.resolve(r).sha if r else None for r in (one.since, one.until, one.pick))
                since, until, pick = named
            except UserError:
                continue
            assert since is not None
            found.append((one, since, until, pick))
        return found

    def apply(self, commit: Commit) -> Fixed:
        """The commit with the fixups that its stretch of history needs."""
        own, now, by = self.tree.workspace, commit, []
        for fixup, since, until, pick in self._here:
            if not own.is_ancestor(since, commit.sha) or (until and own.is_ancestor(until, commit.sha)):
                continue
            if pick:
                name = pick[:12]
                tree = own.picked_tree(now.sha, pick, next(iter(own.parents(pick)), None))
            else:
                assert fixup.patch is not None
                name, tree = fixup.patch, own.patched_tree(now.sha, self.folder / fixup.patch)
            if isinstance(tree, Conflict):
                by.append(f"{name} does not apply: {tree}")
            else:
                # The subject stays, so that what names this kernel names the commit that it stands for.
                now = own.make_commit(tree, [now.sha], f"{commit.subject}\n\nFixup: {name}\n")
                by.append(f"{name} ({fixup.because})")
        return Fixed(now, tuple(by))
