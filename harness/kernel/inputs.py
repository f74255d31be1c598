"""What a build read: the files of the tree that its image depends on, from what kbuild leaves in the object folder.

Every command that kbuild runs through `if_changed` leaves a file `.TARGET.cmd` with the command line and, for
compilers, all files that were included (the kernel's Documentation/kbuild/makefiles.rst and scripts/basic/fixdep.c);
`auto.conf.cmd` has the Kconfig files. An object folder that earlier commits were built in may have files of these too:
more is said to be read than was, never less.
"""

from __future__ import annotations

import gzip
import json
import os
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path

FILE = "inputs.json.gz"
"""The name of the file beside an image; there is none where the builder cannot tell."""

SCHEMA = 1

MAKEFILE = re.compile(r"(?:^|/)(?:Makefile|Kbuild)[^/]*$|\.mk$|(?:^|/)Platform$")
"""Paths of files that make reads."""

SOURCE = re.compile(r"\.(?:c|h|S|s|inc|cc|rs|dts|dtsi|dtso|lds|l|y)$|\.[ch]_shipped$")
"""Paths of files that have an effect only where a compiler reads them."""

_INCLUDE = re.compile(
    r"^[ \t]*#[ \t]*include(?:_next)?[ \t]*[<\"]([^>\"\n]+)[>\"]|__has_include[ \t]*\([<\"]([^>\"]+)", re.M
)
_WORD = re.compile(r"[\w.$()/+-]+")
_GLOB = re.compile(r"\$\(wildcard|\$\(shell[^\n]*\b(?:find|ls)\b")
_SET = re.compile(r"^CONFIG_(\w+)=", re.MULTILINE)


@dataclass(frozen=True)
class Inputs:
    """What one or more builds of a configuration read; paths are of the tree.

    Attributes:
        files: the files read, or that an `#include` of these would read if an `#if` were other than it is; for each,
            how many objects depend on it.
        folders: those that make worked in.
        globbed: those whose makefiles ask which files there are.
        search: those that compilers search for headers.
        names: what `#include` lines ask for.
        options: the names of the options that are set, without `CONFIG_`.
    """

    files: Mapping[str, int] = field(default_factory=dict)
    folders: frozenset[str] = frozenset()
    globbed: frozenset[str] = frozenset()
    search: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    options: frozenset[str] = frozenset()

    def __or__(self, other: Inputs) -> Inputs:
        """What either read."""
        return Inputs(
            {path: max(self.files.get(path, 0), other.files.get(path, 0)) for path in {*self.files, *other.files}},
            self.folders | other.folders,
            self.globbed | other.globbed,
            self.search | other.search,
            self.names | other.names,
            self.options | other.options,
        )

    def save(self, path: Path) -> None:
        """Write it to a file."""
        sets = {name: sorted(getattr(self, name)) for name in ("folders", "globbed", "search", "names", "options")}
        text = json.dumps({"schema": SCHEMA, "files": dict(sorted(self.files.items())), **sets})
        path.write_bytes(gzip.compress(text.encode(), 6, mtime=0))


def load(path: Path) -> Inputs | None:
    """What `Inputs.save` wrote; None if there is no such file, or one that is damaged or of another version."""
    try:
        told = json.loads(gzip.decompress(path.read_bytes()))
        if told.pop("schema") != SCHEMA:
            return None
        files = {str(name): int(count) for name, count in told.pop("files").items()}
        return Inputs(files, **{name: frozenset(map(str, one)) for name, one in told.items()})
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError):
        return None


def includes(text: str) -> set[str]:
    """What the `#include` lines of a text ask for, whatever `#if` they stand under."""
    return {one or other for one, other in _INCLUDE.findall(text)}


def words(makefile: str, folder: str) -> Iterator[str]:
    """The words of a makefile's text as paths: from its own folder and from the top."""
    for word in _WORD.findall(makefile):
        plain = re.sub(r"^(?:\$\((?:srctree|src|obj|objtree|srcroot)\)/)+", "", word)
        if "$" not in plain and plain.strip("./"):
            yield posixpath.normpath(posixpath.join(folder, plain))
            yield posixpath.normpath(plain)


def globs(makefile: str) -> bool:
    """Whether a makefile's text asks which files there are."""
    return _GLOB.search(makefile) is not None


