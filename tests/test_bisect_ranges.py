"""Ends that do not lie on one line, releases in place of a good end, several ends, swapped ends."""

import pytest

from tests.support.bisect import STATES, Lab, Repo, ends, lab, repo

__all__ = ["lab", "repo"]


def fork(repo: Repo, before: str, one: str, other: str) -> tuple[list[str], list[str], list[str]]:
    """Common commits, those of the main line, those of a side branch."""
    common = repo.line(before)
    repo.switch("side", common[-1])
    side = repo.line(other)
    repo.switch("main")
    return common, repo.line(one), side


def test_good_beside_bad_the_merge_base_is_tried(repo: Repo, lab: Lab) -> None:
    common, main, side = fork(repo, "good*3", "good*3 bad*3", "good*4")
    done = lab.bisect(repo, "--good", side[-1], "--bad", main[-1])
    assert done["culprit"] == main[3], done.err
    assert done.verdicts()[common[-1]] == "good"
    assert any("is on the bad side" in note for note in done["notes"])


def test_a_merge_base_that_is_bad_means_that_a_fix_is_missing(repo: Repo, lab: Lab) -> None:
    common, main, side = fork(repo, "good bad*2", "bad*5", "bad*2 good*3")
    done = lab.bisect(repo, "--good", side[-1], "--bad", main[-1])
    assert (done.status, done["status"], done["culprit"]) == (1, "inconclusive", None)
    assert f"--find-fix --bad {common[-1][:12]} --good {side[-1][:12]}" in done["reason"]
    fix = lab.bisect(repo, "--find-fix", "--bad", common[-1], "--good", side[-1])
    assert fix["culprit"] == side[2]


def test_a_merge_base_that_cannot_be_tried_is_left_out(repo: Repo, lab: Lab) -> None:
    _, main, side = fork(repo, "good*2 unbuildable", "good*3 bad*3", "good*4")
    done = lab.bisect(repo, "--good", side[-1], "--bad", main[-1])
    assert done["culprit"] == main[3], done.err
    assert any("going on without it" in note for note in done["notes"])


def test_find_fix_where_the_base_is_fixed(repo: Repo, lab: Lab) -> None:
    common, main, side = fork(repo, "good*3", "good*3", "good bad*3")
    done = lab.bisect(repo, "--find-fix", "--bad", side[-1], "--good", main[-1])
    assert (done.status, done["culprit"]) == (1, None)
    assert "is fixed already" in done["reason"]
    assert common


def test_histories_that_share_nothing(repo: Repo, lab: Lab) -> None:
    main = repo.line("good*2 bad*3")
    repo.git.run("checkout", "--quiet", "--orphan", "other")
    other = repo.line("good")
    done = lab.bisect(repo, "--good", other[0], "--bad", main[-1])
    assert done["culprit"] == main[2], done.err
    assert any("no common ancestor" in note for note in done["notes"])


def test_several_ends(repo: Repo, lab: Lab) -> None:
    common, main, side = fork(repo, "good*3", "good*2 bad*6", "good*4")
    repo.merge("side")
    last = repo.line("bad*2")
    done = lab.bisect(
        repo, "--good", common[0], "--good", side[-1], "--good", main[0], "--bad", last[-1], "--bad", main[-1]
    )
    assert done["culprit"] == main[2], done.err
    # The older of two bad ends on one line is the one that says more.
    assert last[-1] not in done.verdicts()
    assert not set(side[:-1]) & set(done.verdicts())


@pytest.mark.parametrize("place", ["", "file://"])
def test_without_a_good_end_releases_are_tried_from_the_newest_on(repo: Repo, lab: Lab, place: str) -> None:
    repo.write({"Makefile": "KERNELRELEASE = 1\n"})
    shas = []
    for number, state in enumerate(["good"] * 6 + ["bad"] * 8):
        shas += repo.line(f"{state}*2")
        repo.git.run("tag", f"v1.{number}")
    shas += repo.line("bad*2")
    repo.git.run("tag", "not-a-release")
    done = lab.bisect(repo, "--bad", "HEAD", "--tree", f"{place}{repo.path}")
    assert done["culprit"] == shas[12], done.err
    tried = [repo.git.text("describe", "--tags", step["commit"]) for step in done["steps"][:5]]
    assert tried[1:5] == ["v1.13", "v1.12", "v1.10", "v1.6"]
    assert any("v1.13 is not a good end" in note for note in done["notes"])
    assert repo.git.text("rev-parse", "v1.5") not in done.verdicts() or done["builds"] < 12


