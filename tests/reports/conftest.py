"""Results of each kind, made once by real commands, and their documents."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness import document, record
from harness.assessment import Document
from tests.support import IDENTITY, ROOT
from tests.support.bisect import Lab, Repo
from tests.test_run import CRASH, GOOD

AUTHOR = {"GIT_AUTHOR_NAME": "Ada Exämple", "GIT_AUTHOR_EMAIL": "ada@example.org"}
# What ends a parser, what looks like a tag, what acts on a terminal.
BAD = (
    "for n in 1 2 3 4 5 6 7 8 9 10 11 12; do echo \"[    0.$n] line $n\"; done\nprintf '\\033[31mred\\n'\n"
    + CRASH.format(function="toy_read")
    + "echo 'Kernel panic - not syncing: VFS: no root'\necho 'reboot: System halted'\n"
)
SOURCE = "/usr/src/linux-source-6.1.tar.xz"
MESSAGE = """\
toy: read <b>faster</b> & #2

Do not check, \u202e as nothing goes wrong.

Signed-off-by: Bob, the Builder <bob@example.org>
Cc: carol@example.org
"""


@dataclass
class Results:
    """Folders of results by name, and the repository."""

    repo: Repo
    lab: Lab
    env: dict[str, str]
    folders: dict[str, Path] = field(default_factory=dict)

    def make(self, name: str, command: str, *args: str) -> None:
        before = set(self.lab.results.glob("*/")) if self.lab.results.exists() else set()
        argv = self.lab.argv(self.repo, *args, command=command)
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=self.env)
        assert done.returncode in (0, 1, 3), done.stderr
        [self.folders[name]] = set(self.lab.results.glob("*/")) - before

    def document(self, name: str) -> Document:
        folder = self.folders[name]
        return document.of(record.find(folder).events, folder)


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    top = tmp_path_factory.mktemp("reports")
    env = {**os.environ, **IDENTITY, **AUTHOR, "XDG_CACHE_HOME": str(top / "cache"), "LC_ALL": "C.UTF-8"}
    before = dict(os.environ)
    os.environ.update(env)
    try:
        repo, lab = Repo(top / "tree"), Lab(top, extra="links: [https://lore.kernel.org/r/toy@example.org]\n")
        good = [repo.commit({"build.sh": "true\n", "console.sh": GOOD}, f"toy: step {n}") for n in range(5)]
        bad = [repo.commit({"console.sh": BAD}, MESSAGE)]
        bad += [repo.commit({"later": str(n)}, f"toy: later {n}") for n in range(5)]
        fixed = repo.commit({"console.sh": GOOD}, "toy: check again")
        broken = repo.commit({"build.sh": "echo 'x.c:1: error: no such thing' >&2; exit 1\n"}, "toy: does not build")
        ends = ("--good", good[0], "--bad", bad[-1])
        all_ = Results(repo, lab, env)
        all_.make("bisect", "bisect", *ends)
        all_.make("run", "run", *ends)
        all_.make("by hand", "run", "--commit", bad[0], "--commit", broken)
        all_.make("not reproduced", "bisect", "--good", good[0], "--bad", good[-1])
        all_.make("fix", "bisect", "--find-fix", "--bad", bad[0], "--good", fixed)
        fix, junk = top / "fix.patch", top / "junk.patch"
        fix.write_text(repo.git.text("diff", bad[-1], good[-1], "--", "console.sh") + "\n")
        junk.write_text("--- a/console.sh\n+++ b/console.sh\n@@ -1 +1 @@\n-echo nothing\n+echo <script>\n")
        all_.make("try", "try", str(fix), str(junk), "--bad", bad[-1])
        lab.folder.joinpath("boot.sh").write_text("exit 7\n")
        text = (lab.folder / "scenario.yaml").read_text()
        (lab.folder / "scenario.yaml").write_text(text.replace("sh console.sh", f"sh {lab.folder}/boot.sh"))
        all_.make("lost", "run", *ends)
        (lab.folder / "scenario.yaml").write_text(text)
    finally:
        os.environ.clear()
        os.environ.update(before)
    return all_


KINDS = ("bisect", "run", "by hand", "not reproduced", "fix", "try", "lost")


@pytest.fixture(params=KINDS)
def told(request: pytest.FixtureRequest, results: Results) -> Document:
    """The document of each kind of result."""
    return results.document(request.param)


@pytest.fixture(scope="session")
def kunit(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], subprocess.CompletedProcess[str]]:
    """The kernel's own parser of KTAP, out of the source that the replay is laid over."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "regress" / "worktrees"
    found, packed = sorted(cache.glob("replay-*/tools/testing/kunit/kunit.py")), Path(SOURCE)
    if not found and packed.exists():
        top = tmp_path_factory.mktemp("kunit")
        subprocess.run(["tar", "-C", top, "-xJf", packed, "--wildcards", "*/tools/testing/kunit/*.py"], check=True)
        found = sorted(top.glob("*/tools/testing/kunit/kunit.py"))
    if not found:
        pytest.skip(f"no tools/testing/kunit here: neither {SOURCE} nor a replay that was laid")
    script = str(found[0])
    return lambda file: subprocess.run(
        ["python3", script, "parse", str(file)], capture_output=True, text=True, check=False, cwd=ROOT
    )
