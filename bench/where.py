"""How long `regress where` takes on a long history: made up, with stable series and backports, and tags.

python -m bench.where [COMMITS [TAGS]]
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.common import machine, measured, table
from harness.git import Git

BODY = "\n".join(f"line {number} of what a commit of a kernel says, and why it was made" for number in range(8))


def stream(commits: int, tags: int) -> Iterator[str]:
    """A history for `git fast-import`: mainline, with a stable series at each eighth tag, and merges."""
    series, each = tags // 8, commits // 2 // (tags // 8)
    mark = 0

    def commit(branch: str, subject: str, body: str = "", *, start: int = 0, side: int = 0) -> str:
        nonlocal mark
        mark += 1
        text = f"{subject}\n\n{body or BODY}\n\nSigned-off-by: A B <a@example.org>\n"
        head = f"commit refs/heads/{branch}\nmark :{mark}\ncommitter A B <a@example.org> {10**9 + mark * 60} +0000\n"
        above = (f"from :{start}\n" if start else "") + (f"merge :{side}\n" if side else "")
        return f"{head}data {len(text)}\n{text}{above}M 644 inline f{mark % 500}\ndata {len(str(mark))}\n{mark}\n\n"

    culprit = fix = 0
    for number in range(series):
        for count in range(each):
            name = "bio: stop checking" if (number, count) == (series // 3, 7) else f"part {number}: change {count}"
            yield commit("main", "bio: check again" if (number, count) == (series // 2, 7) else name)
            culprit = mark if name == "bio: stop checking" else culprit
            fix = mark if (number, count) == (series // 2, 7) else fix
            if count % 20 == 10:
                tip = mark
                yield commit(f"side-{number}", "a topic", start=tip)
                yield commit("main", "Merge a topic", start=tip, side=mark)
        yield f"reset refs/tags/v5.{number}\nfrom :{mark}\n\n"
        tip = mark
        for point in range(1, 8):
            for count in range(each // 7):
                body, subject = "", f"series {number}: change {point}.{count}"
                if culprit and (point, count) == (2, 3) and number < series // 2:
                    body, subject = f"[ Upstream commit {'0' * 40} ]", "bio: a backport of nothing"
                yield commit(f"linux-5.{number}.y", subject, body, start=tip if (point, count) == (1, 0) else 0)
            yield f"reset refs/tags/v5.{number}.{point}\nfrom :{mark}\n\n"
    assert culprit
    assert fix


def main() -> None:
    """Make the history, ask, and print the table."""
    commits = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    tags = int(sys.argv[2]) if len(sys.argv) > 2 else 800
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as name:
        top = Path(name)
        git = Git(top / "linux.git")
        git.path.mkdir()
        git.run("init", "--quiet", "--bare", "--initial-branch=main")
        git.run("fast-import", "--quiet", input="".join(stream(commits, tags)).encode())
        rows: list[tuple[str, float, object, object, str]] = [_asked(git, top, "as cloned")]
        git.run("commit-graph", "write", "--reachable")
        rows.append(_asked(git, top, "with a commit-graph"))
        began = time.monotonic()
        culprit = git.with_subject("bio: stop checking", "main")[0]
        names = git.text("tag").split()
        for tag in names[:40]:
            git.is_ancestor(culprit, tag)
        each = (time.monotonic() - began) / 40 * len(names)
        rows.append(("`git merge-base --is-ancestor`, a call a tag (40 measured)", each, "", "", ""))
        count = git.text("rev-list", "--all", "--count")
    print(f"{machine()}; {count} commits, {len(names)} tags\n")
    print(table(("regress where", "s", "CPU s", "peak MiB", "affected"), rows))


def _asked(git: Git, top: Path, what: str) -> tuple[str, float, object, object, str]:
    culprit, fix = (git.with_subject(f"bio: {what}", "main")[0] for what in ("stop checking", "check again"))
    done = measured(top, "where", culprit, fix, "--tree", str(git.path), "--json")
    assert done.status == 0, done.status
    ranges = [one for series in json.loads(done.out)["trees"][0]["series"] for one in series["ranges"]]
    return (
        what,
        done.seconds,
        done.cpu,
        done.peak,
        f"{sum(one['tags'] for one in ranges if one['state'] == 'affected')} tags",
    )


if __name__ == "__main__":
    main()
