"""The documentation: its site has no dead link, and its tutorial does what it says up to the first kernel."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from manual import site
from tests.support import ROOT

TUTORIAL = ROOT / "docs" / "tutorial.md"
KERNEL = "## 4"
"""From this heading on, the tutorial's commands build and boot kernels."""


def test_the_site_has_no_dead_link(tmp_path: Path) -> None:
    if subprocess.run([*site.MKDOCS, "--version"], capture_output=True, check=False).returncode != 0:
        pytest.skip("uv cannot install mkdocs here")
    done = site.build(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "<title>" in (tmp_path / ".site" / "html" / "docs" / "tutorial.html").read_text()
    readme = tmp_path / ".site" / "source" / "README.md"
    readme.write_text("[nothing](docs/nothing.md)\n")
    argv = [*site.MKDOCS, "build", "--strict", "--config-file", str(tmp_path / "mkdocs.yml")]
    assert subprocess.run(argv, capture_output=True, check=False).returncode != 0


def test_every_page_is_in_the_site() -> None:
    listed = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(
        {str(page.relative_to(ROOT)) for kind in site.PAGES for page in ROOT.glob(kind) if page.suffix == ".md"}
    )


PAGES = {"hosts.py": "hosts.md", "lab.py": "lab.md", "nightly/config.py": "nightly.md", "catalog.py": "trees.md"}
"""What reads a file of the user's, and the page with its keys; for `scenario.yaml`, see `tests/test_manual.py`."""


def keys_asked_for(module: str) -> set[str]:
    """The keys that the code of a module names where it reads a mapping."""
    code = ast.parse((ROOT / "harness" / module).read_text())
    constants = {
        target.id: node.value
        for node in code.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found: set[str] = set()
    for node in ast.walk(code):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "entries":
            for given in node.args:
                named = constants.get(given.id) if isinstance(given, ast.Name) else given
                found |= set(ast.literal_eval(named)) if isinstance(named, ast.Tuple) else set()
    return found


@pytest.mark.parametrize("module", PAGES)
def test_every_key_of_a_file_is_documented(module: str) -> None:
    keys, page = keys_asked_for(module), (ROOT / "docs" / PAGES[module]).read_text()
    assert keys
    lacking = {key for key in keys if not re.search(rf"(?:^|[`{{,\s]){key}[`:]", page, re.MULTILINE)}
    assert not lacking, f"not in docs/{PAGES[module]}: {', '.join(sorted(lacking))}"


@dataclass
class Screen:
    """A command of the tutorial, and what it shows."""

    command: str
    shown: list[str]


def screens(text: str) -> Iterator[Screen]:
    """The commands in the order of the page: lines after `$ `, with their output up to the end of the block."""
    for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.MULTILINE):
        lines = [line[4:] for line in block.splitlines()]
        while lines:
            line = lines.pop(0)
            if not line.startswith("$ "):
                continue
            command = [line[2:]]
            while lines and lines[0].startswith("> "):
                command.append(lines.pop(0)[2:])
            shown = []
            while lines and not lines[0].startswith("$ "):
                shown.append(lines.pop(0))
            yield Screen("\n".join(command), [one for one in shown if one.strip()])


VARIES = re.compile(
    r"(\.\.\.|\[ *\d+\.\d{6}\]|\d{4}-\d\d-\d\d-\d{6}|\b[0-9a-f]{8,40}\b|\b[\d.]+(?= (?:s|builds|boots)\b))"
)
"""What stands for anything; the kernel's time, the name of a result, a hash, a number of something."""


def pattern(line: str) -> str:
    """What a line of output may look like."""
    parts = VARIES.split(" ".join(line.split()))
    anything = {"...": ".*"}
    return "".join(
        re.escape(part) if n % 2 == 0 else anything.get(part, r"[\[\] \da-f.-]+") for n, part in enumerate(parts)
    )


def follow(text: str, folder: Path) -> None:
    """Do what the tutorial says, and compare what is seen with what it shows."""
    shutil.copy(ROOT / "docs" / "tutorial" / "report.eml", folder)
    # Where it is installed, results go into the current folder; a checkout has a place of its own for them.
    program = folder / "bin" / "regress"
    program.parent.mkdir()
    results = 'case $1 in run | bisect) set -- "$@" --results results ;; esac'
    program.write_text(f'#!/bin/sh\n{results}\nexec "{ROOT}/regress" "$@"\n')
    program.chmod(0o755)
    env = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "COLUMNS": "160"}
    for screen in screens(text):
        done = subprocess.run(
            ["bash", "-c", screen.command], cwd=folder, env=env, capture_output=True, text=True, check=False
        )
        seen = [" ".join(line.split()) for line in done.stdout.splitlines()]
        at = 0
        for line in screen.shown:
            found = next((n for n, one in enumerate(seen[at:], at) if re.fullmatch(pattern(line), one)), None)
            assert found is not None, f"$ {screen.command}\nexpected: {line}\nseen:\n{done.stdout}\n{done.stderr}"
            at = found + 1


def test_the_tutorial_up_to_the_first_kernel(tmp_path: Path) -> None:
    begun, kernel, _ = TUTORIAL.read_text().partition(KERNEL)
    assert kernel
    assert len(list(screens(begun))) >= 4
    follow(begun, tmp_path)
