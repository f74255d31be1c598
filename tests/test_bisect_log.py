"""What people say of commits and versions, and `git bisect log`, which is exact."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.thread.bisection import bisection_in
from harness.thread.draft import Draft, draft
from harness.thread.read import read
from harness.thread.render import files

Regress = Callable[..., subprocess.CompletedProcess[str]]
BAD, GOOD, OLD = "6c2fc089268777994dd82ce7c60263f3a71ed0b4", "a5ea9249fde1027124f7ae42d6ca17d53fcb3df0", "bbf5c979011a"
CULPRIT = "edfd9b7838ba5e47f19ad8466d0565aba5c59bf0"
LOG = f"""\
git bisect start
# bad: [{BAD}] queue: Fix return type
git bisect bad {BAD}
# good: [{OLD}] Linux 5.9
git bisect good {OLD}
# skip: [580b6f7a0af7823277b3ec9aeb2ff48596c10662] queue: Add a call
git bisect skip 580b6f7a0af7823277b3ec9aeb2ff48596c10662
# bad: [{CULPRIT}] queue: Optimize
git bisect bad {CULPRIT}
# good: [{GOOD}] queue: Allow early init
git bisect good {GOOD}
"""
END = f"# first bad commit: [{CULPRIT}] queue: Optimize\n"
HEAD = "From: A User <user@example.org>\nSubject: queue: crashes\nMessage-ID: <1@example.org>\n\n"


def drafted(text: str) -> Draft:
    return draft(read((HEAD + text).encode()), "mail")


def scenario(made: Draft) -> str:
    return files(made, ["base"])["scenario.yaml"].decode()


@pytest.mark.parametrize("indent", ["", "  ", "\t"])
def test_a_log_that_came_to_its_end(indent: str) -> None:
    text = "".join(f"{indent}{line}\n" for line in (LOG + END).splitlines())
    made = drafted(f"It crashes.\n\n{text}\nAny ideas?\n")
    assert [(one.sha, one.subject, one.blamed) for one in made.facts.suspects] == [(CULPRIT, "queue: Optimize", True)]
    log = made.facts.bisection
    assert log is not None
    assert [one.revision for one in log.good] == [OLD, GOOD]
    assert [one.revision for one in log.bad] == [BAD, CULPRIT]
    assert len(log.skipped) == 1
    assert (
        'mainline: {good: {sha: "a5ea9249fde1", subject: "queue: Allow early init"}, '
        'bad: {sha: "edfd9b7838ba", subject: "queue: Optimize"}}' in scenario(made)
    )


def test_a_log_that_ended_early_is_a_range() -> None:
    made = drafted(f"I had to stop here:\n\n{LOG}")
    assert [one for one in made.facts.suspects if one.blamed] == []
    assert "did not come to its end" in " ".join(made.unsure)
    assert 'mainline: {good: {sha: "a5ea9249fde1"' in scenario(made)
    assert 'bad: {sha: "edfd9b7838ba"' in scenario(made)


def test_too_many_skipped() -> None:
    left = (
        "# only skipped commits left to test\n"
        f"# possible first bad commit: [{CULPRIT}] queue: Optimize\n"
        "# possible first bad commit: [580b6f7a0af7823277b3ec9aeb2ff48596c10662] queue: Add a call\n"
    )
    made = drafted(LOG + left)
    assert made.facts.bisection is not None
    assert [one.revision[:12] for one in made.facts.bisection.possible] == ["edfd9b7838ba", "580b6f7a0af7"]
    assert not any(one.blamed for one in made.facts.suspects)


def test_other_terms_and_only_commands() -> None:
    log, _ = bisection_in(LOG.replace("good", "old").replace("bad", "new") + END.replace("bad", "new"))
    assert log is not None
    assert (log.first_bad is not None, len(log.good), len(log.bad)) == (True, 2, 2)
    log, _ = bisection_in("git bisect start 'v6.1' 'v6.0'\ngit bisect good 0123456789ab\n")
    assert log is not None
    assert [one.revision for one in (*log.good, *log.bad)] == ["v6.0", "0123456789ab", "v6.1"]


def test_a_subject_that_a_mailer_broke() -> None:
    log, rest = bisection_in(
        f"# first bad commit: [{CULPRIT}] queue: Optimize\nthe way it is drained\n\nThat is all.\n"
    )
    assert log is not None
    assert log.first_bad is not None
    assert log.first_bad.subject == "queue: Optimize the way it is drained"
    assert rest.strip() == "That is all."


def test_advice_is_no_log() -> None:
    text = "Please run\n  git bisect start\n  git bisect good v6.1\nand tell us.\n"
    assert bisection_in(text) == (None, text)


def test_the_log_as_json(regress: Regress, tmp_path: Path) -> None:
    (tmp_path / "mail").write_text(HEAD + LOG + END)
    told = json.loads(regress("import", str(tmp_path / "mail"), "--output", str(tmp_path / "d"), "--json").stdout)
    assert told["bisection"]["first_bad"] == {"revision": CULPRIT, "subject": "queue: Optimize"}
    assert told["bisection"]["good"][-1]["revision"] == GOOD
    assert told["introduced"] is None
    assert told["syzbot"] is None


SHA = "062eacf57ad91b5c272f89dc964fd6dd9715ea7d"


@pytest.mark.parametrize(
    "text",
    [
        f"After doing a kernel bisect, I found that commit {SHA}\nis where my troubles begin.  It does a lot.",
        f"The bad commit is {SHA}.",
        f"A bisection points to {SHA}.",
        f"git bisect lands on {SHA} every time.",
        f"Bisection implicates the following:\n\n  {SHA} is the first bad commit",
        f"Bisecting this identified\n{SHA} as the culprit.",
        f"I narrowed it down to commit {SHA}.",
        f"This broke with commit {SHA}.",
        f"The offending commit: {SHA}",
        f"I bisected it to:\n\n  commit {SHA}\n  Author: A Writer (Box) <w@example.org>\n"
        "  Date:   Thu Mar 30 21:06:38 2023 +0200\n  \n      queue: remove a global array\n",
        f"It works again after reverting {SHA}.",
    ],
)
def test_peoples_words_for_a_culprit(text: str) -> None:
    [one] = drafted(text + "\n").facts.suspects
    assert (one.sha, one.blamed) == (SHA, True)


@pytest.mark.parametrize("blank", [" ", "\u00a0"])
@pytest.mark.parametrize("indent", ["", "  ", "        "])
def test_the_subject_of_a_culprit(indent: str, blank: str) -> None:
    block = (
        f"{SHA} is the first bad commit\ncommit {SHA}\nAuthor: A Writer (Box) <writer@example.org>\n"
        f"Date: {blank} Thu Mar 30 21:06:38 2023 +0200\n\n    queue: remove a global array\n"
    )
    text = "".join(f"{indent}{line}\n" for line in block.splitlines())
    [one] = drafted(f"Bisection says:\n\n{text}\n").facts.suspects
    assert (one.subject, one.blamed) == ("queue: remove a global array", True)


@pytest.mark.parametrize(
    "text",
    [
        'I ran it on the immediately preceding commit (0ccf7f168e17: "pool: carry over") and am unable to crash it.',
        "With 0ccf7f168e17 it works, so the regression came later.",
        "0ccf7f168e17 is good, what breaks it comes after that.",
        'It reverts as long as I first revert 0ccf7f168e17 ("pool: rename a function") as this causes conflicts.',
        "The regression was gone in 0ccf7f168e17.  0ccf7f168e17 does not crash.",
        "The last good commit is 0ccf7f168e17, the regression must be behind it.",
        'Commit 0ccf7f168e17 ("pool: check it") fixes the regression.',
    ],
)
def test_nobody_is_blamed_whom_the_text_calls_good(text: str) -> None:
    [one] = drafted(text + "\n").facts.suspects
    assert (one.sha, one.blamed) == ("0ccf7f168e17", False)


def test_blame_stays_in_its_sentence() -> None:
    made = drafted(
        f"Bisection says that {SHA} is the first bad commit.  I had a look at 0ccf7f168e17, too.\n\n"
        "We also have 1c0ffee12345 in our tree.\n"
    )
    assert [one.sha for one in made.facts.suspects if one.blamed] == [SHA]


@pytest.mark.parametrize(
    ("text", "signs"),
    [
        ("The tool fails in 6.16.", {"6.16": False}),
        ("The problem is still present in 6.18-rc7.", {"6.18-rc7": False}),
        ("The fix is present in 6.18-rc7.", {"6.18-rc7": True}),
        ("It is fixed in 6.12.", {"6.12": True}),
        ("6.3 appears to work fine.", {"6.3": True}),
        ("5.19 still boots, 6.0-rc1 does not.", {"5.19": True, "6.0-rc1": False}),
        ("Anything after linux-6.8.12 gives me trouble.", {"6.8.12": True}),
        ("I upgraded from 6.10 to 6.11 and it hangs since; going back to 6.10 helps.", {"6.10": True, "6.11": False}),
        ("Linux 6.9.y is OK.", {"6.9": True}),
        ("6.18-rc2 (broken):\n# tool --verbose\n", {"6.18-rc2": False}),
        ("It does not happen with 6.1.", {"6.1": True}),
        ("6.1 does not work.", {"6.1": False}),
        ("6.1 no longer boots.", {"6.1": False}),
        ("It used to work in 6.1.", {"6.1": True}),
        ("6.1 is the last good kernel.", {"6.1": True}),
        ("The last good version is 6.1.", {"6.1": True}),
        ("It has crashed since 6.1.", {"6.1": False}),
        ("I can't reproduce it on 6.1.", {"6.1": True}),
        ("I can reproduce it on 6.1.", {"6.1": False}),
        ("Between 6.1 and 6.2 something broke.", {"6.1": True, "6.2": False}),
        ("I run 6.1 here.", {"6.1": None}),
        ("tool from util-linux 2.40.2", {}),
        ("tool from coreutils 9.1 fails", {}),
        ("+    6.84%     0.29%  [kernel]     [k] alloc_area", {}),
        ("It took 2.50 seconds and 4.20 GiB.", {}),
    ],
)
def test_versions(text: str, signs: dict[str, bool | None]) -> None:
    assert {one.name: one.good for one in drafted(text + "\n").facts.versions} == signs


def test_the_reporter_has_the_machine() -> None:
    mails = (
        "From mboxrd@z Thu Jan  1 00:00:00 1970\nFrom: A <a@example.org>\nSubject: x\n\n6.3 works fine.\n\n"
        "From mboxrd@z Thu Jan  1 00:00:00 1970\nFrom: B <b@example.org>\nSubject: Re: x\n\n"
        "6.3 fails here.  I think 6.3 is broken.\n\n"
    )
    [one] = draft(read(mails.encode()), "mbox").facts.versions
    assert (one.good, len(one.said)) == (True, 3)
