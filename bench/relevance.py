"""How many commits of a range may alter the image, and whether the others truly do not.

    python -m bench.relevance [--rounds 8] [--clean 10] [--commits 433] [--pairs 200] [--seed 1]

1. Changes made to hurt (`bench.relevance_hurts`), each built after its parent: where one is said not to matter, the
   images must be the same.  Some of these again, built from nothing.
2. Everything at once: each file that is said not to matter is changed; each such source is deleted; new sources come
   beside all.  The image must be the same, after a build from nothing too.
3. A range whose commits change the files that the subjects of as many real commits name (`bench.subjects`): how many
   are left as suspects, and how many steps that saves.  Some of the others, each built on top of the first one.

It takes hours; killed, it goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from bench.common import Errors, fragments, machine, replay_tree, table
from bench.relevance_hurts import Files, Hurts, marked
from bench.subjects import Places, drawn
from harness import paths
from harness.bisect.relevance import Watch
from harness.bisect.unread import Commits
from harness.git import Change, Git
from harness.kernel import inputs
from harness.kernel.build import KernelBuilder
from harness.kernel.inputs import SOURCE, Inputs
from harness.kernel.tree import Tree, from_path
from harness.search import History
from harness.search.halving import Halving
from harness.testing import MadeUp, play

TOP = paths.cache() / "bench-relevance"

# Besides the file that it is about. Of the subjects' commits only the subjects are at hand; these are guesses, on the
# high side: a commit that changes one of these more often counts.
HEADER, KCONFIG, BUILD = 0.15, 0.04, 0.04


def laid() -> Tree:
    """A repository over the replay's source, with a worktree of its own."""
    source = replay_tree()
    if not (TOP / "tree").exists():
        clone = ("clone", "--quiet", "--shared", "--no-checkout", str(source.worktree), str(TOP / "tree"))
        Git(source.worktree).run(*clone)
    return from_path(TOP / "tree", TOP, Errors())


@dataclass
class Laboratory:
    """Makes commits and builds them; what was found is kept.

    Args:
        tree: where.
        base: the first commit.
    """

    tree: Tree
    base: str
    found: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.git = self.tree.workspace
        self.builder = KernelBuilder(self.tree, "x86_64", fragments(), TOP, Errors())
        self.kept = TOP / "found.jsonl"
        if self.kept.exists():
            self.found = dict(json.loads(line) for line in self.kept.read_text().splitlines())

    def line(self, commits: Iterable[tuple[str, Files]], name: str) -> list[str]:
        """Commits on top of the first one, each after the one before; their hashes."""
        shas = []
        stream = [f"reset refs/heads/{name}\nfrom {self.base}\n"]
        for number, (subject, files) in enumerate(commits, 1):
            lines = [f"commit refs/heads/{name}", f"committer A <a@b> {1700000000 + number} +0000"]
            stream += ["\n".join([*lines, _data(subject)])]
            for path, text in files.items():
                if text is None:
                    stream.append(f"D {path}")
                elif text.startswith("-> "):
                    stream.append(f"M 120000 inline {path}\n{_data(text[3:])}")
                else:
                    stream.append(f"M 100644 inline {path}\n{_data(text)}")
        user = self.tree.repository
        user.run("fast-import", "--quiet", "--force", input=("\n".join(stream) + "\n").encode(errors="surrogateescape"))
        shas = user.text("rev-list", "--reverse", f"{self.base}..{name}").split()
        self.tree = from_path(TOP / "tree", TOP, Errors())
        return shas

    def image(self, sha: str, *, clean: bool = False) -> str:
        """The image of a commit, as a digest; clean: built from nothing."""
        key = f"{sha} clean" if clean else sha
        if key not in self.found:
            if clean:
                shutil.rmtree(TOP / "objects", ignore_errors=True)
            kernel = self.builder.build(self.git.commit(sha), TOP / "built")
            shutil.rmtree(TOP / "kernels")
            self.found[key] = kernel.signature
            with self.kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps([key, kernel.signature]) + "\n")
        return self.found[key]

    def read(self, sha: str) -> Inputs:
        """What the build of a commit reads."""
        path = TOP / f"{sha}.{inputs.FILE}"
        if not path.exists():
            self.found.pop(sha, None)
            self.image(sha)
            shutil.copyfile(TOP / "built" / inputs.FILE, path)
        told = inputs.load(path)
        assert told is not None
        return told

    def text(self, path: str) -> str:
        """A file of the first commit."""
        return self.git.run("show", f"{self.base}:{path}").stdout

    def suspects(self, shas: Sequence[str]) -> frozenset[str]:
        """Those commits of a line that may alter the image."""
        above = self.git.history(shas[-1], [self.base])
        watch = Watch(self.read(self.base) | self.read(shas[-1]))
        return Commits(self.git, (shas[-1], self.base), above, first_parent=False).suspects(watch)


