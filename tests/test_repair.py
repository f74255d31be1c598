"""White space that a page or a mailer has lost comes back from the files that a patch is for, or not at all."""

import difflib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.git import Git
from harness.patches import repaired
from harness.thread.diff import Diff, find
from harness.thread.patch import patches
from harness.thread.read import read
from harness.thread.repair import Old, Unclear, repair, squeezed

History = Callable[..., tuple[Git, list[str]]]
Regress = Callable[..., subprocess.CompletedProcess[str]]

OLD = """\
/* A toy. */

int toy_open(struct toy *toy)
{
	if (!toy)
		return -EINVAL;

	toy->open = true;
	return 0;
}

int toy_read(struct toy *toy)
{
	int	got;

	got = toy->ops->read(toy);

	return got;
}

int toy_close(struct toy *toy)
{
	toy->open = false;
	return 0;
}
"""
NEW = OLD.replace(
    "\tgot = toy->ops->read(toy);\n",
    "\tif (toy->ops->read) {\n\t\tgot = toy->ops->read(toy);\n\t\ttoy->reads++;\n\t}\n",
)


def squeeze(lines: list[str]) -> list[str]:
    """What a browser makes of a diff: no indentation, no runs of spaces, no empty context lines."""
    kept = [line for line in lines if line != " "]
    return [line if line.startswith(("---", "+++", "@@")) else squeezed(line) for line in kept]


def made(old: list[str], new: list[str], path: str = "toy.c") -> list[str]:
    return list(difflib.unified_diff(old, new, f"a/{path}", f"b/{path}", lineterm=""))


def damaged(old: list[str], new: list[str], path: str = "toy.c") -> Diff:
    diff = find(squeeze(made(old, new, path)))
    assert diff is not None
    return diff


def applied(diff: Diff, old: list[str]) -> list[str]:
    """The new file, by the hunks of a diff, whose context must be the old file's to the byte."""
    new: list[str] = []
    at = 0
    for hunk in diff.files[0].hunks:
        start = hunk.old[0] - 1 if hunk.old[1] else hunk.old[0]
        new += old[at:start]
        at = start
        for line in hunk.lines:
            if line[0] != "+":
                assert old[at] == line[1:]
                at += 1
            if line[0] != "-":
                new.append(line[1:])
    return new + old[at:]


def test_a_page() -> None:
    old, new = OLD.splitlines(), NEW.splitlines()
    diff = damaged(old, new)
    assert not diff.whole
    done = repair(diff, lambda _: Old(old, exact=False))
    assert done.diff.whole
    assert applied(done.diff, old) == new
    assert done.laid_out == 4


LINES = st.sampled_from(
    ["", "{", "}", "\tint a;", "\tint  b;", "\t\ta = b;", "\tif (a)", " * text", "label:", "\treturn 0;"]
)


@given(st.lists(LINES, min_size=1, max_size=40), st.data(), st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_repair_is_right_or_refused(old: list[str], data: st.DataObject, exact: bool) -> None:
    new = list(old)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(new)))
        new[place : place + data.draw(st.integers(0, 2))] = data.draw(st.lists(LINES, max_size=3))
    assume(made(old, new))
    diff = damaged(old, new)
    try:
        done = repair(diff, lambda _: Old(old, exact=exact))
    except Unclear:
        return
    got = applied(done.diff, old)
    # Added lines are laid out anew, and an empty line may be on the other side of them.
    assert [squeezed(line) for line in got if line.strip()] == [squeezed(line) for line in new if line.strip()]
    assert len(got) == len(new)


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        (lambda old: old[:10], "toy.c", "its lines are not in that file"),
        (lambda old: old * 2, "toy.c", "in more than one place"),
        (lambda old: old, "Makefile", "the white space of what is added counts there"),
    ],
)
def test_what_is_refused(change: Callable[[list[str]], list[str]], path: str, reason: str) -> None:
    old, new = OLD.splitlines(), NEW.splitlines()
    with pytest.raises(Unclear, match=reason):
        repair(damaged(old, new, path), lambda _: Old(change(old), exact=False))
    with pytest.raises(Unclear, match=r"there is no toy\.c"):
        repair(damaged(old, new), lambda _: None)
    with pytest.raises(Unclear, match="a new file"):
        repair(damaged([], new).__class__(_new_file(new).files, 0, 0), lambda _: None)


def _new_file(new: list[str]) -> Diff:
    diff = find(["diff --git a/n.c b/n.c", "new file mode 100644", "--- /dev/null", *made([], new)[1:]])
    assert diff is not None
    return diff


def mail(body: list[str]) -> bytes:
    text = "\n".join(["From: A <a@example.org>", "Subject: [PATCH] toy", "", "Because.", "---", *body, ""])
    return text.encode()


def test_by_the_very_file(history: History) -> None:
    """The hash in the diff finds the file, though no commit that is looked at has it any more."""
    git, _ = history({"toy.c": OLD * 2}, {"toy.c": "int gone;\n"})
    blob = git.text("rev-parse", "HEAD~:toy.c")
    old = (OLD * 2).splitlines()
    new = [*OLD.splitlines(), *NEW.splitlines()]
    head = ["diff --git a/toy.c b/toy.c", f"index {blob[:12]}..123456789abc 100644"]
    [patch] = patches(read(mail([*head, *squeeze(made(old, new))])).messages[0])
    done = repaired(git, patch, ["HEAD"])
    assert "repaired with the exact files that it was made for" in " ".join(done.notes)
    assert applied(done.diff, old) == new
    [lost] = patches(read(mail(squeeze(made(old, new)))).messages[0])
    assert repaired(git, lost, ["HEAD"]).diff == lost.diff
    assert "not repaired, left as is: HEAD: toy.c" in " ".join(repaired(git, lost, ["HEAD"]).notes)


def test_import_repairs_by_a_tree(history: History, regress: Regress, tmp_path: Path) -> None:
    git, _ = history({"toy.c": OLD})
    mails = tmp_path / "a.eml"
    mails.write_bytes(mail(squeeze(made(OLD.splitlines(), NEW.splitlines()))))
    done = regress("import", str(mails), "--output", str(tmp_path / "draft"), "--tree", str(git.path))
    assert done.returncode == 0, done.stderr
    assert "it passes git apply --check" in done.stdout
    patch = tmp_path / "draft" / "0001-toy.patch"
    git.run("apply", str(patch))
    assert (git.path / "toy.c").read_text() == NEW
    assert "regress import: repaired with HEAD" in patch.read_text()
    text = (tmp_path / "draft" / "scenario.yaml").read_text()
    assert "0001-toy.patch: the hunks of this patch do not add up; repaired with HEAD" in text


def test_added_among_empty_lines_is_not_moved_to_a_place_that_looks_better() -> None:
    old = ["{", "", "", "", "{", "{", ""]
    new = ["{", "", "}", "", "", "{", "{", ""]
    diff = damaged(old, new)
    for exact in (True, False):
        try:
            done = repair(diff, lambda _, exact=exact: Old(old, exact=exact))  # type: ignore[misc]
        except Unclear:
            continue
        assert [line for line in applied(done.diff, old) if line] == [line for line in new if line]
