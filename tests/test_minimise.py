"""`regress kconfig` from end to end: real make, real git, and a made-up kernel whose image is its configuration."""

import gzip
import json
import os
import sqlite3
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.git import Git
from tests.support import ROOT, Called
from tests.support.kernels import BOOT, NEEDED, kernel, scenario


@dataclass
class Lab:
    top: Path
    git: Git
    good: str
    bad: str

    def kconfig(self, *more: str, ends: bool = True, **env: str) -> Called:
        argv = [str(ROOT / "regress"), "kconfig", "toy", "--scenarios", str(self.top / "scenarios"), "--json"]
        argv += ["--results", str(self.top / "results")]
        argv += ["--tree", str(self.git.path), "--good", self.good, "--bad", self.bad] if ends else []
        done = subprocess.run([*argv, *more], capture_output=True, text=True, check=False, env={**os.environ, **env})
        return Called(done.returncode, done.stdout, done.stderr)

    def minimise(self, *more: str) -> Called:
        return self.kconfig("--minimise", *more)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    scenario(tmp_path / "scenarios")
    return Lab(tmp_path, *kernel(tmp_path / "tree"))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lab, Called]:
    """A search that several tests look at, with a cache of its own."""
    top = tmp_path_factory.mktemp("minimised")
    scenario(top / "scenarios")
    lab = Lab(top, *kernel(top / "tree"))
    return lab, lab.kconfig("--minimise", XDG_CACHE_HOME=str(top / "cache"), XDG_CONFIG_HOME=str(top / "config"))


def states(found: Called) -> dict[str, str]:
    return {one["name"]: one["state"] for one in found["kconfig"]["options"]}


def test_what_a_configuration_is_made_of(lab: Lab) -> None:
    found = lab.kconfig("--tree", str(lab.git.path), "--commit", lab.bad, ends=False)
    assert found.status == 0, found.err
    fragments = {one["name"]: one for one in found["fragments"]}
    assert list(fragments) == ["x86_64", "guest", "disk", "target", "cipher"]
    assert fragments["guest"]["keep"]
    assert [one["again_in"] for one in fragments["target"]["options"]] == ["cipher", None, None]
    assert [(one["name"], one["optional"]) for one in found["lost"]] == [("NEWER", True)]
    assert (found["on"], found["asked_off"]) == (13, 3)
    assert "any guest needs it" in found.err


def test_a_lost_option_is_told_and_makes_the_status_1(lab: Lab) -> None:
    (lab.top / "scenarios" / "toy" / "cipher.config").write_text("CONFIG_CIPHER=y\n")
    (lab.top / "scenarios" / "toy" / "target.config").write_text("CONFIG_TARGET=y\n")
    found = lab.kconfig("--tree", str(lab.git.path), "--commit", lab.bad, ends=False)
    assert found.status == 1
    assert {one["name"] for one in found["lost"]} == {"TARGET", "CIPHER"}
    assert "LOST: CONFIG_CIPHER=y became n: depends on CORE; not set: CORE" in found.err


def test_what_the_regression_needs_is_left(done: tuple[Lab, Called]) -> None:
    lab, found = done
    assert found.status == 0, found.err
    assert (found["status"], found["well"]) == ("minimal", True)
    told = states(found)
    assert {name for name, state in told.items() if state == "needed"} == NEEDED
    assert told["LIB"] == "on all the same"
    assert {told[name] for name in ("SPARE", "UNUSED", "NEWER")} == {"off"}
    assert {told[name] for name in ("CONSOLE", "NOISE")} == {"any guest"}
    whys = {one["name"]: one["why"] for one in found["kconfig"]["options"]}
    assert "the scenario ran to its end" in whys["TARGET"]
    assert "script error: no cipher" in whys["CIPHER"]
    assert "became n: depends on BUS" in whys["BUS"]
    assert "skipped: no disk" in whys["DISK"] or "became n" in whys["DISK"]
    rows = [(one["role"], one["commit"], one["verdict"]) for one in found["commits"]]
    assert rows == [("bad", lab.bad, "bad"), ("bad", lab.bad, "bad"), ("good", lab.good, "good")]
    assert found["kconfig"]["from_nothing"]["same_image"]
    assert found["kconfig"]["after"]["on"] < found["kconfig"]["before"]["on"]
    folder = Path(found["folder"])
    assert not (folder / "from-nothing").exists()
    # What depends on another costs no build, nor does what comes back.
    tried = found["kconfig"]["tried"]
    assert sum(one["kernel"] is not None for one in tried) < len(tried)
    # What is inconclusive is tried twice, and counts as built once.
    assert any(len(one["trials"]) == 2 for one in tried)
    assert all(one["kernel"]["built"] for one in tried if one["kernel"])
    again = subprocess.run(
        [str(ROOT / "regress"), "report", str(folder)], capture_output=True, text=True, check=True
    ).stdout
    assert again.strip() in found.err
    assert "The minimal configuration shows the regression on the bad commit" in again