def _data(text: str) -> str:
    return f"data {len(text.encode(errors='surrogateescape'))}\n{text}"


def real(laboratory: Laboratory, count: int, chance: random.Random) -> Iterator[tuple[str, Files]]:
    """So many commits, each about the files that a real subject names."""
    files = laboratory.git.files(laboratory.base)
    headers = sorted(path for path in files if re.match(r"include/.*\.h$", path))
    now: dict[str, str] = {}

    def edit(path: str, number: int) -> None:
        now[path] = marked(path, now.get(path) or laboratory.text(path), number)

    for number, places in enumerate(drawn(Places(files), count, chance)[0], 1):
        about = chance.choice(places)
        changed = {about}
        folder = about.rpartition("/")[0]
        if chance.random() < HEADER:
            near = [path for path in headers if path.rpartition("/")[2].startswith(folder.rpartition("/")[2][:4])]
            changed.add(chance.choice(near or headers))
        for share, pattern in ((KCONFIG, r"/Kconfig$"), (BUILD, r"/Makefile$")):
            if chance.random() < share:
                changed |= {path for path in (f"{folder}{pattern[:-1]}",) if path in files}
        for path in sorted(changed):
            edit(path, number)
        new = (
            {f"{folder}/regress_mark_{number}.c": marked("x.c", "", number)} if f"{folder}/Makefile" in changed else {}
        )
        yield f"about {about}", {**{path: now[path] for path in changed}, **new}


def steps(shas: Sequence[str], suspects: frozenset[str], chance: random.Random) -> list[float]:
    """Builds that a bisection takes on average, among all commits and among the suspects; both ends are built."""
    culprits = chance.sample(sorted(suspects), min(200, len(suspects)))
    taken = []
    for some in (list(shas), [sha for sha in shas if sha in suspects or sha == shas[-1]]):
        above = {sha: tuple(some[at - 1 : at]) if at else () for at, sha in enumerate(some)}
        history = History(tuple(some), above, ("old",))
        played = [play(Halving(history), MadeUp(history, frozenset([one])), chance).builds - 2 for one in culprits]
        taken.append(statistics.mean(played))
    return taken


AT_ONCE = 3
"""Kinds of changes that are made everywhere at once: modified, deleted, added."""


def at_once(laboratory: Laboratory, watch: Watch) -> Iterator[tuple[str, Files]]:
    """Everything that is said not to matter, changed in one commit."""
    files = sorted(laboratory.git.files(laboratory.base))
    plain = [path for path in files if re.search(r"\.(?:c|h|S|rs|dts|dtsi|rst)$|/Makefile$", path)]
    texts = dict(laboratory.git.texts(laboratory.base, plain))
    idle = [path for path in texts if watch.why(Change(path, "M")) is None]
    yield f"{len(idle)} files are modified", {path: marked(path, texts[path], 1) for path in idle}
    gone = [path for path in files if SOURCE.search(path) and watch.why(Change(path, "D")) is None]
    yield f"{len(gone)} sources are deleted", dict.fromkeys(gone)
    folders = sorted({path.rpartition("/")[0] for path in files} - {""})
    new = {f"{folder}/regress_new{end}": marked(f"x{end}", "", 1) for folder in folders for end in (".c", ".h", ".S")}
    # Names that are asked for elsewhere: most headers that are read, in folders where nothing is.
    names = sorted({path.rpartition("/")[2] for path in watch.files if path.endswith(".h")})
    new |= {f"{folder}/{names[at % len(names)]}": marked("x.h", "", 1) for at, folder in enumerate(folders)}
    added = {path: text for path, text in new.items() if path not in texts and watch.why(Change(path, "A")) is None}
    yield f"{len(added)} files are added", added


