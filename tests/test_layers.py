"""Data flows one way, and so do imports: nothing imports from a layer above its own."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from tests.support import ROOT

# From the ground up.  Parts of one floor may import each other, but not in a circle.
FLOORS = {
    "words": "__init__ errors progress",
    "pure": "assessment compressed console ktap model roots search status thread verdict",
    "edges": "architecture cache catalog configuration diskimage excerpt fetch files git hosts interrupts journal keys "
    "lab patches paths prerequisites process record schema ssh supervisor turns workspace yamlfile",
    "makers": "digest kernel machine releases testing",
    "loops": "bisect fleet matrix minimise nightly runner trial",
    "reports": "changes document reports",
    "sessions": "session site",
    "cli": "__main__ cli",
}
RANK = {name: number for number, names in enumerate(FLOORS.values()) for name in names.split()}
PURE = {*FLOORS["words"].split(), *FLOORS["pure"].split()}
# What reaches out of the process.
IMPURE = {"os", "subprocess", "socket", "pathlib", "shutil", "tempfile", "sqlite3", "time", "random", "threading"}


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


PARTS = {part(path) for path in (ROOT / "harness").rglob("*.py")}


def imported(path: Path) -> set[str]:
    """The parts of the package that a file imports; what the package itself defines is its `__init__`."""
    ours = {name.split(".")[1] for name in imports(path) if name.startswith("harness.")}
    return {name if name in PARTS else "__init__" for name in ours}


def test_every_part_has_its_floor() -> None:
    named = " ".join(FLOORS.values()).split()
    assert not PARTS - set(named), f"in no floor of tests/test_layers.py: {', '.join(sorted(PARTS - set(named)))}"
    assert not set(named) - PARTS, f"in FLOORS, but not in harness/: {', '.join(sorted(set(named) - PARTS))}"
    assert len(named) == len(set(named)), "a part is in two floors"


def test_nothing_imports_upward() -> None:
    for path in (ROOT / "harness").rglob("*.py"):
        upward = {name for name in imported(path) if RANK[name] > RANK[part(path)]}
        assert not upward, f"{path} imports {', '.join(sorted(upward))}, which is above it"


def test_no_parts_import_each_other() -> None:
    graph: dict[str, set[str]] = {name: set() for name in PARTS}
    for path in (ROOT / "harness").rglob("*.py"):
        graph[part(path)] |= imported(path) - {part(path)}
    TopologicalSorter(graph).prepare()  # raises CycleError, with the circle


def test_pure_parts_do_no_io() -> None:
    checked = [path for path in (ROOT / "harness").rglob("*.py") if part(path) in PURE]
    assert checked
    for path in checked:
        reached = IMPURE & {name.split(".")[0] for name in imports(path)}
        # A model may hold a path without following it.
        assert reached <= {"pathlib"}, f"{path} imports {reached}"


def test_reports_are_made_of_documents_alone() -> None:
    """All but the script that boots an image again."""
    folder = ROOT / "harness" / "reports"
    for path in set(folder.rglob("*.py")) - {folder / "repro.py"}:
        ours = {name.split(".")[1] for name in imports(path) if name.startswith("harness.")}
        assert ours <= {"assessment", "reports", "thread"}, f"{path} imports {ours}"
        assert not IMPURE & {name.split(".")[0] for name in imports(path)}, path


def test_the_crash_finder_needs_nothing_else_of_the_program() -> None:
    code = "import harness.console, sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "harness" in out.split()
    assert not {"yaml", "junit_xml", "platformdirs", "packaging"} & set(out.split())