def test_the_fragment_that_is_left_can_be_used(done: tuple[Lab, Called], lab: Lab) -> None:
    _, found = done
    text = (Path(found["folder"]) / "minimal.config").read_text()
    assert "CONFIG_CIPHER=y  # without it: " in text
    own = lab.top / "scenarios" / "toy"
    (own / "minimal.config").write_text(text)
    yaml = own / "scenario.yaml"
    yaml.write_text("\n".join(line for line in yaml.read_text().splitlines() if not line.startswith("kconfig:")))
    yaml.write_text(f"{yaml.read_text()}\nkconfig: [minimal.config]\n")
    ran = subprocess.run(
        [
            *(str(ROOT / "regress"), "run", "toy", "--scenarios", str(own.parent), "--results", str(lab.top / "r")),
            *("--tree", str(lab.git.path), "--good", lab.good, "--bad", lab.bad),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "The regression shows." in ran.stdout


def test_a_commit_that_does_not_show_it_ends_the_search(lab: Lab) -> None:
    found = lab.kconfig("--minimise", "--tree", str(lab.git.path), "--good", lab.good, "--bad", lab.good, ends=False)
    assert (found.status, found["status"], found["well"]) == (1, "not reproduced", False)
    assert len(found["kconfig"]["tried"]) == 1
    assert "The regression does not show" in found.err


def test_a_good_commit_that_shows_it_too_fails_the_verification(lab: Lab) -> None:
    found = lab.kconfig("--minimise", "--tree", str(lab.git.path), "--good", lab.bad, "--bad", lab.bad, ends=False)
    assert (found.status, found["status"]) == (1, "not verified")
    assert "crashes too" in found["reason"]


def test_a_search_that_was_interrupted_goes_on(lab: Lab) -> None:
    """The machine fails at its fourth boot; resumed, nothing that was tried is tried again."""
    count, fixed = lab.top / "count", lab.top / "fixed"
    own = lab.top / "scenarios" / "toy"
    (own / "boot.sh").write_text(
        f'echo boot >>{count}\n[ -e {fixed} ] || [ "$(wc -l <{count})" -le 3 ] || exit 3\n{BOOT}'
    )
    broken = lab.minimise()
    assert (broken.status, broken["status"]) == (3, "infrastructure")
    assert "--resume" in broken["reason"]
    before = broken["kconfig"]["tried"]
    assert len(before) >= 3
    fixed.touch()
    boots = len(count.read_text().splitlines())
    found = lab.kconfig("--resume", ends=False)
    assert found.status == 0, found.err
    assert found["folder"] == broken["folder"]
    assert found["kconfig"]["tried"][: len(before)] == before
    assert {name for name, state in states(found).items() if state == "needed"} == NEEDED
    new = found["kconfig"]["tried"][len(before) :]
    assert len(count.read_text().splitlines()) - boots == sum(len(one["trials"]) for one in new) + 2
    nothing = lab.kconfig("--resume", ends=False)
    assert nothing.status == 2
    assert "no unfinished" in nothing.err


def test_a_changed_scenario_is_not_gone_on_with(lab: Lab) -> None:
    (lab.top / "scenarios" / "toy" / "boot.sh").write_text("exit 3\n")
    assert lab.minimise().status == 3
    (lab.top / "scenarios" / "toy" / "boot.sh").write_text(BOOT)
    found = lab.kconfig("--resume", ends=False)
    assert found.status == 2
    assert "start over without --resume" in found.err


def test_a_crash_that_comes_sometimes_is_waited_for(lab: Lab) -> None:
    """Every third boot of a kernel that can crash does."""
    count = lab.top / "count"
    third = f"has CIPHER && echo >>{count} && [ $(($(wc -l <{count}) % 3)) -eq 0 ]; then"
    flaky = BOOT.replace("has CIPHER; then", third)
    assert flaky != BOOT
    (lab.top / "scenarios" / "toy" / "boot.sh").write_text(flaky)
    found = lab.minimise("--runs", "3")
    assert found.status == 0, found.err
    assert {name for name, state in states(found).items() if state == "needed"} == NEEDED
    assert max(len(one["trials"]) for one in found["kconfig"]["tried"]) == 3


def test_each_configuration_is_in_the_journal(done: tuple[Lab, Called]) -> None:
    lab, found = done
    with sqlite3.connect(lab.top / "results" / "index.sqlite") as database:
        rows = database.execute("SELECT data FROM events WHERE kind = 'configuration' ORDER BY id").fetchall()
    assert [json.loads(data) for (data,) in rows] == [
        {**one, "trials": json.loads(data)["trials"]}
        for one, (data,) in zip(found["kconfig"]["tried"], rows, strict=True)
    ]
    folder = Path(found["folder"])
    for one in found["kconfig"]["tried"]:
        assert (folder / one["folder"] / "fragment.config").read_text()
        assert (one["config"] is None) or (folder / one["folder"] / "config").exists()


GOOD_CONFIG = (
    "CONFIG_CONSOLE=y\nCONFIG_BUS=y\nCONFIG_DISK=y\nCONFIG_CORE=y\nCONFIG_SPARE=y\n# CONFIG_NOISE is not set\n"
)
BAD_CONFIG = GOOD_CONFIG.replace("CONFIG_SPARE=y\n", "") + "CONFIG_TARGET=y\nCONFIG_CIPHER=y\nCONFIG_UNUSED=y\n"


def write_sides(lab: Lab, good: str = GOOD_CONFIG, bad: str = BAD_CONFIG) -> tuple[str, str]:
    (lab.top / "good.config").write_text(good)
    (lab.top / "bad.gz").write_bytes(gzip.compress(bad.encode()))
    return str(lab.top / "good.config"), str(lab.top / "bad.gz")


def test_what_makes_the_difference_between_two_configurations(lab: Lab) -> None:
    found = lab.kconfig("--between", *write_sides(lab))
    assert found.status == 0, found.err
    assert found["status"] == "isolated"
    told = {one["name"]: one for one in found["kconfig"]["makes_the_difference"]}
    [asked] = [name for name, one in told.items() if one["asked"]]
    assert asked in ("TARGET", "CIPHER")
    assert found["kconfig"]["differences"] == 5
    rows = [(one["role"], one["commit"], one["verdict"]) for one in found["commits"]]
    assert rows == [(role, lab.bad, role) for role in ("good", "bad", "good", "bad")]
    folder = Path(found["folder"])
    sides = [(folder / name).read_text().splitlines() for name in ("does-not-show.config", "shows.config")]
    assert f"CONFIG_{asked}=y" in set(sides[1]) - set(sides[0])
    other = {"TARGET": "CIPHER", "CIPHER": "TARGET"}[asked]
    assert all(f"CONFIG_{other}=y" in side for side in sides)


def test_an_option_that_comes_with_another_is_told_apart(lab: Lab) -> None:
    bad = f"{GOOD_CONFIG}CONFIG_CIPHER=y\n"
    found = lab.kconfig("--between", *write_sides(lab, bad, f"{bad}CONFIG_TARGET=y\n"))
    assert found.status == 0, found.err
    told = {one["name"]: one["asked"] for one in found["kconfig"]["makes_the_difference"]}
    assert told in ({"TARGET": True, "LIB": False}, {"TARGET": True, "LIB": True})


@pytest.mark.parametrize(
    ("good", "bad", "status", "said"),
    [
        (GOOD_CONFIG, GOOD_CONFIG, "inconclusive", "are the same"),
        (GOOD_CONFIG, f"{GOOD_CONFIG}CONFIG_UNUSED=y\nCONFIG_CIPHER=y\n", "not reproduced", "the bad configuration"),
        (f"{BAD_CONFIG}CONFIG_SPARE=y\n", BAD_CONFIG, "not reproduced", "the good configuration"),
        (GOOD_CONFIG, f"{BAD_CONFIG}CONFIG_BROKEN=y\n", "inconclusive", "BROKEN does not build"),
    ],
)
def test_ends_that_are_not_as_they_should_be(lab: Lab, good: str, bad: str, status: str, said: str) -> None:
    found = lab.kconfig("--between", *write_sides(lab, good, bad))
    assert (found.status, found["status"]) == (1, status)
    assert said in found["reason"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--minimise", "--commit", "HEAD"), "name commits with --good and --bad"),
        (("--resume", "/nowhere"), "no such folder"),
        (("--resume",), "does not go with --resume"),
        ((), "go with --minimise"),
        (("--minimise", "--between", "a", "b"), "two searches"),
        (("--between", "/nowhere", "/nowhere"), "/nowhere: No such file"),
        (("--between", "/dev/null", "/dev/null"), "expected a kernel configuration"),
    ],
)
def test_wrong_usage_is_named(lab: Lab, more: tuple[str, ...], said: str) -> None:
    found = lab.kconfig(*more, ends=more[:2] != ("--resume", "/nowhere"))
    assert found.status == 2
    assert said in found.err


def test_a_scenario_with_its_own_build_has_none(lab: Lab) -> None:
    yaml = lab.top / "scenarios" / "toy" / "scenario.yaml"
    yaml.write_text(f"{yaml.read_text()}build: {{command: sh build.sh}}\n")
    found = lab.minimise()
    assert found.status == 2
    assert "built by its own command" in found.err
