"""What contrib/ ships: read by its readers, and its commands run on the first day of the made-up weeks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.nightly import demo
from tests.support import ROOT

CONTRIB = ROOT / "contrib"
SERVICES = {
    "github/regress-nightly.yml": ("vendor.github-workflows",),
    "gitlab/regress-nightly.gitlab-ci.yml": ("vendor.gitlab-ci", "--data-transform", "gitlab-ci"),
}


@pytest.fixture(scope="module")
def schema() -> Callable[[Path, tuple[str, ...]], subprocess.CompletedProcess[str]]:
    """check-jsonschema, which ships the services' published schemas, in an environment of its own."""
    uv = [str(Path(sys.executable).with_name("uv")), "tool", "run", "check-jsonschema"]
    if subprocess.run([*uv, "--version"], capture_output=True, check=False).returncode != 0:
        pytest.skip("uv cannot install check-jsonschema here")
    return lambda file, args: subprocess.run(
        [*uv, "--builtin-schema", *args, str(file)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", SERVICES)
def test_the_services_schemas(
    name: str, schema: Callable[[Path, tuple[str, ...]], subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    done = schema(CONTRIB / name, SERVICES[name])
    assert done.returncode == 0, done.stdout
    wrong = tmp_path / "wrong.yml"
    wrong.write_text((CONTRIB / name).read_text().replace("timeout", "timeoutt").replace("concurrency:", "concurrent:"))
    assert schema(wrong, SERVICES[name]).returncode != 0


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with this checkout in place of the user's."""
    for unit in (CONTRIB / "systemd").iterdir():
        text = unit.read_text().replace("%h/regress/regress", str(ROOT / "regress"))
        (tmp_path / unit.name).write_text(text.replace("%h/regress", str(tmp_path)))
    return tmp_path


def test_systemd_takes_the_units(units: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here")

    def said() -> str:
        # It wants a folder for the user's sockets, and complains on standard error only.
        argv = ["systemd-analyze", "--user", "verify", *map(str, sorted(units.glob("regress-nightly.*")))]
        env = {**os.environ, "XDG_RUNTIME_DIR": str(units)}
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stderr

    assert said() == ""
    service = units / "regress-nightly.service"
    service.write_text(service.read_text().replace("OOMPolicy", "OOMPolicies"))
    assert "Unknown key 'OOMPolicies'" in said()


def lab(top: Path, day: int = 1) -> dict[str, str]:
    """A folder with nightly.yaml at its top, as a checkout has it, and its environment."""
    demo.scenarios(top)
    demo.publish(demo.repository(top / "next.git", day), day)
    (top / "nightly.yaml").write_text("tree: ./next.git\ntags: [demo]\n")
    (top / "config" / "regress").mkdir(parents=True)
    (top / "config" / "regress" / "scenarios").symlink_to(top / "scenarios")
    program = top / "regress"
    program.write_text(f'#!/bin/sh\nexec "{ROOT}/regress" "$@" --results "{top}/results"\n')
    program.chmod(0o755)
    return {**os.environ, "XDG_CONFIG_HOME": str(top / "config"), "XDG_CACHE_HOME": str(top / "cache")}


def test_the_command_of_the_service_runs(tmp_path: Path) -> None:
    env = lab(tmp_path)
    service = (CONTRIB / "systemd" / "regress-nightly.service").read_text()
    [command] = (line.partition("=")[2] for line in service.splitlines() if line.startswith("ExecStart="))
    argv = command.replace("%h/regress", str(tmp_path)).split()
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Nothing new." in done.stdout


@pytest.mark.parametrize("service", ["github", "gitlab"])
def test_the_command_of_the_ci_file_runs(tmp_path: Path, service: str) -> None:
    env = lab(tmp_path)
    if service == "github":
        told: dict[str, Any] = yaml.safe_load((CONTRIB / "github" / "regress-nightly.yml").read_text())
        [script] = (step["run"] for step in told["jobs"]["nightly"]["steps"] if "run" in step)
    else:
        told = yaml.safe_load((CONTRIB / "gitlab" / "regress-nightly.gitlab-ci.yml").read_text())
        script = "\n".join(told["regress-nightly"]["script"])
    done = subprocess.run(
        ["sh", "-e", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert '"nothing new"' in (tmp_path / "night.json").read_text()
    # What the file keeps of it is there.
    assert list((tmp_path / "results").glob("*-nightly*/junit.xml"))
