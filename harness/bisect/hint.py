"""What a crash points to: the commits that change the files of its functions, and their neighbours.

It is a hint and no evidence: it decides which commits are tried sooner (`harness.search.hint`).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from harness.bisect.evaluator import Evaluator
from harness.bisect.plan import Economy
from harness.console import Crash
from harness.console.blame import points
from harness.git import Git
from harness.search import History

MOST_FUNCTIONS = 12
"""So many functions of a trace are looked up."""

MOST_FILES = 3
"""A name that is defined in more files than this tells nothing: `probe`, `init`."""


def functions(crash: Crash) -> list[str]:
    """The functions that a crash points to: the one at fault first, then its callers.

    Those that report, lock, allocate and the like, and those that hand out work, are left out.
    """
    own = [frame.function for frame in crash.frames if frame.named and not frame.trace]
    names = [name.partition(".")[0] for name in (crash.function, *own, crash.workqueue) if name]
    kept = (name for name in names if re.fullmatch(r"\w+", name) and points(name))
    return list(dict.fromkeys(kept))[:MOST_FUNCTIONS]


def definitions(names: Sequence[str], lines: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The files that define functions.

    Args:
        names: the functions.
        lines: paths, and lines in them that begin as the definition of one of these does.

    Returns:
        By name, in the order of the names; those that are not found, or in too many files, are left out.
    """
    found: dict[str, list[str]] = {name: [] for name in names}
    for path, line in lines:
        head = line.partition("(")[0].split()
        name = head[-1].lstrip("*") if head else ""
        # A declaration ends here; a definition goes on.
        if name in found and not line.rstrip().endswith(";") and path not in found[name]:
            found[name].append(path)
    return {name: paths for name, paths in found.items() if 1 <= len(paths) <= MOST_FILES}


def defining(git: Git, names: Sequence[str], revision: str, paths: Sequence[str] | str) -> dict[str, list[str]]:
    """The files of a commit that define functions, by name; see `definitions`.

    Args:
        paths: where to look; see `harness.git.Git.grep`.
    """
    return definitions(names, git.grep(rf"^([A-Za-z_][^=;(]*[ *])?({'|'.join(names)})\(", revision, paths))


@dataclass
class Pointer:
    """Asks a tree what a crash points to, once for each range.

    Args:
        evaluator: tries the ends.
        note: is told what is tried sooner.
    """

    evaluator: Evaluator
    note: Callable[[str], None]
    _known: dict[tuple[str, ...], tuple[frozenset[str], ...]] = field(default_factory=dict)

    def hinted(self, history: History) -> History:
        """A range with hints, if one of its ends has shown the crash by now."""
        evaluator = self.evaluator
        # A partial clone would fetch every file to look into it.
        if Economy.HINT in evaluator.plan.without or evaluator.git.transport:
            return history
        crash = next(filter(None, map(evaluator.evidence_log.first_crash, history.crashing)), None)
        key = (history.new, *history.old)
        if crash is not None and key not in self._known:
            self._known[key] = tuple(map(frozenset, self._asked(crash, history)))
        commits = frozenset(history.commits)
        return replace(history, hints=tuple(hint for one in self._known.get(key, ()) if (hint := one & commits)))

    def _asked(self, crash: Crash, history: History) -> list[list[str]]:
        """The commits that change the file of the function at fault, files of the trace, their folders."""
        names = functions(crash)
        if not names:
            return []
        evaluator, git = self.evaluator, self.evaluator.git
        evaluator.runner.progress.update("looking up what the crash points to")
        crashing, quiet = history.crashing[0], history.quiet[0]
        # What the range does not change brought nothing; to look into all files of a kernel would take minutes.
        changed = [path for path in git.changed(quiet, crashing, there=True) if path.endswith(".c")]
        found = defining(git, names, crashing, changed)
        files = list(dict.fromkeys(path for paths in found.values() for path in paths))
        # The top of a tree is no folder of anybody's.
        folders = [place for place in dict.fromkeys(map(posixpath.dirname, files)) if place]
        asked = [
            git.touching(history.new, history.old, paths, first_parent=evaluator.plan.first_parent)
            for paths in (next(iter(found.values()), []), files, folders)
            if paths
        ]
        if any(asked):
            named = ", ".join(files[:3]) + (", ..." if len(files) > 3 else "")
            count = len({sha for shas in asked for sha in shas})
            self.note(
                f"the crash points to {named}: commits that change these or their neighbours ({count}) come sooner"
            )
        return asked
