"""Compares searches on made-up histories: `python -m bench.search [--histories N]`.

Ctrl-C ends it early, with the tables so far.

Histories in the shapes of kernel trees (`bench.histories`), each searched by
- `regress --runs 1`, `10` and `20`: git's halving, a fixed number of runs per commit (`harness.search.halving`);
- `regress --runs auto`, with several confidences (`harness.search.bayes`);
- `git bisect run` with a script that builds (or exits 125), boots once and exits 1 on the crash: its choices are those
  of `harness.search.halving`, which the tests compare with git; on a sample, git itself is run beside that model;
- git-bayesect 1.2 from PyPI, by its own library in its own environment (`bench.bayesect`), along first parents,
  which is all that it sees; it counts as right if it names the merge that brought in the culprit. On a sample of lines
  the program itself is run, `git bayesect run`, beside that.

Each trial is random. A build counts as 180 s, a boot as 15 s. The columns:
- right: the culprit was named; or there is none, and that was reported.
- wrong: another commit was named.
- missed: "no such regression", but there is one.
- open: inconclusive; of these, how many were decidable with unlimited time.
- builds, boots, time: means, and the median of the time, if there is a culprit.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import math
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from bench.common import machine, table
from bench.histories import SHAPES, Case, Kind, make
from harness.git import Git
from harness.search import Culprit, Decision, Evidence, History, Probe, Search
from harness.search.bayes import Bayes
from harness.search.halving import Halving
from harness.testing import play

BUILD, BOOT = 180.0, 15.0
RATES = (1.0, 0.5, 0.2, 0.1)
SMALLEST, LONG, LARGEST = 50, 1000, 20_000
KINDS = ("--runs auto", "--runs 1", "--runs 10", "--runs 20")
BAYESECT = ("-m", "uv", "run", "--no-project", "--quiet", "--with", "git-bayesect==1.2", "python")


@dataclass(frozen=True)
class GitBisect:
    """What `git bisect run` does: it takes the ends for granted, and one trial for the truth."""

    history: History

    def decide(self, evidence: Mapping[str, Evidence], built: Set[str] = frozenset()) -> Decision:
        """See `harness.search.Search.decide`."""
        ends = {self.history.new: Evidence(bad=1), **dict.fromkeys(self.history.old, Evidence(quiet=1))}
        return Halving(self.history).decide({**ends, **evidence}, built)


OURS: dict[str, Callable[[History], Search]] = {
    "regress --runs 1": Halving,
    "regress --runs 10": lambda history: Halving(history, 10),
    "regress --runs 20": lambda history: Halving(history, 20),
    "regress --runs auto, 0.95": lambda history: Bayes(history, 0.95, BUILD, BOOT),
    "regress --runs auto, 0.99": lambda history: Bayes(history, 0.99, BUILD, BOOT),
}
GIT = "git bisect run"
OTHER = "git-bayesect 1.2, 0.95"


@dataclass(frozen=True)
class Score:
    """What came of one search of one case.

    Attributes:
        word: right, wrong, missed or open.
        confidence: what was claimed for the commit named, if one was.
    """

    method: str
    kind: Kind
    word: str
    confidence: float | None
    builds: int
    boots: int

    @property
    def seconds(self) -> float:
        """The modelled time."""
        return self.builds * BUILD + self.boots * BOOT


def case_of(number: int, largest: int, seed: int) -> Case:
    """The made-up case of this number: each shape with each rate by turns; one in 25 is long."""
    chance = random.Random(f"{seed}/{number}")
    bounds = (SMALLEST, min(LONG, largest)) if chance.random() < 0.96 else (min(LONG, largest), largest)
    size = round(math.exp(chance.uniform(*map(math.log, bounds))))
    shape = list(SHAPES)[number % len(SHAPES)]
    return make(shape, size, RATES[number // len(SHAPES) % len(RATES)], chance)


def score(method: str, case: Case, number: int) -> Score:
    """Let one of ours, or the model of git, search a case."""
    search = GitBisect(case.made_up.history) if method == GIT else OURS[method](case.made_up.history)
    played = play(search, case.made_up, random.Random(f"{number}/{method}"))
    decision = played.decision
    word = "open"
    if isinstance(decision, Culprit):
        word = "right" if decision.commit in case.made_up.culprits else "wrong"
    elif decision.not_reproduced:
        word = "missed" if case.made_up.culprits else "right"
    confidence = decision.confidence if isinstance(decision, Culprit) and method != GIT else None
    return Score(method, case.kind, word, confidence, played.builds, played.boots)


def as_line(case: Case, number: int, *, real: bool = False) -> dict[str, object]:
    """A case as git-bayesect sees it: the old end and the commits along first parents."""
    one = case.made_up
    line = (*one.history.old, *case.first_parents)
    places = {
        "broken": [place for place, sha in enumerate(line) if sha in one.broken],
        "elsewhere": [place for place, sha in enumerate(line) if sha in one.elsewhere],
    }
    first = next((place for place, sha in enumerate(line) if sha in one.bad), len(line))
    return {
        "size": len(line),
        "first": first,
        "rate": one.rate,
        "seed": number,
        "confidence": 0.95,
        "real": real,
        **places,
    }


def of_bayesect(asked: Mapping[str, object], told: Mapping[str, int | None], case: Case) -> Score:
    """The score of git-bayesect."""
    named = told["named"]
    word = "open" if named is None else "right" if named == asked["first"] else "wrong"
    return Score(OTHER, case.kind, word, None, told["builds"] or 0, told["boots"] or 0)


class Bayesect:
    """git-bayesect in a process of its own: it works on a case while we do."""

    def __init__(self) -> None:
        argv = [sys.executable, *BAYESECT, str(Path(__file__).with_name("bayesect.py"))]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin
        assert self._process.stdout
        self._stdin, self._stdout = self._process.stdin, self._process.stdout

    def ask(self, asked: Mapping[str, object]) -> None:
        """Hand it a case."""
        self._stdin.write(json.dumps(asked) + "\n")
        self._stdin.flush()

    def answer(self) -> dict[str, int | None]:
        """What it made of the case."""
        line = self._stdout.readline()
        if not line:
            raise SystemExit("git-bayesect did not run; see above")
        told: dict[str, int | None] = json.loads(line)
        return told


def git_itself(case: Case, number: int) -> bool:
    """Whether git answers as its model does, where each commit has one verdict for ever."""
    chance, one = random.Random(number), case.made_up
    with tempfile.TemporaryDirectory() as folder:
        git = Git(Path(folder))
        real = lay(git, one.history)
        exits = {
            real[sha]: 125 if sha in one.broken | one.elsewhere else int(sha in one.bad and chance.random() < one.rate)
            for sha in one.history.commits
        }
        for sha, code in exits.items():
            (git.path / f"exit-{sha}").write_text(f"exit {code}\n", encoding="utf-8")
        script = git.path / "script"
        script.write_text(f". {git.path}/exit-$(git rev-parse BISECT_HEAD)\n", encoding="utf-8")
        git.run("bisect", "start", "--no-checkout", real[one.history.new], *(real[sha] for sha in one.history.old))
        said = git.run("bisect", "run", "sh", str(script), check=False).stdout.splitlines()
    above = {real[sha]: tuple(real[parent] for parent in parents) for sha, parents in one.history.parents.items()}
    history = History(tuple(real[sha] for sha in one.history.commits), above, tuple(real[s] for s in one.history.old))
    evidence: dict[str, Evidence] = {}
    while isinstance(decision := GitBisect(history).decide(evidence), Probe):
        code = exits[decision.commit]
        evidence[decision.commit] = Evidence(int(code == 1), int(code == 0), "exit 125" if code == 125 else None)
    if isinstance(decision, Culprit):
        return f"{decision.commit} is the first bad commit" in said
    return "We cannot bisect more!" in said and all(sha in said for sha in decision.candidates)


def lay(git: Git, history: History) -> dict[str, str]:
    """Make a history in an empty repository; its real hashes."""
    git.run("init", "--quiet", "--bare", "--initial-branch=main")
    marks = {sha: mark for mark, sha in enumerate((*history.old, *history.commits), 1)}
    stream = "".join(
        f"commit refs/heads/main\nmark :{mark}\ncommitter A <a@b> {1700000000 + mark} +0000\ndata 0\n"
        + "".join(
            f"{'merge' if at else 'from'} :{marks[parent]}\n"
            for at, parent in enumerate(history.parents.get(sha) or (history.old if mark > 1 else ()))
        )
        + "\n"
        for sha, mark in marks.items()
    )
    made = git.path / "marks"
    git.run("fast-import", "--quiet", "--force", f"--export-marks={made}", input=stream.encode())
    named = dict(line.split() for line in made.read_text(encoding="utf-8").splitlines())
    return {sha: named[f":{mark}"] for sha, mark in marks.items()}


def sheet(scores: list[Score], methods: Iterable[str]) -> str:
    """A table of what came of some cases, by method."""
    rows = []
    for method in methods:
        mine = [one for one in scores if one.method == method]
        if not mine:
            continue
        share = {
            word: sum(one.word == word for one in mine) / len(mine) for word in ("right", "wrong", "missed", "open")
        }
        told = sum(one.word == "open" and one.kind.tellable for one in mine)
        sound = [one for one in mine if one.kind.sound]
        rows.append(
            (
                method,
                len(mine),
                *(f"{100 * share[word]:.1f} %" for word in ("right", "wrong", "missed")),
                f"{100 * share['open']:.1f} % ({told})",
                statistics.mean(one.builds for one in sound),
                statistics.mean(one.boots for one in sound),
                f"{statistics.median(one.seconds for one in sound):.0f} s",
                f"{statistics.mean(one.seconds for one in sound):.0f} s",
            )
        )
    head = ("search", "cases", "right", "wrong", "missed", "open (tellable)", "builds", "boots", "median time", "mean")
    return table(head, rows)


def calibration(scores: list[Score]) -> str:
    """How often a culprit that was named was right, by the confidence that was claimed for it."""
    bounds = (0.0, 0.5, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 1.0)
    rows = []
    for low, high in itertools.pairwise(bounds):
        row: list[object] = [f"{low:g} to {high:g}"]
        for kind in KINDS:
            named = [
                one
                for one in scores
                if kind in one.method
                and one.confidence is not None
                and low <= one.confidence < high
                and (kind != "--runs 1" or one.method.endswith("--runs 1"))
            ]
            right = sum(one.word == "right" for one in named)
            stated = statistics.mean(one.confidence or 0.0 for one in named) if named else 0.0
            row.append(f"{stated:.3f} / {right / len(named):.3f} ({len(named)})" if named else "")
        rows.append(row)
    head = (
        "confidence",
        *(f"{kind}: stated / right (named)" for kind in KINDS),
    )
    return table(head, rows)


@dataclass(frozen=True)
class Checked:
    """What came of one case.

    Attributes:
        scores: of each search.
        git: whether git itself answered as its model; None where it was not asked.
        bayesect: whether `git bayesect run` answered as its library; None where it was not asked.
    """

    scores: tuple[Score, ...]
    git: bool | None
    bayesect: bool | None


@functools.cache
def bayesect() -> Bayesect:
    """The one of this process."""
    return Bayesect()


def check(number: int, largest: int, seed: int) -> Checked:
    """Let every search have one case."""
    case = case_of(number, largest, seed)
    bayesect().ask(asked := as_line(case, number))
    ours = [score(method, case, number) for method in (GIT, *OURS)]
    answer = bayesect().answer()
    small = len(case.made_up.history.commits) <= 400
    real = None
    if small and case.kind.plain and number % 100 == 0:
        bayesect().ask(as_line(case, number, real=True))
        real = bayesect().answer() == answer
    git = git_itself(case, number) if small and number % 50 == 0 else None
    return Checked((*ours, of_bayesect(asked, answer, case)), git, real)


def all_of(options: argparse.Namespace) -> Iterator[Checked]:
    """What came of each case, as they are done; Ctrl-C ends it."""
    began = time.monotonic()
    todo = list(range(options.histories))
    # They leave Ctrl-C to this process.
    ready = (signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(options.jobs, initializer=signal.signal, initargs=ready) as pool:
        waiting = [pool.submit(check, number, options.largest, options.seed) for number in todo]
        try:
            for done, one in enumerate(as_completed(waiting), 1):
                if done % 50 == 0:
                    print(f"{done} of {len(todo)}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
                yield one.result()
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
            pool.shutdown(cancel_futures=True)


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--histories", type=int, default=2000, help="how many (default: 2000)")
    parser.add_argument("--largest", type=int, default=LARGEST, help="commits in the largest (default: 20000)")
    parser.add_argument("--seed", type=int, default=1, help="another number makes up other histories")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (default: 2)")
    options = parser.parse_args()
    # In the background of a script it would be ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    done = list(all_of(options))
    scores = [one for checked in done for one in checked.scores]
    gits = [one.git for one in done if one.git is not None]
    bayesects = [one.bayesect for one in done if one.bayesect is not None]
    print(f"{len(done)} histories of {SMALLEST} to {options.largest} commits; {machine()}\n")
    print(f"git itself answers as the model does in {sum(gits)} of {len(gits)}.")
    print(f"git bayesect run answers as its library, step by step, in {sum(bayesects)} of {len(bayesects)}.\n")
    methods = (*OURS, GIT, OTHER)
    for rate in RATES:
        here = [one for one in scores if one.kind.rate == rate]
        print(f"### The crash comes with probability {rate:g}\nAll histories:\n\n{sheet(here, methods)}\n")
        print(f"Lines without other hazards:\n\n{sheet([one for one in here if one.kind.plain], methods)}\n")
    print(f"### What a confidence is worth\n{calibration(scores)}")


if __name__ == "__main__":
    main()
