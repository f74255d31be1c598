"""What hosts.yaml and a scenario say of a test machine."""

import re
from pathlib import Path

import pytest

from harness import hosts
from harness.catalog import load
from harness.errors import UserError
from harness.lab import Lab


def test_the_lab_part_of_hosts_yaml(tmp_path: Path) -> None:
    config = tmp_path / "hosts.yaml"
    config.write_text(
        "hosts:\n  board:\n    lab:\n      boot: grub\n      console: sh -c 'a b'\n      power: {cycle: pdu 3}\n"
        "      root: own\n      comes_back: 7min\n  builder: {}\n"
    )
    found = hosts.hosts(config)
    assert found["board"].lab == Lab("grub", ("sh", "-c", "a b"), None, ("pdu", "3"), True, (), 420.0)
    assert found["builder"].lab is None, "it is never rebooted"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{boot: lilo}", "lab.boot: expected one of kexec, grub, systemd-boot, got 'lilo'"),
        ("{power: pdu}", "lab.power: expected a mapping"),
        ("{power: {}}", "lab.power: expected {cycle: COMMAND}"),
        ('{console: "a \'b"}', "lab.console: not a command: No closing quotation"),
        ("{cosole: a}", "unknown key 'cosole'; did you mean 'console'?"),
    ],
)
def test_a_wrong_lab_part_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "hosts.yaml").write_text(f"hosts:\n  board:\n    lab: {text}\n")
    with pytest.raises(UserError, match=re.escape("hosts.yaml:3: hosts.board.")) as wrong:
        hosts.hosts(tmp_path / "hosts.yaml")
    assert said in str(wrong.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("machine: {ssh: board, command: x}\n", ":3: machine.ssh: expected either"),
        ("machine: {ssh: board}\ndisks: {image: {size: 32M}}\n", ":4: disks: a disk image is QEMU's"),
    ],
)
def test_what_a_test_machine_does_not_have(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "scenario.yaml").write_text(f"id: a\ntitle: b\n{text}")
    (tmp_path / "run.sh").write_text("pass x\n")
    with pytest.raises(UserError, match=re.escape(said)):
        load(tmp_path)