def test_no_release_is_good(repo: Repo, lab: Lab) -> None:
    repo.line("bad*2")
    repo.git.run("tag", "v1.0")
    repo.line("bad*2")
    repo.git.run("tag", "-a", "-m", "annotated", "v1.1")
    repo.line("bad")
    done = lab.bisect(repo, "--bad", "HEAD")
    assert (done.status, done["status"]) == (1, "inconclusive")
    assert "no release" in done["reason"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--good", "HEAD", "--bad", "HEAD~3"], "swap them"),
        (["--good", "HEAD~3", "--bad", "HEAD", "--find-fix"], "swap them"),
        (["--good", "HEAD", "--bad", "HEAD"], "cannot be both"),
        (["--bad", "HEAD"], "no release tag"),
        (["--good", "HEAD"], "knows no bad commit"),
        (["--bad", "HEAD", "--find-fix"], "knows no fixed commit"),
        (["--good", "HEAD~3", "--bad", "v9"], "revision 'v9' is not in"),
        (["--good", "HEAD~3", "--bad", "HEAD", "--runs", "0"], "must be a whole number"),
        (["--good", "HEAD~3", "--bad", "HEAD", "--confidence", "1.5"], "must be between 0.5 and 1"),
        (["--resume", "/nowhere"], "neither a result"),
        (["--resume"], "no unfinished bisection"),
        (["--resume", "--good", "HEAD"], "--good does not go with --resume"),
        (["--resume", "--runs", "auto"], "--runs does not go with --resume"),
    ],
)
def test_wrong_input_is_named(repo: Repo, lab: Lab, args: list[str], message: str) -> None:
    repo.line("good*3 bad*3")
    done = lab.bisect(repo, *args)
    assert done.status == 2
    assert message in done.err
    assert "Traceback" not in done.err


def test_what_has_ended_is_named_when_there_is_nothing_to_resume(repo: Repo, lab: Lab) -> None:
    told = lab.bisect(repo, *ends(repo.line("good bad")))
    again = lab.bisect(repo, "--resume")
    assert again.status == 2
    assert f"the last one has come to its end: regress report {told['folder']}" in again.err


def test_a_known_breakage_is_fixed_up(repo: Repo, lab: Lab) -> None:
    """Two stretches do not build: a patch mends the one, a cherry-pick the other; the user's tree is only read."""
    shas = repo.line("good*3")
    shas.append(repo.commit({"build.sh": "exit 1\n"}, "broke the build"))
    shas += [repo.commit({"x": str(n)}) for n in range(2)]
    shas.append(repo.commit({"console.sh": STATES["bad"]["console.sh"]}))
    shas.append(repo.commit({"build.sh": "true\n"}, "mended the build"))
    shas.append(repo.commit({"build.sh": "exit 2\n"}, "broke it again"))
    shas.append(repo.commit({"x": "9"}))
    (lab.folder / "fix.patch").write_text(
        "--- a/build.sh\n+++ b/build.sh\n@@ -1 +1 @@\n-exit 2\n+true\n", encoding="utf-8"
    )
    lab.write(
        "fixups:\n"
        f"  - {{since: {{sha: none, subject: broke the build}}, until: {shas[7]}, pick: {shas[7]},\n"
        "     because: it fails}\n"
        f"  - {{since: {shas[8]}, patch: fix.patch, because: it fails again}}\n"
        f"  - {{since: 1234567890, patch: fix.patch, because: of another tree}}\n"
    )
    before = sorted((p, p.read_bytes()) for p in repo.path.rglob("*") if p.is_file())
    done = lab.bisect(repo, "--good", shas[0], "--bad", shas[-1])
    assert done["culprit"] == shas[6], done.err
    mended = {step["commit"]: step["mended"] for step in done["steps"] if "mended" in step}
    assert mended[shas[6]] == [f"{shas[7][:12]} (it fails)"]
    assert mended[shas[-1]] == ["fix.patch (it fails again)"]
    assert shas[0] not in mended
    assert sorted((p, p.read_bytes()) for p in repo.path.rglob("*") if p.is_file()) == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fixups: [{since: a, because: b}]", "either `patch: FILE` or `pick: COMMIT`"),
        ("fixups: [{since: a, because: b, patch: no.patch}]", "no.patch: no such file"),
        ("mend: [{because: b, pick: x}]", "'since' is missing"),
        ("mend: []\nfixups: []", "the older spelling of `fixups`"),
        ("fixups: [{since: a, becuse: b, pick: x}]", "did you mean 'because'"),
    ],
)
def test_a_wrong_fixup_is_named(repo: Repo, lab: Lab, text: str, message: str) -> None:
    repo.line("good bad")
    lab.write(text)
    done = lab.bisect(repo, "--good", "HEAD~", "--bad", "HEAD")
    assert done.status == 2
    assert message in done.err
    assert "scenario.yaml:8" in done.err
