from pathlib import Path

import pytest

from harness.errors import KernelError, UserError
from harness.kernel.config import (
    Fragment,
    Option,
    check,
    compose,
    describe,
    explain,
    losses,
    lost,
    merge,
    missing,
    parse_config,
    parse_fragment,
    read_fragment,
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
    (tmp_path / "c.config").write_bytes(b"CONFIG_A=y  # caf\xe9\n")
    with pytest.raises(UserError, match=r"c\.config: expected text in UTF-8"):
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
    final = "CONFIG_OFF=y\n"
    may = [Option("NEWER", "y", optional=True, place=""), Option("OFF", "n", optional=False, place="")]
    gone = losses(may, final, tmp_path)
    assert [str(one) for one in gone] == [
        "CONFIG_NEWER=y became n: this tree has no such option",
        "CONFIG_OFF=n became y: this tree has no such option",
    ]
    check(gone)
    with pytest.raises(KernelError, match="CONFIG_WANTED=y became n: depends on GONE; not set: GONE"):
        check(losses([*may, Option("WANTED", "y", optional=False, place="")], final, tmp_path))


def test_a_fragment_says_whether_any_guest_needs_it(tmp_path: Path) -> None:
    for name, text in (("a", "# minimise: keep\nCONFIG_A=y  # optional: since v5.1\n"), ("b", "CONFIG_A=n\n")):
        (tmp_path / f"{name}.config").write_text(text)
    kept, other = (read_fragment(tmp_path / f"{name}.config") for name in "ab")
    assert (kept.name, kept.keep, other.keep) == ("a", True, False)
    assert kept.options[0].why == "optional: since v5.1"
    assert merge([kept, other]) == list(other.options)


def test_what_each_fragment_brings() -> None:
    def fragment(name: str, text: str, *, keep: bool = False) -> Fragment:
        return Fragment(name, tuple(parse_fragment(text, f"{name}.config")), keep)

    first = fragment("first", "CONFIG_A=y  # why\n# CONFIG_B is not set\nCONFIG_C=y\n", keep=True)
    second = fragment("second", "CONFIG_A=y\nCONFIG_B=y\n")
    told = describe([first, second], "CONFIG_A=y\nCONFIG_B=y\nCONFIG_X=m\nCONFIG_Y=3\n", [])
    assert [(f["name"], f["keep"]) for f in told["fragments"]] == [("first", True), ("second", False)]
    [a, b, c] = told["fragments"][0]["options"]
    assert a == {"name": "A", "value": "y", "why": "why", "got": "y", "overridden_by": None, "again_in": "second"}
    assert (b["overridden_by"], b["got"], c["got"]) == ("second", "y", "n")
    assert {key: told[key] for key in ("asked", "asked_off", "on", "modules")} == {
        "asked": 3, "asked_off": 0, "on": 2, "modules": 1
    }  # fmt: skip
