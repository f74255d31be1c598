"""`regress audit`: culprits that somebody named, right and wrong, over real histories with scripts for kernels."""

from pathlib import Path

import pytest

from tests.support.bisect import STATES, Answer, Lab, Repo, ends, lab, repo

__all__ = ["lab", "repo"]


def audit(lab: Lab, repo: Repo, *more: str) -> Answer:
    return lab.bisect(repo, *more, command="audit")


def test_the_right_commit_is_confirmed(repo: Repo, lab: Lab) -> None:
    shas = repo.line("good*6 bad*9")
    done = audit(lab, repo, shas[6], *ends(shas))
    assert (done.status, done["status"], done["culprit"]) == (0, "confirmed", shas[6]), done.err
    assert done["accused"] == {"commit": shas[6], "subject": "commit 7"}
    assert done["checks"] == {
        "good_end": True,
        "bad_end": True,
        "culprit_again": True,
        "parent_good": True,
        "image_differs": True,
        "revert_on_culprit": "good",
        "revert_on_bad": "good",
    }
    assert 0.9 < done["confidence"] <= 1
    # Nothing was searched for: the ends, the commit, its parent, and the revert.
    assert {step["commit"] for step in done["steps"] if step["role"] == "commit"} <= {shas[0], shas[-1]}
    reply = (Path(done["folder"]) / "report.txt").read_text()
    assert reply.startswith("Subject: Re: the toy crashes\n")
    assert f'It was said that commit {shas[6][:12]} ("commit 7") introduced the problem' in reply
    assert "I can confirm that" in reply


@pytest.mark.parametrize("off", [-1, 1])
def test_one_off_is_refuted(repo: Repo, lab: Lab, off: int) -> None:
    shas = repo.line("good*6 bad*9")
    done = audit(lab, repo, shas[6 + off], *ends(shas))
    assert (done.status, done["status"], done["culprit"]) == (1, "refuted", None), done.err
    why = {-1: "ran 5 times without the crash, which came 4 of 4 times", 1: "is bad too: the culprit is older"}
    assert why[off] in done["reason"]
    assert "My trials contradict that" in (Path(done["folder"]) / "report.txt").read_text()


def test_a_commit_that_changes_no_byte_of_the_image_is_refuted(repo: Repo, lab: Lab) -> None:
    """The build is the tree for a command, so an empty commit is one with its parent's image."""
    shas = repo.line("good*3 bad*2")
    repo.git.run("commit", "--quiet", "--allow-empty", "-m", "docs: nothing")
    empty = repo.git.text("rev-parse", "HEAD")
    done = audit(lab, repo, empty, "--good", shas[0], "--bad", empty)
    assert (done.status, done["status"]) == (1, "refuted"), done.err
    assert done["checks"]["image_differs"] is False


def test_outside_of_the_range_it_is_refuted(repo: Repo, lab: Lab) -> None:
    shas = repo.line("good*4 bad*4")
    repo.switch("side", shas[1])
    other = repo.commit("bad")
    repo.switch("main")
    done = audit(lab, repo, other, *ends(shas))
    assert (done.status, done["status"]) == (1, "refuted")
    assert f"{other[:12]} is not in the history of the bad end" in done["reason"]
    done = audit(lab, repo, shas[1], "--good", shas[2], "--bad", shas[-1])
    assert (done.status, done["status"]) == (1, "refuted")
    assert f"{shas[1][:12]} is in the history of the good end" in done["reason"]


def test_a_merge_can_be_the_culprit_and_a_parent_may_be(repo: Repo, lab: Lab) -> None:
    [base] = repo.line("good")
    repo.switch("side", base)
    repo.commit({"a": "1\n"})
    repo.switch("main")
    repo.commit({"b": "1\n"})
    crash = "test -e a && test -e b || { echo booted; echo regress: passed; exit 0; }\n" + STATES["bad"]["console.sh"]
    repo.merge("side")
    repo.write({"console.sh": crash})
    repo.git.run("commit", "--quiet", "--all", "--amend", "--no-edit")
    merge = repo.git.text("rev-parse", "HEAD")
    tip = repo.commit({})
    done = audit(lab, repo, merge, "--good", base, "--bad", tip)
    assert (done.status, done["status"]) == (0, "confirmed"), (done["reason"], done.err)
    done = audit(lab, repo, tip, "--good", base, "--bad", tip)
    assert done["status"] == "refuted"


@pytest.mark.parametrize("hazard", ["unbuildable", "elsewhere", "lost"])
def test_what_cannot_be_tried_cannot_be_told(repo: Repo, lab: Lab, hazard: str) -> None:
    shas = repo.line(f"good*3 {hazard} bad*3")
    for accused in (shas[3], shas[4]):
        done = audit(lab, repo, accused, *ends(shas))
        assert (done.status, done["status"], done["culprit"]) == (1, "inconclusive", None), done["reason"]
    assert "Cannot tell" not in done.err


def test_ends_that_do_not_show_it_tell_nothing(repo: Repo, lab: Lab) -> None:
    shas = repo.line("good*6")
    done = audit(lab, repo, shas[3], *ends(shas))
    assert (done.status, done["status"]) == (1, "inconclusive")
    assert "without the crash" in done["reason"]


def test_without_ends_the_commit_and_its_parent_are(repo: Repo, lab: Lab) -> None:
    shas = repo.line("good*3 bad*2")
    done = audit(lab, repo, shas[3])
    assert done["status"] == "confirmed"
    # The newest commit of the tree shows it too, and its revert there helps.
    assert (done["checks"]["newest"], done["checks"]["revert_on_newest"]) == ("bad", "good")


