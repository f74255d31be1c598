"""Machines that are commands: their last line, their exit status, and what they leave behind."""

from pathlib import Path

import pytest

from harness.machine.command import CommandMachine
from harness.model import Boot, Outcome, Timeouts, Trial
from harness.trial import run_trial
from tests.support import gone

CRASH = "BUG: kernel NULL pointer dereference, address: 0000000000000000\nRIP: 0010:toy_read+0x10/0x20\n"


def trial(tree: Path, script: str, command: str = "sh console.sh") -> Trial:
    """Boot a "tree" whose console is what a script prints."""
    folder = tree / "trial"
    folder.mkdir()
    (tree / "console.sh").write_text(script)
    (tree / "console.sh").chmod(0o755)
    boot = Boot(tree, "command", folder / "initrd", ("a=b", "c"), 512, 2, folder)
    return run_trial(CommandMachine(command), boot, Timeouts(scenario=20), None, lambda _: None)


@pytest.mark.parametrize(
    ("script", "outcome", "reason"),
    [
        ("echo regress: passed", Outcome.PASSED, ""),
        ("printf 'regress: passed'", Outcome.PASSED, ""),
        ("printf 'regress: passed 3 reads\\r\\n'; exit 1", Outcome.PASSED, "3 reads"),
        ("echo regress: failed no; exit 1", Outcome.FAILED, "no"),
        ("echo regress: skipped old", Outcome.SKIPPED, "old"),
        ("echo regress: error no awk", Outcome.ERROR, "no awk"),
        ("echo regress: broken no power", Outcome.INFRASTRUCTURE, "the machine is broken: no power"),
        ("echo regress: passed; echo more", Outcome.LOST, "without a result"),
        ("echo regress: passedly", Outcome.LOST, "without a result"),
        ("echo '[ 1.0] regress: passed'", Outcome.LOST, "without a result"),
        ("echo 'ssh: No route to host'; exit 255", Outcome.INFRASTRUCTURE, "exit status 255: ssh: No route to host"),
        ("exit 1", Outcome.INFRASTRUCTURE, "exit status 1: no output"),
        ("kill -9 $$", Outcome.INFRASTRUCTURE, "exit status 137"),
        ("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo regress: passed", Outcome.PASSED, ""),
    ],
)
def test_the_last_line_decides_then_the_exit_status(tmp_path: Path, script: str, outcome: Outcome, reason: str) -> None:
    done = trial(tmp_path, script)
    assert done.outcome is outcome
    assert reason in done.reason


@pytest.mark.parametrize("end", ["exit 1", "kill -9 $$", "echo regress: broken no power"])
def test_a_crash_is_the_kernels_whatever_becomes_of_the_machine(tmp_path: Path, end: str) -> None:
    (tmp_path / "crash").write_text(CRASH)
    assert trial(tmp_path, f"cat crash; {end}").outcome is Outcome.CRASHED


def test_the_run_is_over_when_the_command_is(tmp_path: Path) -> None:
    done = trial(tmp_path, "setsid sleep 100 & echo $! >pid; echo regress: passed")
    assert done.outcome is Outcome.PASSED
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_command_is_looked_up_in_the_tree(tmp_path: Path) -> None:
    assert trial(tmp_path, "#!/bin/sh\necho regress: passed $REGRESS_APPEND\n", "./console.sh").reason == "a=b c"


def test_a_tree_without_the_program_cannot_be_told(tmp_path: Path) -> None:
    done = trial(tmp_path, "", "./boot.sh")
    assert (done.outcome, done.reason) == (Outcome.SKIPPED, "the tree has no program ./boot.sh at this commit")
