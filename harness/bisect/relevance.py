"""Which commits may alter the image, by what its builds read.  Pure.

A change counts unless it is known not to matter.  What is watched grows by what the commits that count bring in, so
that a file which is read only in the middle of a range counts as well.  docs/economies.md says why the rules are right,
and where they are only probable.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Set

from harness.git import Change
from harness.kernel.inputs import MAKEFILE, SOURCE, Inputs, globs, includes, resolve, words

Lines = Iterable[tuple[str, str, Sequence[str]]]
"""Commits, paths, and the lines that the one adds to or removes from the other."""

NOT_FILES = ("120000", "160000")
"""Git's modes of symbolic links and of submodules."""

# Nothing in these is part of any image, unless a build is seen to read it.
_APART = re.compile(r"(?:Documentation|LICENSES)/|arch/[^/]+/(?:boot/dts|configs)/")
_SHARED_TOOLS = {"arch", "build", "include", "lib", "scripts"}
_IDLE_TOP = {"COPYING", "CREDITS", "MAINTAINERS", "README"}
_TEXT = re.compile(r"(?:^|/)(?:\.[^/]*|README[^/]*|TODO|[^/]*\.(?:rst|md|config)|[^/]*_defconfig)$")
_TINY = re.compile(r"(?:^|/)tiny[\w-]*\.config$")
_KCONFIG = re.compile(r"(?:^|/)Kconfig[^/]*$")
_ASM = re.compile(r"include/(?:uapi/)?asm-generic/|arch/[^/]+/include/")
_OBJECT = re.compile(r"([\w/.+-]+)\.o(?![\w/.])")
_SUBDIRECTORY = re.compile(r"(?:^|[\s=])([\w/.+-]+)/(?=\s|$|\\)")
_SEARCH = re.compile(r"-(?:I|isystem|iquote)\s*\$\((?:srctree|src|srcroot)\)/?([^\s)]*)")
_OPTION = re.compile(r"\$\(CONFIG_(\w+)\)")
_SOURCED = re.compile(r'^\s*(?:o?source)\s+"([^"]+)"', re.MULTILINE)