def test_a_root_or_a_cut_cannot_be_told(repo: Repo, lab: Lab) -> None:
    shas = repo.line("bad*3")
    done = audit(lab, repo, shas[0], "--good", shas[0], "--bad", shas[-1])
    assert done["status"] in ("inconclusive", "refuted")
    assert done["culprit"] is None


def test_a_fix_is_checked_likewise(repo: Repo, lab: Lab) -> None:
    shas = repo.line("bad*4 good*3")
    ends_ = ("--find-fix", "--bad", shas[0], "--good", shas[-1])
    done = audit(lab, repo, shas[4], *ends_)
    assert (done.status, done["status"]) == (0, "confirmed"), done["reason"]
    assert done["checks"]["fix_again"] is True
    assert audit(lab, repo, shas[5], *ends_)["status"] == "refuted"
    assert audit(lab, repo, shas[3], *ends_)["status"] == "refuted"


def test_an_intermittent_crash_needs_more_runs(repo: Repo, lab: Lab, tmp_path: Path) -> None:
    count = tmp_path / "boots"
    flaky = f"echo >>{count}\ntest $(( $(wc -l <{count}) % 3 )) -eq 0 || {{ echo regress: passed; exit 0; }}\n"
    sometimes = {"build.sh": "true\n", "console.sh": flaky + STATES["bad"]["console.sh"]}
    shas = [*repo.line("good*3"), repo.commit(sometimes), repo.commit({}), repo.commit({})]
    once = audit(lab, repo, shas[4], *ends(shas))
    assert once["status"] in ("inconclusive", "refuted")
    sure = audit(lab, repo, shas[3], *ends(shas), "--runs", "auto")
    assert (sure.status, sure["status"]) == (0, "confirmed"), sure["reason"]
    assert sure["confidence"] >= 0.99
    assert audit(lab, repo, shas[4], *ends(shas), "--runs", "auto")["status"] == "refuted"


def test_a_log_or_a_mail_names_the_commit(repo: Repo, lab: Lab, tmp_path: Path) -> None:
    shas = repo.line("good*3 bad*3")
    log = tmp_path / "log.txt"
    log.write_text(
        f"git bisect start\n# bad: [{shas[-1]}] commit 6\ngit bisect bad {shas[-1]}\n# good: [{shas[0]}] commit 1\n"
        f"git bisect good {shas[0]}\n# first bad commit: [{shas[3]}] commit 4\n"
    )
    done = audit(lab, repo, str(log))
    assert done["status"] == "confirmed", done.err
    assert (done["plan"]["good"], done["plan"]["bad"]) == ([shas[0]], [shas[-1]])
    mail = tmp_path / "mail"
    head = "From: A B <a@example.org>\nSubject: [bug] the toy crashes\nMessage-ID: <1@example.org>\n\n"
    mail.write_text(f'{head}Hello,\n\nThis was introduced by commit {shas[4][:12]} ("commit 5").\n\nBye\n')
    done = audit(lab, repo, str(mail), *ends(shas))
    assert (done["status"], done["accused"]["commit"]) == ("refuted", shas[4]), done.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("From: A B <a@example.org>\nSubject: hello\n\nNothing.\n", "names no culprit: expected a finished"),
        (
            "git bisect start\ngit bisect bad v6.2\ngit bisect good v6.1\n"
            f"# only skipped commits left to test\n# possible first bad commit: [{'a1' * 20}] x\n",
            "names no single culprit (it has a1a1a1a1a1a1)",
        ),
    ],
)
def test_a_file_that_names_none_is_refused(repo: Repo, lab: Lab, tmp_path: Path, text: str, said: str) -> None:
    repo.line("good bad")
    path = tmp_path / "accused.txt"
    path.write_text(text)
    done = audit(lab, repo, str(path))
    assert done.status == 2
    assert said in done.err


def test_an_unknown_commit_is_refused(repo: Repo, lab: Lab) -> None:
    shas = repo.line("good bad")
    done = audit(lab, repo, "0123456789ab", *ends(shas))
    assert done.status == 2
    assert "revision '0123456789ab' is not in" in done.err


def test_an_audit_is_resumed_as_a_bisection_is(repo: Repo, lab: Lab, tmp_path: Path) -> None:
    """The machine breaks down after five boots, in the middle of the verification; what was tried by then counts."""
    boots, repaired = tmp_path / "boots", tmp_path / "repaired"
    works = f"[ -e {repaired} ] || [ $(wc -l <{boots}) -le 5 ]"
    breaks = f"echo >>{boots}\n{works} || {{ echo regress: broken; exit 1; }}\n"
    states = [{**STATES[name], "console.sh": breaks + STATES[name]["console.sh"]} for name in ("good", "bad")]
    shas = [repo.commit(states[number // 3]) for number in range(6)]
    done = audit(lab, repo, shas[3], *ends(shas))
    assert (done.status, done["status"]) == (3, "infrastructure"), done.err
    repaired.touch()
    again = lab.bisect(repo, "--resume", done["folder"])
    assert (again.status, again["status"]) == (0, "confirmed"), again.err
    before = {step["commit"]: step["trials"] for step in done["steps"]}
    assert sum(before.values()) == 5
    assert all(step["trials"] >= before.get(step["commit"], 0) for step in again["steps"])
    assert lab.bisect(repo, "--resume", done["folder"])["boots"] == again["boots"]
