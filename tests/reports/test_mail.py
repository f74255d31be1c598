"""The mail, as git send-email, Python's email and regzbot read it."""

import email
import email.policy
import os
import re
import subprocess
from collections.abc import Sequence
from email.message import EmailMessage
from pathlib import Path

import pytest

from harness import reports
from harness.assessment import Document
from harness.reports import mail
from tests.reports.conftest import AUTHOR, Results

# Of _rbcmd.py: a hash of eight signs or more, or a range without spaces.
INTRODUCED = re.compile(r"#regzbot introduced: (?:[0-9a-f]{8,40}|\S+\.\.\S+)")


def read(text: str) -> EmailMessage:
    message = email.message_from_bytes(text.encode(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def tags(body: str) -> list[str]:
    """The lines of which git send-email and others make more than text."""
    return [line for line in body.splitlines() if re.match(r"([a-z-]*-by|cc|link|fixes):|from ", line, re.IGNORECASE)]


def sent(text: str, folder: Path) -> Sequence[str]:
    """Whom git send-email would send it to."""
    if not Path(subprocess.check_output(["git", "--exec-path"], text=True).strip(), "git-send-email").exists():
        pytest.skip("git send-email is not here (Debian: git-email)")
    file, home = folder / "report.txt", folder / "home"
    file.write_text(text, encoding="utf-8")
    home.mkdir(exist_ok=True)
    argv = ["git", "-c", "sendemail.from=op@example.org", "send-email", "--dry-run", "--confirm=never", str(file)]
    addressed = [] if "\nTo: " in text.partition("\n\n")[0] else ["--to=op@example.org"]
    done = subprocess.run(
        [*argv, *addressed],
        cwd=home,
        env={**os.environ, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    if "Mail::Address" in done.stderr:
        pytest.skip("git send-email lacks Mail::Address (Debian: libmailtools-perl)")
    assert done.returncode == 0, done.stderr
    assert "Result: OK" in done.stdout
    return re.findall(r"^RCPT TO:<(.*)>$", done.stdout, re.MULTILINE)


def test_git_sends_it(told: Document, tmp_path: Path) -> None:
    text = reports.render("mail", told)
    assert text == reports.render("mail", told)
    message = read(text)
    people = [a.addr_spec for name in ("to", "cc") if message[name] for a in message[name].addresses]
    assert sorted(sent(text, tmp_path)) == sorted(people or ["op@example.org"])
    body = message.get_content()
    assert tags(body) == ["Link: https://lore.kernel.org/r/toy@example.org"] * ("Link: " in body)
    assert str(Path(told["folder"]).parent.parent) not in text, "a path of this machine"
    assert max(map(len, text.encode().splitlines())) < 998


def test_a_culprit_is_reported(results: Results) -> None:
    told = results.document("bisect")
    message = read(reports.render("mail", told))
    assert message["subject"] == "[REGRESSION] the toy crashes"
    [author] = message["to"].addresses
    assert (author.display_name, author.addr_spec) == tuple(AUTHOR.values())
    copied = [one.addr_spec for one in message["cc"].addresses]
    assert copied == ["bob@example.org", mail.REGRESSIONS]
    body = message.get_content()
    for words in (
        *(f"commit {told['culprit']}", f"First bad: {told['culprit'][:12]}", "Last good: "),
        *("Reverted on ", "Taint: none", "RIP: 0010:toy_read+0x10/0x20", "git bisect start", "    sh build.sh\n"),
        *("        Cc: carol@example.org", "Available on request: console.log", "<U+202E>"),
    ):
        assert words in body
    introduced, title = body.rstrip().splitlines()[-2:]
    assert introduced == f"#regzbot introduced: {told['culprit'][:12]}"
    assert INTRODUCED.fullmatch(introduced)
    assert title == "#regzbot title: the toy crashes"
    assert body.rstrip().splitlines()[-3] == ""


def test_a_range_is_a_report_too(results: Results) -> None:
    told = results.document("run")
    message = read(reports.render("mail", told))
    good, bad = (one["commit"][:12] for one in told["commits"])
    assert message["to"].addresses[0].addr_spec == mail.REGRESSIONS
    assert f"#regzbot introduced: {good}..{bad}\n" in message.get_content()
    assert INTRODUCED.search(message.get_content())


def test_only_a_regression_is_addressed(results: Results) -> None:
    for name in ("by hand", "not reproduced", "lost", "try"):
        message = read(reports.render("mail", results.document(name)))
        assert not message["to"]
        assert not message["cc"]
        assert "#regzbot" not in message.get_content()


def test_a_made_up_history_is_not(results: Results) -> None:
    for name in ("bisect", "fix", "run"):
        text = reports.render("mail", {**results.document(name), "synthetic": True})
        assert not read(text)["to"]
        assert not read(text)["cc"]
        assert text.partition("\n\n")[2].startswith(mail.MADE_UP)


def test_who_is_told(results: Results) -> None:
    told = results.document("bisect")
    people = ["Ada <ada@example.org>", "a, b <ab@example.org>", "no address", "x <y@z>\nBcc: evil@example.org"]
    for version, stable in (("6.1.192", True), ("6.2", False), ("6.2-rc1", False), (None, False)):
        commit = {**told["commit"], "people": people, "version": version}
        message = read(reports.render("mail", {**told, "commit": commit}))
        assert [one.addr_spec for one in message["to"].addresses] == ["ada@example.org"]
        copied = [one.addr_spec for one in message["cc"].addresses]
        assert copied[0] == "ab@example.org"
        assert mail.REGRESSIONS in copied
        assert (mail.STABLE in copied) is stable
        assert not message["bcc"]


def test_files_are_linked_where_they_are_served(results: Results) -> None:
    body = reports.render("mail", results.document("bisect"), "https://ci.example.org/results")
    assert f"  https://ci.example.org/results/{results.folders['bisect'].name}/commit-" in body
    assert "Available on request" not in body


def test_the_stored_report_is_the_same(results: Results) -> None:
    folder = results.folders["bisect"]
    assert (folder / "report.txt").read_text() == reports.render("mail", results.document("bisect"))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"tag": "v6.2-rc1", "state": "good", "at": "a" * 40}, "v6.2-rc1, does not show it (tried at aaaaaaaaaaaa)"),
        ({"tag": "v6.2-rc1", "state": "bad", "at": "b" * 40}, "v6.2-rc1, shows it (tried at bbbbbbbbbbbb)"),
        ({"tag": "v6.2-rc1", "state": None, "at": None}, "v6.2-rc1, not tried"),
    ],
)
def test_the_state_of_mainline(results: Results, state: dict[str, object], said: str) -> None:
    body = read(reports.render("mail", {**results.document("bisect"), "mainline": state})).get_content()
    assert f"\nNewest mainline: {said}\n" in body