class Watch:
    """What is watched: changes of it may alter the image.

    Args:
        read: what the builds at the ends of the range read.
    """

    def __init__(self, read: Inputs) -> None:
        self.folders, self.options, self.search = read.folders, read.options, set(read.search)
        self.files, self.names, self.globbed = set(read.files), set(read.names), set(read.globbed)
        self._places = {path.rpartition("/")[0] for path in read.files if SOURCE.search(path)}
        self._stems = {_stem(path) for path in read.files if SOURCE.search(path)}
        self._objects: set[tuple[str, str]] = set()
        self._trees: set[str] = set()
        self._version = "LOCALVERSION_AUTO" in read.options
        self._headers = "IKHEADERS" in read.options or "usr/include" in read.folders

    @property
    def size(self) -> int:
        """How much is watched."""
        return sum(len(one) for one in (self.files, self.names, self.search, self.globbed, self._objects, self._trees))

    def why(self, change: Change) -> str | None:
        """Why a change may alter the image; None if it is known not to."""
        path = change.path
        top, folder, name = path.partition("/")[0], path.rpartition("/")[0], path.rpartition("/")[2]
        if self._version:
            return "the version names the commit"
        if not set(change.modes).isdisjoint(NOT_FILES):
            return "a symbolic link or a submodule"
        if name == ".gitattributes":
            return "what git makes of files"
        if self.follows(path):
            return "it is read"
        if top == "scripts":
            return "a script"
        if top == "tools":
            part = path.split("/")[1]
            return "a tool of the build" if part in _SHARED_TOOLS or f"tools/{part}" in self.folders else None
        asm = _ASM.match(path)
        if asm and change.status != "M" and self._own(path) is not False:
            return "it may stand for a generic header"
        if self._headers and name.endswith(".h") and (path.startswith("include/") or (asm and self._own(path))):
            return "all headers are read"
        if _TINY.search(path):
            return "part of the configuration"
        if _KCONFIG.search(path):
            return None  # read by name, whatever is configured
        works, own = folder in self.folders, self._own(path)
        if not works and (_APART.match(path) or own is False):
            return None
        if MAKEFILE.search(path):
            return "a makefile where the build works" if works or own or asm else None
        if SOURCE.search(path):
            return self._appears(path) if change.status != "M" else None
        if _TEXT.search(path) or path in _IDLE_TOP:
            return None
        # An architecture makes headers of tables by makefiles that leave nothing beside them.
        if works or own or folder.rpartition("/")[0] in self.folders - {""}:
            return "not a source, where the build works"
        return None

    def follows(self, path: str) -> bool:
        """Whether a path is read, or what is read may ask for it."""
        if path in self.files or _stem(path) in self._objects or any(path.startswith(tree) for tree in self._trees):
            return True
        places = (place for place in ("", *_above(path)) if place in self.search or place in self._places)
        return any(path[len(place) + 1 if place else 0 :] in self.names for place in places)

    def _own(self, path: str) -> bool | None:
        """Whether a path is of the architecture that is built, or of another; None if it is of none."""
        found = re.match(r"arch/[^/]+(?=/)", path)
        return found[0] in self.folders if found else None

    def _appears(self, path: str) -> str | None:
        """Why a source that comes or goes may alter the image."""
        if _stem(path) in self._stems:
            return "it may stand for a source of the same name"
        folders = ["", *_above(path)]
        if any(one in self.globbed and (one or "/" not in path) for one in folders):
            return "a makefile asks which files there are"
        return None

    def learn(self, path: str, lines: Iterable[str]) -> None:
        """Watch what lines of a file bring in."""
        text, folder = "\n".join(lines), path.rpartition("/")[0]
        if SOURCE.search(path):
            self._places.add(folder)
            for name in includes(text):
                self.names.add(name)
                self.files.update(resolve(name, [folder]))
        elif _KCONFIG.search(path):
            self.files.update(_SOURCED.findall(text))
        elif MAKEFILE.search(path):
            self._learn_makefile(folder, text)

    def _learn_makefile(self, folder: str, text: str) -> None:
        for line in text.split("\n"):
            if not self.options.issuperset(_OPTION.findall(line)):
                continue  # the ends do not build it; between them, only a Kconfig file could bring it in
            for stem in _OBJECT.findall(line):
                self._objects.add(_stem(posixpath.normpath(posixpath.join(folder, stem))))
            for inner in _SUBDIRECTORY.findall(line):
                for above in {folder, ""}:
                    tree = posixpath.normpath(posixpath.join(above, inner))
                    if tree not in self.folders and tree.strip("./"):
                        self._trees.add(f"{tree}/")
        self.files.update(word for word in words(text, folder) if "." in word.rpartition("/")[2])
        for place in _SEARCH.findall(text):
            self.search |= {posixpath.normpath(one).removeprefix(".") for one in (place, posixpath.join(folder, place))}
        if globs(text):
            self.globbed.add(folder)


def _stem(path: str) -> tuple[str, str]:
    """Folder and name of a path up to the first dot: objects of the same are made of one another."""
    folder, _, name = path.rpartition("/")
    return folder, name.partition(".")[0]


def _above(path: str) -> Iterable[str]:
    while path := path.rpartition("/")[0]:
        yield path


def relevant(
    changes: Mapping[str, Sequence[Change]],
    watch: Watch,
    patches: Callable[[Set[str]], Lines],
    texts: Callable[[Watch], Iterable[tuple[str, str]]],
) -> set[str]:
    """The commits that may alter the image.

    Args:
        changes: what each commit changes against its parent; none for merges.
        watch: what the ends read; afterwards, what counts in all of the range.
        patches: the changed lines of these commits.
        texts: paths of the ends that are watched now, with their texts, if these were not given before.

    Returns:
        Their hashes.
    """
    found: set[str] = set()
    while True:
        size = watch.size
        known: dict[tuple[str, str, tuple[str, str]], bool] = {}
        for sha, changed in changes.items():
            if sha not in found and any(_counts(one, watch, known) for one in changed):
                found.add(sha)
        for _, path, lines in patches(found):
            if watch.follows(path) or MAKEFILE.search(path):
                watch.learn(path, lines)
        for path, text in texts(watch):
            watch.learn(path, text.split("\n"))
        if watch.size == size:
            return found


def _counts(change: Change, watch: Watch, known: dict[tuple[str, str, tuple[str, str]], bool]) -> bool:
    key = (change.path, change.status, change.modes)
    if key not in known:
        known[key] = watch.why(change) is not None
    return known[key]
