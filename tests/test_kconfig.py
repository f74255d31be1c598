from pathlib import Path

import pytest

from harness.errors import KernelError, UserError
from harness.kernel.config import (
    Option,
    check,
    compose,
    explain,
    lost,
    missing,
    parse_config,
    parse_fragment,
    render,
)

KCONFIG = """\
menuconfig MD
	bool "Multiple devices driver support"
	depends on BLOCK
	select SRCU

config DM_CRYPT
	tristate "Crypt target support"
	depends on BLK_DEV_DM
	depends on (ENCRYPTED_KEYS || ENCRYPTED_KEYS=n)

config INNER
	bool
"""


def test_fragment_lines() -> None:
    options = parse_fragment(
        "# a comment\n\nCONFIG_A=y\nCONFIG_B=0x10  # why\nCONFIG_C=y  # optional: since v5.1\n"
        'CONFIG_D="a # b"\n# CONFIG_E is not set\n',
        "f.config",
    )
    assert [(o.name, o.value, o.optional) for o in options] == [
        ("A", "y", False),
        ("B", "0x10", False),
        ("C", "y", True),
        ("D", '"a # b"', False),
        ("E", "n", False),
    ]
    assert options[2].place == "f.config:5"
    assert render(options).splitlines()[-1] == "# CONFIG_E is not set"


@pytest.mark.parametrize("line", ["A=y", "CONFIG_A", "CONFIG_A =y", "obj-y += x"])
def test_a_line_that_is_no_option_is_named(line: str) -> None:
    with pytest.raises(UserError, match=r"f\.config:2: .*expected CONFIG_NAME=y"):
        parse_fragment(f"CONFIG_OK=y\n{line}\n", "f.config")


def test_the_last_fragment_counts(tmp_path: Path) -> None:
    (tmp_path / "a.config").write_text("CONFIG_A=y\nCONFIG_B=y\n")
    (tmp_path / "b.config").write_text("CONFIG_A=n\n")
    options = compose([tmp_path / "a.config", tmp_path / "b.config"])
    assert {o.name: o.value for o in options} == {"B": "y", "A": "n"}
    with pytest.raises(UserError, match="No such file"):
        compose([tmp_path / "c.config"])


def test_lost_options_say_what_was_missing() -> None:
    options = [Option(name, "y", optional=False, place="f:1") for name in ("MD", "DM_CRYPT", "INNER", "GONE")]
    config = parse_config("CONFIG_MD=y\n# CONFIG_DM_CRYPT is not set\nCONFIG_BLOCK=y\n")
    assert [o.name for o in missing(options, config)] == ["DM_CRYPT", "INNER", "GONE"]
    told = {one.option.name: str(one) for one in lost(options, config, [KCONFIG])}
    assert "depends on BLK_DEV_DM && (ENCRYPTED_KEYS" in told["DM_CRYPT"]
    assert "not set: BLK_DEV_DM" in told["DM_CRYPT"]
    assert "no such option" in told["GONE"]
    assert "above it is off" in told["INNER"]


def test_an_unset_wish_that_came_true_is_not_lost() -> None:
    assert missing([Option("E", "n", optional=False, place="")], {}) == []
    assert explain("MD", {}, [KCONFIG]).endswith("not set: BLOCK")


def test_a_kernel_without_what_it_needs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Kconfig").write_text("config WANTED\n\tdepends on GONE\n")
    final = tmp_path / ".config"
    final.write_text("CONFIG_OFF=y\n")
    may = [Option("NEWER", "y", optional=True, place=""), Option("OFF", "n", optional=False, place="")]
    assert [str(one) for one in check(may, final, tmp_path)] == [
        "CONFIG_NEWER=y became n: this tree has no such option",
        "CONFIG_OFF=n became y: this tree has no such option",
    ]
    with pytest.raises(KernelError, match="CONFIG_WANTED=y became n: depends on GONE; not set: GONE"):
        check([*may, Option("WANTED", "y", optional=False, place="")], final, tmp_path)
