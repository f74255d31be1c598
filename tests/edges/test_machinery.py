"""What the machinery runs out of: descriptors, patience, a console without end, a machine that stops."""

from __future__ import annotations

import pytest

from tests.support import processes
from tests.support.edges import BAD, GOOD, Repo, Toy


@pytest.mark.parametrize("most", [8, 12, 16, 24, 32, 64])
def test_few_descriptors(toy: Toy, tree: Repo, most: int) -> None:
    """The right commit, or a word about what is missing; then the same bisection goes on with enough of them."""
    shas = tree.line("good*4 bad same*2")
    program, toy.program = toy.program, ("sh", "-c", f'ulimit -n {most}; exec "$@"', "few", *toy.program)
    first = toy.bisect(tree, shas[0], shas[-1])
    toy.program = program
    if first.status == 0:
        first.is_culprit(shas[4])
        return
    assert first.status in (1, 2, 3), first.err
    if first.out:
        assert first["culprit"] is None
    again = toy.resume() if toy.trials() else toy.bisect(tree, shas[0], shas[-1])
    again.is_culprit_or_open(shas[4])


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        ("kill -STOP $$", "silence"),
        (f"{GOOD}kill -STOP $$", "silence"),
        ("yes '[    1.000000] a line'", "timeout"),
        ("while :; do echo '[    0.000000] Linux version 6.1.0 (a@b)'; sleep 0.01; done", "timeout"),
    ],
    ids=["stopped", "stopped after its word", "prints for ever", "reboots for ever"],
)
def test_a_machine_that_does_not_end(toy: Toy, tree: Repo, machine: str, said: str) -> None:
    """It is ended, says nothing of the kernel, and leaves nothing running."""
    toy.scenario(timeout="3s, silence_timeout: 2s")
    odd = tree.commit(files={"console.sh": f"{machine}\n"})
    done = toy.call("run", "--json", "--tree", str(tree.path), "--commit", odd)
    [commit] = done["commits"]
    assert commit["verdict"] == "skip", commit["trials"][0]["reason"]
    assert said in commit["trials"][0]["reason"]
    assert not processes(str(toy.cache))


def test_such_machines_do_not_lead_astray(toy: Toy, tree: Repo) -> None:
    toy.scenario(timeout="3s, silence_timeout: 1s")
    shas = tree.line("good*2")
    for text in ("kill -STOP $$\n", "yes\n"):
        tree.commit(files={"console.sh": text})
    tree.commit(files={"console.sh": GOOD})
    culprit = tree.commit(files={"console.sh": BAD})
    toy.bisect(tree, shas[0], culprit).is_culprit(culprit)
