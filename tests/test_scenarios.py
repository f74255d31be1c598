"""What scenarios say of themselves, the shipped ones, and `regress new`."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from harness import catalog
from harness.catalog import find, load
from harness.errors import UserError
from harness.model import PiDisk, Revision
from harness.paths import SCENARIOS

Regress = Callable[..., subprocess.CompletedProcess[str]]
HEAD = "id: x\ntitle: x\n"


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scenario.yaml").write_text(HEAD + text)
    (folder / "run.sh").write_text("pass\n")
    return folder


def test_a_variant_is_the_scenario_with_another_disk_and_more_words(tmp_path: Path) -> None:
    scenario = load(
        write(
            tmp_path,
            "disks: {pi: {size: 16M}, image: {size: 1G}}\nappend: [slab_nomerge]\n"
            "variants:\n  dif3: {pi: {dif: 3, guard: ip}}\n  more: {append: [scsi_debug.delay=1]}\n",
        )
    )
    assert scenario.image == 1024
    dif3, more = scenario.ways
    assert dif3.pi_disk == PiDisk(dif=3, size=16, guard="ip")
    assert dif3.words[-2:] == ("slab_nomerge", "VARIANT=dif3")
    assert more.pi_disk == PiDisk(size=16)
    assert more.append == ("slab_nomerge", "scsi_debug.delay=1")


def test_without_variants_there_is_one_way(tmp_path: Path) -> None:
    [way] = load(write(tmp_path, "disks: {pi: {}}\nappend: [quiet]\n")).ways
    assert (way.name, way.words) == ("", (*PiDisk().append, "quiet"))


def test_one_variant_by_name(tmp_path: Path) -> None:
    write(tmp_path / "x", "variants: {a: {}, b: {}}\n")
    assert [way.name for way in find("x:b", [tmp_path]).ways] == ["b"]
    with pytest.raises(UserError, match="x has no variant 'c'; known: a, b"):
        find("x:c", [tmp_path])
    with pytest.raises(UserError, match=r"lr-35498d has no variant 'a'; it has none"):
        find("lr#35498d:a")


def test_what_counts_as_bad(tmp_path: Path) -> None:
    def said(number: int, text: str) -> tuple[str | None, bool]:
        got = load(write(tmp_path / str(number), text))
        return str(got.expect) if got.expect else None, got.failure

    assert said(1, "") == (None, True)
    assert said(2, "expect: {crash: {kind: hang}}\n") == ("kind 'hang'", False)
    assert said(3, "expect: {crash: {any: true}, failure: true}\n") == ("any True", True)
    assert said(4, "expect: {failure: true}\n") == (None, True)


def test_good_commits_may_be_several_and_a_bad_one_need_not_be_known(tmp_path: Path) -> None:
    known = load(write(tmp_path, "commits: {t: {good: [a, {sha: b, subject: s}]}}\n")).commits["t"]
    assert (known.good, known.also_good, known.bad) == (Revision("a"), (Revision("b", "s"),), None)


def test_the_older_spelling_of_fixups_means_the_same(tmp_path: Path) -> None:
    entries = "[{since: a, pick: b, because: c}]\n"
    old, new = (load(write(tmp_path / key, f"{key}: {entries}")).fixups for key in ("mend", "fixups"))
    assert len(old) == 1
    assert old == new


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("claims: x\n", "3: unknown key 'claims'; did you mean 'claim'"),
        ("kernels: 4.12\n", "3: kernels: expected a range of versions such as '>=4.12'"),
        ("append: ['a b']\n", "3: append: expected one word of the kernel command line, got 'a b'"),
        ('append: ["a\'b"]\n', "expected one word"),
        ("disks: {pi: {dif: 4}}\n", "3: disks.pi.dif: expected one of 0, 1, 2, 3, got '4'"),
        ("disks: {pie: {}}\n", "3: disks: unknown key 'pie'; did you mean 'pi'"),
        ("disks: {image: {size: 64}}\n", "3: disks.image.size: expected a size such as 64M or 1G, got '64'"),
        ("variants:\n  a: {}\n  b/c: {}\n", "5: variants.b/c: expected a name"),
        ("variants: {a: {disk: {}}}\n", "3: variants.a: unknown key 'disk'"),
        ("expect: {}\n", "3: expect: expected `crash"),
        ("expect: {failure: perhaps}\n", "3: expect.failure: expected one of true, false, got 'perhaps'"),
        ("commits: {t: {bad: x}}\n", "3: commits.t: the good end is missing"),
        ("commits: {t: {good: []}}\n", "3: commits.t.good: expected at least one good commit"),
        ("replay: elsewhere\n", "3: replay: "),
    ],
)
def test_an_error_names_file_line_and_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        load(write(tmp_path, text))
    assert str(caught.value).startswith(f"{tmp_path}/scenario.yaml:")
    assert message in str(caught.value)


def claims() -> list[Path]:
    return sorted(scenario.folder for scenario in catalog.scenarios() if scenario.claim)


def test_each_claim_has_a_proof_that_it_can_fail() -> None:
    for folder in claims():
        proofs = yaml.safe_load((folder / "proof" / "expect.yaml").read_text())
        used = {proof["patch"] for proof in proofs if "patch" in proof}
        assert used == {path.name for path in (folder / "proof").glob("*.patch")}
        ways = {way.name for way in load(folder).ways}
        for proof in proofs:
            assert proof.keys() <= {"patch", "commit", "variant", "outcome", "reason"}
            assert proof.get("variant", "") in ways
            assert proof["outcome"] in ("failed", "crashed")


def test_the_scripts_of_the_claims() -> None:
    kconfigs = set()
    for folder in claims():
        script = (folder / "run.sh").read_text()
        assert script.splitlines()[1].startswith("# This test will "), folder
        # What it passes with is what it counted.
        assert all("$" in line for line in script.splitlines() if line.strip().startswith("pass ")), folder
        scenario = load(folder)
        assert scenario.kernels
        assert scenario.machine.timeouts.scenario <= 180
        kconfigs.add(scenario.kconfig)
    # One configuration, and so one build a commit.
    assert len(kconfigs) == 1


def test_a_new_scenario_is_whole(regress: Regress, tmp_path: Path) -> None:
    done = regress("new", "mine", "--scenarios", str(tmp_path / "own"))
    assert done.returncode == 0, done.stderr
    scenario = find("mine", [tmp_path / "own"])
    assert scenario.claim
    assert {scenario.kconfig} == {load(folder).kconfig for folder in claims()}
    assert scenario.replay == SCENARIOS / "lr-35498d" / "replay"
    checked = subprocess.run(
        ["shellcheck", "-x", str(scenario.folder / "run.sh")], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    assert f"--scenarios {tmp_path / 'own'}" in done.stdout


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lr-35498d", "is taken by"),
        ("lr#35498d", "expected a name"),
        ("../x", "expected a name"),
        ("-x", "expected a name"),
    ],
)
def test_a_name_that_will_not_do(regress: Regress, tmp_path: Path, name: str, message: str) -> None:
    done = regress("new", "--scenarios", str(tmp_path), "--", name)
    assert done.returncode == 2
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / "mine", "")
    assert regress("new", "mine", "--scenarios", str(tmp_path)).returncode == 2


def test_crashes_that_never_decide(tmp_path: Path) -> None:
    text = "ignore:\n  - {title: 'WARNING in early_*', because: each boot of that tree has it}\n"
    [one] = load(write(tmp_path / "a", text)).ignore
    assert (one.crash.title, one.because) == ("WARNING in early_*", "each boot of that tree has it")
    for wrong, said in (
        ("[{title: x}]", "'because' is missing"),
        ("[{because: x}]", "either `title: GLOB` or `signature: GLOB`"),
        ("[{title: x, becuse: y}]", "did you mean 'because'"),
    ):
        with pytest.raises(UserError, match=said):
            load(write(tmp_path / "b", f"ignore: {wrong}\n"))
