"""The launcher, in a copy of the checkout; its Python packages come from the cache of pip or uv."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what a clone has, with an environment that is up to date but for what a test changes."""
    new = tmp_path / "check out"
    new.mkdir()
    shutil.copytree(ROOT / "harness", new / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("regress", "pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        shutil.copy(ROOT / name, new)
    for name in ("scenarios", "kconfigs", "guest"):
        (new / name).symlink_to(ROOT / name)
    return new


def start(checkout: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(checkout / "regress"), *args], capture_output=True, text=True, check=False, env={**os.environ, **env}
    )


def shim(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_a_failed_set_up_is_begun_again(checkout: Path, tmp_path: Path) -> None:
    """With a uv that fails, then with one that works: nothing of the first is taken for whole."""
    shim(tmp_path / "bin", "uv", 'mkdir -p "$PWD/.venv/bin"; exit 1')
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    first = start(checkout, "--version", PATH=path)
    assert first.returncode == 3
    assert "not complete; the next start begins again" in first.stderr
    assert not (checkout / ".venv" / "requirements.lock").exists()
    # An environment in the likeness of the real one, as a uv that works would make it.
    works = f"""case $1 in
venv) for folder; do :; done; mkdir -p "$folder"; cp -rs {ROOT}/.venv/. "$folder"
    rm -f "$folder"/lib/python3*/site-packages/regress.pth "$folder"/requirements* "$folder"/root ;;
esac"""
    shim(tmp_path / "bin", "uv", works)
    second = start(checkout, "--version", PATH=path)
    assert (second.returncode, second.stdout.split()[0]) == (0, "regress")
    assert "setting up" in second.stderr
    third = start(checkout, "--version", PATH=path)
    assert (third.returncode, third.stderr) == (0, "")


def test_works_from_any_folder_and_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "harness.py").write_text("raise SystemExit('the wrong module')")
    link = tmp_path / "regress"
    link.symlink_to(ROOT / "regress")
    done = subprocess.run([str(link), "list"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "lr-35498d" in done.stdout
