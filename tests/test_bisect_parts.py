"""The parts of a bisection by themselves: the loop, shared images, how much is enough, git's log, the screen."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from harness import excerpt, record
from harness.bisect import Bisection, Economy, Evaluator, EvidenceLog, Plan, State, gitlog, search_for, seek
from harness.bisect.evidence import Rates
from harness.bisect.plan import Step
from harness.bisect.verification import CRASHES
from harness.cli.view import View, drawn, likely, span, time_left, where
from harness.console import Expectation, find_crashes
from harness.errors import UserError
from harness.git import Commit
from harness.kernel.maintainers import maintainers
from harness.kernel.tree import Tree
from harness.machine import Chunk
from harness.model import Boot, Judgement, Outcome, Scenario, Trial, Verdict
from harness.progress import Silent
from harness.reports import parts
from harness.runner import GuestImage, Runner
from harness.search import Decision, Evidence, History, Inconclusive
from harness.search import Probe as Wanted
from harness.search.graph import Graph
from harness.search.posterior import enough, posterior
from harness.testing import ScriptedMachine
from harness.verdict import telling, weigh
from harness.workspace import Workspace
from tests.support.bisect import Repo
from tests.support.toy import QUIET, Images, Unheard, crash

CRASH = crash("toy_read")


def plan_of(good: str, bad: str, **changes: object) -> Plan:
    return replace(Plan("toy", "", "tree", "x86_64", (bad,), (good,)), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [True, False])
def test_a_commit_with_the_image_of_another_is_not_booted(tmp_path: Path, share: bool) -> None:
    repo = Repo(tmp_path / "tree")
    shas = repo.line("good*16")
    crashing = {sha[:12] for sha in shas[9:]}

    def play(boot: Boot) -> Iterable[Chunk]:
        return [Chunk(CRASH, b"regress: up\n") if boot.folder.parent.name[-12:] in crashing else Chunk(b"", QUIET)]

    # Ten commits change nothing that is compiled.
    images = dict.fromkeys(shas[:8], "before") | dict.fromkeys(shas[10:], "after")
    machine, builder = ScriptedMachine(play), Images(images=images)
    scenario = Scenario("toy", "toy", tmp_path, expect=Expectation(title="*in toy_read"))
    runner = Runner(scenario, builder, machine, lambda folder: GuestImage(folder, ()), "x86_64", Silent())
    plan = plan_of(shas[0], shas[-1])
    run = record.start(tmp_path / "results", "toy", "tree", "x86_64")
    evidence_log = EvidenceLog(run, scenario.expect, plan, share=share)
    tree = Tree("tree", "tree", repo.git, Workspace(repo.path))
    result = Bisection(
        Evaluator(plan, tree, runner, evidence_log, Unheard()), search_for(plan, evidence_log.rates)
    ).run()
    assert result.culprit == shas[9]
    steps = {step.commit: step for step in result.steps}
    shared = [step for step in result.steps if step.reason.startswith("same image as")]
    assert all(step.trials == 0 for step in shared)
    assert bool(shared) is share
    # The proof boots the culprit and its parent whatever is known of them.
    assert steps[shas[9]].trials == 1 + CRASHES
    if share:
        # The journal tells the same later on.
        again = EvidenceLog(run, scenario.expect, plan, share=True)
        assert [again.verdict(step.commit) for step in shared] == [evidence_log.verdict(step.commit) for step in shared]


def test_a_loop_in_which_nothing_is_learned_ends() -> None:
    class Asking:
        def decide(self, evidence: Mapping[str, Evidence], built: Set[str] = frozenset()) -> Decision:
            return Wanted("a", 1, 0)

    end = seek(Asking, dict, frozenset, lambda test: False)
    assert isinstance(end, Inconclusive)
    assert end.candidates == ("a",)


def test_what_trials_are_worth(tmp_path: Path) -> None:
    def trial(outcome: Outcome) -> Trial:
        return Trial(outcome, "so", 1.0, tmp_path)

    quiet, hung, lost = (trial(o) for o in (Outcome.PASSED, Outcome.HUNG, Outcome.INFRASTRUCTURE))
    failed = trial(Outcome.FAILED)
    assert weigh([quiet, quiet, lost], None) == Evidence(0, 2)
    assert weigh([quiet, hung], None) == Evidence(0, 1, "hung: so", 1)
    # What could be told when it was tried again can be told.
    assert weigh([hung, quiet], None) == Evidence(0, 1)
    assert telling([hung, quiet], None) == (quiet,)
    assert telling([quiet, hung], None) == (quiet, hung)
    assert weigh([failed, quiet, hung], None) == Evidence(1, 1, None, 1)
    assert weigh([failed], Expectation(any=True)) == Evidence(0, 0, "failed: so", 1)
    # What does not build does not build the next time either.
    assert weigh([hung, trial(Outcome.BUILD_FAILED)], None).hopeless
    assert not weigh([hung, hung], None).hopeless
    assert weigh([hung] * 4, None).hopeless


def test_how_many_quiet_trials_are_enough() -> None:
    assert enough(20, 0, 0.95) == 1
    often, seldom = enough(5, 5, 0.95), enough(2, 18, 0.95)
    assert 3 <= often < seldom < 200
    assert enough(5, 5, 0.99) > often


def test_the_words_of_a_log_are_evidence(tmp_path: Path) -> None:
    plan = plan_of("g" * 40, "b" * 40, find_fix=True, runs=3, log=(("c" * 40, Verdict.GOOD), ("d" * 40, Verdict.BAD)))
    evidence_log = EvidenceLog(record.start(tmp_path, "toy", "tree", "x86_64"), None, plan, share=False)
    assert evidence_log.evidence("c" * 40) == Evidence(quiet=3)
    assert evidence_log.evidence("d" * 40) == Evidence(bad=1)
    assert evidence_log.evidence("e" * 40) is None


def test_how_probable_a_fix_is() -> None:
    def probability(history: History, seen: Mapping[str, Evidence], fix: str) -> float:
        belief = posterior(history, Graph(history), seen)
        assert belief
        return belief.of(history.commits.index(fix))

    line = History(tuple("cdefg"), {"c": (), "d": ("c",), "e": ("d",), "f": ("e",), "g": ("f",)}, ("b",), fix=True)
    sure = probability(line, {"b": Evidence(4), "d": Evidence(1), "e": Evidence(0, 4), "g": Evidence(0, 1)}, "e")
    unsure = probability(line, {"b": Evidence(1, 1), "d": Evidence(1), "e": Evidence(0, 1), "g": Evidence(0, 1)}, "e")
    assert 0.95 < sure < 1
    assert unsure < 0.8
    assert probability(line, {"b": Evidence(1), "d": Evidence(1)}, "d") == 0
    # A fork: what was quiet on the branch without the fix was quiet by chance.
    fork = History(("c", "d", "m"), {"c": (), "d": (), "m": ("c", "d")}, ("b",), fix=True)
    seen = {"b": Evidence(3), "c": Evidence(2), "d": Evidence(0, 3), "m": Evidence(0, 3)}
    assert probability(fork, seen, "d") > 0.9 > probability(fork, seen, "m")


def test_a_plan_goes_through_json() -> None:
    plan = plan_of("g", "b", runs=None, paths=("block",), log=(("c", Verdict.SKIP),), without=(Economy.HINT,))
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_the_log_that_is_written_is_read_again() -> None:
    words = (("c1", Verdict.BAD), ("c2", Verdict.SKIP), ("c3", Verdict.GOOD))
    steps = [Step(sha, "commit", f"it's {sha}", word, "", True, 1, 1.0) for sha, word in (*words, ("bad", Verdict.BAD))]
    steps.append(Step("made", "revert", "not of the range", Verdict.GOOD, "", True, 1, 1.0))
    plan = plan_of("good", "bad", paths=("a b", "c"), first_parent=True)
    text = gitlog.render(plan, "bad", ["good"], steps, "c1")
    taken = gitlog.read(text, "log")
    assert (taken.new, taken.old, taken.paths, taken.first_parent) == (("bad",), ("good",), ("a b", "c"), True)
    assert taken.words == (("c1", True), ("c2", None), ("c3", False))
    assert "made" not in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no `git bisect start`"),
        ("git bisect bad x\n", "log:1: this comes before any"),
        ("git bisect start\nrm -rf /\n", "log:2: not a line of `git bisect log`"),
        ("git bisect start 'x\n", "log:1: No closing quotation"),
        ("git bisect start a b\ngit bisect fixed c\n", "log:2: expected bad, good, skip or start, got 'fixed'"),
    ],
)
def test_what_is_no_log_is_named(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message.replace("(", r"\(")):
        gitlog.read(text, "log")


def state(**changes: object) -> State:
    commits = tuple(f"{number:040}" for number in range(100))
    words = {commits[10]: Verdict.GOOD, commits[20]: Verdict.SKIP, commits[90]: Verdict.BAD}
    plain = State(commits, frozenset(commits[11:91]), Commit(commits[50], "t", "s"), 2, 5, words, (), Rates(30.0, 10.0))
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_the_range_is_drawn_as_it_narrows() -> None:
    bar = drawn(state(), 50).plain
    assert bar == "-----G====S==============?===================B----"
    assert drawn(state(commits=("a",), suspects=frozenset("a"), words={}), 50).plain == "="


def test_the_likeliest_are_shown() -> None:
    assert likely(state()) == ""
    assert likely(state(likely=(("a" * 40, 0.625), ("b" * 40, 0.001)))) == "likeliest: aaaaaaaaaaaa 0.62"


def test_the_time_left_is_learned_from_builds_and_boots() -> None:
    assert time_left(state()) == 6 * (30 + 2 * 10)
    assert time_left(state(rates=Rates(None, None))) is None
    assert where(state()) == "80 commits left, about 6 steps, 5 min"
    assert [span(seconds) for seconds in (5, 600, 7500)] == ["5 s", "10 min", "2 h 05 min"]


def test_the_screen_shows_what_is_in_hand(capsys: pytest.CaptureFixture[str]) -> None:
    view = View()
    view.title, view.doing = "the toy", f"commit {50:040}: building"
    view.state(state(in_hand=Commit(f"{50:040}", "t", "block: do less")))
    view.tried(Commit("b" * 40, "t", "block: do more"), "again", Judgement(Verdict.BAD, "it crashed", 1.0))
    console = Console(width=100, record=True, file=None)
    with console.capture() as shown:
        console.print(view._drawn())
    for text in ("the toy", "bad", "block: do more", "again: it crashed", "80 commits left"):
        assert text in shown.get()
    # Not a terminal: plain lines on standard error.
    assert "80 commits left, about 6 steps, 5 min\n" in capsys.readouterr().err


def test_who_is_told(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "tree")
    tree = Tree("tree", "tree", repo.git, Workspace(repo.path))
    message = "block: do less\n\nReported-by: R <r@example.org>\nSigned-off-by: A <a@example.org>\n"
    sha = repo.commit("bad", message)
    assert maintainers(tree, sha) == ("A <a@example.org>", "R <r@example.org>")
    script = "scripts/get_maintainer.pl"
    found = repo.commit({script: 'print "M <m\\@example.org>\\nlinux-block\\@example.org\\n" if -s $ARGV[-1];\n'})
    assert maintainers(tree, found) == ("A <a@example.org>", "M <m@example.org>", "linux-block@example.org")
    failing = repo.commit({script: "die;\n"})
    assert maintainers(tree, failing) == ("A <a@example.org>",)


def test_the_crash_is_cut_out_of_a_serial_console(tmp_path: Path) -> None:
    folder = tmp_path / "commit" / "trial-1"
    folder.mkdir(parents=True)
    console = b"one\r\r\ntwo\r\r\n" + CRASH.replace(b"\n", b"\r\r\n") + b"after\r\r\n"
    (folder / "console.log").write_bytes(console)
    [crash] = find_crashes(console)
    kept = excerpt.of(Trial(Outcome.CRASHED, "", 1.0, folder, crash))
    assert kept
    lines = parts.oops({"excerpt": kept})
    assert lines[0] == "BUG: kernel NULL pointer dereference, address: 0000000000000000"
    assert "---[ end trace 0000000000000000 ]---" in lines
    assert not {"one", "two", "after"} & set(lines)
    assert (kept["first"], kept["lines"][:2], kept["lines"][-1]) == (1, ["one", "two"], "after")