def read(objects: Path, tree: Path, tracked: frozenset[str]) -> Inputs | None:
    """What the builds in an object folder read; None where kbuild did not say.

    Args:
        objects: the folder (`make O=`).
        tree: the source tree, with the last commit built checked out.
        tracked: its files.
    """
    # It names the Kconfig files from the top.
    config = objects / "include" / "config" / "auto.conf.cmd"
    if not config.exists():
        return None
    counts = Counter(dict.fromkeys(tracked & set(config.read_text(encoding="utf-8").split()), 0))
    search: set[str] = set()
    known: set[str] = set()
    named = _Named(tree, tracked)
    for top, inner, names in os.walk(objects):
        here = os.path.relpath(top, objects)
        known |= {posixpath.normpath(posixpath.join(here, name)) for name in inner}
        for name in names:
            if not name.endswith(".cmd"):
                continue
            text = Path(top, name).read_text(encoding="utf-8", errors="replace")
            counts.update(dict.fromkeys(named.files(text), int(name.endswith(".o.cmd"))))
            search |= named.searched(text[: text.find("\n")])
    inside = {path.rpartition("/")[0] for path in tracked}
    folders = {"", *(known & inside.union(*map(_above, inside)))}
    makefiles = {path for path in tracked if path.rpartition("/")[0] in folders and MAKEFILE.search(path)}
    texts = {path: (tree / path).read_text(encoding="utf-8", errors="replace") for path in makefiles}
    told = {word for path, text in texts.items() for word in words(text, posixpath.dirname(path)) if word in tracked}
    files = {*counts, *makefiles, *told}
    asked, reachable = _closure(tree, files, search, tracked)
    # What was found by a name that a macro gives.
    asked |= {path[len(one) + 1 :] for path in files if path.endswith(".h") for one in _above(path) if one in search}
    return Inputs(
        {path: counts[path] for path in files | reachable},
        frozenset(folders),
        frozenset(posixpath.dirname(path) for path, text in texts.items() if globs(text)),
        frozenset(search),
        frozenset(asked),
        frozenset(_SET.findall((objects / ".config").read_text(encoding="utf-8"))),
    )


class _Named:
    """What commands name of the tree, which they do by its absolute path."""

    def __init__(self, tree: Path, tracked: frozenset[str]) -> None:
        root = re.escape(str(tree))
        self._path = re.compile(root + r"/([^\s\"'();,=]+)")
        self._search = re.compile(r"-(?:I|isystem|iquote)[ \t]*" + root + r"/?(\S*)")
        self.tree, self.tracked = tree.resolve(), tracked
        self._known: dict[str, frozenset[str]] = {}

    def files(self, text: str) -> set[str]:
        """The files that a text names."""
        return set().union(*map(self._meant, set(self._path.findall(text))))

    def _meant(self, raw: str) -> frozenset[str]:
        """The file that a path is, and the one that it leads to by symbolic links."""
        if raw not in self._known:
            real = os.path.relpath(os.path.realpath(self.tree / raw), self.tree)
            self._known[raw] = self.tracked & {posixpath.normpath(raw), real}
        return self._known[raw]

    def searched(self, command: str) -> set[str]:
        """The folders of the tree that a compiler's command searches for headers."""
        return {posixpath.normpath(raw).removeprefix(".") for raw in self._search.findall(command)}


def _above(path: str) -> Iterator[str]:
    """The folders that a path is in."""
    while path := path.rpartition("/")[0]:
        yield path


def resolve(name: str, places: Iterable[str]) -> Iterator[str]:
    """The paths that a name in an `#include` line may stand for, searched in these folders."""
    for place in places:
        path = f"{place}/{name}" if place else name
        yield posixpath.normpath(path) if "." in path.rpartition("/")[0] else path


def _closure(tree: Path, files: Set[str], search: Set[str], tracked: frozenset[str]) -> tuple[set[str], set[str]]:
    """What all `#include` lines ask for, those of files that they may reach included; and these files."""
    asked: set[str] = set()
    by_name: dict[str, Set[str]] = {}
    seen = {path for path in files if SOURCE.search(path)}
    todo = list(seen)
    while todo:
        path = todo.pop()
        folder = posixpath.dirname(path)
        for name in includes((tree / path).read_text(encoding="utf-8", errors="replace")):
            if name not in by_name:
                by_name[name] = tracked.intersection(resolve(name, search))
            asked.add(name)
            for found in (by_name[name] | tracked.intersection(resolve(name, [folder]))) - seen:
                seen.add(found)
                todo.append(found)
    return asked, seen
