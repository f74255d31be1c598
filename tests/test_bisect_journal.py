"""What is found out is kept: interrupted bisections go on, git reads the log, and git's own log is taken up."""

import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from tests.support import ROOT, gone
from tests.support.bisect import Lab, Repo, ends, lab, repo

__all__ = ["lab", "repo"]


def rows(lab: Lab, what: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(lab.results / "index.sqlite") as database:
        return database.execute(what).fetchall()


def stopping(lab: Lab, number: int) -> dict[str, str]:
    """A machine that hangs at one of its boots, until it is let go on."""
    hang = lab.top / "hang"
    (lab.folder / "boot.sh").write_text(
        f"echo >>{lab.top}/boots\n"
        f'test "$(wc -l <{lab.top}/boots)" -eq {number} &&'
        f" {{ echo $$ >{hang}.new; mv {hang}.new {hang}; exec sleep 100; }}\n"
        "exec sh console.sh\n"
    )
    text = (lab.folder / "scenario.yaml").read_text().replace("sh console.sh", f"sh {lab.folder}/boot.sh")
    (lab.folder / "scenario.yaml").write_text(text)
    return dict(os.environ)


def wait_for(path: Path) -> int:
    for _ in range(600):
        if path.exists():
            return int(path.read_text())
        time.sleep(0.05)
    raise AssertionError(f"{path} never came")


@pytest.mark.parametrize("number", [1, 3, 6, 7])
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_it_goes_on_where_it_was_ended(repo: Repo, lab: Lab, number: int, kind: signal.Signals) -> None:
    shas = repo.line("good*7 bad*6")
    env = stopping(lab, number)
    first = subprocess.Popen(
        lab.argv(repo, *ends(shas)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )
    machine = wait_for(lab.top / "hang")
    first.send_signal(kind)
    _, err = first.communicate(timeout=30)
    assert first.returncode == (130 if kind == signal.SIGINT else -signal.SIGKILL), err
    assert gone(machine)
    assert len(rows(lab, "SELECT * FROM trials")) == number - 1
    [log] = lab.results.glob("*/bisect.log") if number > 1 else [None]
    assert log is None or "git bisect start" in log.read_text()
    second = subprocess.run(
        [*lab.argv(repo)[:-2], "--resume", "--json"], capture_output=True, text=True, check=False, env=env
    )
    assert second.returncode == 0, second.stderr
    assert f'"culprit": "{shas[7]}"' in second.stdout
    # One boot was lost with its machine, and not one more.
    boots = len((lab.top / "boots").read_text().splitlines())
    assert len(rows(lab, "SELECT * FROM trials")) == boots - 1
    assert len(rows(lab, "SELECT * FROM runs")) == 1
    # What is finished is only told again.
    [(folder,)] = rows(lab, "SELECT folder FROM runs")
    third = lab.bisect(repo, "--resume", str(lab.results / str(folder)))
    assert third["culprit"] == shas[7]
    assert len((lab.top / "boots").read_text().splitlines()) == boots


def test_a_second_one_on_the_same_journal_says_who_holds_it(repo: Repo, lab: Lab) -> None:
    shas = repo.line("good*4 bad*4")
    stopping(lab, 2)
    first = subprocess.Popen(lab.argv(repo, *ends(shas)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lab.top / "hang")
    second = lab.bisect(repo, "--resume")
    assert second.status == 2
    assert f"is held by process {first.pid}" in second.err
    first.send_signal(signal.SIGTERM)
    first.wait(30)


def test_a_machine_that_fails_pauses_and_goes_on(repo: Repo, lab: Lab) -> None:
    shas = repo.line("good*4 bad*4")
    power = lab.top / "power"
    (lab.folder / "boot.sh").write_text(f"test -e {power} || exit 255\nexec sh console.sh\n")
    text = (lab.folder / "scenario.yaml").read_text()
    (lab.folder / "scenario.yaml").write_text(text.replace("sh console.sh", f"sh {lab.folder}/boot.sh"))
    done = lab.bisect(repo, *ends(shas))
    assert (done.status, done["status"]) == (3, "infrastructure")
    assert done["steps"] == []
    power.touch()
    again = lab.bisect(repo, "--resume")
    assert again["culprit"] == shas[4], again.err


@pytest.mark.parametrize("size", [10, 100])
def test_a_full_disk_pauses_and_goes_on(repo: Repo, lab: Lab, size: int) -> None:
    """At the fourth boot no file may grow beyond so many bytes: a console reaches ten, and the journal a hundred."""
    shas = repo.line("good*9 bad*9")
    stopping(lab, 4)
    boot = lab.folder / "boot.sh"
    program = "sed -n 's/^PPid:.//p' /proc/$PPID/status"  # above the supervisor of the machine
    boot.write_text(boot.read_text().replace("exec sleep 100", f"prlimit --pid $({program}) --fsize={size}"))
    done = lab.bisect(repo, *ends(shas))
    assert (done.status, done["status"]) == (3, "infrastructure"), done.err
    assert "Traceback" not in done.err
    assert "could not be written" in done.err
    assert len(rows(lab, "SELECT * FROM trials")) == 3
    again = lab.bisect(repo, "--resume")
    assert again["culprit"] == shas[9], again.err
    # Three of the first, of which the fourth was lost; the proof's two and the revert's one; the rest.
    assert len((lab.top / "boots").read_text().splitlines()) == len(rows(lab, "SELECT * FROM trials")) + 1


def test_a_changed_scenario_is_not_taken_up(repo: Repo, lab: Lab) -> None:
    shas = repo.line("good*4 bad*4")
    stopping(lab, 2)
    first = subprocess.Popen(lab.argv(repo, *ends(shas)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lab.top / "hang")
    first.kill()
    first.wait()
    lab.write("")
    done = lab.bisect(repo, "--resume")
    assert done.status == 2
    assert "was changed" in done.err


@pytest.mark.parametrize("how", [(), ("--first-parent",), ("--path", "n")])
def test_git_replays_the_log(repo: Repo, lab: Lab, how: tuple[str, ...]) -> None:
    shas = repo.line("good*5 unbuildable good*2 bad*7")
    done = lab.bisect(repo, *ends(shas), *how)
    assert done["culprit"] == shas[8], done.err
    said = repo.git.text("bisect", "replay", f"{done['folder']}/bisect.log")
    assert f"{shas[8]} is the first bad commit" in said
    assert f"# first bad commit: [{shas[8]}]" in repo.git.text("bisect", "log")
    assert "commit 9" in repo.git.text("bisect", "visualize", "--oneline", "--no-patch")


def test_git_replays_the_log_of_a_fix(repo: Repo, lab: Lab) -> None:
    shas = repo.line("bad*5 good*5")
    done = lab.bisect(repo, "--find-fix", "--bad", shas[0], "--good", shas[-1])
    said = repo.git.text("bisect", "replay", f"{done['folder']}/bisect.log")
    assert f"{shas[5]} is the first fixed commit" in said


def test_gits_own_log_is_taken_up(repo: Repo, lab: Lab) -> None:
    shas = repo.line("good*8 unbuildable*2 good*8 bad*14")
    repo.git.run("bisect", "start", shas[-1], shas[0])
    repo.git.run("bisect", "skip", shas[8])
    repo.git.run("bisect", "good", shas[14])
    repo.git.run("bisect", "bad", shas[22])
    repo.git.run("bisect", "good", shas[0])
    log = lab.top / "git.log"
    log.write_text(repo.git.text("bisect", "log"))
    done = lab.bisect(repo, "--resume", str(log))
    assert done["culprit"] == shas[18], done.err
    tried = {step["commit"] for step in done["steps"] if step["trials"] and step["role"] == "commit"}
    # The ends are tried whatever the log says; between them nothing that it has settled.
    assert {shas[0], shas[-1]} <= tried
    assert tried - {shas[0], shas[-1]} <= set(shas[15:22])
    (log).write_text("git bisect start\ngit bisect sideways HEAD\n")
    wrong = lab.bisect(repo, "--resume", str(log))
    assert wrong.status == 2
    assert f"{log}:2: expected bad, good, skip or start, got 'sideways'" in wrong.err


def test_gits_log_with_terms_and_ends_on_lines_of_their_own(repo: Repo, lab: Lab) -> None:
    shas = repo.line("bad*8 good*8")
    repo.git.run("bisect", "start", "--term-old=broken", "--term-new=fixed")
    repo.git.run("bisect", "fixed", shas[-1])
    repo.git.run("bisect", "broken", shas[0])
    repo.git.run("bisect", "broken", shas[4])
    log = lab.top / "git.log"
    log.write_text(repo.git.text("bisect", "log"))
    done = lab.bisect(repo, "--resume", str(log))
    assert (done["culprit"], done["sought"]) == (shas[8], "fix"), done.err


def test_steps_land_in_the_same_journal(repo: Repo, lab: Lab) -> None:
    shas = repo.line("good*4 bad*4")
    lab.bisect(repo, *ends(shas))
    repo.git.run("bisect", "start", shas[-1], shas[0])
    argv = ("step", "toy", "--scenarios", str(lab.scenarios), "--results", str(lab.results))
    said = repo.git.run("bisect", "run", str(ROOT / "regress"), *argv).stdout
    assert f"{shas[4]} is the first bad commit" in said
    assert len(rows(lab, "SELECT * FROM runs")) > 3