@dataclass
class Pairs:
    """Commits and their parents whose images were compared, by what the commits change."""

    same: Counter[str] = field(default_factory=Counter)
    differ: dict[str, str] = field(default_factory=dict)
    counted: Counter[str] = field(default_factory=Counter)

    def add(self, what: str, sha: str, images: tuple[str, str], *, suspect: bool) -> None:
        """One more pair."""
        if suspect:
            self.counted["altered the image" if images[0] != images[1] else "did not"] += 1
        elif images[0] == images[1]:
            self.same[what] += 1
        else:
            self.differ[sha] = what
        if (count := sum(self.same.values())) % 10 == 0 and not suspect:
            Errors().note(f"{count} pairs with the same image; refuted: {self.differ or 'none'}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8, help="of changes made to hurt, of each kind one")
    parser.add_argument("--clean", type=int, default=10, help="builds from nothing of commits that were built before")
    parser.add_argument("--commits", type=int, default=433, help="of the range about real subjects")
    parser.add_argument("--pairs", type=int, default=200, help="of its commits, built one by one")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tree = laid()
    laboratory = Laboratory(tree, tree.repository.text("rev-list", "--max-parents=0", "HEAD"))
    read = laboratory.read(laboratory.base)
    print(machine(), "\n", flush=True)
    print(f"{len(read.files)} of {len(laboratory.git.files(laboratory.base))} files are watched\n", flush=True)
    hurts(laboratory, options)
    everything(laboratory, Watch(read))
    about_real(laboratory, options)


def hurts(laboratory: Laboratory, options: argparse.Namespace) -> None:
    """Changes made to hurt, each built after its parent, and some of them from nothing."""
    chance, base = random.Random(options.seed), laboratory.base
    kinds = Hurts(laboratory.read(base), laboratory.git.files(base), laboratory.text, chance)
    made = list(kinds.commits(options.rounds))
    shas = laboratory.line(made, f"hurts-{options.seed}")
    suspects = laboratory.suspects(shas)
    found = Pairs()
    for parent, sha, (what, _) in zip([base, *shas], shas, made, strict=False):
        found.add(what, sha, (laboratory.image(parent), laboratory.image(sha)), suspect=sha in suspects)
    rows = sorted(found.same.items(), key=lambda row: -row[1])
    print(table(("said not to matter", "pairs with the same image"), rows), "\n", flush=True)
    told = f"{sum(found.same.values())} pairs, refuted: {found.differ or 'none'}"
    print(f"{told}; suspects: {dict(found.counted)}\n", flush=True)
    idle = [sha for sha in shas if sha not in suspects]
    again = chance.sample(idle, min(options.clean, len(idle)))
    wrong = [sha for sha in again if laboratory.image(sha, clean=True) != laboratory.image(sha)]
    print(f"{len(again)} of them built from nothing; another image: {wrong or 'none'}\n", flush=True)


def everything(laboratory: Laboratory, watch: Watch) -> None:
    """What is said not to matter, at once."""
    image = laboratory.image(laboratory.base)
    rows = []
    for number in range(AT_ONCE):
        branch = f"at-once-{number}"
        if not laboratory.tree.repository.has(branch):
            what, files = list(at_once(laboratory, watch))[number]
            laboratory.line([(what, files)], branch)
        commit = laboratory.tree.repository.commit(branch)
        same = laboratory.image(commit.sha) == image, laboratory.image(commit.sha, clean=True) == image
        rows.append((commit.subject, *("the same" if one else "ANOTHER" for one in same)))
        print(rows[-1], flush=True)
    print(table(("at once", "image", "after a build from nothing"), rows), "\n", flush=True)


def about_real(laboratory: Laboratory, options: argparse.Namespace) -> None:
    """A range about real subjects: how many are suspects, and pairs of the others."""
    git, base, chance = laboratory.git, laboratory.base, random.Random(options.seed)
    shas = laboratory.line(real(laboratory, options.commits, chance), f"real-{options.seed}")
    suspects = laboratory.suspects(shas)
    before, after = steps(shas, suspects, chance)
    rows = [
        ("commits", len(shas)),
        ("suspects", len(suspects)),
        ("times fewer", len(shas) / len(suspects)),
        ("builds among all, without the ends", before),
        ("builds among the suspects", after),
    ]
    print(table(("range about real subjects", ""), rows), "\n", flush=True)
    idle = [sha for sha in shas if sha not in suspects]
    found = Pairs()
    for one in chance.sample(idle, min(options.pairs, len(idle))):
        # On top of the first commit: built one by one in order, the suspects between would take days.
        paths_ = [change.path for _, some in git.changes([[one]]) for change in some]
        files = {path: git.run("show", f"{one}:{path}").stdout for path in paths_}
        [sha] = laboratory.line([(one, files)], "alone")
        found.add("about a real subject", sha, (laboratory.image(base), laboratory.image(sha)), suspect=False)
    print(f"{sum(found.same.values())} pairs of these, refuted: {found.differ or 'none'}", flush=True)


if __name__ == "__main__":
    main()
