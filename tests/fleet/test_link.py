"""A link that is cut for half a minute, between two network namespaces: nothing is lost, nothing is judged by it."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.bisect import Answer, Lab, Repo, ends, lab, repo
from tests.support.edges import until
from tests.support.hosts import Hosts, hosts
from tests.support.netns import THERE, Network, lacking, network
from tests.test_run import BAD, GOOD

__all__ = ["lab", "repo"]
CUT = 30
"""Seconds."""


@pytest.fixture
def net() -> Iterator[Network]:
    if why := lacking():
        pytest.skip(why)
    with network() as made:
        yield made


@pytest.fixture
def far(tmp_path: Path, net: Network) -> Iterator[Hosts]:
    with hosts(tmp_path / "hosts", "far", address=THERE, within=net.there) as made:
        yield made


@pytest.mark.parametrize("moment", ["a build", "a transfer"])
def test_a_link_that_is_cut(repo: Repo, lab: Lab, net: Network, far: Hosts, tmp_path: Path, moment: str) -> None:
    # The build goes on until the link is back; the sources are long enough to be caught on their way.
    hold = tmp_path / "hold"
    shas = [
        repo.commit(
            {
                "build.sh": f"while [ -e {hold} ]; do sleep 0.1; done\n",
                "console.sh": GOOD if n < 3 else BAD,
                "blob": base64.b64encode(os.urandom(12 << 20 if n < 1 else 100)).decode(),
            }
        )
        for n in range(5)
    ]
    folder = far.folder("far")
    argv = [*net.here, *lab.argv(repo, "--json", *ends(shas), "--fleet", "ssh")]
    env = {**os.environ, "XDG_CONFIG_HOME": str(far.config)}
    if moment == "a build":
        hold.touch()
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        if moment == "a build":
            assert until(lambda: any(b"build.sh" in said for said in _below(folder)), 60)
        else:
            assert until(lambda: any(folder.glob("blobs/.*.part")), 60)
        net.cut()
        assert moment == "a build" or any(folder.glob("blobs/.*.part")), "it was too late"
        time.sleep(CUT)
        net.join()
        hold.unlink(missing_ok=True)
        out, err = process.communicate()
    sys.stderr.write(err)
    told = Answer(process.returncode, out, err)
    assert told["culprit"] == shas[3], (told["reason"], err)
    assert "skip" not in told.verdicts().values()
    far.servers["far"].stop()
    assert until(lambda: not processes(str(folder)), 60)


def _below(folder: Path) -> Iterator[bytes]:
    """The command lines of the processes that run in a folder."""
    for pid in Path("/proc").glob("[0-9]*"):
        try:
            if str((pid / "cwd").readlink()).startswith(str(folder)):
                yield (pid / "cmdline").read_bytes()
        except OSError:
            continue
