"""Data flows one way, and so do imports: nothing imports from a layer above its own."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

LAYERS = (
    {"errors", "progress", "console", "search", "VERSION"},
    {"model", "verdict", "thread", "assessment"},
    {
        *(
            "process",
            "files",
            "git",
            "workspace",
            "patches",
            "paths",
            "yamlfile",
            "catalog",
            "kernel",
            "machine",
            "fleet",
        ),
        *("prerequisites", "testing", "interrupts", "journal", "record", "supervisor", "digest"),
    },
    {"trial"},
    {"runner", "bisect", "nightly", "matrix"},
    {"document"},
    {"reports"},
    {"session"},
    {"cli"},
    {"__main__", "__init__"},
)
PURE = {"errors", "progress", "console", "search", "model", "verdict", "thread", "assessment"}
# What reaches out of the process.
IMPURE = {"os", "subprocess", "socket", "pathlib", "shutil", "tempfile", "sqlite3", "time", "random", "threading"}


def rank(part: str) -> int:
    """The number of the layer that a part of the package belongs to."""
    return next(number for number, layer in enumerate(LAYERS) if part in layer)


def part(path: Path) -> str:
    return path.relative_to(ROOT / "harness").parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, in full; a name out of the package itself counts as a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "harness":
            yield from (f"harness.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{path}: a relative import"
            yield node.module


def test_nothing_imports_upward() -> None:
    for path in (ROOT / "harness").rglob("*.py"):
        ours = [name.split(".")[1] for name in imports(path) if name.startswith("harness.")]
        upward = [name for name in ours if rank(name) > rank(part(path))]
        assert not upward, f"{path} imports {upward}"


def test_pure_parts_do_no_io() -> None:
    checked = [path for path in (ROOT / "harness").rglob("*.py") if part(path) in PURE]
    assert checked
    for path in checked:
        reached = IMPURE & {name.split(".")[0] for name in imports(path)}
        # A model may hold a path without following it.
        assert reached <= {"pathlib"}, f"{path} imports {reached}"


def test_reports_are_made_of_documents_alone() -> None:
    """All but the mail, which asks git about people, and the script that boots an image again."""
    folder = ROOT / "harness" / "reports"
    for path in set(folder.glob("*.py")) - {folder / "mail.py", folder / "repro.py"}:
        ours = {name.split(".")[1] for name in imports(path) if name.startswith("harness.")}
        assert ours <= {"assessment", "reports", "thread"}, f"{path} imports {ours}"
        assert not IMPURE & {name.split(".")[0] for name in imports(path)}, path


def test_the_crash_finder_needs_nothing_else_of_the_program() -> None:
    code = "import harness.console, sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "harness" in out.split()
    assert not {"yaml", "junit_xml", "platformdirs", "packaging"} & set(out.split())
