"""Workers as Slurm and Kubernetes start them: the files of contrib/dask, read by their readers, and run here."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fleet.test_cluster import Dask, scheduler
from tests.support import ROOT
from tests.support.bisect import Lab, Repo, ends, lab, repo
from tests.support.edges import until

__all__ = ["lab", "repo", "scheduler"]
CONTRIB = ROOT / "contrib" / "dask"
PACKAGES = ("dask-jobqueue==0.9.0", "dask-kubernetes==2026.3.0")
SCRIPT = "from dask_jobqueue import SLURMCluster as S; print(S(scheduler_options={'host': '127.0.0.1'}).job_script())"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both packages without what they need: it is here already, or only a cluster has a use for it."""
    top = tmp_path_factory.mktemp("packages")
    argv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--target", str(top), *PACKAGES]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"uv cannot install {' '.join(PACKAGES)} here: {done.stderr.strip().splitlines()[-1]}")
    return top


def works(repo: Repo, lab: Lab, scheduler: Dask, worker: str) -> None:
    """A worker takes builds and boots."""
    assert until(lambda: "Registered to" in (scheduler.top / f"{worker}.log").read_text(), 60)
    shas = repo.line("good*3 bad*2")
    told = lab.bisect(repo, *ends(shas), "--fleet", f"dask://127.0.0.1:{scheduler.port}")
    assert told["culprit"] == shas[3], told.err
    assert told["hosts"][0]["jobs"] > 4
    assert not told["hosts"][0]["faults"]


def test_a_job_of_slurm_is_a_worker(packages: Path, repo: Repo, lab: Lab, scheduler: Dask, tmp_path: Path) -> None:
    ours = yaml.safe_load((CONTRIB / "slurm.yaml").read_text())["jobqueue"]["slurm"]
    theirs = yaml.safe_load((packages / "dask_jobqueue" / "jobqueue.yaml").read_text())["jobqueue"]["slurm"]
    assert ours.keys() <= theirs.keys(), "dask-jobqueue ignores a key that it does not know"
    env = {**os.environ, "PYTHONPATH": str(packages), "DASK_CONFIG": str(CONTRIB / "slurm.yaml")}
    script = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=env, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    assert f"#SBATCH --cpus-per-task={ours['cores']}\n" in script
    assert "#SBATCH -t 08:00:00\n" in script
    script = re.sub(r"tcp://\S+", f"tcp://127.0.0.1:{scheduler.port}", script)
    script = script.replace("/scratch/$USER", str(tmp_path / "s"))
    scheduler.run("job", "bash", "-c", script)
    works(repo, lab, scheduler, "job")
    assert (tmp_path / "s" / "regress" / "host" / "sources").is_dir()


def strict(schema: Any) -> Any:
    """A schema of Kubernetes as `kubectl --validate=strict` reads it: fields that it does not name are wrong."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    if isinstance(made.get("properties"), dict) and not made.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    return made


@pytest.fixture(scope="module")
def schema(packages: Path) -> Path:
    found = packages / "dask_kubernetes/operator/deployment/helm/dask-kubernetes-operator/crds/daskcluster.yaml"
    [version] = yaml.safe_load(found.read_text())["spec"]["versions"]
    made = strict(version["schema"]["openAPIV3Schema"])
    for name in ("apiVersion", "kind", "metadata"):
        made["properties"].setdefault(name, {})
    (packages / "schema.json").write_text(json.dumps(made))
    return packages / "schema.json"


def complaint(schema: Path, manifest: Path) -> str:
    """What check-jsonschema has against a manifest."""
    argv = [sys.executable, "-m", "uv", "tool", "run", "check-jsonschema", "--schemafile", str(schema), str(manifest)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "Schema validation errors" in done.stdout, done.stdout + done.stderr
    return done.stdout if done.returncode else ""


def test_the_manifest_is_one_of_the_operators(schema: Path) -> None:
    assert complaint(schema, CONTRIB / "cluster.yaml") == ""


@pytest.mark.parametrize(
    ("right", "wrong"), [("replicas:", "replica:"), ("emptyDir:", "emptyDirectory:"), ("8786,", "eight,")]
)
def test_a_wrong_manifest_is_not(schema: Path, tmp_path: Path, right: str, wrong: str) -> None:
    text = (CONTRIB / "cluster.yaml").read_text()
    assert right in text
    (tmp_path / "wrong.yaml").write_text(text.replace(right, wrong))
    assert wrong.strip(":,") in complaint(schema, tmp_path / "wrong.yaml")


def test_the_container_of_the_manifest_is_a_worker(repo: Repo, lab: Lab, scheduler: Dask, tmp_path: Path) -> None:
    manifest = yaml.safe_load((CONTRIB / "cluster.yaml").read_text())
    [container] = manifest["spec"]["worker"]["spec"]["containers"]
    [cache] = container["volumeMounts"]
    assert {one["name"]: one["value"] for one in container["env"]} == {"XDG_CACHE_HOME": cache["mountPath"]}
    # What the operator sets.
    env = {"DASK_WORKER_NAME": "pod", "DASK_SCHEDULER_ADDRESS": f"tcp://127.0.0.1:{scheduler.port}"}
    args = [re.sub(r"\$\((\w+)\)", lambda found: env[found[1]], word) for word in container["args"]]
    scheduler.run("pod", *args, **env, XDG_CACHE_HOME=str(tmp_path / "cache"))
    works(repo, lab, scheduler, "pod")
    requests, limits = container["resources"]["requests"], container["resources"]["limits"]
    assert json.dumps(requests) == json.dumps(limits), "a node that is overcommitted makes boots time out"
