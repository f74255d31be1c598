"""The package as pip installs it: built as a source archive and a wheel, put into an empty environment, run elsewhere.

Nothing is fetched: setuptools is one of the development tools, and what the package depends on is borrowed from the
environment of the tests.  The checkout is not on the new environment's path.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import VERSION
from harness.fleet.program import program
from harness.git import Git
from tests.support import ROOT
from tests.test_run import BAD, GOOD, SCENARIO

BUILD = "import sys, setuptools.build_meta as backend; getattr(backend, sys.argv[1])(sys.argv[2])"
DATA = ("guest", "kconfigs", "scenarios")
Installed = Callable[..., subprocess.CompletedProcess[str]]


def built(source: Path, kind: str, into: Path) -> Path:
    into.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", BUILD, f"build_{kind}", str(into)],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [made] = into.iterdir()
    return made


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel of a copy of the checkout, and that of its source archive."""
    top = tmp_path_factory.mktemp("build")
    source = top / "checkout"
    for name in ("harness", "contrib", *DATA):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md"):
        shutil.copy(ROOT / name, source)
    with tarfile.open(built(source, "sdist", top / "sdist")) as archive:
        archive.extractall(top, filter="data")
    return built(source, "wheel", top / "wheel"), built(top / f"regress-{VERSION}", "wheel", top / "again")


@pytest.fixture(scope="module")
def prefix(wheels: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with nothing but the wheel of the source archive, and what it depends on."""
    made = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(made, symlinks=True)
    python = made / "bin" / "python"
    install = ("-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps", "--python", str(python))
    argv = [sys.executable, *install, str(wheels[1])]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [site] = made.glob("lib/python3*/site-packages")
    # A line in a .pth file names a folder whose own .pth files, such as the checkout's, count for nothing.
    (site / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return made


@pytest.fixture
def installed(prefix: Path, tmp_path: Path) -> Installed:
    """Runs the installed `regress` in a folder that is nobody's checkout."""
    (tmp_path / "elsewhere").mkdir()

    def call(*args: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        argv: list[str | Path] = [prefix / "bin" / "regress", *args]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return subprocess.run(
            argv, cwd=tmp_path / "elsewhere", capture_output=True, text=True, check=False, env=clean | env
        )

    return call


def test_both_wheels_have_all_data_of_the_checkout(wheels: tuple[Path, Path]) -> None:
    ours = {f"harness/{path.relative_to(ROOT)}" for name in DATA for path in (ROOT / name).rglob("*") if path.is_file()}
    pages = (ROOT / "harness" / "reports" / "html").rglob("*.*")
    ours |= {str(path.relative_to(ROOT)) for path in pages if path.suffix in (".html", ".css", ".js", ".svg")}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as opened:
            names = {name for name in opened.namelist() if not name.startswith("regress-")}
        assert ours <= names
        assert {name.partition("/")[0] for name in names} == {"harness"}


def test_its_man_page_and_completion_are_where_their_readers_look(prefix: Path) -> None:
    for name, ours in {
        "man/man1/regress.1": "man/regress.1",
        "bash-completion/completions/regress": "completion/regress",
        "zsh/site-functions/_regress": "completion/_regress",
        "fish/vendor_completions.d/regress.fish": "completion/regress.fish",
    }.items():
        assert (prefix / "share" / name).read_bytes() == (ROOT / "contrib" / ours).read_bytes()


def test_what_it_is(installed: Installed, prefix: Path) -> None:
    assert installed("--version").stdout == f"regress {VERSION}\n"
    assert (next(prefix.glob("lib/python3*/site-packages")) / f"regress-{VERSION}.dist-info").is_dir()


def test_lists_and_shows_its_own_scenarios(installed: Installed, prefix: Path) -> None:
    listed = installed("list", "--json")
    assert listed.returncode == 0, listed.stderr
    scenarios = json.loads(listed.stdout)
    assert {one["id"] for one in scenarios} == {path.parent.name for path in ROOT.glob("scenarios/*/scenario.yaml")}
    assert all(Path(one["folder"]).is_relative_to(prefix) for one in scenarios)
    shown = installed("show", "lr#35498d")
    assert shown.returncode == 0, shown.stderr
    assert "replay-6.1" in shown.stdout


def test_finds_a_crash_by_the_tables_that_come_with_it(installed: Installed, tmp_path: Path) -> None:
    console = tmp_path / "console.log"
    console.write_text(
        "BUG: kernel NULL pointer dereference, address: 0000000000000000\nRIP: 0010:rb_erase+0x10/0x20\n"
        "Call Trace:\n rb_erase+0x10/0x20\n toy_read+0x10/0x20\n---[ end trace 0000000000000000 ]---\n"
    )
    done = installed("oops", "--json", console)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["crashes"][0]["function"] == "toy_read"


def test_says_what_the_machine_lacks(installed: Installed) -> None:
    """With a PATH on which there is nothing, it says which packages to install, and installs none."""
    done = installed("doctor", "--json", PATH="/nowhere")
    assert done.returncode in (0, 3), done.stderr
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["flex"]["required"]
    assert checks["python"]["found"]
    assert checks["accelerator"]["remedy"] == "it takes qemu-system-x86_64"


def test_a_new_scenario_is_the_users(installed: Installed, surroundings: Path) -> None:
    made = installed("new", "mine")
    assert made.returncode == 0, made.stderr
    folder = surroundings / "config" / "regress" / "scenarios" / "mine"
    assert (folder / "scenario.yaml").is_file()
    assert "--scenarios" not in made.stdout
    assert "mine" in installed("list").stdout.split()
    assert str(folder) in installed("show", "mine").stdout
    again = installed("new", "mine")
    assert (again.returncode, str(folder) in again.stderr) == (2, True)


def test_runs_a_scenario_and_puts_results_into_the_current_folder(
    installed: Installed, tmp_path: Path, history: Callable[..., tuple[Git, list[str]]]
) -> None:
    ok = {"build.sh": "true\n"}
    tree, shas = history(ok | {"console.sh": GOOD}, ok | {"console.sh": BAD})
    folder = tmp_path / "scenarios" / "toy"
    folder.mkdir(parents=True)
    (folder / "scenario.yaml").write_text(SCENARIO.format(timeouts="timeout: 30s"))
    commits = [word for sha in shas for word in ("--commit", sha)]
    done = installed("run", "toy", "--scenarios", tmp_path / "scenarios", "--tree", tree.path, "--json", *commits)
    result = json.loads(done.stdout)
    assert [commit["verdict"] for commit in result["commits"]] == ["good", "bad"], done.stderr
    assert Path(result["folder"]).parent == tmp_path / "elsewhere" / "results"
    assert (tmp_path / "elsewhere" / "results" / "index.sqlite").is_file()
    page = installed("report", result["folder"], "--format", "html")
    assert page.stdout.startswith("<!DOCTYPE html>"), page.stderr


def test_a_worker_takes_it_for_the_program_of_the_checkout(prefix: Path) -> None:
    """The scenarios and the like are another matter: a worker gets what it needs of them with each job."""
    argv = ["-I", "-c", "from harness.fleet.program import program; print(program().digest)"]
    done = subprocess.run([prefix / "bin" / "python", *argv], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.strip() == program().digest
