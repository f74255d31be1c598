"""Ends that are named by a date."""

import pytest

from tests.support.bisect import Lab, Repo, lab, repo

__all__ = ["lab", "repo"]


@pytest.fixture
def dated(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> tuple[Repo, list[str]]:
    """A commit a day from the first of November on, at noon; the fifth is bad."""
    shas = []
    for day, state in enumerate(["good"] * 4 + ["bad"] * 4, 1):
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"2026-11-{day:02}T12:00:00+0000")
        shas += repo.line(state)
    return repo, shas


def test_a_date_is_the_last_commit_until_then(dated: tuple[Repo, list[str]], lab: Lab) -> None:
    repo, shas = dated
    done = lab.bisect(repo, "--good", "2026-11-02", "--bad", "2026-11-07")
    assert done["culprit"] == shas[4], done.err
    assert (done["plan"]["good"], done["plan"]["bad"]) == ([shas[1]], [shas[6]])
    assert f"--good 2026-11-02 is {shas[1][:12]} (commit 2), the last of that day or before it" in done.err
    fix = lab.bisect(repo, "--good", "2026-11-03", "--bad", shas[5])
    assert fix["plan"]["good"] == [shas[2]]


def test_the_history_of_the_bad_end_counts_by_its_first_parents(
    dated: tuple[Repo, list[str]], lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo, shas = dated
    repo.switch("side", shas[0])
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-11-02T13:00:00+0000")
    repo.line("good")
    repo.switch("main")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-11-09T12:00:00+0000")
    merge = repo.merge("side")
    done = lab.bisect(repo, "--good", "2026-11-02", "--bad", merge)
    assert done["plan"]["good"] == [shas[1]]


@pytest.mark.parametrize(
    ("good", "message"),
    [
        ("2026-13-01", "--good 2026-13-01: expected a revision or a date such as 2026-11-01: month must be in 1..12"),
        ("2026-10-31", "has no commit that old; name a later date"),
        ("2027-01-01", "cannot be both good and bad"),
        ("1.11.2026", "is not in"),
    ],
)
def test_a_date_that_makes_no_sense(dated: tuple[Repo, list[str]], lab: Lab, good: str, message: str) -> None:
    repo, shas = dated
    done = lab.bisect(repo, "--good", good, "--bad", shas[-1])
    assert done.status == 2
    assert message in done.err


def test_a_tag_of_that_name_takes_precedence(dated: tuple[Repo, list[str]], lab: Lab) -> None:
    repo, shas = dated
    repo.git.run("tag", "2026-11-01", shas[2])
    done = lab.bisect(repo, "--good", "2026-11-01", "--bad", shas[-1])
    assert done["plan"]["good"] == [shas[2]]
