"""Makes the site of the documentation with mkdocs, which uv fetches: `python -m manual.site` (`make site`)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md"),
    *("docs/**/*.*", "guest/README.md", "kconfigs/README.md", "results/README.md", "scenarios/scenario.schema.json"),
)
MKDOCS = [str(Path(sys.executable).with_name("uv")), "tool", "run", "mkdocs==1.6.1"]


def build(into: Path) -> subprocess.CompletedProcess[str]:
    """Make the site, in `.site/html` below a folder; a dead link is an error.

    Args:
        into: the folder; what was made of the site before is removed.

    Returns:
        What mkdocs said, and its exit status.
    """
    source = into / ".site" / "source"
    shutil.rmtree(source, ignore_errors=True)
    for pattern in PAGES:
        for path in ROOT.glob(pattern):
            copy = source / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    if into != ROOT:
        shutil.copy(ROOT / "mkdocs.yml", into)
    argv = [*MKDOCS, "build", "--strict", "--config-file", str(into / "mkdocs.yml")]
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


if __name__ == "__main__":
    done = build(ROOT)
    sys.stdout.write(done.stdout)
    sys.exit(done.returncode)
